"""Claims of docs/benchmarks.md on sparse perturbations: peers, what pruning costs, speed against per-image loops.

    python -m experiments.sparsefool_benchmarks [peers|curve|speed|counts|all] [--model NAME] [--weights FILE]
                                                [--data-dir DATA] [--tag TAG] [--released DIR] [--keep-peers]
                                                [--scale smoke|cpu]

Defaults to the embedded LeNet and images. With --data-dir, images are the first of the Fashion-MNIST test set that the
model classifies correctly. One thread, one run; ratios and evaluation counts are what to quote. Parts that are not
measured are kept as they are in the file. The picture is that of `curve`. --released adds the authors' code to `speed`:
a folder with sparsefool.py, deepfool.py, linear_solver.py and utils.py of github.com/LTS4/SparseFool, which is run as
it is. `counts`, which is no part of `all`, compares pixels and elements with the peers for one model, on images drawn
from the test set, and adds it to those in the file. One core: speed 1 minute, peers 2, curve 4, counts 2 to 10.
"""

import argparse
import importlib
import itertools
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import geomrob
from experiments.harness import DATA_DIR, Experiment, Page, Row, read, run, stroke
from experiments.measures import evaluation_cost, first_correct
from experiments.peers import SPARSE_PEERS, run_peer
from geomrob.attacks.engine.sparse_projection import to_hyperplane
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.data import Samples
from geomrob.errors import UsageError
from geomrob.interop.counted import Counted
from geomrob.plot.style import INK, blank, figure_headline, tidy

SETS = 3
SCALES = {
    "smoke": {"set": 8, "loop": 2, "rounds": 1, "budgets": 3, "counted": 4},
    "cpu": {"set": 256, "loop": 32, "rounds": 5, "budgets": 9, "counted": 32},
}
BUDGETS = (30, 40, 60, 80, 100, 150, 200, 300, 400)
COUNTED = (200, 400)
ON_CURVE = (
    "adv-lib sigma-zero, 100 steps",
    "adv-lib sigma-zero, 1000 steps",
    "adv-lib VFGA",
    "adv-lib FMN-l0, 100 steps",
)
# Goals of the project: pixels at a budget, and how many times the loop's speed.
PUBLISHED = {150: 6.5, 400: 5.5, "speed": 15}
GOALS = {budget: PUBLISHED[budget] for budget in (150, 400)}
FLAGS = {
    "part": {"nargs": "?", "choices": ("peers", "curve", "speed", "counts", "all"), "default": "all"},
    "--model": {"default": "fmnist-lenet"},
    "--weights": {"type": Path, "metavar": "FILE"},
    "--data-dir": DATA_DIR,
    "--keep-peers": {"action": "store_true", "help": "with counts, measure ours beside the recorded peers"},
    "--released": {"type": Path, "metavar": "DIR", "help": "folder with the authors' code, for `speed`"},
}


def measure(size: dict[str, int], flags: argparse.Namespace) -> Page:
    model = geomrob.load_model(flags.model, weights=flags.weights)
    full = "cifar10" if flags.model.startswith("cifar10") else "fashion-mnist"
    drawn = 1000 if flags.part == "counts" else None
    data = geomrob.load_data(full if flags.data_dir else "fashion-mnist-1k", data_dir=flags.data_dir, samples=drawn)
    data = first_correct(model, data, SETS * size["set"])
    page = read(flags.path) if flags.path.is_file() else {}
    for name, part in {"speed": speed, "peers": peers, "curve": curve}.items():
        if flags.part in (name, "all"):
            print(name, flush=True)
            page[name] = part(model, data, size, flags.released)
    if flags.part == "counts":
        known = page.get("counts", {})
        kept = known.get(flags.model, {}).get("methods", {}) if flags.keep_peers else {}
        page["counts"] = known | {flags.model: counts(model, data, size, kept)}
    return page


Find = Callable[[nn.Module, Tensor, Tensor], geomrob.AttackResult]


def ours(**options: Any) -> Find:
    return lambda model, images, _: sparsefool(model, images, **options)


def peer(name: str) -> Find:
    return lambda model, images, labels: run_peer(name, model, images, labels)


def measured(find: Find, model: nn.Module, images: Tensor, labels: Tensor) -> Page:
    """Results and cost of an attack; failures are infinite, so that a median over half of them is infinite too."""
    start = time.process_time()
    result = find(model, images, labels)
    seconds = time.process_time() - start
    forward, backward = evaluation_cost(model, images, rounds=16)
    fwd, bwd = (float(spent.double().mean()) for spent in (result.forwards, result.backwards))
    return {
        "images": len(images),
        "success": result.success_rate,
        "pixels": middle(result.pixels),
        "elements": middle(result.elements),
        "l1": middle(result.distances(1)),
        "l2": middle(result.distances(2)),
        "forwards": fwd,
        "backwards": bwd,
        "cpu_ms": 1000 * seconds / len(images),
        "x_ideal": seconds / len(images) / (fwd * forward + bwd * backward),
    }


def middle(values: Tensor) -> float:
    """The median, the mean of the two in the middle."""
    low, high = (float(values.double().quantile(0.5, interpolation=side)) for side in ("lower", "higher"))
    return (low + high) / 2


def peers(model: nn.Module, data: Samples, size: dict[str, int], _: Path | None) -> Page:
    """Every peer that is installed next to ours, on the same images."""
    images, labels = data.images, data.labels
    attacks: dict[str, Find] = {f"sparsefool, lam {lam}": ours(lam=float(lam)) for lam in (1, 2, 3)}
    attacks |= {f"sparsefool, pruned at {budget}": ours(prune=True, budget=budget) for budget in GOALS}
    attacks |= {name: peer(name) for name in SPARSE_PEERS}
    sparsefool(model, images[:64])
    rows: Page = {}
    for name, find in attacks.items():
        most = SPARSE_PEERS[name].most if name in SPARSE_PEERS else None
        count = min(size["set"], most or size["set"])
        try:
            rows[name] = measured(find, model, images[:count], labels[:count])
        except UsageError as error:
            print(f"  {name}: skipped, {error}")
            continue
        if "pruned" in name:
            parts = zip(images.split(size["set"]), labels.split(size["set"]), strict=True)
            rows[name]["by_set"] = [middle(find(model, *part).pixels) for part in parts]
        print(f"  {name:31}", {key: rounded(value) for key, value in rows[name].items()}, flush=True)
    return {"methods": rows}


def counts(model: nn.Module, data: Samples, size: dict[str, int], kept: Page) -> Page:
    """Pixels and elements, median, mean and 95 % quantile: ours in both counts; installed peers, or their kept rows."""
    images, labels = data.images[: size["counted"]], data.labels[: size["counted"]]
    attacks: dict[str, Find] = {"sparsefool": ours()}
    for budget, few in itertools.product(COUNTED, ("pixels", "elements")):
        attacks[f"pruned to few {few}, {budget}"] = ours(prune=True, budget=budget, count=few)
    attacks |= {name: peer(name) for name in ON_CURVE}
    rows: Page = {}
    for name, find in attacks.items():
        if name in ON_CURVE and name in kept:
            rows[name] = kept[name]
            continue
        try:
            result = find(model, images, labels)
        except UsageError as error:
            print(f"  {name}: skipped, {error}")
            continue
        spent = result.forwards + result.backwards
        rows[name] = {"success": result.success_rate, "forwards": float(result.forwards.double().mean())}
        rows[name] |= {"backwards": float(result.backwards.double().mean()), "most_evaluations": int(spent.max())}
        for few, values in (("pixels", result.pixels.double()), ("elements", result.elements.double())):
            high = float(values.quantile(0.95, interpolation="higher"))
            rows[name][few] = {"median": middle(values), "mean": float(values.mean()), "high": high}
        print(f"  {name:31}", rows[name], flush=True)
    return {"images": len(images), "data": data.name, "methods": rows}


def rounded(value: float | list[float]) -> float | list[float]:
    return round(value, 3) if isinstance(value, float) else value


def curve(model: nn.Module, data: Samples, size: dict[str, int], _: Path | None) -> Page:
    """Mean over three disjoint sets of the median pixel count, over what it costs."""
    images, labels = data.images, data.labels
    attacks: dict[str, Find] = {"sparsefool": ours()}
    attacks |= {f"pruned, {budget}": ours(prune=True, budget=budget) for budget in BUDGETS[-size["budgets"] :]}
    attacks |= {name: peer(name) for name in ON_CURVE}
    rows: Page = {}
    for name, find in attacks.items():
        try:
            results = [
                find(model, *part) for part in zip(images.split(size["set"]), labels.split(size["set"]), strict=True)
            ]
        except UsageError as error:
            print(f"  {name}: skipped, {error}")
            continue
        medians = [middle(result.pixels) for result in results]
        every = torch.cat([result.pixels for result in results]).double()
        rows[name] = {
            "medians": medians,
            "pixels": sum(medians) / len(medians),
            "mean_pixels": float(every.mean()),
            "success": float(torch.isfinite(every).double().mean()),
            "evaluations": float(torch.cat([r.forwards + r.backwards for r in results]).double().mean()),
            "most_evaluations": int(torch.cat([r.forwards + r.backwards for r in results]).max()),
        }
        print(f"  {name:31}", rows[name], flush=True)
    return {"images": len(images), "methods": rows}


def draw(page: Page) -> Figure | dict[str, Figure]:
    """The quality-cost curve of pruning, with the goals, next to the peers."""
    if "curve" not in page:
        return {}
    rows = page["curve"]["methods"]
    figure = blank(7, 4.8)
    fooled = min(row["success"] for row in rows.values())
    reading = f"{page['curve']['images']:,} images, {100 * fooled:.4g} % fooled, lower is better."
    figure_headline(figure, "What do few pixels cost?", reading)
    ax = figure.add_subplot()

    def points(start: str) -> list[tuple[float, float]]:
        return sorted((row["evaluations"], row["pixels"]) for name, row in rows.items() if name.startswith(start))

    ax.plot(*zip(*points("pruned"), strict=True), lw=1.6, label="SparseFool, pruned", **stroke(0))
    alone = {**stroke(0), "linestyle": "", "marker": "X"}
    ax.plot(*zip(*points("sparsefool"), strict=True), ms=9, label="SparseFool, λ = 3", **alone)
    labels = {
        "adv-lib sigma-zero": "sigma-zero, 100 and 1,000 steps",
        "adv-lib VFGA": "VFGA",
        "adv-lib FMN-l0": "FMN-l0, 100 steps",
    }
    for index, (start, label) in enumerate(labels.items(), 1):
        if curve_points := points(start):
            ax.plot(*zip(*curve_points, strict=True), ms=8, lw=1.2, label=label, **stroke(index))
    goal = {"marker": "_", "ms": 16, "mew": 2, "ls": "", "color": INK, "label": "goals of the project"}
    ax.plot(list(GOALS), list(GOALS.values()), **goal)
    ax.set(
        xscale="log",
        ylim=(0, None),
        xlabel="price: forward + backward evaluations per image",
        ylabel="changed pixels\n(median over images, mean of three sets)",
    )
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xticks([20, 50, 100, 200, 500, 1000, 2000])
    ax.xaxis.set_minor_formatter("")
    tidy(ax)
    ax.legend(frameon=False)
    return figure


Loop = Callable[[nn.Module, Tensor, Tensor, Tensor], tuple[Tensor, bool]]


def loops(released: Path | None) -> dict[str, tuple[Loop, bool]]:
    """Per-image loops, and whether the model's weights keep gradients (torch's default) as they run."""
    twin = importlib.import_module("tests.attacks.sparse_twin")

    def closed(*parts: Tensor) -> tuple[Tensor, bool]:
        moved, feasible = to_hyperplane(*(part[None] for part in parts))
        return moved[0], bool(feasible)

    def lean(model: nn.Module, image: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, bool]:
        return twin.sparsefool(model, image, low, high, solver=closed)

    def published(model: nn.Module, image: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, bool]:
        return twin.published(model, image, low, high)

    rows = {
        "lean: ours, image by image": (lean, False),
        "published: nine rivals, sequential solver": (published, False),
    }
    if released is None:
        return rows
    # What the code imports from torch was removed from it years ago.
    sys.modules["torch.autograd.gradcheck"].__dict__["zero_gradients"] = forget
    sys.path.insert(0, str(released))
    theirs = importlib.import_module("sparsefool").sparsefool

    def authors(model: nn.Module, image: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, bool]:
        perturbed, _, before, after, _ = theirs(image[None], model, low[None], high[None], lambda_=3.0)
        return perturbed[0], before != after

    return {
        **rows,
        "released code, gradients of images alone": (authors, False),
        "released code, gradients of weights too": (authors, True),
    }


def forget(images: Tensor) -> None:
    if images.grad is not None:
        images.grad.zero_()


def speed(model: nn.Module, data: Samples, size: dict[str, int], released: Path | None) -> Page:
    """CPU time per image at one batch against per-image loops, in turns; and against the bare model."""
    images = data.images[: size["set"]]
    few = images[: size["loop"]]
    chosen = loops(released)
    sparsefool(model, few)
    batched: list[float] = []
    single: dict[str, list[float]] = {name: [] for name in chosen}
    ideal: dict[int, list[float]] = {64: [], 16: []}
    rows: Page = {}
    for _ in range(size["rounds"]):
        start = time.process_time()
        result = sparsefool(model, images)
        batched.append((time.process_time() - start) / len(images))
        fwd, bwd = (float(spent.double().mean()) for spent in (result.forwards, result.backwards))
        for block, times in ideal.items():
            forward, backward = evaluation_cost(model, images, block, math.ceil(1024 / block))
            times.append(fwd * forward + bwd * backward)
        for name, (loop, weights) in chosen.items():
            rows[name], seconds = timed(loop, model, few, weights)
            single[name].append(seconds)
    for name, times in single.items():
        ratios = sorted(a / b for a, b in zip(times, batched, strict=True))
        rows[name] |= {
            "ratios": ratios,
            "ratio": ratios[len(ratios) // 2],
            "cpu_ms": 1000 * sorted(times)[len(times) // 2],
        }
        print(f"  {name:42}", {key: rounded(value) for key, value in rows[name].items()}, flush=True)
    ours_on_few = sparsefool(model, few)
    return {
        "images": len(images),
        "loop_images": len(few),
        "forwards": fwd,
        "backwards": bwd,
        "pixels": middle(result.pixels),
        "pixels_on_loop_images": middle(ours_on_few.pixels),
        "success": result.success_rate,
        "cpu_ms": 1000 * sorted(batched)[len(batched) // 2],
        **{
            f"over_bare_model_in_calls_of_{block}": sorted(a / b for a, b in zip(batched, times, strict=True))
            for block, times in ideal.items()
        },
        "methods": rows,
    }


def timed(loop: Loop, model: nn.Module, images: Tensor, weights: bool) -> tuple[Page, float]:
    """The results of a loop and the evaluations it spends, and its CPU seconds per image."""
    counted = Counted(model)
    for parameter in model.parameters():
        parameter.requires_grad_(weights)
    start = time.process_time()
    results = [loop(counted, image, torch.zeros_like(image), torch.ones_like(image)) for image in images]
    seconds = (time.process_time() - start) / len(images)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    pixels = torch.stack([(point != image).any(0).sum() for (point, _), image in zip(results, images, strict=True)])
    return {
        "success": sum(bool(adversarial) for _, adversarial in results) / len(results),
        "pixels": middle(pixels.double()),
        "forwards": counted.forwards / len(results),
        "backwards": counted.backwards / len(results),
    }, seconds


def compare(page: Page) -> list[Row]:
    """The goals of the project, and the rows of the tables of docs/benchmarks.md."""
    rows = []
    for name, row in page.get("speed", {}).get("methods", {}).items():
        here, goal = row["ratios"], PUBLISHED["speed"]
        times = f"{row['ratio']:.1f} times our CPU time ({here[0]:.1f} to {here[-1]:.1f})"
        rows.append(Row(name, times, f">= {goal}", row["ratio"] >= goal))
    for name, row in page.get("peers", {}).get("methods", {}).items():
        here = f"{row['pixels']:g} pixels, {row['success']:.1%}, {row['forwards']:.0f} + {row['backwards']:.0f}"
        rows.append(Row(f"peers: {name}", here, "", f"x {row['x_ideal']:.1f} ideal"))
    for model, part in page.get("counts", {}).items():
        for name, row in part["methods"].items():
            here = "; ".join(
                f"{few} {row[few]['median']:g}, mean {row[few]['mean']:.1f}, 95 % {row[few]['high']:g}"
                for few in ("pixels", "elements")
            )
            cost = f"{row['forwards']:.0f} + {row['backwards']:.0f}"
            rows.append(Row(f"{model}: {name}", here, "", f"{row['success']:.0%}, {cost}"))
    for name, row in page.get("curve", {}).get("methods", {}).items():
        here = f"{row['pixels']:.2f} pixels at {row['evaluations']:.0f}, at most {row['most_evaluations']} evaluations"
        goal = GOALS.get(int(name.split(", ")[1])) if name.startswith("pruned") else None
        verdict = "" if goal is None else row["pixels"] <= goal
        rows.append(Row(f"curve: {name}", here, "" if goal is None else f"<= {goal}", verdict))
    return rows


EXPERIMENT = Experiment("sparsefool_benchmarks", __doc__, SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
