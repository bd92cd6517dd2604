"""A picture of layers: how sparse their activations are, and how much noise in the image disturbs them."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.plot.style import (
    FAINT,
    AnyFigure,
    data_name,
    figure_headline,
    figure_or_new,
    literal,
    name_curves,
    style_of,
    tidy,
)
from geomrob.results import Layers

AVERAGES = {
    "mean": "mean over the images of their ratios",
    "median": "median of the images' ratios",
    "ratio": "mean signal over mean noise",
}
"""What each way to average the signal-to-noise ratio is called."""


def plot_layers(layers: Layers | Sequence[Layers], *, how: str = "mean", figure: AnyFigure | None = None) -> AnyFigure:
    """Return a figure with the sparsity and with the signal-to-noise ratio of every layer of each model.

    A layer with one channel has no sparsity: in place of its mark the picture says so.

    Args:
        layers: What was measured of one or several models, on one data set and at one strength of noise.
        how: Average of the signal-to-noise ratio, as in `Layers.snr_db`.
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: Nothing to draw, or models that were measured differently.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, Figs. 2 and 3.
    """
    models = [layers] if isinstance(layers, Layers) else list(layers)
    if len({(result.data, result.at, result.sigma, result.clamped, len(result.indices)) for result in models}) != 1:
        raise UsageError(
            f"layers must hold models measured alike (data, side, noise, images); got {len(models)} that differ or "
            "none: draw them apart"
        )
    first = models[0]
    figure = figure_or_new(figure, 9.6, 5.2)
    left, right = figure.subplots(1, 2)
    for index, result in enumerate(models):
        name = f"{literal(result.model)} ({result.accuracy:.1%} correct)"
        _line(left, result.hoyer, index, name)
        _line(right, result.snr_db(how), index, name)
    left.set_ylim(0, 1.02)
    left.set_ylabel("Hoyer ratio")
    right.set_ylabel("ratio (dB)")
    for ax, title in (
        (left, "Sparsity of the activations (0: one channel active, 1: all alike)"),
        (right, f"Signal-to-noise ratio, noise of $\\sigma$ = {first.sigma:g} in the image"),
    ):
        tidy(ax)
        ax.set_title(title, fontsize=10, loc="left")
        _layer_axis(ax, models)
    _unknown(left, models)
    name_curves(right)
    figure_headline(
        figure,
        "Which layers are sparse, and which ones does the noise disturb?",
        f"{len(first.indices)} images of {data_name(first.data)}, {first.at} of each layer. Left: lower is sparser. "
        f"Right: higher is less disturbed; {AVERAGES.get(how, how)}, noisy images "
        f"{'cut to [0, 1]' if first.clamped else 'not cut'}.",
    )
    return figure


def _line(ax: Axes, values: Tensor, index: int, name: str) -> None:
    """Draw one model's layers."""
    style = style_of(index)
    ax.plot(
        torch.arange(1, len(values) + 1),
        values,
        color=style.colour,
        linestyle=style.line,
        marker=style.marker,
        linewidth=1.8,
        markersize=6,
        markeredgecolor="white",
        markeredgewidth=0.6,
        label=name,
    )


def _unknown(ax: Axes, models: Sequence[Layers]) -> None:
    """Say where a mark is missing why it is: a layer of one channel has no sparsity."""
    for layer in sorted(
        {at for result in models for at, value in enumerate(result.hoyer.tolist()) if math.isnan(value)}
    ):
        words: dict[str, Any] = {
            "ha": "left" if not layer else "center",
            "va": "bottom",
            "fontsize": 7.5,
            "color": FAINT,
        }
        ax.text(
            layer + 1 - 0.2 * (not layer),
            0.03,
            "one channel:\nno sparsity",
            transform=ax.get_xaxis_transform(),
            **words,
        )


def _layer_axis(ax: Axes, models: Sequence[Layers]) -> None:
    """Name the layers where all models have the same, else number them."""
    most = max(len(result.names) for result in models)
    ax.set_xlim(0.7, most + 0.3)
    if len({result.names for result in models}) > 1:
        ax.set_xticks(range(1, most + 1))
        ax.set_xlabel("layer, in the order of the forward pass")
        return
    names = [literal(name) for name in models[0].names]
    aslant = most > 4 or max(map(len, names)) > 8
    ax.set_xticks(
        range(1, most + 1),
        names,
        rotation=40 if aslant else 0,
        ha="right" if aslant else "center",
        fontsize=8,
    )
    ax.set_xlabel("layer")
