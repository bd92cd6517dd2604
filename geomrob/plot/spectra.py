"""Pictures of spectra: planes with frequency zero in the middle, radial curves, heat maps; energy by band."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.plot.style import (
    FAINT,
    FEW_POWERS,
    INK,
    SEQUENTIAL,
    AnyFigure,
    axes_or_new,
    blank,
    data_name,
    figure_headline,
    figure_or_new,
    headline,
    headroom,
    literal,
    name_curves,
    plain_bar,
    plain_numbers,
    style_of,
    tidy,
)
from geomrob.results import BandEnergy, HeatMap, Spectrum

Scale = Literal["log", "log1p", "linear"]

SIDE, ALONE = 2.4, 3.6
"""Width and height in inches of one plane of several, and of a single one."""

NOUN = {"images": "images", "perturbations": "perturbations", "corruption": "differences", "kernels": "filters"}

TITLES = {
    "images": "Which spatial frequencies are in the images?",
    "perturbations": "Which spatial frequencies do the perturbations use?",
    "corruption": "Which spatial frequencies does the corruption change?",
    "kernels": "Which spatial frequencies do the filters pass?",
}


def plot_spectra(
    spectra: Spectrum | Sequence[Spectrum],
    *,
    figure: AnyFigure | None = None,
    scale: Scale = "log",
    decades: float = 6,
    columns: int = 4,
) -> AnyFigure:
    """Return a figure with the plane of each spectrum, frequency zero in the middle, all on one colour scale.

    Rows are vertical frequencies and go down, as the rows of an image do.

    Args:
        spectra: One or several of one kind, norm and unit.
        figure: Where to draw; a new figure by default.
        scale: Of the colours: `log` down to the smallest value, but at most `decades` powers of ten below the largest;
            `log1p` shows log(1 + value), `linear` starts at 0.
        decades: What lies lower is drawn as the lowest colour.
        columns: Most planes in a row.

    Raises:
        UsageError: No spectrum, or spectra that cannot share a scale.
    """
    spectra = checked(spectra)
    values = [spectrum.values.log1p() if scale == "log1p" else spectrum.values for spectrum in spectra]
    most = max(float(value.max()) for value in values)
    norm = _log_scale(values, most, decades) if scale == "log" and most > 0 else Normalize(0, most)
    panels = [(_panel_name(one, spectra), one.vertical, one.horizontal) for one in spectra]
    label = _value_name(spectra[0], scale)
    reading = f"{_count(spectra)}. {_recipe(spectra[0])}. Middle: coarse patterns. Borders: fine ones. Bright: large."
    title = TITLES[spectra[0].of]
    return _planes(panels, values, figure, columns, norm, label, (title, reading), spectra[0].unit)


def plot_heat_maps(
    maps: HeatMap | Sequence[HeatMap], *, figure: AnyFigure | None = None, columns: int = 4
) -> AnyFigure:
    """Return a figure with the heat map of each model, frequency zero in the middle, all on one colour scale.

    Args:
        maps: One or several of one `epsilon`.
        figure: Where to draw; a new figure by default.
        columns: Most maps in a row.

    Raises:
        UsageError: No map, or maps of different step lengths.
    """
    maps = [maps] if isinstance(maps, HeatMap) else list(maps)
    sizes = sorted({one.epsilon for one in maps})
    if len(sizes) != 1:
        raise UsageError(f"maps must have one epsilon to share a scale; got {sizes}: draw them apart")
    norm = Normalize(min(float(m.accuracy.min()) for m in maps), max(float(m.accuracy.max()) for m in maps))
    panels = [
        (f"{literal(one.model)}\n{one.clean:.1%} correct without a wave", one.vertical, one.horizontal) for one in maps
    ]
    data = " and ".join(sorted({data_name(one.data) for one in maps}))
    error = 100 * 1.96 * (0.25 / maps[0].images) ** 0.5
    clipped = "clipped to [0, 1]" if maps[0].bounded else "not clipped"
    steps = f"Of {maps[0].images} images a share comes in steps of {1 / maps[0].images:.2g}"
    reading = (
        f"{maps[0].images} images of {data}, each moved by a wave of that frequency, with a random sign, of l2 "
        f"length {sizes[0]:g} ([0, 1] pixel units, {clipped}). Middle: coarse waves. Borders: fine. Dark: fragile. "
        f"{steps}, and is uncertain by up to {error:.0f} percentage points (95 %)."
    )
    values = [one.accuracy for one in maps]
    head = ("Along which frequencies is the model fragile?", reading)
    return _planes(
        panels, values, figure, columns, norm, "share of images classified correctly", head, "cycles per image"
    )


def plot_radial(
    spectra: Spectrum | Sequence[Spectrum], *, ax: Axes | None = None, share: bool = False, scale: str = "log"
) -> Axes:
    """Return axes with the radial mean of each spectrum; the shade is its 95 % confidence band over images.

    Args:
        spectra: One or several of one kind, norm and unit.
        ax: Where to draw; a new figure by default.
        share: Draw each ring's share of the whole instead of its mean, so that spectra of different size compare.
        scale: Of the vertical axis, log or linear.

    Raises:
        UsageError: No spectrum, or spectra that cannot share an axis.
    """
    spectra = checked(spectra)
    ax = axes_or_new(ax)
    ax.set_yscale(scale)
    means: list[Tensor] = []
    for index, one in enumerate(spectra):
        style = style_of(index)
        factor = one.counts / (one.radial * one.counts).sum() if share else torch.ones_like(one.radial)
        middle, spread = one.radial * factor, 1.96 * one.error.nan_to_num() * factor
        rings = torch.arange(len(middle))
        means.append(middle[middle > 0])
        # A logarithmic axis has no place for what reaches below 0: the shade ends with the axis, that of the means.
        lowest = float(means[-1].min()) / 2 if len(means[-1]) else torch.finfo(middle.dtype).tiny
        below = (middle - spread).clamp(min=lowest if scale == "log" else -torch.inf)
        ax.fill_between(
            rings, below, middle + spread, color=style.colour, alpha=0.2 if len(spectra) < 3 else 0.1, linewidth=0
        )
        ax.plot(rings, middle, color=style.colour, linestyle=style.line, marker=style.marker, **_LINE, label=_name(one))
    if scale == "log" and len(torch.cat(means)):
        ax.set_ylim(bottom=float(torch.cat(means).min()) / 2)
        if ax.get_ylim()[1] / ax.get_ylim()[0] < FEW_POWERS:
            plain_numbers(ax.yaxis)
    tidy(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(f"radius: spatial frequency ({spectra[0].unit})")
    kind = spectra[0].kind
    ax.set_ylabel(f"share of the {kind} in the ring" if share else f"mean {kind} in the ring\n({_factor(spectra[0])})")
    name_curves(ax)
    side = min(len(spectra[0].vertical), len(spectra[0].horizontal))
    ax.axvline(side / 2, color=FAINT, linewidth=0.8, linestyle=":")
    headline(
        ax,
        TITLES[spectra[0].of],
        f"{_count(spectra)}. Ring r: bins whose radius rounds to r (left: coarse, right: fine; right of the dotted "
        "line only corners). Shade: 95 % confidence band of the mean, cut at the lower edge.",
    )
    return ax


def spectrum_figures(
    planes: Sequence[Spectrum | HeatMap], energies: Sequence[BandEnergy] = (), *, scale: Scale = "log"
) -> dict[str, AnyFigure]:
    """Return figures by name: planes of spectra and their radial means, or heat maps; the energy by band.

    Args:
        planes: Spectra, or heat maps, of one kind.
        energies: Of the same perturbations.
        scale: Of the colours.
    """
    maps = [plane for plane in planes if isinstance(plane, HeatMap)]
    if maps:
        return {"spectrum": plot_heat_maps(maps)}
    spectra = [plane for plane in planes if isinstance(plane, Spectrum)]
    figures: dict[str, AnyFigure] = {"spectrum": plot_spectra(spectra, scale=scale), "radial": blank()}
    plot_radial(spectra, ax=figures["radial"].add_subplot(), scale="linear" if scale == "linear" else "log")
    if energies:
        figures["energy"] = blank()
        plot_band_energy(energies, ax=figures["energy"].add_subplot())
    return figures


def plot_profiles(groups: Sequence[Sequence[Spectrum]]) -> Figure:
    """Return a figure with the radial means of each group of spectra, one below the other."""
    figure = blank(height=4.6 * len(groups))
    for spectra, ax in zip(groups, figure.subplots(len(groups), squeeze=False).flat, strict=True):
        plot_radial(spectra, ax=ax)
    return figure


def plot_band_energy(
    energies: BandEnergy | Sequence[BandEnergy], *, ax: Axes | None = None, of: str = "share", floor: float = 1e-6
) -> Axes:
    """Return axes with the energy of perturbations in each band: median line, shade from 5 % to 95 %.

    Args:
        energies: One or several of bands with frequencies of their own.
        ax: Where to draw; a new figure by default.
        of: `share` of each perturbation's energy, or `energy` in squared [0, 1] pixel units.
        floor: What lies lower is drawn there.

    Raises:
        UsageError: Nothing to draw.
    """
    energies = [energies] if isinstance(energies, BandEnergy) else list(energies)
    if not energies:
        raise UsageError("energies must hold at least one; got none: measure one with band_energy")
    ax = axes_or_new(ax)
    ax.set_yscale("log")
    known = not any(bool(one.frequency.isnan().any()) for one in energies)
    for index, one in enumerate(energies):
        style = style_of(index)
        position = one.frequency if known else torch.arange(len(one.bands), dtype=torch.float64)
        order = position.argsort(stable=True)
        lower, median, upper = one.quantiles(0.05, 0.5, 0.95, of=of).clamp(min=floor)[order].T
        ax.fill_between(position[order], lower, upper, color=style.colour, alpha=0.16, linewidth=0)
        left = f", {one.left_out} left out" if one.left_out else ""
        label = f"{literal(one.attack)} on {literal(one.model)} ({len(one.energy)} images{left})"
        ax.plot(
            position[order], median, color=style.colour, linestyle=style.line, marker=style.marker, **_LINE, label=label
        )
    tidy(ax)
    basis = literal(energies[0].basis)
    ax.set_xlabel("frequency of the band (cycles per image)" if known else f"band of the {basis} basis")
    ax.set_ylabel("share of the perturbation's energy" if of == "share" else "energy ($\\ell_2^2$, [0, 1] pixel units)")
    name_curves(ax)
    bands = literal(f"{energies[0].bands[0]} to {energies[0].bands[-1]}")
    headline(
        ax,
        "In which frequency bands do perturbations have their energy?",
        f"Squared {basis} coefficients in each band ({bands}; bands may overlap). Line: median image. "
        f"Shade: 5 % to 95 % of the images. What is under {floor:g} stands at the lower edge.",
    )
    return ax


def checked(spectra: Spectrum | Sequence[Spectrum]) -> list[Spectrum]:
    """Return the spectra as a list, refused where they cannot share one scale."""
    spectra = [spectra] if isinstance(spectra, Spectrum) else list(spectra)
    kinds = sorted({(one.kind, one.norm, one.unit) for one in spectra})
    if len(kinds) != 1:
        raise UsageError(f"spectra must have one kind, norm and unit to share a scale; got {kinds}: draw them apart")
    return spectra


_LINE: dict[str, Any] = {"linewidth": 2, "markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.6}


def _planes(
    panels: Sequence[tuple[str, Tensor, Tensor]],
    values: Sequence[Tensor],
    figure: AnyFigure | None,
    columns: int,
    norm: Normalize,
    label: str,
    head: tuple[str, str],
    unit: str,
) -> AnyFigure:
    """Return a figure of planes in rows, with one colour bar, below a headline."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    side = ALONE if len(panels) == 1 else SIDE
    width = max(side * columns + (2.2 if columns == 1 else 1.2), 5.6)
    names = max(name.count("\n") for name, _, _ in panels)
    figure = figure_or_new(figure, width, (side + 0.5 + 0.15 * names) * rows + headroom(width, head[1]))
    figure_headline(figure, *head)
    axes = figure.subplots(rows, columns, squeeze=False)
    image: AxesImage | None = None
    for at, ax in enumerate(axes.flat):
        if at >= len(panels):
            ax.set_axis_off()
            continue
        name, vertical, horizontal = panels[at]
        image = _plane(ax, values[at], vertical, horizontal, norm)
        ax.set_title(name, fontsize=8.5, color=INK)
        if at % columns == 0:
            ax.set_ylabel(f"vertical frequency\n({unit})", fontsize=8.5)
        if at + columns >= len(panels):
            ax.set_xlabel(f"horizontal frequency\n({unit})", fontsize=8.5)
    assert image is not None
    bar = figure.colorbar(image, ax=axes, shrink=0.9 if rows == 1 else 0.6, extend=_extend(norm, values))
    bar.set_label(label, fontsize=8.5)
    bar.ax.tick_params(labelsize=8)
    plain_bar(bar)
    return figure


def _plane(ax: Axes, values: Tensor, vertical: Tensor, horizontal: Tensor, norm: Normalize) -> AxesImage:
    """Draw one plane on axes in cycles per image, each bin a square around its frequency."""
    left, right = float(horizontal[0]) - 0.5, float(horizontal[-1]) + 0.5
    top, bottom = float(vertical[0]) - 0.5, float(vertical[-1]) + 0.5
    shown = np.clip(values.numpy(), norm.vmin, None)
    image = ax.imshow(
        shown, cmap=SEQUENTIAL, norm=norm, extent=(left, right, bottom, top), aspect="auto", interpolation="nearest"
    )
    ax.set_box_aspect(1)
    ax.tick_params(colors=FAINT, labelsize=8)
    return image


def _log_scale(values: Sequence[Tensor], most: float, decades: float) -> LogNorm:
    """Return a scale from the smallest value above 0 to the largest, over at most so many powers of ten."""
    least = min(float(value[value > 0].min()) for value in values if bool((value > 0).any()))
    return LogNorm(max(least, most / 10**decades), most, clip=True)


def _extend(norm: Normalize, values: Sequence[Tensor]) -> Literal["min", "neither"]:
    """Return whether something is drawn in the lowest colour because it lies lower still."""
    assert norm.vmin is not None
    return "min" if any(float(value.min()) < norm.vmin for value in values) else "neither"


def _panel_name(spectrum: Spectrum, spectra: Sequence[Spectrum]) -> str:
    """Return what stands above a plane: the words in which the spectra differ, and what was left out."""
    facts: list[Callable[[Spectrum], str]] = [lambda one: one.name, lambda one: one.method]
    words = [fact(spectrum) for fact in facts if len({fact(one) for one in spectra}) > 1] or [spectrum.name]
    left = f"\n{spectrum.left_out} failures left out" if spectrum.left_out else ""
    return literal("\n".join(word for word in words if word)) + left


def _name(spectrum: Spectrum) -> str:
    """Return what a curve is called."""
    left = f" ({spectrum.left_out} left out)" if spectrum.left_out else ""
    about = f"{spectrum.method} on {spectrum.name}" if spectrum.of == "perturbations" else spectrum.name
    if spectrum.of == "kernels" and spectrum.method:
        about = f"{spectrum.name}: {spectrum.method}"
    return literal(about) + left


def _count(spectra: Sequence[Spectrum]) -> str:
    """Return how many of what the spectra are means of."""
    counts = sorted({len(one.rings) for one in spectra})
    many = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    data = " and ".join(sorted({data_name(one.data) for one in spectra if one.data}))
    one = spectra[0]
    mean = "Mean over" if one.order == "mean-of-modulus" else "Spectrum of the mean of"
    return f"{mean} {many} {NOUN.get(one.of, one.of)}" + (f" ({data})" if data else "")


def _recipe(one: Spectrum) -> str:
    """Return how the spectrum was made, for the reading below the title."""
    channels = {"average": "mean over channels", "sum": "sum over channels", "grey": "mean of the channels"}
    channel = channels.get(one.channels, f"channel {one.channels}")
    window = "no window" if one.window == "none" else f"{one.window} window"
    scaled = "each scaled to l2 norm 1, " if one.unit_norm else ""
    return f"{scaled}{one.kind}, {channel}, {window}, {_factor(one)}".capitalize()


def _factor(one: Spectrum) -> str:
    return "orthonormal transform" if one.norm == "ortho" else "unscaled transform"


def _value_name(one: Spectrum, scale: str) -> str:
    symbol = "|F|$^2$" if one.kind == "power" else "|F|"
    return f"log(1 + {one.kind} {symbol})" if scale == "log1p" else f"{one.kind} {symbol}"
