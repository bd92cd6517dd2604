"""`geomrob spectrum`: which spatial frequencies are in perturbations, images, corruptions, filters; the heat map."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.analysis.named_attacks import MinimumNormAttack
from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session, libraries, load_networks, load_samples, places
from geomrob.errors import UsageError

if TYPE_CHECKING:
    from geomrob.plot.spectra import Scale
    from geomrob.results import BandEnergy, HeatMap, Spectrum

SCALES: "dict[str, Scale]" = {"kernels": "linear", "corruption": "log1p"}
"""Colours that suit what is shown, unless they are logarithmic."""


def spectrum(
    *,
    options: Common = Common(),
    of: Literal["perturbations", "kernels", "model", "corruption", "images"] = "perturbations",
    attack: MinimumNormAttack = "deepfool",
    corruption: str = "gaussian",
    strength: float = 0.1,
    epsilon: float = 2.0,
    alpha: tuple[float, ...] = (),
    box: int = 0,
    kind: Literal["power", "amplitude"] | None = None,
    order: Literal["mean-of-modulus", "modulus-of-mean"] = "mean-of-modulus",
    norm: Literal["ortho", "backward"] | None = None,
    window: Literal["none", "hann"] = "none",
    channels: str | None = None,
    unit_norm: bool = False,
    scale: Literal["log", "log1p", "linear"] | None = None,
    size: int | None = None,
    step: int | None = None,
) -> int:
    """Show which spatial frequencies are in perturbations, images, corruptions or filters, or fragile in a model.

    Writes spectrum.json with spectrum.npz (everything, for geomrob.load), spectrum.csv, spectrum.png (planes) and
    radial.png; of perturbations also energy.json with energy.npz, energy.csv and energy.png: their share in each band
    of the DCT. Of a model it is the accuracy after a step along each Fourier direction.

    Args:
        of: What to transform.
        attack: What makes the perturbations.
        corruption: gaussian, uniform or salt-pepper noise, or an .npz file (x, y) with the corrupted images of an .npz
            file given as --data, in the same order.
        strength: Of that noise: standard deviation, half width or share of the elements.
        epsilon: Length of the step along a Fourier direction: l2, all channels, [0, 1] pixel units.
        alpha: Inhibition of the push-pull kernel that is made of the filters; repeat it to compare.
        box: Side of the average of its pull, 0 for none.
        kind: Square of the modulus or modulus; default power of perturbations and images, else amplitude.
        order: Mean over images of the modulus, or modulus of the mean image.
        norm: Scaling of the transform: ortho keeps the energy, backward is the plain sum; default backward of kernels,
            else ortho.
        window: Taper of the borders.
        channels: average, sum, grey (their mean), or a number; default 0 of kernels, else average.
        unit_norm: Divide each image by its l2 norm first, so that each counts the same.
        scale: Of the colours; default linear of kernels, log1p of corruptions, else log.
        size: Side of a DCT block in coefficients, for the energy by band; the default follows the image size.
        step: Distance between blocks in coefficients.
    """
    libraries()
    if box and not alpha:
        raise UsageError(f"box must go with --alpha; got {box} without: it averages the pull")
    chosen = int(channels) if channels is not None and channels.isdecimal() else channels
    given = {"kind": kind, "order": order, "norm": norm, "window": window, "channels": chosen, "unit_norm": unit_norm}
    scaling: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    out, figure = places("spectrum", options)
    from geomrob.plot.spectra import spectrum_figures

    planes: list[Spectrum] | list[HeatMap]
    energies: list[BandEnergy] = []
    if of == "perturbations":
        planes, energies = _perturbations(options, attack, size, step, scaling)
    elif of == "model":
        planes = _heat_maps(options, epsilon)
    elif of == "kernels":
        planes = _kernels(options, alpha, box, scaling)
    else:
        planes = [_images(options, of, corruption, strength, scaling)]
    answer = Answer("spectrum", out, [*planes, *energies], as_json=options.json)
    for results, name in ((planes, "spectrum"), (energies, "energy")):
        if results:
            answer.save(results, name)
            answer.csv([row for result in results for row in result.records()], name)
    for name, drawing in spectrum_figures(planes, energies, scale=scale or SCALES.get(of, "log")).items():
        answer.picture(drawing, figure if name == "spectrum" else out / f"{name}.png")
    return answer.finish(complete=not any(energy.left_out for energy in energies))


def _perturbations(
    options: Common, attack: str, size: int | None, step: int | None, scaling: dict[str, Any]
) -> "tuple[list[Spectrum], list[BandEnergy]]":
    session = Session.open("spectrum", options)
    from geomrob.analysis.spectra.perturbed import attack_spectrum

    sizes: dict[str, Any] = {"size": size, "step": step, "seed": options.seed, "images": session.images}
    pairs = [
        attack_spectrum(attack, model, session.samples, name=name, **sizes, **scaling)
        for name, model, _ in session.each("perturbations")
    ]
    return [spectrum for spectrum, _ in pairs], [energy for _, energy in pairs]


def _heat_maps(options: Common, epsilon: float) -> "list[HeatMap]":
    session = Session.open("spectrum", options)
    from geomrob.analysis.spectra.fourier_heat_map import heat_map

    return [
        heat_map(
            model,
            session.images,
            session.labels,
            epsilon=epsilon,
            indices=session.samples.indices,
            seed=options.seed,
            name=name,
            data=session.samples.name,
            progress=progress,
        )
        for name, model, progress in session.each("heat map")
    ]


def _kernels(options: Common, alpha: tuple[float, ...], box: int, scaling: dict[str, Any]) -> "list[Spectrum]":
    from geomrob.analysis.spectra.filter_banks import first_filters
    from geomrob.analysis.spectra.spectra import kernel_spectrum
    from geomrob.cli.console import resolve_device

    networks = load_networks(options.model, options.weights, resolve_device(options.device))
    return [
        kernel_spectrum(first_filters(name, network), alpha=strength, box=box, name=name, **scaling)
        for name, (network,) in networks.items()
        for strength in alpha or (None,)
    ]


def _images(options: Common, of: str, corruption: str, strength: float, scaling: dict[str, Any]) -> "Spectrum":
    from geomrob.analysis.spectra.perturbed import noise_spectrum, paired_spectrum
    from geomrob.analysis.spectra.spectra import image_spectrum

    if of == "corruption" and Path(corruption).suffix == ".npz":

        def load(file: str) -> Any:
            return load_samples(dataclasses.replace(options, data=file))

        return paired_spectrum(options.data, Path(corruption), load, **scaling)
    samples = load_samples(options)
    if of == "images":
        return image_spectrum(samples.images, name=samples.name, data=samples.name, **scaling)
    return noise_spectrum(corruption, samples, strength=strength, seed=options.seed, **scaling)
