"""The analyses of a report, made into one folder: what they will take, what they return, why one could not be made."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from geomrob.analysis.duration import seconds_of_calls
from geomrob.analysis.preparation import prepare
from geomrob.arrays import Model
from geomrob.data.entry import Samples
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared
from geomrob.models import model_cards
from geomrob.reports.analyses import ANALYSES, BUDGETS, Analysis, Budget, Progress, Task
from geomrob.results import BandEnergy, ModelCard
from geomrob.results.result import Result, file_names, with_notes
from geomrob.results.store import as_files
from geomrob.runs import Run
from geomrob.runs.folder import Engine, in_process

Watch = Callable[[str], AbstractContextManager[Progress | None]]

Value = TypeVar("Value")


@dataclass(frozen=True)
class Plan:
    """What a report is made of, and how.

    Attributes:
        models: By name.
        samples: The images with their facts, at least as many as the analysis with most takes.
        budget: How much is spent.
        only: Which analyses are made.
        most: Most images of each.
        seed, memory, threads: As in the analyses.
        sources: Of the transfer in an audit; by default the other models.
        listed: Which models are those of the table, with its weights.
        named: How commands name the models, None for modules that no command can.
        inputs: Words of commands that say how models and images are read, such as weights.
        folder: Keeps parts and results, None for no folder.
        overwrite: Whether to start again where the folder holds a run.
        engine, report: As in `Run`.
        watch: Called with a title, gives the progress of an analysis.
    """

    models: Mapping[str, nn.Module]
    samples: Samples
    device: torch.device
    budget: Budget = "standard"
    only: tuple[str, ...] = tuple(ANALYSES)
    most: int | None = None
    seed: int = 0
    memory: int | None = None
    threads: int | None = None
    sources: Mapping[str, nn.Module] | None = None
    listed: frozenset[str] = frozenset()
    named: Sequence[str] | None = None
    inputs: Sequence[str] = ()
    folder: Path | None = None
    overwrite: bool = False
    engine: Engine = in_process
    report: Callable[[str], object] | None = None
    watch: Watch = lambda title: nullcontext()

    def images(self, analysis: Analysis) -> int:
        """Return on how many images an analysis is made."""
        return min(analysis.images[self.budget], len(self.samples), self.most or len(self.samples))

    def commands(self) -> list[str]:
        """Return the commands that make the analyses anew in their folders, or find them finished there."""
        return [] if self.named is None else [self._command(key, self.named) for key in self.only]

    def _command(self, key: str, models: Sequence[str]) -> str:
        analysis = ANALYSES[key]
        names = list(models) if key == "audit" else [word for name in models for word in ("--model", name)]
        options = {
            "data": self.samples.source,
            "samples": self.images(analysis),
            "seed": self.seed,
            **{name: value for name, value in self._options(analysis).items() if name not in ("attack", "norm")},
            "out": self.folder and self.folder / key,
        }
        given = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
        return shlex.join(["geomrob", *analysis.command.split(), *names, *given, *self.inputs])

    def _options(self, analysis: Analysis) -> Mapping[str, Any]:
        return analysis.options.get(self.budget, {})


def most_images(budget: str, only: Sequence[str] = ()) -> int:
    """Return how many images the analysis with most takes.

    Raises:
        UsageError: No such budget or analysis.
    """
    if budget not in BUDGETS:
        raise unknown("budget", budget, BUDGETS)
    for name in only:
        if name not in ANALYSES:
            raise unknown("only", name, ANALYSES)
    return max(ANALYSES[name].images[budget] for name in only or ANALYSES)


def expected_seconds(plan: Plan) -> float:
    """Return the expected seconds of a plan: evaluations of all analyses times the measured seconds of one.

    The pictures are not counted.
    """
    images = plan.samples.images[:8].to(plan.device)
    total = 0.0
    for model in plan.models.values():
        try:
            one, both = seconds_of_calls(prepare(model, images, threads=plan.threads, memory=plan.memory))
        except UsageError:
            # Without a gradient, say: the page says of each analysis why it cannot be made.
            continue
        for key in plan.only:
            analysis = ANALYSES[key]
            forwards, backwards = analysis.cost(plan.samples, analysis.options.get(plan.budget, {}))
            calls = max(0.0, forwards - backwards) * one + backwards * both
            total += plan.images(analysis) * (calls + (forwards + backwards) * analysis.beside)
    return total


def measure(plan: Plan) -> tuple[list[Result], dict[str, list[str]]]:
    """Return the results of all analyses, and for each analysis why it could not be made of some model.

    Raises:
        UsageError: The folder holds another run.
    """
    results: list[Result] = list(_cards(plan))
    if plan.folder is not None:
        _publish(Run(plan.folder / "models", overwrite=True), "models", results)
    failures: dict[str, list[str]] = {}
    lost: set[str] = set()
    count = sum(len(plan.models) if ANALYSES[key].each else 1 for key in plan.only)
    steps = (f"{number} of {count}" for number in range(1, count + 1))
    for key in plan.only:
        made, failed = _made(plan, key, lost, steps)
        results += made
        lost |= failed.keys()
        if failed:
            failures[key] = [f"{name}: {why}" for name, why in failed.items()]
    return results, failures


def _cards(plan: Plan) -> list[ModelCard]:
    """Return the facts of each model: those of the table if it is one of it."""
    table = {card.model: card for card in model_cards()} if plan.listed else {}
    return [
        table[name] if name in plan.listed else _card(name, model, plan.samples) for name, model in plan.models.items()
    ]


def _card(name: str, model: Model, samples: Samples) -> ModelCard:
    """Return the facts of a model that is not of the table."""
    inner = model.model if isinstance(model, Prepared) else model
    count = sum(part.numel() for part in inner.parameters()) if isinstance(inner, nn.Module) else 0
    return ModelCard(
        model=name,
        about=f"your own: {type(inner).__qualname__}",
        shape="x".join(map(str, samples.images.shape[1:])),
        classes=len(samples.classes),
        parameters=count,
        data="",
        accuracies={},
        weights="",
        sha256="",
        command="",
        reference="",
    )


def _made(plan: Plan, key: str, lost: Set[str], steps: Iterator[str]) -> tuple[list[Result], dict[str, str]]:
    """Return the results of one analysis, and for each model that it could not be made of why.

    Args:
        plan: Of the report.
        key: Of the analysis.
        lost: Models of which an earlier one could not be made: they are no sources of an audit.
        steps: The number of each part of the report, for progress.
    """
    analysis = ANALYSES[key]
    samples = plan.samples.subset(torch.arange(plan.images(analysis)))
    images = samples.images.to(plan.device)
    run = None
    if plan.folder is not None:
        run = Run(plan.folder / key, overwrite=plan.overwrite, engine=plan.engine, report=plan.report)
    results: list[Result] = []
    failed: dict[str, str] = {}
    groups = [{name: model} for name, model in plan.models.items()] if analysis.each else [dict(plan.models)]
    for group in groups:
        title = f"{analysis.about} of {', '.join(group)}" if analysis.each else analysis.about
        made, why = _tried(plan, analysis, group, samples, images, run, f"{next(steps)}: {title}", lost)
        results += made
        failed |= {", ".join(group): why} if why else {}
    results = [with_notes(result, samples.notes) for result in results]
    if run is not None and results:
        _publish(run, analysis.file or key, results)
    return results, failed


def _tried(
    plan: Plan,
    analysis: Analysis,
    group: Mapping[str, nn.Module],
    samples: Samples,
    images: Tensor,
    run: Run | None,
    title: str,
    lost: Set[str],
) -> tuple[list[Result], str]:
    """Return what an analysis returns of some models, or why it does not."""
    sources = plan.models if plan.sources is None else plan.sources
    try:
        ready = {
            name: prepare(model, images, threads=plan.threads, memory=plan.memory) for name, model in group.items()
        }
        with plan.watch(title) as progress:
            task = Task(
                models=ready if analysis.each else group,
                samples=samples,
                images=images,
                seed=plan.seed,
                memory=plan.memory,
                run=run,
                progress=progress,
                sources={name: source for name, source in sources.items() if name not in lost},
                options=analysis.options.get(plan.budget, {}),
            )
            return analysis.make(task), ""
    except (OSError, MemoryError):
        raise
    except UsageError as error:
        # The folder is another run's, or another process works in it: nothing else would fit into it either.
        if run is not None and str(error).startswith("out must"):
            raise
        return [], str(error)
    # Models are the user's own code: what one of them raises in one analysis must not lose the others.
    except Exception as error:
        if "out of memory" in str(error):
            raise
        return [], f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _publish(run: Run, name: str, results: Sequence[Result]) -> None:
    """Write results into the folder of a run, under the names that the command gives them."""
    files: dict[Path, bytes] = {}
    for kind, group in _by_file(name, results).items():
        for end, result in zip(file_names(group), group, strict=True):
            files |= as_files(result, run.folder / f"{kind}{end}.json")
    run.publish(files)


def _by_file(name: str, results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return results by the name of their files: the energy by band goes with a spectrum."""
    files: dict[str, list[Result]] = {}
    for result in results:
        files.setdefault("energy" if isinstance(result, BandEnergy) else name, []).append(result)
    return files
