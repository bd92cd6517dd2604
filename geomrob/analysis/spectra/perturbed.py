"""Spectra of what an attack, a kind of noise or a corrupted file changes in images of a data set."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from geomrob.analysis.duration import evaluations_of
from geomrob.analysis.named_attacks import named_attack
from geomrob.analysis.spectra.band_energy import band_energy
from geomrob.analysis.spectra.mean_spectrum import Progress, provenance_of
from geomrob.analysis.spectra.spectra import corruption_spectrum, image_spectrum, perturbation_spectrum
from geomrob.arrays import Labels, Model
from geomrob.attacks.engine.run import check_strength
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.attacks.table import entry, names
from geomrob.data import DATASETS, load_data
from geomrob.data.arrays.array_files import SUFFIXES
from geomrob.data.arrays.npy_pairs import severities, severity_of
from geomrob.data.corruptions.precomputed import read_manifest
from geomrob.data.entry import Samples
from geomrob.errors import UsageError
from geomrob.files import user_path
from geomrob.inference import Prepared
from geomrob.randomness import checked_indices
from geomrob.results import AttackResult, BandEnergy, Spectrum
from geomrob.runs import Clock, Run, ranges, work
from geomrob.spectral.bases import basis
from geomrob.spectral.spectra import transform
from geomrob.spectral.subspaces import bands

Load = Callable[..., Samples]
"""Reads a data set by its name or path; `samples` and `seed` set another draw."""


def attack_spectrum(
    attack: str,
    model: Model,
    samples: Samples,
    *,
    images: Tensor,
    size: int | None = None,
    step: int | None = None,
    walk: Mapping[str, Any] = MappingProxyType({}),
    seed: int = 0,
    name: str = "model",
    progress: Progress | None = None,
    run: Run | None = None,
    **scaling: Any,
) -> tuple[Spectrum, BandEnergy]:
    """Return the spectrum of an attack's perturbations, and their energy in blocks of the DCT.

    Args:
        attack: Name of an attack; what it draws follows from the seed and each image's index.
        model: What is attacked.
        samples: The images with their facts.
        images: The same on the device of the model.
        size, step: Of the blocks, as in `geomrob.bands`.
        walk: Budget and smoothness of the boundary attack. Its proposals are white here (`smoothness` 0): smooth ones
            come nearer with few queries, and leave more energy at low frequencies than the boundary asks for.
        seed: Of the attack.
        name: How the results call the model.
        progress: Called with (images attacked, images in all).
        run: Folder that keeps finished parts of the attack, to resume from; the result is the same.
        scaling: As in `perturbation_spectrum`.

    Returns:
        Both with one provenance, that of the attack and of what is made of it.

    Raises:
        UsageError: As `perturbation_spectrum` and `geomrob.bands`.
    """
    clock, walk = Clock(seed=seed, device=images.device), {**WHITE, **walk}
    # A channel that is not there is reported before the minutes of the attack.
    transform(samples.images[:1], channels=scaling.get("channels", "average"))
    subspaces = bands("blocks", basis("dct", samples.images.shape[-2:]), size=size, step=step)
    keys = checked_indices(samples.indices, len(images))
    with Prepared(model, images, forward_only=attack in names("decision")) as ready:
        ready.check_deterministic()
        parts = work(
            run,
            f"{attack} of {name}",
            partial(attacked_part, ready, keys, attack=attack, seed=seed, walk=walk),
            ranges(len(images), max(LEAST, ready.block)),
            each=evaluations_of(attack)[0],
            progress=progress,
        )
    result = AttackResult.joined(parts, images.device)
    title = f"{attack} (smoothness {walk['smoothness']:g})" if entry(attack).takes("smoothness") else attack
    spectrum = perturbation_spectrum(result, name=name, data=samples.name, attack=title, **scaling)
    energy = band_energy(result, subspaces, name=name, data=samples.name, attack=title)
    whole = provenance_of(clock, [result])
    return replace(spectrum, provenance=whole), replace(energy, provenance=whole)


WHITE = {"smoothness": 0.0}
"""Of the boundary attack, where the spectrum of what it finds is measured."""

LEAST = 32
"""Images of a part where blocks are small."""


def attacked_part(
    ready: Prepared, keys: Labels, piece: slice, *, attack: str, seed: int, walk: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the result of an attack on some of the images, by field.

    Args:
        ready: The model, prepared for all images.
        keys: Position of each of all images in its source.
        piece: Which images.
        attack, seed, walk: As in `attack_spectrum`.
    """
    with ready:
        some = ready.rows(piece)
        result = named_attack(attack, seed=seed, indices=keys[piece], **walk)(some, some.images)
    return {field.name: getattr(result, field.name).cpu() for field in fields(AttackResult)}


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
    check_strength(strength, "strength", "0.1 is usual")
    if kind == "salt-pepper" and strength > 1:
        raise UsageError(f"strength must be a probability for salt-pepper; got {strength:g}: choose at most 1")
    changed = noisy(samples.images, kind=kind, epsilon=strength, seed=seed, indices=samples.indices)
    spectrum = corruption_spectrum(samples.images, changed, name=f"{kind} {strength:g}", data=samples.name, **scaling)
    return replace(spectrum, provenance=replace(spectrum.provenance, seed=seed))


def paired_spectrum(data: str, corrupted: Path, load: Load = load_data, **scaling: Any) -> Spectrum:
    """Return the spectrum of the difference between images and a file of the same images, corrupted, in the same order.

    Args:
        data: The originals: name or path of a data set.
        corrupted: A file of arrays. Of a `.npy` file of five severities (as in CIFAR-10-C, or of `geomrob corrupt`)
            each image is compared with its five versions, unless the path names one, as `fog.npy@3`.
        load: Reads either, drawing the same images of both.
        scaling: As in `image_spectrum`.

    Raises:
        UsageError: The files hold different numbers of images, or different labels.
    """
    parts = [load(str(path)) for path in severities(corrupted)]
    changed = parts[0]
    made = read_manifest(severity_of(corrupted)[0].parent) or {}
    if made.get("samples") is not None and made["data"] == data:
        # The set was made of a draw; its images are numbered in the order of that draw.
        whole = load(data, samples=made["samples"], seed=made["seed"])
        paired = len(whole) > int(changed.indices.max())
        original = whole.subset(changed.indices) if paired else whole
    else:
        original = load(data)
        entry = DATASETS.get(data)
        # The embedded images are numbered as in the set that they come from.
        paired = (entry is not None and entry.folder is None) or torch.equal(original.indices, changed.indices)
    if not paired or not torch.equal(original.labels, changed.labels):
        raise UsageError(
            f"corruption must hold the images of {data} in the same order; got other numbers or labels in {corrupted}: "
            "pair them"
        )
    images = original.images if len(parts) == 1 else torch.cat([original.images[:] for _ in parts])
    others = changed.images if len(parts) == 1 else torch.cat([part.images[:] for part in parts])
    if images.shape != others.shape:
        shapes = f"{tuple(others.shape[1:])} for {tuple(images.shape[1:])}"
        raise UsageError(f"corruption must hold images of the size of {data}; got {shapes}: pair them")
    return corruption_spectrum(images, others, name=corrupted.stem, data=Path(data).stem, **scaling)


def data_spectrum(
    data: str,
    load: Load = load_data,
    *,
    corruption: str | None = None,
    strength: float = 0.1,
    seed: int = 0,
    progress: Progress | None = None,
    run: Run | None = None,
    **scaling: Any,
) -> Spectrum:
    """Return the spectrum of the images of a data set, or of what a corruption changes in them.

    Args:
        data: Name or path of the data set.
        load: Reads a data set, drawing the same images of each.
        corruption: None for the images themselves; a kind of noise as in `noise_spectrum`, or a file of the corrupted
            images as in `paired_spectrum`.
        strength, seed: Of the noise.
        progress: Called with (images transformed, images in all).
        run: Folder that keeps finished parts, to resume from; the result is the same.
        scaling: As in `image_spectrum`.

    Raises:
        UsageError: As `noise_spectrum`, `paired_spectrum` and `image_spectrum`.

    Example:
        >>> data_spectrum("fashion-mnist-1k", lambda data: load_data(data, samples=2), corruption="uniform").name
        'uniform 0.1'
    """
    scaling |= {"progress": progress, "run": run}
    if corruption is not None and severity_of(Path(corruption))[0].suffix.lower() in SUFFIXES:
        return paired_spectrum(data, user_path(corruption, "corruption"), load, **scaling)
    samples = load(data)
    if corruption is not None:
        return noise_spectrum(corruption, samples, strength=strength, seed=seed, **scaling)
    return image_spectrum(samples.images, name=samples.name, data=samples.name, **scaling)
