"""The bands of a basis for the images of a data set: what margins are measured in."""

from pathlib import Path

from geomrob.data import load_data
from geomrob.data.entry import Samples
from geomrob.spectral.bases import BASES
from geomrob.spectral.bases import basis as make_basis
from geomrob.spectral.subspaces import Subspace
from geomrob.spectral.subspaces import bands as make_bands

BASIS_FILES = (".npz", ".npy", ".safetensors")


def margin_bands(
    samples: Samples,
    basis: str = "dct",
    bands: str = "blocks",
    *,
    size: int | None = None,
    step: int | None = None,
    count: int | None = None,
    data_dir: Path | None = None,
    seed: int = 0,
) -> list[Subspace]:
    """Return the bands of a basis for images of a data set.

    Args:
        samples: Images of the size that the bands are made for; `pca` is fitted on all images of their data set.
        basis: dct, pixel, haar, fourier, random, pca, or the path of a file with a basis, .npz, .npy or .safetensors.
        bands, size, step, count: As in `geomrob.bands`.
        data_dir: Folder of the full data sets.
        seed: Of the random basis.

    Raises:
        UsageError: As `geomrob.basis` and `geomrob.bands`.

    Example:
        >>> from geomrob.data import load_data
        >>> len(margin_bands(load_data("fashion-mnist-1k", samples=1)))
        21
    """
    shape = samples.images.shape[-2:]
    if basis not in BASES and Path(basis).suffix in BASIS_FILES:
        return make_bands(bands, make_basis("custom", shape, file=Path(basis)), size=size, step=step, count=count)
    fitted_on = load_data(samples.name, data_dir=data_dir).images if basis == "pca" else None
    vectors = make_basis(basis, shape, seed=seed, images=fitted_on)
    return make_bands(bands, vectors, size=size, step=step, count=count)
