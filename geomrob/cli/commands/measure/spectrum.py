"""`geomrob spectrum`: which spatial frequencies are in perturbations, images, corruptions, filters; the heat map."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.analysis.named_attacks import MinimumNormAttack, walk_options
from geomrob.cli.answer import Answer
from geomrob.cli.console import progress as progress_bar
from geomrob.cli.console import resolve_device
from geomrob.cli.invocation import current_run
from geomrob.cli.loading import load_networks, load_samples
from geomrob.cli.options import Common, check_apply
from geomrob.cli.session import Progress, Session, libraries, places
from geomrob.cli.trainings import by_training, training_names

if TYPE_CHECKING:
    from geomrob.data.entry import Samples
    from geomrob.inference import Prepared
    from geomrob.plot.spectra import Scale
    from geomrob.results import BandEnergy, HeatMap, Spectrum

OTHERS = ("radial.png", "energy.png")

SCALES: "dict[str, Scale]" = {"kernels": "linear", "corruption": "log1p"}
"""Colours that suit what is shown, unless they are logarithmic."""

APPLY = {
    "attack": ("perturbations",),
    "budget": ("perturbations",),
    "smoothness": ("perturbations",),
    "corruption": ("corruption",),
    "strength": ("corruption",),
    "epsilon": ("model",),
    "alpha": ("kernels",),
    "box": ("kernels",),
    "size": ("perturbations",),
    "step": ("perturbations",),
    "transform": ("perturbations", "model", "images"),
}
"""The options that belong to some of what can be transformed."""


def spectrum(
    *,
    options: Common = Common(),
    of: Literal["perturbations", "kernels", "model", "corruption", "images"] = "perturbations",
    attack: MinimumNormAttack = "deepfool",
    budget: int | None = None,
    smoothness: float | None = None,
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
        budget: With --attack boundary, most queries per image; default 5000.
        smoothness: With --attack boundary, of its proposals: the default, 0, is white noise; 1 prefers low frequencies,
            comes nearer, and moves energy to them.
        corruption: gaussian, uniform or salt-pepper noise, or a file of arrays (.npz, .npy as `geomrob corrupt` writes
            it; fog.npy@3 is severity 3 alone) with the images of --data corrupted, in the same order.
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
    check_apply(spectrum, "of", [of], APPLY, {**locals(), "transform": options.transform})
    walk = walk_options(attack, budget=budget, smoothness=smoothness)
    libraries()
    from geomrob.analysis.spectra.filter_banks import first_filter_spectra
    from geomrob.analysis.spectra.fourier_heat_map import heat_map
    from geomrob.analysis.spectra.perturbed import attack_spectrum, data_spectrum
    from geomrob.plot.spectra import spectrum_figures

    plane_of = int(channels) if channels is not None and channels.isdecimal() else channels
    given = {"kind": kind, "order": order, "norm": norm, "window": window, "channels": plane_of, "unit_norm": unit_norm}
    scaling: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    out, figure = places("spectrum", options, others=OTHERS)
    seed = options.seed
    planes: list[Spectrum | HeatMap] = []
    energies: list[BandEnergy] = []
    trainings: dict[str, tuple[str, ...]] = {}
    if of in ("perturbations", "model"):
        session = Session.open("spectrum", options, others=OTHERS)
        images, samples, trainings = session.images, session.samples, session.trainings

        def measure(name: str, model: "Prepared", progress: Progress) -> "tuple[Spectrum | HeatMap, BandEnergy | None]":
            named: dict[str, Any] = {"seed": seed, "name": name, "progress": progress, "run": session.run}
            if of == "model":
                named |= {"indices": samples.indices, "data": samples.name, "epsilon": epsilon}
                return heat_map(model, images, session.labels, **named), None
            named |= {"size": size, "step": step, "walk": walk}
            return attack_spectrum(attack, model, samples, images=images, **named, **scaling)

        measured = session.measure("heat map" if of == "model" else "perturbations", measure)
        planes += [plane for plane, _ in measured]
        energies += [energy for _, energy in measured if energy is not None]
    elif of == "kernels":
        networks = load_networks(options.model, options.weights, resolve_device(options.device))
        trainings = training_names(networks, options.weights)
        for name, model in by_training(networks, trainings).items():
            planes += first_filter_spectra(model, alpha=alpha, box=box, name=name, **scaling)
    else:
        chosen = corruption if of == "corruption" else None
        settings: dict[str, Any] = {"corruption": chosen, "strength": strength, "seed": seed, **scaling}

        def load(data: str, **draw: Any) -> "Samples":
            return load_samples(replace(options, data=data, **draw), options.transform)

        with progress_bar(f"spectrum of {chosen or 'images'}") as progress:
            planes.append(data_spectrum(options.data, load, **settings, progress=progress, run=current_run()))
    answer = Answer("spectrum", out, [*planes, *energies], trainings=trainings)
    for results, name in ((planes, "spectrum"), (energies, "energy")):
        if results:
            answer.save(results, name)
            answer.csv([row for result in results for row in result.records()], name)
    drawings = spectrum_figures(planes, energies, scale=scale or SCALES.get(of, "log"))
    answer.picture(drawings.pop("spectrum"), figure)
    for name in OTHERS:
        answer.picture(drawings.get(Path(name).stem), out / name)
    return answer.finish(complete=not any(energy.left_out for energy in energies))
