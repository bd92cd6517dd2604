"""What every result can do: flat rows of plain values, a summary, tables for people, a short repr, an HTML repr."""

import base64
import html
import io
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from geomrob.errors import UsageError
from geomrob.tables import Column, Record, Table, Value, is_unknown, plain, slug, to_html, to_latex, to_markdown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

R = TypeVar("R")

REPR_LINES = 10

PICTURES = {
    "Acceptance": "geomrob.plot.accuracy.strength_curve:plot_acceptance",
    "Audit": "geomrob.plot.audit:plot_audit",
    "AugmentationGrid": "geomrob.plot.augmentation_grid:plot_primitive",
    "BandEnergy": "geomrob.plot.spectra:plot_band_energy",
    "BandExamples": "geomrob.plot.band_examples:plot_band_examples",
    "Comparison": "geomrob.plot.comparison.forest:plot_comparison",
    "CorruptionTable": "geomrob.plot.accuracy.corruptions:plot_corruptions",
    "CrossSection": "geomrob.plot.cross_section:plot_cross_section",
    "DecisionDistances": "geomrob.plot.decision_based:plot_decision_distances",
    "FilterBank": "geomrob.plot.filter_banks:plot_kernels",
    "Geometry": "geomrob.plot.geometry:plot_geometry",
    "HeatMap": "geomrob.plot.spectra:plot_heat_maps",
    "Layers": "geomrob.plot.layers:plot_layers",
    "Locations": "geomrob.plot.perturbation_maps:plot_locations",
    "MarginCurve": "geomrob.plot.margins:plot_margins",
    "Norms": "geomrob.plot.minimum_norms:plot_norms",
    "RobustAccuracy": "geomrob.plot.accuracy.robust_accuracy:plot_robust_accuracy",
    "Sparsity": "geomrob.plot.sparse_gallery:plot_gallery",
    "Spectrum": "geomrob.plot.spectra:plot_spectra",
    "StrengthCurve": "geomrob.plot.accuracy.strength_curve:plot_strength",
    "TransferMatrix": "geomrob.plot.accuracy.transfer:plot_transfer",
}
"""For each result with a picture the function that draws it, as module:function, imported when it is drawn."""


class Result:
    """Mixed into every dataclass that geomrob returns.

    A class overrides what differs for it; `records` is what CSV, JSON and tables are made of.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = ()

    def facts(self) -> Record:
        """Return the plain values of the result: of what, by what, under which settings."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if isinstance(value, (str, int, float))}

    def summary(self) -> Record:
        """Return the facts and the headline numbers, flat."""
        return self.facts()

    def records(self) -> list[Record]:
        """Return flat rows of plain values: infinite where nothing was found, NaN where there is nothing to know."""
        return [self.facts()]

    def headline(self) -> str:
        """Return in one line what was measured."""
        about = [str(getattr(self, name)) for name in ("model", "data") if getattr(self, name, "")]
        return " on ".join(about) or type(self).__name__

    def tables(self) -> list[Table]:
        """Return what a person reads of the result; those of several results with one title become one table."""
        rows = self.records()
        columns = self.COLUMNS or tuple(
            Column(key, (key,), "{:.4g}" if isinstance(value, float) else "{}", words=isinstance(value, str))
            for key, value in (rows[0] if rows else {}).items()
        )
        return [Table((self.headline(),), columns, rows)]

    def to_markdown(self) -> str:
        """Return the tables as markdown, each under its title."""
        return "\n\n".join(map(to_markdown, self.tables()))

    def to_latex(self) -> str:
        """Return the tables as LaTeX with booktabs, their titles as comments."""
        return "\n\n".join(map(to_latex, self.tables()))

    def to_pandas(self) -> "pd.DataFrame":
        """Return the records as a data frame, with all digits.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            frames = import_module("pandas")
        except ImportError:
            raise UsageError(
                "to_pandas must have pandas; got an installation without: pip install 'geomrob[pandas]'"
            ) from None
        return frames.DataFrame(self.records())

    def plot(self, **how: Any) -> "Axes | Figure":
        """Return the picture of the result, as the plot of `PICTURES` draws it.

        Args:
            how: What that plot takes: `ax` or `figure` to draw on, and its options.

        Raises:
            UsageError: A result without a picture; and what the plot refuses.
        """
        home = PICTURES.get(type(self).__name__)
        if home is None:
            raise UsageError(
                f"result must be one with a picture, {', '.join(PICTURES)}; got {type(self).__name__}: see its tables"
            )
        module, _, name = home.partition(":")
        return getattr(import_module(module), name)(self, **how)

    def caveats(self) -> list[str]:
        """Return what a reader of the numbers has to know, a sentence each."""
        return []

    def __repr__(self) -> str:
        """Return at most ten lines: the headline and the summary."""
        facts = ", ".join(f"{name} {_short(value)}" for name, value in self.summary().items() if not is_unknown(value))
        lines = textwrap.wrap(facts, 110, initial_indent="  ", subsequent_indent="  ")
        kept = lines if len(lines) < REPR_LINES else [*lines[: REPR_LINES - 2], "  ..."]
        return "\n".join([f"{type(self).__name__}: {self.headline()}", *kept])

    def _repr_html_(self) -> str:
        """Return the tables for a notebook, long ones cut to their first rows, which the last line says; the picture.

        Where there is nothing to draw (no boundary was found, say), the sentence of the plot stands in its place.
        """
        tables = "".join(to_html(table) for table in self.tables())
        if type(self).__name__ not in PICTURES:
            return tables
        page = io.BytesIO()
        try:
            self.plot().get_figure(root=True).savefig(page, format="png")  # type: ignore[union-attr]
        except UsageError as error:
            return f"{tables}<p>no picture: {html.escape(str(error))}</p>"
        encoded = base64.b64encode(page.getvalue()).decode()
        about = html.escape(f"{type(self).__name__}: {self.headline()}", quote=True)
        return (
            f'{tables}<img alt="{about}" style="max-width: 100%; width: 46em" src="data:image/png;base64,{encoded}"/>'
        )


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(plain(value))


def model_of(result: object) -> str:
    """Return the model of a result; spectra call it their name."""
    return str(getattr(result, "model", "") or getattr(result, "name", ""))


def file_names(results: Sequence[object]) -> list[str]:
    """Return what is appended to a file name for each result: nothing for one, else -MODEL, numbered where they agree.

    No two are equal, however the models are named.

    Example:
        >>> from types import SimpleNamespace as Named
        >>> file_names([Named(model="a"), Named(model="b"), Named(model="b")])
        ['-a', '-b-1', '-b-2']
    """
    if len(results) == 1:
        return [""]
    labels = [(model_of(result), getattr(result, "layer", "")) for result in results]
    several = Counter(label for label, _ in labels)
    parts = [slug(label if several[label] == 1 or not layer else f"{label}-{layer}") for label, layer in labels]
    names = [part if parts.count(part) == 1 else "" for part in parts]
    for index, part in enumerate(parts):
        if not names[index]:
            names[index] = next(name for number in count(1) if (name := f"{part}-{number}") not in names)
    return [f"-{name}" for name in names]


def with_notes(result: R, notes: Iterable[str]) -> R:
    """Return the result with notes added to its provenance, if it has one."""
    spent: Any = getattr(result, "provenance", None)
    if spent is None or not notes:
        return result
    changed: Any = result
    return replace(changed, provenance=replace(spent, notes=tuple(dict.fromkeys((*spent.notes, *notes)))))
