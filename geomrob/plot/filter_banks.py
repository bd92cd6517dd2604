"""Pictures of the filters of push-pull layers: the distribution of their inhibition with its sign, their spectra."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from geomrob.errors import UsageError
from geomrob.plot.spectra import plot_spectra
from geomrob.plot.style import INK, AnyFigure, axes_or_new, headline, literal, style_of, tidy
from geomrob.results import FilterBank

BINS = 16
"""Bins of the histogram, over all banks; zero is the edge between two of them."""


def plot_inhibition(banks: FilterBank | Sequence[FilterBank], *, ax: Axes | None = None) -> Axes:
    """Return axes with the distribution of the inhibition strengths of each push-pull layer, zero in sight.

    Outlines are histograms, the marks at the foot are the single filters. A layer whose filters all have one strength
    is a vertical line. Banks without inhibition are named, not drawn.

    Args:
        banks: One or several, at least one of them of a push-pull layer.
        ax: Where to draw; a new figure by default.

    Raises:
        UsageError: No bank has an inhibition.
    """
    banks = _listed(banks)
    drawn = [bank for bank in banks if len(bank.inhibition)]
    if not drawn:
        raise UsageError("banks must hold a push-pull layer; got none: a convolution has no inhibition to show")
    ax = axes_or_new(ax)
    edges = _edges(drawn)
    tallies = [torch.histogram(bank.inhibition.double(), edges).hist / len(bank.inhibition) for bank in drawn]
    varied = [bool(bank.inhibition.min() < bank.inhibition.max()) for bank in drawn]
    most = max((float(tally.max()) for tally, several in zip(tallies, varied, strict=True) if several), default=1.0)
    for index, (bank, tally, several) in enumerate(zip(drawn, tallies, varied, strict=True)):
        style, label = style_of(index), _label(bank, banks)
        if several:
            ax.stairs(tally, edges, color=style.colour, linestyle=style.line, linewidth=2, label=label)
            ax.stairs(tally, edges, color=style.colour, alpha=0.15, fill=True)
        else:
            ax.axvline(float(bank.inhibition[0]), color=style.colour, linestyle=style.line, linewidth=2, label=label)
        height = torch.full_like(bank.inhibition, -0.035 * most * (1 + index))
        ax.plot(bank.inhibition, height, style.marker, color=style.colour, markersize=4, alpha=0.6, clip_on=False)
    ax.axvline(0, color=INK, linewidth=1)
    tidy(ax)
    # Above the highest bar there is room for the legend.
    ax.set_ylim(-0.035 * most * (len(drawn) + 0.7), (1.08 + 0.09 * len(drawn)) * most)
    ax.yaxis.set_major_locator(MaxNLocator(6, prune="lower"))
    ax.set_xlabel("inhibition strength $\\alpha$ of a filter (left of 0: the pull is added)")
    ax.set_ylabel("share of the filters of the layer")
    ax.legend(framealpha=0.85, edgecolor="none", fontsize=8.5, loc="upper left")
    without = [bank.model for bank in banks if not len(bank.inhibition)]
    plain = f" No inhibition, a plain convolution: {literal(', '.join(without))}." if without else ""
    headline(
        ax,
        "How strongly are the filters inhibited?",
        f"Outline: share of the filters in each bin. Marks at the foot: single filters.{plain}",
    )
    return ax


def plot_kernels(banks: FilterBank | Sequence[FilterBank], *, figure: AnyFigure | None = None) -> AnyFigure:
    """Return a figure with the mean spectrum of the filters of each layer; of push, pull and push-pull in one row.

    Args:
        banks: One or several, measured alike.
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: No bank, or spectra that cannot share a scale.
    """
    banks = _listed(banks)
    if not banks:
        raise UsageError("banks must hold at least one; got none: measure one with filter_banks")
    columns = max(len(bank.spectra) for bank in banks)
    # Short rows last, so that push, pull and push-pull stand below one another.
    banks.sort(key=lambda bank: -len(bank.spectra))
    spectra = [spectrum for bank in banks for spectrum in bank.spectra]
    return plot_spectra(spectra, figure=figure, scale="log", decades=2, columns=columns if columns > 1 else 4)


def _listed(banks: FilterBank | Sequence[FilterBank]) -> list[FilterBank]:
    return [banks] if isinstance(banks, FilterBank) else list(banks)


def _label(bank: FilterBank, banks: Sequence[FilterBank]) -> str:
    """Return the words of the legend: which layer of which model, how many filters, how many of them negative."""
    several = sum(other.model == bank.model for other in banks) > 1
    name = literal(f"{bank.model}, {bank.layer}" if several else bank.model)
    if not bank.trained:
        return f"{name}: fixed at {float(bank.inhibition.double().mean()):g}"
    facts = bank.summary()
    spread = f"mean {facts['mean']:.2f}, sd {facts['deviation']:.2f}, {facts['negative']:.0%} negative"
    return f"{name}: {len(bank.inhibition)} filters, {spread}"


def _edges(banks: Sequence[FilterBank]) -> torch.Tensor:
    """Return the edges of bins of one width that cover all strengths, zero among them."""
    values = torch.cat([bank.inhibition.double() for bank in banks])
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    width = (high - low) / BINS or 1.0
    # One bin more on either side, so that rounding leaves no strength outside.
    first, last = int(low // width) - 1, int(high // width) + 2
    return torch.arange(first, last + 1, dtype=torch.float64) * width
