"""A picture of minimum norms: bars for each model, one panel for each norm, since their units differ."""

import torch
from matplotlib.axes import Axes

from geomrob.plot.style import FAINT, INK, AnyFigure, data_name, figure_headline, figure_or_new, literal, style_of, tidy
from geomrob.results import Norms

UNITS = {
    "pixels": "changed pixels",
    "elements": "changed elements",
    "l1": "$\\ell_1$ norm (pixel units)",
    "l2": "$\\ell_2$ norm (pixel units)",
    "linf": "$\\ell_\\infty$ norm (pixel units)",
}
"""What the axis of each norm is called."""


def plot_norms(norms: Norms, *, figure: AnyFigure | None = None) -> AnyFigure:
    """Return a figure with the mean minimum norm of each model as a bar and the median as a mark, a panel a norm.

    The mean is over the images for which a perturbation was found; how many there were not is written on the bar. A
    median that is infinite stands as a triangle on the upper edge.

    Args:
        norms: What `minimum_norms` measured.
        figure: Where to draw; a new figure by default.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, Fig. 5.
    """
    count = len(norms.norms)
    figure = figure_or_new(figure, max(7.0, 2.6 * count), 4.6)
    panels = figure.subplots(1, count, squeeze=False)[0]
    for column, (ax, norm) in enumerate(zip(panels, norms.norms, strict=True)):
        _bars(ax, norms, column)
        ax.set_ylabel(UNITS.get(norm, norm))
    images = norms.values.shape[2]
    zero = "; an image not classified as its label counts as 0" if norms.left == "true" else ""
    figure_headline(
        figure,
        "How much must an image change before the prediction changes?",
        f"Smallest perturbations found of {images} images of {data_name(norms.data)}, inside [0, 1], leaving the "
        f"{norms.left} class{zero}. Bar: mean over the images where one was found; white mark: median over all.",
    )
    return figure


def _bars(ax: Axes, norms: Norms, column: int) -> None:
    """Draw the bars of one norm."""
    mean, median = norms.mean[:, column].nan_to_num(0), norms.median[:, column]
    failures = norms.failures[:, column].tolist()
    finite = torch.cat((mean, median[torch.isfinite(median)]))
    high = 1.18 * float(finite.max()) or 1.0
    for index, missing in enumerate(failures):
        style, at = style_of(index), float(median[index])
        value = float(mean[index])
        ax.bar(index, value, width=0.7, color=style.colour, hatch="//" if index % 2 else "", edgecolor="white")
        known = at < float("inf")
        ax.plot(
            [index], [at if known else high], marker="o" if known else "^", color="white", markeredgecolor=INK, zorder=3
        )
        note = f"{value:.3g}" + (f"\n{missing} not found" if missing else "")
        ax.annotate(note, (index, value), (0, 3), textcoords="offset points", ha="center", fontsize=8, color=INK)
    ax.set_xticks(
        range(len(failures)),
        list(map(literal, norms.models)),
        rotation=30,
        ha="right",
        rotation_mode="anchor",
        fontsize=8.5,
    )
    ax.set_ylim(0, high)
    tidy(ax)
    ax.grid(visible=False, axis="x")
    ax.axhline(0, color=FAINT, linewidth=0.8)
