"""Claims of docs/benchmarks.md on sparse perturbations: peers, what pruning costs, speed against per-image loops.

    python experiments/sparsefool_benchmarks.py [peers|curve|speed|all] [--model NAME] [--weights FILE]
                                                [--data-dir DATA] [--tag TAG] [--released DIR] [--scale smoke|cpu]

Defaults to the embedded LeNet and images. With --data-dir, images are the first of the Fashion-MNIST test set that the
model classifies correctly. One thread, one run; ratios and evaluation counts are what to quote. Writes
figures/sparsefool_benchmarks[-TAG].json and, for `curve`, the picture of it beside it (.png).
--released adds the authors' code to `speed`: a folder with sparsefool.py, deepfool.py, linear_solver.py and utils.py of
github.com/LTS4/SparseFool, which is run as it is.
One core: speed 1 minute, peers 2, curve 4.
"""

import argparse
import importlib
import json
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
from geomrob.attacks.engine.sparse_projection import to_hyperplane
from geomrob.attacks.minimal.sparsefool import BLOCK, sparsefool
from geomrob.errors import UsageError
from geomrob.interop.peers import SPARSE_PEERS, Counted, run_peer

ROOT = Path(__file__).parents[1]
FIGURES = Path("figures")
SETS = 3
SIZES = {
    "smoke": {"set": 8, "loop": 2, "rounds": 1, "budgets": 3},
    "cpu": {"set": 256, "loop": 32, "rounds": 5, "budgets": 9},
}
BUDGETS = (30, 40, 60, 80, 100, 150, 200, 300, 400)
ON_CURVE = (
    "adv-lib sigma-zero, 100 steps",
    "adv-lib sigma-zero, 1000 steps",
    "adv-lib VFGA",
    "adv-lib FMN-l0, 100 steps",
)
GOALS = {150: 6.5, 400: 5.5}


def correct(model: nn.Module, data_dir: Path | None, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` images that the model classifies as labelled."""
    data = geomrob.load_data("fashion-mnist" if data_dir else "fashion-mnist-1k", data_dir=data_dir)
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in data.images.split(500)]) == data.labels
    chosen = right.nonzero().flatten()[:count]
    return data.images[chosen], data.labels[chosen]


def bare(model: nn.Module, images: Tensor, size: int = 64) -> tuple[float, float]:
    """CPU seconds of one forward evaluation, and of one backward, in calls of `size`."""
    batch = images.repeat(math.ceil(size / len(images)), 1, 1, 1)[:size]
    rounds = math.ceil(1024 / size)

    def forward() -> None:
        with torch.no_grad():
            model(batch)

    def both() -> None:
        where = batch.clone().requires_grad_()
        logits = model(where)
        for k in range(3):
            torch.autograd.grad(logits[:, k].sum(), where, retain_graph=k < 2)

    times = []
    for call in (forward, both):
        call()
        start = time.process_time()
        for _ in range(rounds):
            call()
        times.append((time.process_time() - start) / rounds / size)
    return times[0], max(0.0, times[1] - times[0]) / 3


Find = Callable[[nn.Module, Tensor, Tensor], geomrob.AttackResult]


def ours(**options: Any) -> Find:
    return lambda model, images, _: sparsefool(model, images, **options)


def peer(name: str) -> Find:
    return lambda model, images, labels: run_peer(name, model, images, labels)


def measured(find: Find, model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """What an attack finds and costs; failures are infinite, so that a median over half of them is infinite too."""
    start = time.process_time()
    result = find(model, images, labels)
    seconds = time.process_time() - start
    forward, backward = bare(model, images)
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


def peers(model: nn.Module, data_dir: Path | None, size: dict[str, int], _: Path | None) -> dict[str, Any]:
    """Every peer that is installed beside ours, on the same images."""
    images, labels = correct(model, data_dir, SETS * size["set"])
    attacks: dict[str, Find] = {f"sparsefool, lam {lam}": ours(lam=float(lam)) for lam in (1, 2, 3)}
    attacks |= {f"sparsefool, pruned at {budget}": ours(prune=True, budget=budget) for budget in GOALS}
    attacks |= {name: peer(name) for name in SPARSE_PEERS}
    sparsefool(model, images[:64])
    rows: dict[str, Any] = {}
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
        print(f"  {name:31}", {key: tidy(value) for key, value in rows[name].items()}, flush=True)
    return {"methods": rows}


def tidy(value: float | list[float]) -> float | list[float]:
    return round(value, 3) if isinstance(value, float) else value


def curve(model: nn.Module, data_dir: Path | None, size: dict[str, int], _: Path | None) -> dict[str, Any]:
    """Mean over three disjoint sets of the median pixel count, over what it costs."""
    images, labels = correct(model, data_dir, SETS * size["set"])
    attacks: dict[str, Find] = {"sparsefool": ours()}
    attacks |= {f"pruned, {budget}": ours(prune=True, budget=budget) for budget in BUDGETS[-size["budgets"] :]}
    attacks |= {name: peer(name) for name in ON_CURVE}
    rows: dict[str, Any] = {}
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
        found = torch.isfinite(every)
        rows[name] = {
            "medians": medians,
            "pixels": sum(medians) / len(medians),
            "mean_pixels": float(every.mean()),
            "success": float(found.double().mean()),
            "evaluations": float(torch.cat([r.forwards + r.backwards for r in results]).double().mean()),
            "most_evaluations": int(torch.cat([r.forwards + r.backwards for r in results]).max()),
        }
        print(f"  {name:31}", rows[name], flush=True)
    return {"images": len(images), "methods": rows}


def draw_curve(result: dict[str, Any]) -> Figure:
    """The quality-cost curve of pruning, with the goals, beside the peers."""
    figure = Figure(figsize=(7, 4.6), dpi=150)
    ax = figure.add_subplot()
    rows = result["methods"]

    def place(name: str) -> tuple[float, float]:
        return rows[name]["evaluations"], rows[name]["pixels"]

    line = sorted(place(name) for name in rows if name.startswith("pruned"))
    ax.plot(*zip(*line, strict=True), marker="s", color="#0072B2", lw=1.6, label="SparseFool, pruned")
    ax.plot(*place("sparsefool"), marker="X", ms=9, ls="", color="#0072B2", label="SparseFool, λ = 3")
    looks = {
        "adv-lib sigma-zero": ("o", "#D55E00", "sigma-zero, 100 and 1,000 steps"),
        "adv-lib FMN-l0": ("D", "#555555", "FMN-l0, 100 steps"),
        "adv-lib VFGA": ("^", "#009E73", "VFGA"),
    }
    for start, (mark, colour, label) in looks.items():
        points = sorted(place(name) for name in rows if name.startswith(start))
        if points:
            style = "--" if len(points) > 1 else ""
            ax.plot(*zip(*points, strict=True), marker=mark, ms=8, ls=style, lw=1.2, color=colour, label=label)
    ax.plot(
        list(GOALS),
        list(GOALS.values()),
        marker="_",
        ms=16,
        mew=2,
        ls="",
        color="#111111",
        label="goals of the project",
    )
    ax.set(
        xscale="log",
        ylim=(0, None),
        xlabel="price: forward + backward evaluations per image",
        ylabel="changed pixels\n(median over images, mean of three sets)",
    )
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xticks([20, 50, 100, 200, 500, 1000, 2000])
    ax.xaxis.set_minor_formatter("")
    ax.grid(color="#dddddd", lw=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    fooled = min(row["success"] for row in rows.values())
    ax.set_title(
        f"What few pixels cost: {result['images']:,} images, {100 * fooled:.4g} % fooled, lower is better",
        loc="left",
        fontsize=10,
    )
    figure.tight_layout()
    return figure


Loop = Callable[[nn.Module, Tensor, Tensor, Tensor], tuple[Tensor, bool]]


def loops(released: Path | None) -> dict[str, tuple[Loop, bool]]:
    """Per-image loops, and whether the model's weights keep gradients (torch's default) as they run."""
    sys.path.insert(0, str(ROOT))
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
        found, _, before, after, _ = theirs(image[None], model, low[None], high[None], lambda_=3.0)
        return found[0], before != after

    return {
        **rows,
        "released code, slopes of images alone": (authors, False),
        "released code, slopes of weights too": (authors, True),
    }


def forget(images: Tensor) -> None:
    if images.grad is not None:
        images.grad.zero_()


def speed(model: nn.Module, data_dir: Path | None, size: dict[str, int], released: Path | None) -> dict[str, Any]:
    """CPU time per image at one batch against per-image loops, in turns; and against the bare model."""
    images, _ = correct(model, data_dir, size["set"])
    few = images[: size["loop"]]
    chosen = loops(released)
    sparsefool(model, few)
    batched: list[float] = []
    single: dict[str, list[float]] = {name: [] for name in chosen}
    ideal: dict[int, list[float]] = {64: [], BLOCK: []}
    rows: dict[str, Any] = {}
    for _ in range(size["rounds"]):
        start = time.process_time()
        result = sparsefool(model, images)
        batched.append((time.process_time() - start) / len(images))
        fwd, bwd = (float(spent.double().mean()) for spent in (result.forwards, result.backwards))
        for block, times in ideal.items():
            forward, backward = bare(model, images, block)
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
        print(f"  {name:42}", {key: tidy(value) for key, value in rows[name].items()}, flush=True)
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


def timed(loop: Loop, model: nn.Module, images: Tensor, weights: bool) -> tuple[dict[str, Any], float]:
    """What a loop finds and the evaluations it spends, and its CPU seconds per image."""
    counted = Counted(model)
    for parameter in model.parameters():
        parameter.requires_grad_(weights)
    start = time.process_time()
    found = [loop(counted, image, torch.zeros_like(image), torch.ones_like(image)) for image in images]
    seconds = (time.process_time() - start) / len(images)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    pixels = torch.stack([(point != image).any(0).sum() for (point, _), image in zip(found, images, strict=True)])
    return {
        "success": sum(bool(crossed) for _, crossed in found) / len(found),
        "pixels": middle(pixels.double()),
        "forwards": counted.forwards / len(found),
        "backwards": counted.backwards / len(found),
    }, seconds


def strict(value: Any) -> Any:
    """The results with null for a median that failures make infinite, which JSON has no number for."""
    if isinstance(value, dict):
        return {key: strict(part) for key, part in value.items()}
    if isinstance(value, list):
        return [strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("peers", "curve", "speed", "all"), default="all")
    parser.add_argument("--model", default="fmnist-lenet")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tag", default="", help="added to the names of the files written")
    parser.add_argument("--released", type=Path, help="folder with the authors' code, for `speed`")
    parser.add_argument("--draw-only", action="store_true", help="draw the curve from the JSON file")
    parser.add_argument("--scale", choices=SIZES, default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"sparsefool_benchmarks{given.tag and '-' + given.tag}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if not given.draw_only:
        model = geomrob.load_model(given.model, weights=given.weights)
        for name, measure in {"speed": speed, "peers": peers, "curve": curve}.items():
            if given.part in (name, "all"):
                print(name, flush=True)
                results[name] = measure(model, given.data_dir, SIZES[given.scale], given.released)
                path.write_text(json.dumps(strict(results), indent=1, allow_nan=False) + "\n")
    if given.part in ("curve", "all"):
        draw_curve(results["curve"]).savefig(path.with_suffix(".png"))
    compare(results)


def compare(results: dict[str, Any]) -> None:
    """The goals of the project beside what was measured."""
    for budget, goal in GOALS.items():
        row = results.get("curve", {}).get("methods", {}).get(f"pruned, {budget}")
        if row:
            print(
                f"pruned at {budget}: {row['pixels']:.2f} pixels, goal {goal}; at most {row['most_evaluations']} spent"
            )
    for name, row in results.get("speed", {}).get("methods", {}).items():
        print(f"{name}: {row['ratios'][0]:.1f} to {row['ratios'][-1]:.1f} times our CPU time, goal 15")


if __name__ == "__main__":
    main()
