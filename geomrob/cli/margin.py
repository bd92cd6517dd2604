"""`geomrob margin`: how far the decision boundary is in each band of a basis."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import console, load, report, write

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure
    from torch import nn

    from geomrob.data.entry import Samples
    from geomrob.results import MarginCurve
    from geomrob.spectral.bases import Basis
    from geomrob.spectral.subspaces import Subspace

EXAMPLES = 3
FILES = (".npz", ".npy", ".safetensors")


def margin(
    *,
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: Path | None = None,
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    transform: str | None = None,
    basis: str = "dct",
    bands: Literal["blocks", "diagonal", "grid", "rings"] = "blocks",
    size: int | None = None,
    step: int | None = None,
    count: int | None = None,
    method: Literal["deepfool", "superdeepfool", "ddn", "tight"] = "tight",
    samples: int = 50,
    budget: int | None = None,
    norm: float = 2,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    out: Path = Path("geomrob-margin"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Measure how far images are from the decision boundary in each band of a basis; show and write the margins.

    Writes margin.json with margin.npz (everything, for geomrob.load), margin.csv, margin.png and, for norm 2
    and images that are not transformed, examples.png.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        transform: Edit of the images: flip, gray, lowpass:SIZE, highpass:SIZE, bandstop:START:STOP; several with +.
        basis: dct, pixel, haar, fourier, random, pca, or the path of a file with a basis of your own.
        bands: Which sets of basis vectors to measure: blocks along the diagonal, only their diagonal, all blocks (a
            map), or rings of equal frequency.
        size: Side of a block in coefficients; the default follows the image size.
        step: Distance between blocks in coefficients.
        count: Number of rings.
        method: Search for the boundary; deepfool is the cheapest, tight the closest.
        samples: How many images.
        budget: Backward evaluations that the tight method spends on an image and band; default 60, 200 is closer.
        norm: Norm of the distance, 1, 2 or inf.
        seed: Of the drawn images and of everything random.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, where more only wait for each other, else all cores.
        memory: Budget in GiB for one batch; the default follows the device.
        out: Folder to write to.
        figure: Where to draw the margins instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.margins import margin_curve
    from geomrob.runs import writable
    from geomrob.spectral.subspaces import bands as make_bands

    _check(method, budget, norm)
    bytes_at_once = console.check_resources(threads, memory)
    writable(out)
    picture = write.check_picture(figure or out / "margin.png")
    place = console.resolve_device(device)
    networks = load.networks(model, weights, place)
    drawn = load.images(data, data_dir, samples, seed, transform)
    load.check_fit(networks, drawn, place)
    subspaces = make_bands(bands, _basis(basis, drawn, data_dir, seed), size=size, step=step, count=count)
    about: dict[str, Any] = {"data": drawn.name, "labels": drawn.labels, "indices": drawn.indices, "band_kind": bands}
    how: dict[str, Any] = {"subspaces": subspaces, "method": method, "norm": norm, "seed": seed}
    boxed = load.boxed(drawn, transform)
    how |= {"memory_bytes": bytes_at_once, "allowed": (0.0, 1.0) if boxed else None}
    if budget is not None:
        how["budget"] = budget
    curves: list[MarginCurve] = []
    for name, network in networks.items():
        console.set_threads(threads, network, drawn.images[:2].to(place))
        with console.progress(f"margins of {name}", quiet=json) as progress:
            curves.append(margin_curve(network, drawn.images.to(place), name=name, progress=progress, **about, **how))
    files = write.write_curves(curves, out)
    if any(bool(curve.reached.any()) for curve in curves):
        files.append(write.write_picture(write.margin_figure(curves), picture))
    if norm == 2 and boxed:
        examples = _examples(networks[model[0]], drawn, subspaces, method, place)
        files.append(write.write_picture(examples, out / "examples.png"))
    report.tell(curves, files, as_json=json)
    return 0 if all(bool((curve.reached == 1).all()) for curve in curves) else 3


def _check(method: str, budget: int | None, norm: float) -> None:
    """Refuse options that the method does not have, before anything is loaded or written."""
    from geomrob.arrays import check_norm
    from geomrob.errors import UsageError

    check_norm(norm)
    if budget is not None and method != "tight":
        raise UsageError(f"budget must go with --method tight; got --method {method}: leave --budget out")


def _examples(
    network: "nn.Module", drawn: "Samples", subspaces: "Sequence[Subspace]", method: str, device: "torch.device"
) -> "Figure":
    """Return the picture of the first images, changed inside the lowest, the middle and the highest band."""
    import torch

    from geomrob.attacks import ATTACKS
    from geomrob.plot.band_examples import plot_band_examples

    images = drawn.images[:EXAMPLES].to(device)
    chosen = [subspaces[i] for i in sorted({0, len(subspaces) // 2, len(subspaces) - 1})]
    results = [ATTACKS[method].attack(network, images, subspace=band) for band in chosen]
    with torch.no_grad():
        after = [torch.where(r.success, network(r.perturbed).argmax(1), -1).cpu() for r in results]
    return plot_band_examples(
        images.cpu(),
        torch.stack([result.perturbed.cpu() for result in results]),
        bands=[_told(band) for band in chosen],
        before=results[0].labels.cpu(),
        after=torch.stack(after),
        classes=drawn.classes,
    )


def _told(band: "Subspace") -> str:
    """Return what a band is called in a picture: its frequency where it has one."""
    return band.name if math.isnan(band.frequency) else f"{band.frequency:.3g} cycles/image"


def _basis(name: str, drawn: "Samples", data_dir: Path | None, seed: int) -> "Basis":
    """Return the basis of that name, or the one in that file; `pca` is fitted on all images of the data set."""
    from geomrob.data import load_data
    from geomrob.spectral.bases import BASES, basis

    shape = drawn.images.shape[-2:]
    if name not in BASES and Path(name).suffix in FILES:
        return basis("custom", shape, file=Path(name))
    fitted_on = load_data(drawn.name, data_dir=data_dir).images if name == "pca" else None
    return basis(name, shape, seed=seed, images=fitted_on)
