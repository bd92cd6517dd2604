"""Claim: every further HaH block makes a VGG harder to mislead and costs a little clean accuracy.

Reference: Cekic, Bakiskan, Madhow, "Layerwise Hebbian/anti-Hebbian (HaH) learning in deep networks", 2022, Fig. 6, for
VGG-16 on CIFAR-10 with 0 to 6 of 13 convolutions in HaH blocks. Published in numbers are its two ends (Table 1): clean
92.5 -> 87.3 %, noise of 0.1 26.6 -> 64.0 %, linf 2/255 10.4 -> 21.5 %, l2 0.25 13.9 -> 27.6 %. Here: a VGG of six
convolutions on Fashion-MNIST, whose filters have unit norm throughout as in the paper, 0 to 4 of them in HaH blocks.

    python experiments/hah_blocks.py --data-dir DATA [--scale smoke|cpu|paper] [--draw-only]

Adam at 1e-3, a tenth of it after 60 % and after 80 % of the epochs, the paper's weights of the costs; one seed a model
in smoke and cpu, three in paper. Writes figures/hah_blocks.json, then figures/hah_blocks.png from the JSON alone.
One core: smoke a minute, cpu (10,000 training images, 4 epochs) about 6 minutes, paper (100 epochs) days. Without
--data-dir, smoke trains on the embedded test images and its accuracies mean nothing.
"""

import argparse
import itertools
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.data.entry import Samples
from geomrob.models.architectures.vgg import SMALL, vgg
from geomrob.plot.style import blank, look, tidy
from geomrob.training import Hebbian, Options, accuracy, fit

FIGURES = Path("figures")
NAME = "hah_blocks"
BLOCKS = range(5)
WEIGHTS = (4.5e-3, 2.5e-3, 1.3e-3, 1e-3)
SIGMA, DRAWS = 0.1, 3
BALLS = {"linf": (2 / 255, math.inf), "l2": (0.25, 2.0)}
# Seeds, epochs, training images (0: all), images attacked, steps of PGD.
SCALES = {"smoke": (1, 1, 400, 20, 5), "cpu": (1, 4, 10000, 300, 20), "paper": (3, 100, 0, 10000, 100)}
MEASURES = {
    "clean": "clean images",
    "noise": r"Gaussian noise, $\sigma$ = 0.1",
    "linf": r"PGD, $\ell_\infty$ 2/255",
    "l2": r"PGD, $\ell_2$ 0.25",
}
# HaH Table 1: no and six HaH blocks, percent correct.
PUBLISHED = {"clean": (92.5, 87.3), "noise": (26.6, 64.0), "linf": (10.4, 21.5), "l2": (13.9, 27.6)}


def build(blocks: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return vgg(shape=(1, 28, 28), mean=(0.2860,), std=(0.3530,), plan=SMALL, hah=blocks, weight_norm=True)


def options(blocks: int, epochs: int, held_out: int) -> Options:
    return Options(
        held_out=held_out,
        epochs=epochs,
        optimizer="adam",
        max_rate=1e-3,
        schedule="step",
        milestones=tuple(sorted({max(1, round(0.6 * epochs)), max(1, round(0.8 * epochs))})),
        weight_decay=0.0,
        clip=0.0,
        crop=2,
        flip=True,
        hebbian=Hebbian(weights=WEIGHTS[:blocks]) if blocks else None,
    )


def robust_share(model: nn.Module, test: Samples, epsilon: float, norm: float, steps: int) -> float:
    """Share of the images that stay correct under PGD with both losses."""
    held = torch.ones(len(test), dtype=torch.bool)
    for loss in ("cross-entropy", "margin"):
        found = pgd(
            model, test.images, test.labels, epsilon=epsilon, norm=norm, steps=steps, loss=loss, indices=test.indices
        )
        held &= ~found.success
    return float(held.double().mean())


def measure(data_dir: Path | None, scale: str) -> list[dict[str, Any]]:
    seeds, epochs, images, attacked, steps = SCALES[scale]
    embedded = data_dir is None
    if embedded and scale != "smoke":
        raise SystemExit("name the folder of Fashion-MNIST by --data-dir")
    source = "fashion-mnist-1k" if embedded else "fashion-mnist"
    where = {} if embedded else {"data_dir": data_dir}
    train = geomrob.load_data(source, split="test" if embedded else "train", samples=images or None, **where)
    test = geomrob.load_data(source, split="test", samples=attacked if scale == "smoke" else None, **where)
    few = test.subset(torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:attacked])
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        for blocks in BLOCKS:
            start = time.perf_counter()
            how = options(blocks, epochs, held_out=len(train) // 20)
            model = fit(build(blocks, seed), train, how, seed=seed).model.requires_grad_(False)
            row: dict[str, Any] = {"blocks": blocks, "seed": seed, "clean": accuracy(model, test)}
            shares = []
            for draw_seed in range(DRAWS):
                images_now = noisy(test.images, kind="gaussian", epsilon=SIGMA, seed=draw_seed, indices=test.indices)
                shares.append(accuracy(model, Samples(images_now, test.labels, test.classes, test.indices, test.name)))
            row["noise"] = statistics.fmean(shares)
            for name, (epsilon, norm) in BALLS.items():
                row[name] = robust_share(model, few, epsilon, norm, steps)
            row["seconds"] = round(time.perf_counter() - start, 1)
            rows.append(row)
            print({key: round(value, 4) for key, value in row.items()}, flush=True)
    return rows


def write(rows: list[dict[str, Any]], scale: str, data_dir: Path | None, path: Path) -> None:
    _, epochs, images, attacked, steps = SCALES[scale]
    page = {
        "command": f"python experiments/hah_blocks.py --scale {scale}",
        "scale": scale,
        "data": "fashion-mnist-1k" if data_dir is None else "fashion-mnist",
        "epochs": epochs,
        "training_images": images,
        "attacked": attacked,
        "steps": steps,
        "plan": list(SMALL),
        "weights": WEIGHTS,
        "versions": {"geomrob": geomrob.__version__, "torch": torch.__version__},
        "rows": rows,
    }
    path.write_text(json.dumps(page, indent=1) + "\n")


def means(rows: list[dict[str, Any]], name: str) -> list[float]:
    """Mean over the seeds for each number of blocks, percent."""
    return [100 * statistics.fmean(row[name] for row in rows if row["blocks"] == blocks) for blocks in BLOCKS]


def draw(path: Path) -> Figure:
    """One line a measure from the JSON, against the number of blocks."""
    page = json.loads(path.read_text())
    figure = blank(7.5, 5.2)
    ax = figure.add_subplot()
    for index, (name, label) in enumerate(MEASURES.items()):
        style = look(index)
        for row in page["rows"]:
            ax.plot(row["blocks"], 100 * row[name], style.marker, color=style.colour, ms=3.5, alpha=0.4)
        ax.plot(
            list(BLOCKS),
            means(page["rows"], name),
            linestyle=style.line,
            marker=style.marker,
            color=style.colour,
            label=label,
        )
    tidy(ax)
    ax.set(xlabel="HaH blocks among the six convolutions, from the first on", ylabel="correct (%)", ylim=(0, 100))
    ax.set_xticks(list(BLOCKS))
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    seeds = len({row["seed"] for row in page["rows"]})
    epochs = f"{page['epochs']} epoch" + ("s" if page["epochs"] > 1 else "")
    title = f"Accuracy against the number of HaH blocks: small VGG, {page['data']}, {epochs}"
    if page["scale"] == "smoke":
        title += "\n(smoke: hardly trained, the numbers mean nothing)"
    figure.suptitle(
        f"{title}\nPGD: {page['attacked']} images, {page['steps']} steps, both losses. "
        f"Lines: mean of {seeds} seed{'s' if seeds > 1 else ''}.",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    return figure


def compare(path: Path) -> None:
    """Print the claim beside what was measured."""
    page = json.loads(path.read_text())
    if page["scale"] == "smoke":
        print("smoke: hardly trained, so what follows compares nothing")
    print("percent correct, no HaH block -> most of them; published for VGG-16 on CIFAR-10 with six")
    for name in MEASURES:
        found, (before, after) = means(page["rows"], name), PUBLISHED[name]
        same = (found[-1] > found[0]) == (after > before)
        steps = sum(later > earlier for earlier, later in itertools.pairwise(found))
        print(
            f"{name:6} measured {found[0]:5.1f} -> {found[-1]:5.1f} (rises in {steps} of {len(found) - 1} steps)  "
            f"published {before} -> {after}  {'same direction' if same else 'DIFFERS'}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        write(measure(given.data_dir, given.scale), given.scale, given.data_dir, path)
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
