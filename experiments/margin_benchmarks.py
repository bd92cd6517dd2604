"""Claims of docs/benchmarks.md: speed against a per-image loop, tightness against the best known, peers in the box.

    python experiments/margin_benchmarks.py [speed|tight|box|all] [--model NAME] [--weights FILE] [--data-dir DATA]
                                            [--scale smoke|cpu]

Defaults to the embedded LeNet and images. With --data-dir, images are the first of the Fashion-MNIST test set that the
model classifies correctly. One thread, one run; ratios and evaluation counts are what to quote. Writes
figures/margin_benchmarks[-TAG].json and, for `tight`, the quality-cost curve beside it (.png).
Two cores: speed 3 minutes, tight 20, box 3.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import geomrob
from geomrob.attacks import ATTACKS
from geomrob.attacks.engine.linearize import linearize
from geomrob.attacks.engine.search import Search
from geomrob.attacks.minimal.deepfool import deepfool_search
from geomrob.errors import UsageError
from geomrob.inference import Prepared
from geomrob.interop.peers import PEERS, run_peer
from geomrob.spectral.frames import Frame

FIGURES = Path("figures")
SIZES = {
    "smoke": {"speed": 8, "loop": 1, "tight": 4, "box": 16, "long": 60},
    "cpu": {"speed": 200, "loop": 10, "tight": 64, "box": 1000, "long": 1000},
}


def correct(model: nn.Module, data_dir: Path | None, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` images that the model classifies as labelled."""
    data = geomrob.load_data("fashion-mnist" if data_dir else "fashion-mnist-1k", data_dir=data_dir)
    order = (
        torch.arange(len(data.labels))
        if data_dir
        else torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(0))
    )
    images, labels = data.images[order], data.labels[order]
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in images.split(500)]) == labels
    chosen = right.nonzero().flatten()[:count]
    return images[chosen], labels[chosen]


def blocks(images: Tensor) -> list[Any]:
    return geomrob.bands("blocks", geomrob.basis("dct", images.shape[-2:]))


def loop(model: nn.Module, image: Tensor, basis: Tensor, steps: int = 50, overshoot: float = 0.02) -> Tensor:
    """The norm that DeepFool finds for one image in one subspace, class after class, as the released code does."""
    r = torch.zeros_like(image)
    with torch.no_grad():
        order = model(image)[0].argsort(descending=True).tolist()[:10]
    for _ in range(steps):
        where = (image + (1 + overshoot) * r).requires_grad_()
        logits = model(where)[0]
        if int(logits.argmax()) != order[0]:
            break
        best, move = math.inf, r
        for k in order[1:]:
            (slope,) = torch.autograd.grad(logits[k] - logits[order[0]], where, retain_graph=True)
            inside = basis @ (basis.T @ slope.flatten())
            length = float(inside.norm())
            distance = abs(float((logits[k] - logits[order[0]]).detach())) / length
            if distance < best:
                best, move = distance, (max(distance, 1e-4) * inside / length).reshape(r.shape)
        r = r + move
    return (1 + overshoot) * r.norm()


def speed(model: nn.Module, data_dir: Path | None, size: dict[str, int]) -> dict[str, Any]:
    """CPU seconds for all pairs: ours, the loop (timed on some images), the bare model for the evaluations spent."""
    images, _ = correct(model, data_dir, size["speed"])
    bands = blocks(images)
    units = torch.eye(images[0].numel()).reshape(-1, *images.shape[1:])
    dense = [torch.linalg.svd(band.project(units).flatten(1)).U[:, : band.dimension(images.shape[1])] for band in bands]
    few = images[: size["loop"]]
    start = time.process_time()
    twin = torch.stack([torch.stack([loop(model, image[None], basis) for image in few]) for basis in dense])
    theirs = (time.process_time() - start) / len(few) * len(images)
    image, band = (torch.arange(n) for n in (len(images), len(bands)))
    forward, backward = bare(model, images)
    result: dict[str, Any] = {"pairs": len(images) * len(bands), "loop_s": theirs, "loop_images": len(few)}
    for name, nearest in (("default", 2), ("nine rivals", 9)):
        start = time.process_time()
        with Prepared(model, images) as ready:
            search = Search(
                ready,
                images,
                Frame(bands, images.shape[1]),
                image=image.repeat_interleave(len(bands)),
                band=band.repeat(len(images)),
                reference=ready.predictions.repeat_interleave(len(bands)),
            )
            found = deepfool_search(search, linearize(search), nearest=nearest)
        ours = time.process_time() - start
        spent = [float(count.sum()) for count in (search.spent.forwards, search.spent.backwards)]
        lengths = found.coefficients.flatten(1).norm(dim=1).reshape(len(images), -1).T
        medians = lengths[:, : len(few)].median(1).values / twin.median(1).values - 1
        result[name] = {
            "forwards": spent[0] / len(search),
            "backwards": spent[1] / len(search),
            "ours_s": ours,
            "loop_over_ours": theirs / ours,
            "ours_over_bare_model": ours / (forward * spent[0] + backward * spent[1]),
            "largest_difference_of_band_medians": float(medians.abs().max()),
        }
    start = time.process_time()
    whole = geomrob.margin_curve(model, images, subspaces=bands, attack="deepfool")
    result["with refinement and verification"] = {
        "ours_s": time.process_time() - start,
        "forwards": float(whole.forwards.mean()),
        "backwards": float(whole.backwards.mean()),
    }
    return result


def bare(model: nn.Module, images: Tensor) -> tuple[float, float]:
    """CPU seconds of one forward evaluation, and of one backward, in batches of 64."""
    batch = images.repeat(math.ceil(64 / len(images)), 1, 1, 1)[:64]
    rounds = 30

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
        times.append((time.process_time() - start) / rounds / len(batch))
    return times[0], (times[1] - times[0]) / 3


def tight(model: nn.Module, data_dir: Path | None, size: dict[str, int]) -> dict[str, Any]:
    """Ratio to the best margin known of each pair: the minimum over all methods, long runs and restarts included."""
    images, _ = correct(model, data_dir, size["tight"])
    bands = blocks(images)
    long = size["long"]
    methods: list[tuple[str, str, dict[str, float]]] = [
        ("deepfool", "deepfool", {"nearest": 3}),
        ("superdeepfool", "superdeepfool", {"nearest": 3}),
        ("superdeepfool, 30 rounds", "superdeepfool", {"rounds": 30, "nearest": 3}),
        *((f"ddn, {steps} steps", "ddn", {"steps": steps}) for steps in (30, 60, 100, 200)),
        (f"ddn, {long} steps", "ddn", {"steps": long}),
        (f"ddn, {long // 2} steps, radius 0.3", "ddn", {"steps": long // 2, "initial": 0.3}),
        (f"ddn, {long // 2} steps, radius 3", "ddn", {"steps": long // 2, "initial": 3.0, "gamma": 0.1}),
        *((f"tight, {budget}", "tight", {"budget": budget}) for budget in (20, 30, 60, 100, 200, 400, long, 2 * long)),
    ]
    curves = {}
    for name, method, options in methods:
        curves[name] = geomrob.margin_curve(model, images, subspaces=bands, attack=method, **options)
        print(f"  {name}: {curves[name].provenance.seconds:.0f} s", flush=True)
    best = torch.stack([curve.distances for curve in curves.values()]).amin(0)
    rows = {}
    for name, curve in curves.items():
        ratio = curve.distances / best
        by_band = ratio.median(dim=1).values
        rows[name] = {
            "forwards": float(curve.forwards.mean()),
            "backwards": float(curve.backwards.mean()),
            "median_ratio_by_band": by_band.tolist(),
            "worst_band": float(by_band.max()),
            "over_all": float(ratio.median()),
            "within_1_percent": float((ratio < 1.01).double().mean()),
            "found": float(torch.isfinite(curve.distances).double().mean()),
        }
        print(f"  {name:30} {rows[name]['backwards']:7.1f} bwd  worst band {rows[name]['worst_band']:.3f}", flush=True)
    return {"images": len(images), "median_best": best.median(dim=1).values.tolist(), "methods": rows}


def draw_tight(result: dict[str, Any]) -> Figure:
    """The quality-cost curve: what each search leaves on the table in its worst band, over its price."""
    figure = Figure(figsize=(7, 4.6), dpi=150)
    ax = figure.add_subplot()
    looks = {"deepfool": "X", "superdeepfool": "D", "ddn": "o", "tight": "s"}
    colours = {"deepfool": "#555555", "superdeepfool": "#009E73", "ddn": "#D55E00", "tight": "#0072B2"}
    longest = max(row["backwards"] for row in result["methods"].values())
    for family, mark in looks.items():
        points = sorted(
            (row["backwards"], 100 * (row["worst_band"] - 1))
            for name, row in result["methods"].items()
            if name.split(",")[0] == family
            and "radius" not in name
            and row["backwards"] < longest
            and math.isfinite(row["worst_band"])
        )
        ax.plot(*zip(*points, strict=True), marker=mark, color=colours[family], label=family, lw=1.6)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="price: backward evaluations per (image, band) pair",
        ylabel="excess over the best margin known, %\n(median over images, in the worst band)",
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.grid(color="#dddddd", lw=0.7, which="both")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(title="search")
    ax.set_title(
        f"What a tight margin costs: {result['images']} images x 21 DCT bands, lower is better", loc="left", fontsize=10
    )
    figure.tight_layout()
    return figure


def box(model: nn.Module, data_dir: Path | None, size: dict[str, int]) -> dict[str, Any]:
    """Whole space, inside [0, 1]: ours beside the peers that are installed, success re-verified."""
    images, labels = correct(model, data_dir, size["box"])
    rows: dict[str, Any] = {}

    def note(name: str, result: geomrob.AttackResult, seconds: float) -> None:
        distances = result.distances()
        rows[name] = {
            "success": result.success_rate,
            "median_l2": float(distances.quantile(0.5)),
            "forwards": float(result.forwards.double().mean()),
            "backwards": float(result.backwards.double().mean()),
            "cpu_s": seconds,
        }
        print(f"  {name:26}", {key: round(value, 4) for key, value in rows[name].items()}, flush=True)

    for name in PEERS:
        start = time.process_time()
        try:
            note(name, run_peer(name, model, images, labels), time.process_time() - start)
        except UsageError as error:
            print(f"  {name}: skipped, {error}")
    runs = [("deepfool", {}), ("superdeepfool", {}), ("ddn", {})] + [
        ("tight", {"budget": b}) for b in (30, 60, 100, 400)
    ]
    for name, options in runs:
        start = time.process_time()
        result = ATTACKS[name].attack(model, images, bounds=(0.0, 1.0), **options)
        note(" ".join([name, *map(str, options.values())]), result, time.process_time() - start)
    return {"images": len(images), "methods": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("speed", "tight", "box", "all"), default="all")
    parser.add_argument("--model", default="fmnist-lenet")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tag", default="", help="added to the names of the files written")
    parser.add_argument("--scale", choices=SIZES, default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = geomrob.load_model(given.model, weights=given.weights)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"margin_benchmarks{given.tag and '-' + given.tag}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name, measure in {"speed": speed, "tight": tight, "box": box}.items():
        if given.part in (name, "all"):
            print(name, flush=True)
            results[name] = measure(model, given.data_dir, SIZES[given.scale])
            path.write_text(json.dumps(results, indent=1) + "\n")
            print(json.dumps({key: value for key, value in results[name].items() if key != "methods"})[:400])
    if given.part in ("tight", "all"):
        draw_tight(results["tight"]).savefig(path.with_suffix(".png"))


if __name__ == "__main__":
    main()
