"""Claim: robust models are farther from their boundaries, above all in the high frequencies, and in every direction.

Reference: the thesis, Fig. 4.11: adversarial training raises the margins of all DCT bands, the most at high
frequencies; HaH (Cekic et al., 2022), Fig. 5: larger minimum l0 norms. No margins of push-pull or pixel-similarity
models are published, and no numbers for these nets.

    python -m experiments.zoo_margins [--trained DIR] [--scale smoke|cpu|paper]

One core: smoke a minute, cpu about 15 minutes, paper half a day.
"""

import argparse
import math

from matplotlib.figure import Figure

import geomrob
from experiments.harness import TRAINED, Experiment, Page, Row, run, stroke
from experiments.zoo import FAMILIES, TITLES, members, short, trainings
from geomrob.plot.style import blank, figure_headline, tidy

SCALES = {"smoke": 4, "cpu": 50, "paper": 1000}
SEED = 0
# Of adversarial training (thesis, Fig. 4.11), and of HaH.
PUBLISHED = {
    "fmnist-l2-adversarial": "all bands above 1, highest most",
    "fmnist-linf-adversarial": "all bands above 1, highest most",
    "fmnist-hah": "more pixels",
}


def measure(images: int, flags: argparse.Namespace) -> Page:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    bands = geomrob.bands("blocks", geomrob.basis("dct", data.images.shape[-2:]))
    rows = []
    for name in members():
        for model in trainings(name, flags.trained, [0]).values():
            about = {"labels": data.labels, "indices": data.indices, "name": name, "data": data.name, "seed": SEED}
            curve = geomrob.margin_curve(model, data.images, subspaces=bands, band_kind="blocks", **about)
            sparse = geomrob.sparsity(model, data.images, prune=True, **about)
            row = {
                "model": name,
                "accuracy": curve.accuracy,
                "frequency": curve.frequency.tolist(),
                "median": curve.quantiles(0.5).flatten().tolist(),
                "reached": curve.reached.tolist(),
                "pixels": sparse.values("pixels").tolist(),
                "seconds": curve.provenance.seconds + sparse.provenance.seconds,
            }
            rows.append(row)
            print(name, f"{row['seconds']:.0f} s", row["median"][0], row["median"][-1], flush=True)
    return {"images": images, "rows": rows}


def draw(page: Page) -> Figure:
    """Above, median margins by band; below, how many images so few pixels fool; a column a family."""
    figure = blank(12, 9)
    figure_headline(
        figure,
        "How far is the boundary of the zoo's models, and how few pixels reach it?",
        "Above: distance in each frequency band; higher is more robust. Below: fewest pixels; right is more robust. "
        f"{page['images']} Fashion-MNIST test images; solid blue: the standard model of each family. geomrob's tight "
        "search; a median that is missing was not found for half of the images.",
    )
    known = {row["model"]: row for row in page["rows"]}
    panels = figure.subplots(2, 2, sharey="row")
    for (above, below), (standard, others) in zip(panels.T, FAMILIES.items(), strict=True):
        for index, name in enumerate((standard, *others)):
            if name not in known:
                continue
            row, how = known[name], stroke(index)
            style = {"lw": 1.6, "label": f"{short(name)} ({row['accuracy']:.0%} correct)"}
            above.plot(row["frequency"], row["median"], ms=4, **how, **style)
            pixels = sorted(value for value in row["pixels"] if math.isfinite(value))
            share = [(rank + 1) / len(row["pixels"]) for rank in range(len(pixels))]
            below.step(pixels, share, where="post", **{**how, "marker": ""}, **style)
        xlabel = "frequency of the DCT band (cycles per image): coarse to fine"
        above.set(yscale="log", title=TITLES[standard], xlabel=xlabel)
        below.set(xscale="log", xlabel="changed pixels (SparseFool, pruned; of 784)")
        below.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        above.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        above.set_ylim(top=45)  # room for the names of seven curves
        above.legend(fontsize=8, loc="upper left", ncols=2, frameon=False)
        for ax in (above, below):
            tidy(ax)
    panels[0, 0].set_yticks([0.3, 0.5, 1, 2, 3, 5, 10])
    panels[0, 0].minorticks_off()
    panels[0, 0].set_ylabel("median margin inside the band\n($\\ell_2$, [0, 1] pixel units)")
    panels[1, 0].set_ylabel("share of images that are adversarial")
    return figure


def compare(page: Page) -> list[Row]:
    """Margins over those of the standard of the family, in the lowest and the highest band, and pixels."""
    known = {row["model"]: row for row in page["rows"]}
    rows = []
    for standard, others in FAMILIES.items():
        for name in (standard, *others):
            if name not in known:
                continue
            row, base = known[name], known.get(standard)
            pixels = sorted(row["pixels"])[len(row["pixels"]) // 2]
            here = f"margin x {ratio(row, base, 0)} (lowest band) x {ratio(row, base, -1)} (highest), {pixels:g} pixels"
            rows.append(Row(name, here, PUBLISHED.get(name, "")))
    return rows


def ratio(row: Page, base: Page | None, band: int) -> str:
    value = math.nan if base is None else row["median"][band] / base["median"][band]
    return f"{value:.2f}" if math.isfinite(value) else "-"


EXPERIMENT = Experiment("zoo_margins", __doc__, SCALES, measure, draw, compare, {"--trained": TRAINED})

if __name__ == "__main__":
    run(EXPERIMENT)
