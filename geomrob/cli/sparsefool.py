"""`geomrob sparsefool`: how few pixels of each image change the decision."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli import console, load, sparse_report, sparse_write, write

if TYPE_CHECKING:
    import torch
    from torch import nn

    from geomrob.data.entry import Samples
    from geomrob.results import Sparsity

LEVEL = 1 / 255
SEEDS = 2**63


def sparsefool(
    *,
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: Path | None = None,
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    samples: int = 50,
    lam: float = 3.0,
    radius: float | None = None,
    target: str | None = None,
    steps: int = 50,
    prune: bool = False,
    budget: int | None = None,
    uint8: bool = False,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    out: Path = Path("geomrob-sparsefool"),
    gallery: Path | None = None,
    json: bool = False,
) -> int:
    """Change as few pixels of each image as it takes for another decision; show and write them.

    Writes sparsefool.json with sparsefool.npz (everything, for geomrob.load), sparsefool.csv (a line an image),
    adversarial.npz (the changed images exactly; --data takes it), images/ (as 8-bit PNG, those that still change the
    decision so; those of an earlier run are removed) and gallery.png.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        samples: How many images.
        lam: How many times further than the boundary a step aims, at least 1; more is quicker and changes more pixels.
        radius: Largest change of an element, in levels of 1/255 (25, say); the default is no limit but [0, 1].
        target: Class to reach, by number or name; images that are seen as it already are left out.
        steps: Most steps per image.
        prune: Spend more evaluations on fewer pixels.
        budget: With --prune, most forward and backward evaluations together per image; default 150.
        uint8: Round the changed images to 8 bits, ask again, and count and write those.
        seed: Of the drawn images and of the random pixels they are compared with.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, where more only wait for each other, else all cores.
        memory: Budget in GiB for one batch; the default follows the device.
        out: Folder to write to.
        gallery: Where to draw the gallery instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.sparsity import exported, sparsity
    from geomrob.runs import writable

    _check(radius, prune, budget, seed)
    how = _options(lam, radius, steps, prune, budget)
    memory_bytes = console.check_resources(threads, memory)
    writable(out)
    picture = write.check_picture(gallery or out / "gallery.png", option="gallery")
    place = console.resolve_device(device)
    networks = load.networks(model, weights, place)
    drawn = load.images(data, data_dir, samples, seed)
    load.check_fit(networks, drawn, place)
    found: list[Sparsity] = []
    stored: list[Sparsity] = []
    for name, network in networks.items():
        console.set_threads(threads, network, drawn.images[:2].to(place))
        kept, targets = _aimed(name, network, drawn, target, place)
        about: dict[str, Any] = {"labels": kept.labels, "indices": kept.indices, "classes": kept.classes}
        about |= {"name": name, "data": kept.name, "seed": seed, "targets": targets}
        about["memory_bytes"] = memory_bytes
        with console.progress(f"SparseFool on {name}", quiet=json) as progress:
            result = sparsity(network, kept.images.to(place), progress=progress, **about, **how)
        stored.append(exported(network, result, targets=targets))
        found.append(stored[-1] if uint8 else result)
    files = [*sparse_write.write_all(found, stored, out), *sparse_write.write_galleries(found, picture)]
    sparse_report.tell(found, files, target=target, uint8=uint8, as_json=json)
    return 0 if all(bool(one.attack.success.all()) for one in found) else 3


def _options(lam: float, radius: float | None, steps: int, prune: bool, budget: int | None) -> dict[str, Any]:
    """Return the options of the attack; levels become shares of the range of an element."""
    how: dict[str, Any] = {"lam": lam, "steps": steps, "prune": prune}
    if radius is not None:
        how["radius"] = radius * LEVEL
    if budget is not None:
        how["budget"] = budget
    return how


def _check(radius: float | None, prune: bool, budget: int | None, seed: int) -> None:
    """Refuse what the library would refuse in other units or not at all, before anything is loaded or written."""
    from geomrob.errors import UsageError

    if radius is not None and not radius > 0:
        raise UsageError(f"radius must be above 0 levels of 1/255; got {radius:g}: leave --radius out for no limit")
    if budget is not None and not prune:
        raise UsageError(f"budget must go with --prune; got --budget {budget} alone: add --prune or leave it out")
    if not 0 <= seed < SEEDS:
        raise UsageError(f"seed must be from 0 to 2**63 - 1; got {seed}: 0 is the default")


def _aimed(
    name: str, network: "nn.Module", drawn: "Samples", target: str | None, device: "torch.device"
) -> "tuple[Samples, torch.Tensor | None]":
    """Return the images that are not seen as the target yet, and the target of each; all and None without one."""
    import torch

    from geomrob.errors import UsageError
    from geomrob.inference import Prepared

    if target is None:
        return drawn, None
    images = drawn.images.to(device)
    logits = Prepared(network, images).clean
    wanted = _class_number(target, drawn.classes, logits.shape[1])
    away = (logits.argmax(1) != wanted).cpu()
    if not bool(away.any()):
        raise UsageError(f"target must differ from the current class; {name} sees all images as {target}: name another")
    if not bool(away.all()):
        sys.stderr.write(f"note: left out {int((~away).sum())} images that {name} sees as {target} already\n")
    kept = drawn.subset(away.nonzero().squeeze(1))
    return kept, torch.full((len(kept),), wanted, device=device)


def _class_number(target: str, classes: tuple[str, ...], count: int) -> int:
    """Return the class of that number or name."""
    from geomrob.errors import UsageError, unknown

    if target in classes:
        number = classes.index(target)
    elif target.isascii() and target.isdigit():
        number = int(target)
    else:
        raise unknown("target", target, classes)
    if number >= count:
        raise UsageError(f"target must be a class from 0 to {count - 1}; got {target}: the model has no more")
    return number
