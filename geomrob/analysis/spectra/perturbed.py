"""Spectra of what an attack, a kind of noise or a corrupted file changes in images of a data set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from geomrob.analysis.named_attacks import named_attack
from geomrob.analysis.spectra.band_energy import band_energy
from geomrob.analysis.spectra.spectra import corruption_spectrum, perturbation_spectrum
from geomrob.arrays import Model
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.data import load_data
from geomrob.data.entry import Samples
from geomrob.errors import UsageError
from geomrob.results import BandEnergy, Spectrum
from geomrob.spectral.bases import basis
from geomrob.spectral.spectra import transform
from geomrob.spectral.subspaces import bands


def attack_spectrum(
    attack: str,
    model: Model,
    samples: Samples,
    *,
    images: Tensor,
    size: int | None = None,
    step: int | None = None,
    seed: int = 0,
    name: str = "model",
    **scaling: Any,
) -> tuple[Spectrum, BandEnergy]:
    """Return the spectrum of an attack's perturbations, and their energy in blocks of the DCT.

    Args:
        attack: Name of an attack; what it draws follows from the seed and each image's index.
        model: What is attacked.
        samples: The images with their facts.
        images: The same on the device of the model.
        size, step: Of the blocks, as in `geomrob.bands`.
        seed: Of the attack.
        name: How the results call the model.
        scaling: As in `perturbation_spectrum`.

    Raises:
        UsageError: As `perturbation_spectrum` and `geomrob.bands`.
    """
    # A channel that is not there is reported before the minutes of the attack.
    transform(samples.images[:1], channels=scaling.get("channels", "average"))
    subspaces = bands("blocks", basis("dct", samples.images.shape[-2:]), size=size, step=step)
    result = named_attack(attack, seed=seed, indices=samples.indices)(model, images)
    spectrum = perturbation_spectrum(result, name=name, data=samples.name, attack=attack, **scaling)
    return spectrum, band_energy(result, subspaces, name=name, data=samples.name, attack=attack)


def noise_spectrum(kind: str, samples: Samples, *, strength: float, seed: int = 0, **scaling: Any) -> Spectrum:
    """Return the spectrum of what noise changes in the images.

    Args:
        kind: gaussian, uniform or salt-pepper.
        samples: The images.
        strength: As in `noise`.
        seed: Of the noise.
        scaling: As in `image_spectrum`.

    Raises:
        UsageError: As `noise` and `image_spectrum`.
    """
    changed = noisy(samples.images, kind=kind, epsilon=strength, seed=seed, indices=samples.indices)
    return corruption_spectrum(samples.images, changed, name=f"{kind} {strength:g}", data=samples.name, **scaling)


def paired_spectrum(data: str, corrupted: Path, load: Callable[[str], Samples] = load_data, **scaling: Any) -> Spectrum:
    """Return the spectrum of the difference between two .npz files of images in the same order.

    Args:
        data: The file of the originals.
        corrupted: The file of the corrupted images.
        load: Reads a file, drawing the same images of both.
        scaling: As in `image_spectrum`.

    Raises:
        UsageError: `data` is no .npz file, or the files hold different numbers of images.
    """
    if Path(data).suffix != ".npz":
        raise UsageError(f"data must be the .npz file of the originals; got {data}: {corrupted} is paired with it")
    original, changed = load(data), load(str(corrupted))
    if not bool((original.indices == changed.indices).all()):
        raise UsageError(f"corruption must hold as many images as {data}; got others in {corrupted}: pair them")
    name, of = corrupted.stem, Path(data).stem
    return corruption_spectrum(original.images, changed.images, name=name, data=of, **scaling)
