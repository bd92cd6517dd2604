"""The page of a report: results become sections, and sections one HTML file that needs nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, resources
from typing import Any

from geomrob.errors import UsageError
from geomrob.reports import accuracy, boundary, inside, summary
from geomrob.reports.boundary import Failures
from geomrob.reports.content import Grid, Section, by_model
from geomrob.results import Provenance, RobustAccuracy
from geomrob.results.result import Result, model_of

TEMPLATE = "report.html"

SECTIONS: tuple[Callable[[Sequence[Result], Failures], Section], ...] = (
    inside.models,
    accuracy.accuracy,
    boundary.margins,
    boundary.examples,
    boundary.sparse,
    accuracy.strength,
    accuracy.robust,
    inside.spectra,
    accuracy.corruptions,
    inside.layers,
    inside.audits,
)
"""What makes each section, in their order; the differences between models come second to last, how it was made last."""

NAMES = {
    "MarginCurve": "margins",
    "Sparsity": "fewest pixels",
    "StrengthCurve": "accuracy against strength",
    "RobustAccuracy": "robust accuracy",
    "Spectrum": "spectrum",
    "CorruptionTable": "corruptions",
    "Layers": "layers",
    "Audit": "audit",
    "DecisionDistances": "decision-based distances",
    "Norms": "minimum norms",
}
"""What the table of how every number was made calls a result."""


@dataclass(frozen=True)
class Page:
    """A report before it is written as HTML."""

    title: str
    data: str
    budget: str
    sentences: tuple[str, ...]
    rows: tuple[summary.Row, ...]
    models: tuple[str, ...]
    sections: tuple[Section, ...]


def check_installed() -> None:
    """Refuse to begin without the library that fills the template.

    Raises:
        UsageError: It is not installed.
    """
    _jinja()


def page_of(
    results: Sequence[Result],
    *,
    failures: Failures | None = None,
    commands: Sequence[str] = (),
    budget: str = "",
) -> Page:
    """Return the page of some results: whatever there is of each model.

    Args:
        results: Of one model or several.
        failures: For each analysis that was tried, why it could not be made of some model.
        commands: That make the same results; by default those that the results were made by.
        budget: How much was spent, in words.

    Raises:
        UsageError: No result of a model.
    """
    failures = failures or {}
    models = boundary.models_of(results)

    def position(result: Result) -> tuple[int, float]:
        """Return by what results are sorted: models as they come, l-infinity before the other norms."""
        number = models.index(model_of(result)) if model_of(result) else -1
        return number, -result.norm if isinstance(result, RobustAccuracy) else 0.0

    results = sorted(results, key=position)
    if not models:
        raise UsageError("results must hold one of a model at least; got none: name other folders")
    compared, why = boundary.compared(results)
    made = [make(results, failures) for make in SECTIONS]
    made += [boundary.comparison(compared, why), _provenance(results, commands)]
    return Page(
        title=f"Where the decision boundary of {boundary.named(models)} lies",
        data=" and ".join(dict.fromkeys(filter(None, (str(getattr(one, "data", "")) for one in _measured(results))))),
        budget=budget,
        sentences=tuple(summary.sentences(results, models, compared)),
        rows=tuple(summary.rows(results)),
        models=tuple(models),
        sections=tuple(section for section in made if not section.empty),
    )


def to_html(page: Page) -> str:
    """Return the page as one HTML file: no script, nothing from elsewhere, whatever names there are as plain text.

    Raises:
        UsageError: The extra that fills templates is not installed.
    """
    jinja: Any = _jinja()
    text = (resources.files("geomrob.reports") / "templates" / TEMPLATE).read_text(encoding="utf-8")
    environment = jinja.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja.StrictUndefined
    )
    table = by_model(
        [(name, [values.get(model, "\u2013") for model in page.models]) for name, values in page.rows],
        page.models,
        "The important numbers, one column a model",
    )
    return environment.from_string(text).render(page=page, table_of_models=table) + "\n"


def _jinja() -> Any:
    try:
        return import_module("jinja2")
    except ImportError:
        raise UsageError(
            "report must have jinja2; got an installation without: pip install 'geomrob[report]'"
        ) from None


def _measured(results: Sequence[Result]) -> list[Result]:
    """Return the results that a section shows and that say what made them."""
    return [result for result in results if type(result).__name__ in NAMES]


def _provenance(results: Sequence[Result], commands: Sequence[str]) -> Section:
    """Return the section on how every number was made."""
    rows: list[tuple[str, ...]] = []
    spent: dict[int, Provenance] = {}
    for result in _measured(results):
        made: Provenance = result.provenance  # type: ignore[attr-defined]
        kind = type(result).__name__
        spent[id(made)] = made
        attack = str(getattr(result, "attack", ""))
        what = NAMES[kind] + (f" ({attack})" if attack else "")
        several: tuple[str, ...] = getattr(result, "models", ())
        images = getattr(result, "indices", None)
        counted = str(len(images)) if images is not None else str(getattr(result, "images", "\u2013"))
        rows.append(
            (
                what,
                ", ".join(several) or model_of(result),
                counted,
                str(made.seed),
                f"{made.forwards:,}",
                f"{made.backwards:,}",
                f"{made.seconds:,.1f}",
                made.device,
                made.created[:16].replace("T", " "),
            )
        )
    head = ("analysis", "model", "images", "seed", "forward", "backward", "seconds", "device", "begun (UTC)")
    table = Grid("What each number cost", head, tuple(rows), (True, True, *(False,) * 5, True, True))
    versions = list(dict.fromkeys(", ".join(f"{k} {v}" for k, v in made.versions.items()) for made in spent.values()))
    words = list(commands) or list(dict.fromkeys(made.command for made in spent.values()))
    lines = Grid("Commands that make the same", ("command",), tuple((line,) for line in words), (True,))
    notes = dict.fromkeys(note for made in spent.values() for note in made.notes)
    return Section(
        "made",
        "How every number was made",
        "Evaluations of a model are counted a sample each, forward and backward. Every distance was evaluated again on "
        "the image that it is of; a search that failed counts as infinite and never as a success.",
        tuple(f"Versions: {version}." for version in versions),
        grids=(table, lines) if rows else (),
        notes=tuple(notes),
    )


def failures_of(failures: Mapping[str, Sequence[str]]) -> list[str]:
    """Return in a sentence each what could not be made."""
    return [f"{key}: {text}" for key, texts in failures.items() for text in texts]
