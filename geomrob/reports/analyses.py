"""The analyses of a report: a table of what is measured, on how many images, and which command makes the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from geomrob.analysis.audit import audit, default_sources
from geomrob.analysis.corruptions.errors import corruption_errors
from geomrob.analysis.duration import evaluations_of
from geomrob.analysis.layers import layers
from geomrob.analysis.margin_bands import margin_bands
from geomrob.analysis.margins import margin_curve
from geomrob.analysis.robust_accuracy import NORMS, robust_accuracy
from geomrob.analysis.sparsity import sparsity
from geomrob.analysis.spectra.perturbed import attack_spectrum
from geomrob.analysis.strength_curve import strength_curve
from geomrob.arrays import Model
from geomrob.data import in_box
from geomrob.data.entry import Samples
from geomrob.results.result import Result
from geomrob.runs import Run

Budget = Literal["quick", "standard", "thorough"]
Progress = Callable[[int, int], object]

EXAMPLES = 3
"""Images of which the smallest change in some bands is shown."""


@dataclass(frozen=True)
class Task:
    """What an analysis works with.

    Attributes:
        models: By name; one alone where the analysis takes one at a time.
        samples: The images with their facts.
        images: The same on the device of the models.
        seed: Of everything random.
        memory: Budget in bytes, None for the default.
        run: Folder of the analysis.
        progress: Called with (done, in all).
        sources: Of the transfer in an audit.
        options: Of the analysis.
    """

    models: Mapping[str, Model]
    samples: Samples
    images: Tensor
    seed: int
    memory: int | None
    run: Run | None
    progress: Progress | None
    sources: Mapping[str, Model]
    options: Mapping[str, Any]

    def shared(self) -> dict[str, Any]:
        """Return the arguments that every analysis takes."""
        return {
            "data": self.samples.name,
            "indices": self.samples.indices,
            "seed": self.seed,
            "memory": self.memory,
            "run": self.run,
            "progress": self.progress,
            **self.options,
        }

    def alone(self) -> tuple[str, Model]:
        """Return name and model of an analysis of one model."""
        [(name, model)] = self.models.items()
        return name, model


@dataclass(frozen=True)
class Analysis:
    """One row of the table.

    Attributes:
        command: Words of the command that makes the same in the same folder.
        about: What it is called, for progress.
        make: From a task to results.
        images: How many, by budget.
        cost: From a task's samples and options to the expected forward and backward evaluations an image.
        options: By budget, where they differ from the defaults; as words of the command, too.
        each: Whether it takes one model at a time; otherwise all together.
        beside: Seconds of an evaluation of an image beside the model's own: steps of searches of few images at once,
            making of corruptions. As measured on 28 x 28 pixels.
        file: Name of the files of its results.
    """

    command: str
    about: str
    make: Callable[[Task], list[Result]]
    images: Mapping[Budget, int]
    cost: Callable[[Samples, Mapping[str, Any]], tuple[float, float]]
    options: Mapping[Budget, Mapping[str, Any]] = field(default_factory=dict[Budget, Mapping[str, Any]])
    each: bool = True
    beside: float = 4e-4
    file: str = ""


def _margins(task: Task) -> list[Result]:
    name, model = task.alone()
    boxed = in_box(task.samples)
    return [
        margin_curve(
            model,
            task.images,
            subspaces=margin_bands(task.samples, seed=task.seed),
            allowed=(0.0, 1.0) if boxed else None,
            labels=task.samples.labels,
            name=name,
            band_kind="blocks",
            examples=EXAMPLES if boxed else 0,
            **task.shared(),
        )
    ]


def _sparsity(task: Task) -> list[Result]:
    name, model = task.alone()
    labels = task.samples.labels.to(task.images.device)
    return [sparsity(model, task.images, labels=labels, classes=task.samples.classes, name=name, **task.shared())]


def _strength(task: Task) -> list[Result]:
    models = {name: [model] for name, model in task.models.items()}
    return [strength_curve(models, task.images, task.samples.labels, **task.shared())]


def _robust(task: Task) -> list[Result]:
    name, model = task.alone()
    return [robust_accuracy(model, task.images, task.samples.labels, name=name, **task.shared())]


def _spectrum(task: Task) -> list[Result]:
    name, model = task.alone()
    shared = {key: value for key, value in task.shared().items() if key in ("seed", "run", "progress")}
    return list(attack_spectrum("deepfool", model, task.samples, images=task.images, name=name, **shared))


def _corruptions(task: Task) -> list[Result]:
    models = {name: [model] for name, model in task.models.items()}
    return [corruption_errors(models, task.images, task.samples.labels, **task.shared())]


def _layers(task: Task) -> list[Result]:
    name, model = task.alone()
    labels = task.samples.labels.to(task.images.device)
    return [layers(model, task.images, labels, name=name, **task.shared())]


def _audit(task: Task) -> list[Result]:
    name, model = task.alone()
    sources = default_sources(task.sources, name)
    return [audit(model, task.images, labels=task.samples.labels, sources=sources, name=name, **task.shared())]


def _bands(samples: Samples, options: Mapping[str, Any]) -> tuple[float, float]:
    """Return the expected evaluations an image of a margin curve in all its bands."""
    forwards, backwards = evaluations_of(options.get("attack", "tight"), options.get("budget"))
    bands = len(margin_bands(samples))
    return bands * forwards, bands * backwards


def fixed(forwards: float, backwards: float) -> Callable[[Samples, Mapping[str, Any]], tuple[float, float]]:
    """Return a cost that is the same for all images: a mean over models that are as hard as those of the table."""
    return lambda _samples, _options: (forwards, backwards)


def _queries(_samples: Samples, options: Mapping[str, Any]) -> tuple[float, float]:
    """Return the expected evaluations an image of an audit."""
    return AUDITED[0] + options.get("budget", 1000), AUDITED[1]


AUDITED = (310.0, 180.0)
"""Evaluations an image of an audit without its queries."""

BUDGETS: tuple[Budget, ...] = ("quick", "standard", "thorough")


def every(**options: Any) -> dict[Budget, Mapping[str, Any]]:
    """Return options that are the same whatever the budget."""
    return dict.fromkeys(BUDGETS, options)


ANALYSES: dict[str, Analysis] = {
    "margin": Analysis(
        command="margin",
        about="margins",
        make=_margins,
        images={"quick": 10, "standard": 50, "thorough": 200},
        cost=_bands,
        options={"quick": {"budget": 30}},
        beside=1e-4,
    ),
    "margin-deepfool": Analysis(
        command="margin --attack deepfool",
        about="margins by DeepFool",
        make=_margins,
        images={"quick": 10, "standard": 50, "thorough": 200},
        cost=_bands,
        options=every(attack="deepfool"),
        file="margin",
    ),
    "sparsefool": Analysis(
        command="sparsefool",
        about="sparse perturbations",
        make=_sparsity,
        images={"quick": 20, "standard": 50, "thorough": 200},
        cost=fixed(50, 30),
    ),
    "curve": Analysis(
        command="curve",
        about="accuracy under noise",
        make=_strength,
        images={"quick": 100, "standard": 200, "thorough": 1000},
        cost=fixed(55, 0),
        each=False,
        beside=1e-4,
    ),
    "robust-linf": Analysis(
        command="robust --norm linf",
        about="robust accuracy in linf",
        make=_robust,
        images={"quick": 20, "standard": 100, "thorough": 500},
        cost=fixed(260, 230),
        options=every(norm=NORMS["linf"]),
        file="robust",
    ),
    "robust-l2": Analysis(
        command="robust --norm l2",
        about="robust accuracy in l2",
        make=_robust,
        images={"quick": 20, "standard": 100, "thorough": 500},
        cost=fixed(260, 230),
        options=every(norm=NORMS["l2"]),
        file="robust",
    ),
    "spectrum": Analysis(
        command="spectrum",
        about="spectra of perturbations",
        make=_spectrum,
        images={"quick": 20, "standard": 50, "thorough": 200},
        cost=fixed(*evaluations_of("deepfool")),
    ),
    "corruptions": Analysis(
        command="corruptions",
        about="errors under corruptions",
        make=_corruptions,
        images={"quick": 50, "standard": 200, "thorough": 1000},
        cost=fixed(76, 0),
        each=False,
    ),
    "layers": Analysis(
        command="layers",
        about="layers",
        make=_layers,
        images={"quick": 50, "standard": 200, "thorough": 1000},
        cost=fixed(2, 0),
    ),
    "audit": Analysis(
        command="audit",
        about="audit",
        make=_audit,
        images={"quick": 10, "standard": 50, "thorough": 100},
        cost=_queries,
        options={"quick": {"budget": 100}},
    ),
}
"""What a report measures, each in the sub-folder of its name. The standard budget is what commands do by default."""
