"""Spectra of what an attack, a kind of noise or a corrupted file changes in images of a data set."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from geomrob.analysis.named_attacks import named_attack
from geomrob.analysis.spectra.band_energy import band_energy
from geomrob.analysis.spectra.mean_spectrum import provenance_of
from geomrob.analysis.spectra.spectra import corruption_spectrum, image_spectrum, perturbation_spectrum
from geomrob.arrays import Model
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.data import load_data
from geomrob.data.entry import Samples
from geomrob.errors import UsageError
from geomrob.results import BandEnergy, Spectrum
from geomrob.runs import Clock
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

    Returns:
        Both with one provenance, that of the attack and of what is made of it.

    Raises:
        UsageError: As `perturbation_spectrum` and `geomrob.bands`.
    """
    clock = Clock(seed=seed, device=images.device)
    # A channel that is not there is reported before the minutes of the attack.
    transform(samples.images[:1], channels=scaling.get("channels", "average"))
    subspaces = bands("blocks", basis("dct", samples.images.shape[-2:]), size=size, step=step)
    result = named_attack(attack, seed=seed, indices=samples.indices)(model, images)
    spectrum = perturbation_spectrum(result, name=name, data=samples.name, attack=attack, **scaling)
    energy = band_energy(result, subspaces, name=name, data=samples.name, attack=attack)
    whole = provenance_of(clock, [result])
    return replace(spectrum, provenance=whole), replace(energy, provenance=whole)


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
    spectrum = corruption_spectrum(samples.images, changed, name=f"{kind} {strength:g}", data=samples.name, **scaling)
    return replace(spectrum, provenance=replace(spectrum.provenance, seed=seed))


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


def data_spectrum(
    data: str,
    load: Callable[[str], Samples] = load_data,
    *,
    corruption: str | None = None,
    strength: float = 0.1,
    seed: int = 0,
    **scaling: Any,
) -> Spectrum:
    """Return the spectrum of the images of a data set, or of what a corruption changes in them.

    Args:
        data: Name or path of the data set.
        load: Reads a data set, drawing the same images of each.
        corruption: None for the images themselves; a kind of noise as in `noise_spectrum`, or an .npz file with the
            corrupted images of an .npz file as in `paired_spectrum`.
        strength, seed: Of the noise.
        scaling: As in `image_spectrum`.

    Raises:
        UsageError: As `noise_spectrum`, `paired_spectrum` and `image_spectrum`.

    Example:
        >>> data_spectrum("fashion-mnist-1k", lambda data: load_data(data, samples=2), corruption="uniform").name
        'uniform 0.1'
    """
    if corruption is not None and Path(corruption).suffix == ".npz":
        return paired_spectrum(data, Path(corruption), load, **scaling)
    samples = load(data)
    if corruption is not None:
        return noise_spectrum(corruption, samples, strength=strength, seed=seed, **scaling)
    return image_spectrum(samples.images, name=samples.name, data=samples.name, **scaling)
