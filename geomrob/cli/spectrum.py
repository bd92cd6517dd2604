"""`geomrob spectrum`: which spatial frequencies are in perturbations, images, corruptions, filters; the heat map."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import console, load, spectrum_report, write

if TYPE_CHECKING:
    import torch
    from torch import nn

    from geomrob.data.entry import Samples
    from geomrob.plot.spectra import Scale
    from geomrob.results import AttackResult, BandEnergy, HeatMap, Spectrum

ATTACKS = {
    "deepfool": "geomrob.attacks.minimal.deepfool:deepfool",
    "superdeepfool": "geomrob.attacks.minimal.superdeepfool:superdeepfool",
    "ddn": "geomrob.attacks.minimal.ddn:ddn",
    "tight": "geomrob.attacks.minimal.tight:tight",
    "sparsefool": "geomrob.attacks.minimal.sparsefool:sparsefool",
    "boundary": "geomrob.attacks.decision_based.boundary:boundary",
}


def spectrum(
    *,
    of: Literal["perturbations", "kernels", "model", "corruption", "images"] = "perturbations",
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: Path | None = None,
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    attack: Literal["deepfool", "superdeepfool", "ddn", "tight", "sparsefool", "boundary"] = "deepfool",
    corruption: str = "gaussian",
    strength: float = 0.1,
    epsilon: float = 2.0,
    alpha: tuple[float, ...] = (),
    box: int = 0,
    kind: Literal["power", "amplitude"] | None = None,
    order: Literal["mean-of-modulus", "modulus-of-mean"] = "mean-of-modulus",
    factor: Literal["ortho", "backward"] | None = None,
    window: Literal["none", "hann"] = "none",
    channels: str | None = None,
    unit_norm: bool = False,
    scale: Literal["log", "log1p", "linear"] | None = None,
    size: int | None = None,
    step: int | None = None,
    samples: int = 50,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    out: Path = Path("geomrob-spectrum"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Show which spatial frequencies are in perturbations, images, corruptions or filters, or fragile in a model.

    Writes spectrum.json with spectrum.npz (everything, for geomrob.load), spectrum.csv, spectrum.png (planes) and
    radial.png; of perturbations also energy.json with energy.npz, energy.csv and energy.png: their share in each band
    of the DCT. Of a model it is the accuracy after a step along each Fourier direction.

    Args:
        of: What to transform.
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        attack: What makes the perturbations.
        corruption: gaussian, uniform or salt-pepper noise, or an .npz file (x, y) with the corrupted images of an .npz
            file given as --data, in the same order.
        strength: Of that noise: standard deviation, half width or share of the elements.
        epsilon: Length of the step along a Fourier direction: l2, all channels, [0, 1] pixel units.
        alpha: Inhibition of the push-pull kernel that is made of the filters; repeat it to compare.
        box: Side of the average of its pull, 0 for none.
        kind: Square of the modulus or modulus; default power of perturbations and images, else amplitude.
        order: Mean over images of the modulus, or modulus of the mean image.
        factor: ortho keeps the energy, backward is the plain sum; default backward of kernels, else ortho.
        window: Taper of the borders.
        channels: average, sum, grey (their mean), or a number; default 0 of kernels, else average.
        unit_norm: Divide each image by its l2 norm first, so that each counts the same.
        scale: Of the colours; default linear of kernels, log1p of corruptions, else log.
        size: Side of a DCT block in coefficients, for the energy by band; the default follows the image size.
        step: Distance between blocks in coefficients.
        samples: How many images.
        seed: Of the drawn images and of everything random.
        device: auto, cpu or cuda.
        threads: CPU threads; default 1 for a small model, else all cores.
        out: Folder to write to.
        figure: Where to draw the planes instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.runs import writable

    how = _how(kind=kind, order=order, norm=factor, window=window, channels=_channels(channels), unit_norm=unit_norm)
    writable(out)
    picture = write.check_picture(figure or out / "spectrum.png")
    task = Task(of, model, weights, data, data_dir, samples, seed, console.resolve_device(device), threads, quiet=json)
    energies: list[BandEnergy] = []
    found: list[Spectrum] | list[HeatMap]
    if of == "perturbations":
        found, energies = _perturbations(task, attack, {"size": size, "step": step}, how)
    elif of == "model":
        found = _heat_maps(task, epsilon)
    elif of == "kernels":
        found = _kernels(task, alpha, box, how)
    else:
        found = _images(task, corruption, strength, how)
    files = spectrum_report.write_all(found, energies, out, picture, scale=scale or _scale(of))
    spectrum_report.tell(found, energies, files, as_json=json)
    return 3 if any(one.left_out for one in energies) else 0


@dataclass(frozen=True)
class Task:
    """What every kind of spectrum loads."""

    of: str
    model: tuple[str, ...]
    weights: Path | None
    data: str
    data_dir: Path | None
    samples: int
    seed: int
    device: "torch.device"
    threads: int | None
    quiet: bool

    def load(self) -> "tuple[dict[str, nn.Module], Samples]":
        """Return the models by name and the drawn images, which fit them."""
        networks, drawn = load.networks(self.model, self.weights, self.device), self.images()
        load.check_fit(networks, drawn, self.device)
        return networks, drawn

    def images(self) -> "Samples":
        """Return the drawn images."""
        return load.images(self.data, self.data_dir, self.samples, self.seed)

    def threads_for(self, network: "nn.Module", images: "torch.Tensor") -> None:
        """Set the CPU threads for a model."""
        console.set_threads(self.threads, network, images[:2])


def _perturbations(
    task: Task, attack: str, blocks: dict[str, int | None], how: dict[str, Any]
) -> "tuple[list[Spectrum], list[BandEnergy]]":
    """Return the spectrum and the energy by band of an attack's perturbations, for each model."""
    from geomrob.analysis.spectra.band_energy import band_energy
    from geomrob.analysis.spectra.spectra import perturbation_spectrum
    from geomrob.spectral.bases import basis
    from geomrob.spectral.spectra import transform
    from geomrob.spectral.subspaces import bands

    networks, drawn = task.load()
    # A channel that is not there is told before the attack's minutes.
    transform(drawn.images[:1], channels=how.get("channels", "average"))
    subspaces = bands("blocks", basis("dct", drawn.images.shape[-2:]), **blocks)
    spectra: list[Spectrum] = []
    energies: list[BandEnergy] = []
    for name, network in networks.items():
        found = _attack(task, attack, network, drawn)
        about: dict[str, Any] = {"name": name, "data": drawn.name, "method": attack}
        spectra.append(perturbation_spectrum(found, **about, **how))
        energies.append(band_energy(found, subspaces, **about))
    return spectra, energies


def _attack(task: Task, attack: str, network: "nn.Module", drawn: "Samples") -> "AttackResult":
    """Return what the attack of that name finds; what it draws follows from the seed and each image's index."""
    module, _, function = ATTACKS[attack].partition(":")
    call = getattr(import_module(module), function)
    images = drawn.images.to(task.device)
    task.threads_for(network, images)
    keyed = {"seed": task.seed, "indices": drawn.indices}
    taken = inspect.signature(call).parameters
    return call(network, images, **{name: value for name, value in keyed.items() if name in taken})


def _heat_maps(task: Task, epsilon: float) -> "list[HeatMap]":
    """Return the heat map of each model."""
    from geomrob.analysis.spectra.fourier_heat_map import heat_map

    networks, drawn = task.load()
    images = drawn.images.to(task.device)
    labels = drawn.labels.to(task.device)
    maps: list[HeatMap] = []
    about: dict[str, Any] = {"epsilon": epsilon, "indices": drawn.indices, "seed": task.seed, "data": drawn.name}
    for name, network in networks.items():
        task.threads_for(network, images)
        with console.progress(f"heat map of {name}", quiet=task.quiet) as progress:
            maps.append(heat_map(network, images, labels, name=name, progress=progress, **about))
    return maps


def _kernels(task: Task, alpha: tuple[float, ...], box: int, how: dict[str, Any]) -> "list[Spectrum]":
    """Return the spectrum of the first convolution of each model, and of the push-pull kernels made of it."""
    from geomrob.analysis.spectra.spectra import kernel_spectrum
    from geomrob.errors import UsageError

    if box and not alpha:
        raise UsageError(f"box must go with --alpha; got {box} without: it averages the pull")
    spectra: list[Spectrum] = []
    for name, network in load.networks(task.model, task.weights, task.device).items():
        weights = first_filters(name, network)
        strengths = alpha or (None,)
        spectra += [kernel_spectrum(weights, alpha=one, box=box, name=name, **how) for one in strengths]
    return spectra


def first_filters(name: str, network: "nn.Module") -> "torch.Tensor":
    """Return the filters (F, C, k, k) of the first convolution of a model, in the order of its modules."""
    from torch import nn

    from geomrob.errors import UsageError

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().double().cpu()
    raise UsageError(f"model must have a convolution; got {name} without: choose another")


def _images(task: Task, corruption: str, strength: float, how: dict[str, Any]) -> "list[Spectrum]":
    """Return the spectrum of the images, or of what a corruption changes in them."""
    from geomrob.analysis.spectra.spectra import corruption_spectrum, image_spectrum

    if task.of == "corruption" and Path(corruption).suffix == ".npz":
        return [_pair(task, Path(corruption), how)]
    drawn = task.images()
    if task.of == "images":
        return [image_spectrum(drawn.images, name=drawn.name, data=drawn.name, **how)]
    from geomrob.attacks.fixed_budget.noise import noisy

    changed = noisy(drawn.images, kind=corruption, epsilon=strength, seed=task.seed, indices=drawn.indices)
    return [corruption_spectrum(drawn.images, changed, name=f"{corruption} {strength:g}", data=drawn.name, **how)]


def _pair(task: Task, corrupted: Path, how: dict[str, Any]) -> "Spectrum":
    """Return the spectrum of the difference between two files of images in the same order; the draw is the same."""
    from geomrob.analysis.spectra.spectra import corruption_spectrum
    from geomrob.data import load_data
    from geomrob.errors import UsageError

    if Path(task.data).suffix != ".npz":
        raise UsageError(f"data must be the .npz file of the originals; got {task.data}: {corrupted} is paired with it")
    original, changed = task.images(), load_data(str(corrupted), samples=task.samples, seed=task.seed)
    if not bool((original.indices == changed.indices).all()):
        raise UsageError(f"corruption must hold as many images as {task.data}; got others in {corrupted}: pair them")
    name, data = corrupted.stem, Path(task.data).stem
    return corruption_spectrum(original.images, changed.images, name=name, data=data, **how)


def _how(**given: Any) -> dict[str, Any]:
    """Return what was given; what is None keeps the default of the kind of spectrum."""
    return {name: value for name, value in given.items() if value is not None}


def _channels(given: str | None) -> str | int | None:
    """Return the number of a channel as a number."""
    return int(given) if given is not None and given.isdecimal() else given


def _scale(of: str) -> "Scale":
    """Return the colour scale that suits what is shown."""
    return "linear" if of == "kernels" else "log1p" if of == "corruption" else "log"
