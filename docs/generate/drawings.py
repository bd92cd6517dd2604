"""Draw the pictures of docs/concepts.md into docs/pictures: `python -m docs.generate.drawings`, half a minute."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

import geomrob

FOLDER = Path(__file__).resolve().parents[1] / "pictures"
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b6b6b"


def panels(count: int, width: float = 8.4, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels in a row, without frames above and on the right."""
    figure = Figure((width, height), layout="constrained")
    axes = [figure.add_subplot(1, count, position + 1) for position in range(count)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def boundary(x: np.ndarray) -> np.ndarray:
    """Return the height of the drawn boundary."""
    return 1.45 - 0.35 * x + 0.55 * np.sin(2.2 * x)


def draw_margin() -> Figure:
    """Return the margin of a point: the radius of the largest ball of one class; a search ends farther out."""
    figure, axes = panels(2)
    x = np.linspace(-2, 3, 2001)
    curve = np.stack([x, boundary(x)], axis=1)
    nearest = curve[np.hypot(*curve.T).argmin()]
    slope = (boundary(np.array(1e-4)) - boundary(np.array(-1e-4))) / 2e-4
    normal = np.array([-slope, 1.0]) / np.hypot(slope, 1.0)
    along = curve[np.abs(curve @ np.array([normal[1], -normal[0]])).argmin()]
    for ax, title in zip(axes, ("The margin of an image", "What a search returns"), strict=True):
        ax.fill_between(x, boundary(x), 3, color=ORANGE, alpha=0.12, lw=0)
        ax.plot(*curve.T, color="black", lw=1.5)
        ax.plot(0, 0, "o", color="black")
        ax.annotate("image", (0, 0), (6, -14), textcoords="offset points")
        ax.text(-1.9, -1.25, "predicted class", color=GREY)
        ax.text(0.9, 2.45, "another class", color=ORANGE)
        ax.set(xlim=(-2, 2.9), ylim=(-1.4, 2.8), aspect="equal", xticks=[], yticks=[])
        ax.set_title(title, loc="left", fontsize=10)
        ax.add_patch(Circle((0, 0), float(np.hypot(*nearest)), fill=False, color=BLUE, ls="--"))
        ax.annotate("", nearest, (0, 0), arrowprops={"arrowstyle": "->", "color": BLUE, "lw": 2, "shrinkB": 0})
    axes[0].text(1.1, -0.55, "margin: radius of the\nball without boundary", color=BLUE, va="top", fontsize=9)
    axes[1].annotate("", along, (0, 0), arrowprops={"arrowstyle": "->", "color": ORANGE, "lw": 2, "shrinkB": 0})
    axes[1].text(along[0] - 0.1, along[1] + 0.75, "loose: on the boundary,\nbut not nearest", color=ORANGE, fontsize=9)
    axes[1].text(1.1, -0.55, "tight: as near as\nany search came", color=BLUE, va="top", fontsize=9)
    return figure


def draw_bands() -> Figure:
    """Return two bands of the DCT, and the smallest perturbations of one image inside each."""
    figure, axes = panels(4, height=2.5)
    model, data = geomrob.load_model("fmnist-lenet"), geomrob.load_data("fashion-mnist-1k", samples=4)
    image = data.images[2:3]
    bands = list(geomrob.bands("blocks", geomrob.basis("dct", image.shape[-2:])))
    axes[0].set(xlim=(0, 28), ylim=(28, 0), aspect="equal", xlabel="horizontal frequency", ylabel="vertical frequency")
    axes[0].set_title("DCT coefficients", loc="left", fontsize=10)
    for start in range(21):
        axes[0].add_patch(Rectangle((start, start), 8, 8, fill=False, color=GREY, lw=0.4))
    for start, color in ((0, BLUE), (20, ORANGE)):
        axes[0].add_patch(Rectangle((start, start), 8, 8, color=color, alpha=0.6, lw=0))
    axes[0].set(xticks=[], yticks=[])
    axes[1].imshow(image[0, 0], cmap="gray", vmin=0, vmax=1)
    axes[1].set_title("image", loc="left", fontsize=10)
    for ax, band, name, color in ((axes[2], bands[0], "low", BLUE), (axes[3], bands[20], "high", ORANGE)):
        result = geomrob.tight(model, image, subspace=band)
        change = (result.perturbed - image)[0, 0]
        bound = float(change.abs().max())
        ax.imshow(change, cmap="RdBu_r", vmin=-bound, vmax=bound)
        ax.set_title(f"{name} band: {float(result.distances(2)):.2f}", loc="left", fontsize=10, color=color)
    for ax in axes[1:]:
        ax.set_axis_off()
    return figure


def draw_masking() -> Figure:
    """Return a logit gap that falls smoothly, and one that falls as far in steps, where gradients are zero."""
    figure, axes = panels(2, height=2.9)
    x = np.linspace(0, 1, 1001)
    smooth = 1 - 1.6 * x + 0.25 * np.sin(3 * x)
    steps = np.round(smooth * 4 + 0.5) / 4 - 0.125
    for ax, gap, title in ((axes[0], smooth, "A sound model"), (axes[1], steps, "Masked gradients")):
        ax.axhline(0, color="black", lw=0.8)
        ax.plot(x, gap, color=BLUE, lw=2)
        end = x[(gap < 0).argmax()]
        ax.plot(end, 0, "o", color=ORANGE)
        ax.annotate("the boundary", (end, 0), (8, 6), textcoords="offset points", color=ORANGE)
        ax.set_title(title, loc="left", fontsize=10)
        ax.set(xlabel="distance from the image", ylabel="logit gap", ylim=(-0.55, 1.15), xticks=[0], yticks=[0])
    axes[0].text(0.03, -0.42, "the gradient\nleads there", color=GREY)
    axes[1].text(0.03, -0.42, "the gradient is zero: attacks stop,\nyet the boundary is as near", color=GREY)
    return figure


def draw_scores() -> Figure:
    """Return the errors of two models under one corruption, and the scores that are made of them."""
    figure, (ax,) = panels(1, width=6.4, height=3.2)
    data = geomrob.load_data("fashion-mnist-1k", samples=500)
    names, colors = ("fmnist-standard", "fmnist-hah"), (GREY, BLUE)
    models = {name: geomrob.load_model(name) for name in names}
    table = geomrob.corruption_errors(models, data.images, data.labels, corruptions=("fog",))
    errors = {name: 100 * torch.as_tensor(row).flatten() for name, row in zip(names, table.errors, strict=True)}
    clean = dict(zip(names, 100 * torch.as_tensor(table.clean).flatten(), strict=True))
    for shift, (name, color) in zip((-0.2, 0.2), zip(names, colors, strict=True), strict=True):
        values = torch.cat([clean[name].reshape(1), errors[name]])
        ax.bar(np.arange(6) + shift, values, 0.38, color=color, label=name)
    base, other = (errors[name] for name in names)
    relative = float((other - clean[names[1]]).mean() / (base - clean[names[0]]).mean())
    ax.set_xticks(range(6), ["clean", *(f"severity {level}" for level in range(1, 6))])
    ax.set(ylabel="error (%)")
    lines = [
        f"CE, mean over severities: {float(base.mean()):.1f} and {float(other.mean()):.1f} %",
        f"ratio to the baseline: {float(other.mean() / base.mean()):.2f}",
        f"the same with the clean errors subtracted: {relative:.2f}",
    ]
    ax.set_title("\n".join(lines), loc="left", fontsize=10)
    ax.legend(frameon=False)
    return figure


DRAWINGS = {"margin": draw_margin, "bands": draw_bands, "masking": draw_masking, "scores": draw_scores}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        draw().savefig(FOLDER / f"{name}.png", dpi=130)
