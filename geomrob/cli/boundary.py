"""`geomrob boundary`: how near the decision boundary is for who sees decisions alone."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from geomrob.cli import boundary_report, console, load, write

if TYPE_CHECKING:
    import torch
    from torch import nn

    from geomrob.cli.boundary_report import Walks
    from geomrob.data.entry import Samples
    from geomrob.results import AttackResult

PEERS = {"foolbox-boundary": "boundary", "hop-skip-jump": "hop-skip-jump"}
"""How foolbox's attacks are called in `interop.foolbox.FOOLBOX`."""

LEAST = 200
"""Fewest queries in which an attack of foolbox finds its start and takes a step."""

HOP = 100
"""Questions of HopSkipJump's first estimate of a slope; the t-th takes sqrt(t) times as many."""


def boundary(
    *,
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: Path | None = None,
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    method: Literal["boundary", "foolbox-boundary", "hop-skip-jump"] = "boundary",
    budget: int = 5000,
    repeats: int = 1,
    samples: int = 50,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    out: Path = Path("geomrob-boundary"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Measure how far images are from the decision boundary for an attack that asks for decisions alone.

    Writes boundary.json with boundary.npz (the changed images and everything, for geomrob.load), one pair a model and
    repeat, boundary.csv (a line an image), summary.json (what --json prints) and boundary.png. The exit status is 3
    where some image has no start or was not fooled.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        method: Our walk along the boundary, foolbox's BoundaryAttack, or foolbox's HopSkipJump.
        budget: Most queries per image; foolbox's attacks take as many steps as they can about afford.
        repeats: How often it is done with other draws; the score is the mean over them.
        samples: How many images.
        seed: Of the drawn images and of everything random; the repeats take the seeds after it.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, where more only wait for each other, else all cores.
        memory: Budget in GiB for one batch of our walk; the default follows the device.
        out: Folder to write to.
        figure: Where to draw the distances instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.runs import Clock, writable

    room = console.check_resources(threads, memory)
    attack = _attack(method, budget, repeats, room)
    writable(out)
    picture = write.check_picture(figure or out / "boundary.png")
    place = console.resolve_device(device)
    networks, drawn = load.networks(model, weights, place), load.images(data, data_dir, samples, seed)
    load.check_fit(networks, drawn, place)
    clock = Clock(seed=seed, device=place)
    found: dict[str, list[AttackResult]] = {}
    for name, network in networks.items():
        console.set_threads(threads, network, drawn.images[:2].to(place))
        found[name] = _repeated(attack, name, network, drawn, place, range(seed, seed + repeats), quiet=json)
    every = [one for group in found.values() for one in group]
    spent = clock.provenance(
        forwards=sum(int(one.forwards.sum()) for one in every), backwards=sum(int(one.backwards.sum()) for one in every)
    )
    walks = boundary_report.Walks(found, drawn, method, budget, seed, spent)
    files = _write(walks, out, picture)
    boundary_report.tell(walks, files, as_json=json)
    return 0 if all(bool(one.success.all()) for one in every) else 3


def steps_within(method: str, budget: int) -> int:
    """Return how many steps an attack of foolbox takes with about so many queries.

    BoundaryAttack asks once a step, and again about every tenth whether the steps suit; its start takes about 100.
    HopSkipJump's step t asks about 100 sqrt(t) + 25 times.
    """
    if method == "foolbox-boundary":
        return max(1, int((budget - 100) / 1.05))
    left, steps = budget - 60.0, 0
    while left >= HOP * math.sqrt(steps + 1) + 25:
        steps += 1
        left -= HOP * math.sqrt(steps) + 25
    return steps


def _attack(method: str, budget: int, repeats: int, memory: int | None) -> "Callable[..., AttackResult]":
    """Return the attack as a function of model, images, their positions and a seed, refusing what it cannot do."""
    from geomrob.attacks.decision_based.boundary import boundary as walk
    from geomrob.errors import UsageError
    from geomrob.interop.foolbox_import import from_foolbox

    if repeats < 1:
        raise UsageError(f"repeats must be at least 1; got {repeats}: 1 is the default")
    least = 20 if method == "boundary" else LEAST
    if budget < least:
        raise UsageError(f"budget must be at least {least} queries for {method}; got {budget}: 5000 is usual")
    if method == "boundary":
        return lambda model, images, keys, seed: walk(
            model, images, budget=budget, seed=seed, indices=keys, memory=memory
        )
    if memory is not None:
        raise UsageError("memory must be left out with foolbox's attacks; got one: they take all images in one batch")
    peer = from_foolbox(PEERS[method], steps=steps_within(method, budget))
    return lambda model, images, _keys, seed: peer(model, images, seed=seed)


def _repeated(
    attack: "Callable[..., AttackResult]",
    name: str,
    network: "nn.Module",
    drawn: "Samples",
    place: "torch.device",
    seeds: range,
    *,
    quiet: bool,
) -> "list[AttackResult]":
    """Return what the attack finds with each seed."""
    found: list[AttackResult] = []
    with console.progress(f"boundary of {name}", quiet=quiet) as progress:
        for seed in seeds:
            found.append(attack(network, drawn.images.to(place), drawn.indices, seed))
            progress(len(found), len(seeds))
    return found


def _write(walks: "Walks", out: Path, picture: Path) -> list[Path]:
    """Return the files that now hold the results, their table and, where something was found, the picture."""
    from geomrob.files import write_atomic
    from geomrob.plot.decision_based import plot_boundary
    from geomrob.plot.style import blank
    from geomrob.results import save

    alone = len(walks.found) == 1 and walks.repeats == 1
    files: list[Path] = []
    for name, group in walks.found.items():
        for repeat, one in enumerate(group):
            end = "" if alone else f"-{write.slug(name)}-{walks.seed + repeat}"
            page = save(one, out / f"boundary{end}.json")
            files += [page, page.with_suffix(".npz")]
    files.append(write.write_rows(boundary_report.image_rows(walks), out / "boundary.csv"))
    if any(bool(one.success.any()) for group in walks.found.values() for one in group):
        drawing = blank()
        plot_boundary(walks.found, method=walks.told, data=walks.drawn.name, ax=drawing.add_subplot())
        files.append(write.write_picture(drawing, picture))
    files.append(out / "summary.json")
    write_atomic(files[-1], (boundary_report.to_json(walks, files) + "\n").encode())
    return files
