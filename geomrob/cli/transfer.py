"""`geomrob transfer`: do images that were made to fool one model fool another?"""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import console, load, transfer_report, write

if TYPE_CHECKING:
    from geomrob.data.entry import Samples
    from geomrob.results import AttackResult, TransferMatrix

BOX = (0.0, 1.0)

RADII = {2.0: 1.0, float("inf"): 0.1}
"""Strength of PGD and FGSM where none is given, for each norm: most images of a small network then change class."""


def transfer(
    *,
    model: tuple[str, ...] = (),
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    attack: Literal[
        "sparsefool", "deepfool", "superdeepfool", "tight", "ddn", "pgd", "fgsm", "boundary"
    ] = "sparsefool",
    epsilon: float | None = None,
    norm: float | None = None,
    samples: int = 50,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    out: Path = Path("geomrob-transfer"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Measure which share of the images made to fool one model fool each of the others; show and write the matrix.

    Writes transfer.json with transfer.npz (everything, for geomrob.load), transfer.csv and transfer.png. The exit
    status is 3 where the attack failed on some image of its own model; no other model counts as fooled by that image.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; twice or more. The default is the
            first two of the table that were trained for the data set, or, for data of your own, that take its images.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        attack: What makes the images, all within [0, 1].
        epsilon: With pgd or fgsm, largest change; default 0.1 of an element, or 1 of the l2 norm.
        norm: With pgd 2 or inf, the default; with deepfool 1, 2, the default, or inf.
        samples: How many images.
        seed: Of the drawn images and of everything random.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, where more only wait for each other, else all cores.
        memory: Budget in GiB for one batch; the default follows the device.
        out: Folder to write to.
        figure: Where to draw the matrix instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.transfer import transfer_matrix
    from geomrob.runs import writable

    room = console.check_resources(threads, memory)
    options, told = _options(attack, epsilon, norm)
    _check_several(model)
    writable(out)
    picture = write.check_picture(figure or out / "transfer.png")
    place = console.resolve_device(device)
    drawn = load.images(data, data_dir, samples, seed)
    names = model or _fitting(drawn)
    networks = load.networks(names, None, place)
    load.check_fit(networks, drawn, place)
    images = drawn.images.to(place)
    console.set_threads(threads, networks[names[0]], images[:2])
    options |= {"seed": seed, "indices": drawn.indices, "memory": room, "bounds": BOX}
    about: dict[str, Any] = {"method": told, "labels": drawn.labels.to(place), "data": drawn.name, "seed": seed}
    with console.progress(f"transfer of {attack}", quiet=json) as progress:
        found = transfer_matrix(networks, images, attack=_call(attack, options), progress=progress, **about)
    files = _write(found, out, picture)
    transfer_report.tell(found, files, as_json=json)
    return 0 if bool(found.found.all()) else 3


def _options(attack: str, epsilon: float | None, norm: float | None) -> tuple[dict[str, Any], str]:
    """Return the options of the attack and how it is called with them, refusing those that it does not have."""
    from geomrob.arrays import check_norm
    from geomrob.errors import UsageError

    if epsilon is not None and attack not in ("pgd", "fgsm"):
        raise UsageError(f"epsilon must go with pgd or fgsm; got {attack}: it looks for the smallest change")
    if epsilon is not None and not 0 < epsilon < float("inf"):
        raise UsageError(f"epsilon must be a finite number above 0; got {epsilon:g}: 0.1 is the default")
    if norm is not None and attack not in ("pgd", "deepfool"):
        raise UsageError(f"norm must go with pgd or deepfool; got {attack}: leave --norm out")
    if attack == "deepfool":
        how = {} if norm is None else {"norm": check_norm(norm)}
        return how, attack if norm is None else f"{attack} (l{norm:g})"
    if attack in ("fgsm", "pgd"):
        radius = float("inf") if norm is None else norm
        if radius not in RADII:
            raise UsageError(f"norm must be 2 or inf with pgd; got {radius:g}: leave --norm out for inf")
        strength = RADII[radius] if epsilon is None else epsilon
        how = {"epsilon": strength} | ({"norm": radius} if attack == "pgd" else {})
        return how, f"{attack} (l{radius:g}, epsilon {strength:g})"
    return {}, attack


def _check_several(names: tuple[str, ...]) -> None:
    """Refuse one model alone."""
    from geomrob.errors import UsageError

    if len(names) and len(set(names)) < 2:
        raise UsageError(f"model must be given for two models at least; got {names[0]} alone: add another --model")


def _fitting(drawn: "Samples") -> tuple[str, ...]:
    """Return the models of the table for the data set, refusing fewer than two."""
    from geomrob.errors import UsageError

    names = load.trained_for(drawn)[:2]
    if len(names) < 2:
        told = f"{names[0]} alone" if names else "none"
        raise UsageError(f"model must name two models for {drawn.name}; the table has {told} for it: name yours")
    return names


def _call(attack: str, options: dict[str, Any]) -> "Callable[..., AttackResult]":
    """Return the attack of that name with those of the options that it takes."""
    from geomrob.attacks import ATTACKS
    from geomrob.interop.foolbox_export import OURS

    call = ATTACKS[attack].attack if attack in ATTACKS else OURS[attack].attack
    taken = inspect.signature(call).parameters
    return partial(call, **{name: value for name, value in options.items() if name in taken})


def _write(found: "TransferMatrix", out: Path, picture: Path) -> list[Path]:
    """Return the files that now hold the matrix, its table and its picture."""
    from geomrob.plot.transfer import plot_transfer
    from geomrob.results import save

    drawing = plot_transfer(found).get_figure(root=True)
    assert drawing is not None
    page = save(found, out / "transfer.json")
    table = write.write_rows(transfer_report.rows(found), out / "transfer.csv")
    return [page, page.with_suffix(".npz"), table, write.write_picture(drawing, picture)]
