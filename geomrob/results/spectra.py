"""The frequencies of images, perturbations and kernels, and those a model listens to."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Distances
from geomrob.errors import unknown
from geomrob.results.provenance import Provenance, quantiles
from geomrob.results.result import Result


@dataclass(frozen=True, repr=False)
class Spectrum(Result):
    """The mean Fourier spectrum of N images, perturbations or kernels, its radial and its azimuthal profile.

    `values[k, l]` belongs to the frequencies `vertical[k]`, `horizontal[l]` in `unit`, zero in the middle. `kind` is
    power or amplitude; `order` is mean-of-modulus (mean over images of |F|) or modulus-of-mean (|F| of the mean image);
    `factor` is ortho or backward, `window` none or hann, `channels` average, sum, grey or a channel's number;
    `unit_norm` says whether each image was first divided by its l2 norm. `radial[r]` is the mean of `values` over the
    `counts[r]` bins whose radius rounds to r, `error[r]` its (jackknife) standard error over images, NaN for one image,
    and `rings[i, r]` the same mean for the spectrum of image i alone. `azimuthal[a]` is the mean over the
    `directions[a]` bins around `angles[a]` degrees. `left_out` counts failed attacks, and images of zeros where they
    cannot be scaled: they take no part.
    """

    of: str
    name: str
    data: str
    method: str
    kind: str
    order: str
    factor: str
    window: str
    channels: str
    unit_norm: bool
    unit: str
    values: Float[Tensor, "h w"]
    vertical: Float[Tensor, " h"]
    horizontal: Float[Tensor, " w"]
    radial: Float[Tensor, " r"]
    error: Float[Tensor, " r"]
    counts: Int64[Tensor, " r"]
    rings: Float[Tensor, "n r"]
    azimuthal: Float[Tensor, " a"]
    angles: Float[Tensor, " a"]
    directions: Int64[Tensor, " a"]
    left_out: int
    provenance: Provenance

    def quantiles(self, *q: float) -> Float[Tensor, "r q"]:
        """Return the quantiles over images of each ring's mean, linearly interpolated."""
        return quantiles(self.rings.T, q)

    @property
    def shares(self) -> Float[Tensor, " r"]:
        """Share of the sum of `values` that lies in each ring."""
        whole = self.radial * self.counts
        return whole / whole.sum()


@dataclass(frozen=True, repr=False)
class BandEnergy(Result):
    """How the energy of N perturbations is spread over R bands of one basis.

    `shares[r, i]` is the part of the squared l2 norm of perturbation i that lies in band r, `energy[i]` that norm.
    Bands may overlap, so shares need not sum to 1. `frequency` is each band's centre in cycles per image (NaN in a
    basis without frequencies). `left_out` counts failed attacks and perturbations of zero, which have no shares.
    """

    model: str
    data: str
    method: str
    basis: str
    bands: tuple[str, ...]
    frequency: Float[Tensor, " r"]
    dimensions: Int64[Tensor, " r"]
    shares: Float[Tensor, "r n"]
    energy: Distances
    left_out: int
    provenance: Provenance

    def quantiles(self, *q: float, of: str = "share") -> Float[Tensor, "r q"]:
        """Return each band's quantiles over images of the `share`, or of the `energy` (share times energy)."""
        values = {"share": self.shares, "energy": self.shares * self.energy}
        if of not in values:
            raise unknown("of", of, values)
        return quantiles(values[of], q)


@dataclass(frozen=True, repr=False)
class HeatMap(Result):
    """How often a model is right when its images are moved along one Fourier basis direction.

    `accuracy[k, l]` is the share of `images` images classified as labelled after a step of l2 length `epsilon` (all
    channels, [0, 1] pixel units) along the direction of the frequencies `vertical[k]`, `horizontal[l]` (cycles per
    image, zero in the middle), either sign by chance; `clean` that without a step. `radial[r]` is the mean over the
    `counts[r]` bins whose radius rounds to r. `bounded` says whether images were clipped to [0, 1].
    """

    model: str
    data: str
    epsilon: float
    bounded: bool
    images: int
    clean: float
    accuracy: Float[Tensor, "h w"]
    vertical: Float[Tensor, " h"]
    horizontal: Float[Tensor, " w"]
    radial: Float[Tensor, " r"]
    counts: Int64[Tensor, " r"]
    provenance: Provenance
