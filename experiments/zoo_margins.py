"""Claim: robust models are farther from their boundaries, above all in the high frequencies, and in every direction.

Reference: the thesis, Fig. 4.11: adversarial training raises the margins of all DCT bands, the most at high
frequencies; HaH (Cekic et al., 2022), Fig. 5: larger minimum l0 norms. No margins of push-pull or pixel-similarity
models are published, and no numbers for these nets.

    python experiments/zoo_margins.py [--trained DIR] [--scale smoke|cpu|paper] [--draw-only]

Writes figures/zoo_margins.json, then figures/zoo_margins.png from the JSON alone. One core: smoke a minute, cpu about
15 minutes, paper half a day.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

import geomrob

FIGURES = Path("figures")
NAME = "zoo_margins"
FAMILIES = {
    "small ResNet-8": (
        "fmnist-standard",
        "fmnist-pushpull-avg3",
        "fmnist-pushpull-avg5",
        "fmnist-pushpull-fixed",
        "fmnist-similarity",
        "fmnist-l2-adversarial",
        "fmnist-linf-adversarial",
    ),
    "small VGG": (
        "fmnist-vgg",
        "fmnist-hah",
        "fmnist-hah-no-cost",
        "fmnist-hah-batch-norm",
        "fmnist-hah-no-threshold",
    ),
}
IMAGES = {"smoke": 4, "cpu": 50, "paper": 1000}
SEED = 0
LOOKS = (
    ("#222222", "-", "o"),
    ("#0072B2", "--", "s"),
    ("#56B4E9", "-.", "^"),
    ("#009E73", ":", "D"),
    ("#E69F00", (0, (5, 1, 1, 1)), "v"),
    ("#D55E00", "--", "P"),
    ("#CC79A7", "-.", "X"),
)


def measure(images: int, trained: Path | None) -> list[dict[str, Any]]:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    bands = geomrob.bands("blocks", geomrob.basis("dct", data.images.shape[-2:]))
    rows = []
    for family, names in FAMILIES.items():
        for name in names:
            file = None if trained is None else trained / f"{name}-0" / "model.safetensors"
            if file is not None and not file.is_file():
                continue
            model = geomrob.load_model(name, weights=file)
            about = {"labels": data.labels, "indices": data.indices, "name": name, "data": data.name, "seed": SEED}
            curve = geomrob.margin_curve(model, data.images, subspaces=bands, band_kind="blocks", **about)
            sparse = geomrob.sparsity(model, data.images, prune=True, **about)
            rows.append(
                {
                    "family": family,
                    "model": name,
                    "accuracy": curve.accuracy,
                    "frequency": curve.frequency.tolist(),
                    "median": finite(curve.quantiles(0.5).flatten().tolist()),
                    "reached": curve.reached.tolist(),
                    "pixels": finite(sparse.values("pixels").tolist()),
                    "seconds": curve.provenance.seconds + sparse.provenance.seconds,
                }
            )
            print(name, f"{rows[-1]['seconds']:.0f} s", rows[-1]["median"][0], rows[-1]["median"][-1], flush=True)
    return rows


def finite(values: list[float]) -> list[float | None]:
    """JSON has no infinity: what was not found becomes null."""
    return [value if math.isfinite(value) else None for value in values]


def draw(path: Path) -> Figure:
    """Above, median margins by band; below, how many images so few pixels fool; a column a family."""
    page = json.loads(path.read_text())
    figure = Figure(figsize=(12, 8.6), dpi=150)
    panels = figure.subplots(2, 2, sharey="row")
    for column, (family, names) in enumerate(FAMILIES.items()):
        above, below = panels[0, column], panels[1, column]
        for name, (colour, line, mark) in zip(names, LOOKS, strict=False):
            rows = [row for row in page["rows"] if row["model"] == name]
            if not rows:
                continue
            (row,) = rows
            label = f"{name.removeprefix('fmnist-')} ({row['accuracy']:.0%} correct)"
            style = {"ls": line, "color": colour, "lw": 1.6, "label": label}
            median = [math.nan if value is None else value for value in row["median"]]
            above.plot(row["frequency"], median, marker=mark, ms=4, **style)
            pixels = sorted(value for value in row["pixels"] if value is not None)
            share = [(index + 1) / len(row["pixels"]) for index in range(len(pixels))]
            below.step([*pixels], share, where="post", **style)
        above.set(yscale="log", title=family, xlabel="frequency of the DCT band (cycles per image): coarse to fine")
        below.set(xscale="log", xlabel="changed pixels (SparseFool, pruned; of 784)")
        below.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        above.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        below.legend(fontsize=8, loc="lower right")
        for ax in (above, below):
            ax.grid(color="#dddddd", lw=0.7)
            ax.set_axisbelow(True)
            ax.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_yticks([0.3, 0.5, 1, 2, 3, 5, 10])
    panels[0, 0].minorticks_off()
    panels[0, 0].set_ylabel("median margin inside the band\n($\\ell_2$, [0, 1] pixel units)")
    panels[1, 0].set_ylabel("share of images with another decision")
    figure.suptitle(
        f"The zoo: how far is the boundary in each frequency band (above; higher is more robust), and how few pixels "
        f"change the decision (below; right is more robust)?\n{page['images']} Fashion-MNIST test images; black: the "
        "standard model of each family. geomrob's tight search; a median that is missing was not found for half of the "
        "images.",
        x=0.01, ha="left", fontsize=9.5,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0, 1, 0.99))
    return figure


def compare(path: Path) -> None:
    """Print medians beside the claim: ratio to the standard of the family, low and high bands, and pixels."""
    rows = json.loads(path.read_text())["rows"]
    print("published (thesis, Fig. 4.11): adversarial training raises all margins, most of all at high frequencies")
    for family, names in FAMILIES.items():
        known = {row["model"]: row for row in rows if row["family"] == family}
        standard = known.get(names[0])
        for row in known.values():
            low, high = (ratio(row, standard, band) for band in (0, -1))
            pixels = sorted(math.inf if value is None else value for value in row["pixels"])[len(row["pixels"]) // 2]
            print(f"{row['model']:26} margin x {low} (lowest band) x {high} (highest), median {pixels:g} pixels")


def ratio(row: dict[str, Any], standard: dict[str, Any] | None, band: int) -> str:
    if standard is None or None in (row["median"][band], standard["median"][band]):
        return "-"
    return f"{row['median'][band] / standard['median'][band]:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=IMAGES, default="cpu")
    parser.add_argument("--trained", type=Path, help="folder with MODEL-0/model.safetensors; default: embedded weights")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        rows = measure(IMAGES[given.scale], given.trained)
        page = {"command": f"python experiments/{NAME}.py --scale {given.scale}", "images": IMAGES[given.scale]}
        path.write_text(json.dumps({**page, "rows": rows}, indent=1, allow_nan=False) + "\n")
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
