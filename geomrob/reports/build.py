"""The report: models and images, or saved results, to one HTML page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import nn

from geomrob.data import load_data
from geomrob.data.entry import Samples
from geomrob.errors import UsageError
from geomrob.files import user_path, write_atomic
from geomrob.models import MODELS, load_model
from geomrob.models.preprocessing import common_preprocessing
from geomrob.reports.analyses import ANALYSES, Budget
from geomrob.reports.measure import Plan, measure, most_images
from geomrob.reports.page import Page, check_installed, failures_of, page_of, to_html
from geomrob.results import ModelCard, load
from geomrob.results.result import Result, model_of
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class Report(Result):
    """A page on some models, and what it was made of.

    `html` is the whole page. `sentences` and `rows` are its summary: each of the important numbers for every model.
    `missing` says which analysis could not be made of which model, and why. `results` is what the page shows.
    """

    models: tuple[str, ...]
    data: str
    html: str
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, str]], ...]
    missing: tuple[str, ...]
    results: tuple[Result, ...]

    COLUMNS: ClassVar[tuple[Column, ...]] = ()

    def facts(self) -> Record:
        """Return models and data, how many results there are, and how many analyses are missing."""
        return {
            "models": " ".join(self.models),
            "data": self.data,
            "results": len(self.results),
            "missing": len(self.missing),
        }

    def records(self) -> list[Record]:
        """Return one row for each of the important numbers, a column a model."""
        return [{"number": name, **{model: values.get(model) for model in self.models}} for name, values in self.rows]

    def headline(self) -> str:
        """Return the models and the data."""
        return f"{', '.join(self.models)} on {self.data}"

    def tables(self) -> list[Table]:
        """Return the table of the summary below its sentences."""
        columns = (Column("", ("number",), words=True), *(Column(model, (model,), words=True) for model in self.models))
        return [Table((self.headline(), *self.sentences), columns, self.records())]

    def caveats(self) -> list[str]:
        """Return what could not be made."""
        return [f"missing: {text}" for text in self.missing]

    def save(self, path: Path | str) -> Path:
        """Return the file that now holds the page.

        Args:
            path: An .html file.
        """
        file = user_path(path, "path")
        write_atomic(file, self.html.encode())
        return file


def report(
    models: str | Sequence[str] | Mapping[str, nn.Module],
    data: Any = "fashion-mnist-1k",
    *,
    budget: str = "standard",
    only: Sequence[str] = (),
    samples: int | None = None,
    folder: Path | str | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
    memory: int | None = None,
) -> Report:
    """Return the report of one model, or of several side by side, after every analysis that it needs.

    Args:
        models: Names of models (`load_model`), or modules by name, in the order of the page; the others are compared
            with the first.
        data: Images with labels: `Samples`, or whatever `load_data` takes.
        budget: quick, standard (what each command does by default) or thorough: how many images.
        only: Names of `ANALYSES` to make; all by default.
        samples: Most images of each analysis.
        folder: Keeps parts and results in sub-folders, each as the command of its analysis has it, so that a report
            that was interrupted is resumed; nothing is kept by default.
        device: Where the models are brought.
        seed: Of everything random.
        memory: Budget of a batch in bytes.

    Returns:
        The page; what could not be measured of some model is a sentence in it, and in `missing`.

    Raises:
        UsageError: The extra `report` is not installed, models or images that cannot be loaded, no such budget or
            analysis, a folder of another report.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
        >>> made = report({"net": net}, samples=2, only=["curve"])
        >>> made.models, "<h1>" in made.html
        (('net',), True)
    """
    check_installed()
    most = most_images(budget, only)
    names = [models] if isinstance(models, str) else models
    if not names:
        raise UsageError("models must name one at least; got none: name one")
    device = torch.device(device)
    if isinstance(names, Mapping):
        networks = {name: model.to(device) for name, model in names.items()}
    else:
        networks = {name: load_model(name, device=device) for name in names}
    drawn = data if isinstance(data, Samples) else _drawn(data, networks, min(most, samples or most), seed)
    plan = Plan(
        models=networks,
        samples=drawn,
        device=device,
        budget=cast("Budget", budget),  # `most_images` has refused any other
        only=tuple(only) or tuple(ANALYSES),
        most=samples,
        seed=seed,
        memory=memory,
        named=None if isinstance(names, Mapping) else tuple(names),
        listed=frozenset() if isinstance(names, Mapping) else frozenset(names) & set(MODELS),
        folder=None if folder is None else user_path(folder, "folder"),
    )
    return made(plan)


def made(plan: Plan) -> Report:
    """Return the report of a plan."""
    results, failures = measure(plan)
    page = page_of(results, failures=failures, commands=plan.commands(), budget=f"{plan.budget} budget")
    return _report(page, results, failures_of(failures))


def report_from(folders: Sequence[Path | str]) -> Report:
    """Return the report of results that are saved already; nothing is measured.

    Args:
        folders: Folders of commands or of reports: whatever is saved in them, and in their sub-folders.

    Raises:
        UsageError: A folder that holds no result, a damaged file, two results that measure the same of one model,
            results on several data sets; the extra `report` is not installed.
    """
    check_installed()
    results: list[Result] = []
    for folder in folders:
        found = list(_saved(user_path(folder, "from")))
        if not found:
            raise UsageError(f"from must name folders with saved results; got {folder} without: name another")
        results += found
    _check_apart(results)
    return _report(page_of(results), results, [])


def _check_apart(results: Sequence[Result]) -> None:
    """Refuse results whose numbers would stand in one cell, or side by side without being of the same images."""
    measured = [result for result in results if not isinstance(result, ModelCard)]
    sets = sorted({data for result in measured if (data := str(getattr(result, "data", "")))})
    if len(sets) > 1:
        raise UsageError(f"from must name results on one data set; got {' and '.join(sets)}: make a report of each")
    known: set[tuple[object, ...]] = set()
    for result in measured:
        models = getattr(result, "models", None) or (model_of(result),)
        what = [getattr(result, name, "") for name in ("layer", "attack", "norm", "basis", "band_kind", "of", "kind")]
        for model in models:
            key = type(result).__name__, model, *map(str, what)
            if key in known:
                words = " ".join(word for word in map(str, what) if word)
                raise UsageError(
                    f"from must name one result of each kind; got two {key[0]} ({words}) of {model}: leave one out"
                )
            known.add(key)


def _report(page: Page, results: Sequence[Result], missing: Sequence[str]) -> Report:
    return Report(page.models, page.data, to_html(page), page.sentences, page.rows, tuple(missing), tuple(results))


def _drawn(data: Any, models: Mapping[str, nn.Module], most: int, seed: int) -> Samples:
    """Return the images of a data set at the size that the models were made for."""
    fit, _ = common_preprocessing(models)
    size: dict[str, Any] = {}
    if fit.size is not None:
        size = {"image_size": fit.size, "crop": fit.crop, "interpolation": fit.interpolation}
    return load_data(data, at_most=most, seed=seed, **size)


def _saved(folder: Path) -> Iterator[Result]:
    """Yield the results in a folder and its sub-folders, those that a report has no section for left out."""
    pages = sorted(page for page in folder.rglob("*.json") if page.with_suffix(".npz").is_file())
    # What the models are comes first, so that they stand in that order.
    for page in sorted(pages, key=lambda page: page.parent.name != "models"):
        result = load(page)
        if isinstance(result, ModelCard) or (isinstance(result, Result) and hasattr(result, "provenance")):
            yield result
