"""Attacks of foolbox as ours: starts evaluated first, the batch if foolbox allows it, verified on what is returned."""

import importlib
import inspect
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from geomrob.arrays import Images, ImagesLike, Labels, LabelsLike, Model, as_images, check_images, norms
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared, checked_classes, checked_targets, logit_gap
from geomrob.interop.counted import Counted
from geomrob.results import AttackResult, BoundaryResult, Status

STARTS: dict[str, tuple[str, dict[str, object]]] = {
    "BoundaryAttack": ("LinearSearchBlendedUniformNoiseAttack", {"steps": 50}),
    "HopSkipJumpAttack": ("LinearSearchBlendedUniformNoiseAttack", {"steps": 50}),
    "BrendelBethgeAttack": ("LinearSearchBlendedUniformNoiseAttack", {}),
    "PointwiseAttack": ("SaltAndPepperNoiseAttack", {}),
}
"""What foolbox begins from by default, where it gives up on the batch when one image has no start."""

WINDOW = 30
"""Statistics, one every `update_stats_every_k` steps, that foolbox's boundary attack collects before it adapts."""


@dataclass(frozen=True)
class FoolboxEntry:
    """One minimum-norm attack of foolbox: its class, the norm it minimises, what it is, options unlike foolbox's."""

    attack: str
    norm: float
    summary: str
    options: dict[str, object] = field(default_factory=dict[str, object])


FOOLBOX: dict[str, FoolboxEntry] = {
    "fmn-l0": FoolboxEntry("L0FMNAttack", 0, "fast minimum norm, few elements"),
    "fmn-l1": FoolboxEntry("L1FMNAttack", 1, "fast minimum norm"),
    "fmn-l2": FoolboxEntry("L2FMNAttack", 2, "fast minimum norm"),
    "fmn-linf": FoolboxEntry("LInfFMNAttack", float("inf"), "fast minimum norm"),
    "ddn": FoolboxEntry("DDNAttack", 2, "direction and norm decoupled"),
    "ead": FoolboxEntry("EADAttack", 1, "elastic net", {"steps": 1000}),
    "boundary": FoolboxEntry("BoundaryAttack", 2, "decision-based, a walk along the boundary"),
    "hop-skip-jump": FoolboxEntry("HopSkipJumpAttack", 2, "decision-based, gradients estimated"),
}


def from_foolbox(attack: object, **options: object) -> Callable[..., AttackResult]:
    """Return an attack of foolbox as one of ours: called with (model, inputs, labels=None, ...) as `run_foolbox` is.

    Args:
        attack: A row of `FOOLBOX`, the name of a class of `foolbox.attacks`, or an instance of one.
        options: Of the constructor, such as `steps`; none with an instance.

    Raises:
        UsageError: No such attack or option.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
        >>> from_foolbox("ddn", steps=20)(model, torch.rand(4, 1, 4, 4)).success_rate
        1.0
    """
    return partial(run_foolbox, _built(attack, options))


def run_foolbox(
    attack: object,
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    targets: LabelsLike | None = None,
    epsilon: float | None = None,
    starts: ImagesLike | None = None,
    seed: int = 0,
) -> AttackResult:
    """Return what an attack of foolbox finds, verified on the images returned.

    Args:
        attack: As in `from_foolbox`.
        model, inputs, labels, targets: As in `deepfool`.
        epsilon: Strength, for attacks that need one; those of minimum norm then clip their result to it.
        starts: An adversarial image (N, C, H, W) for each input, for attacks that begin from one.
        seed: Of PyTorch's and NumPy's global generators, which foolbox draws from; both are restored.

    Returns:
        One entry an input; a `BoundaryResult` for BoundaryAttack. An input without a start has the status NO_START and
        the others are finished. Evaluations are those of a batch, shared equally.

    Raises:
        UsageError: No such attack; images outside [0, 1]; arguments that foolbox accepts for none of the inputs.

    Differences:
        foolbox raises for the whole batch when one start fails. Here its own start is computed first, with the same
        draws, and the attack runs on those that have one: on all, with foolbox's own result, where none fails.
        foolbox's boundary attack reports neither its step sizes (NaN here) nor whether they converged (False); that
        they never adapted is known where it made fewer than 30 `update_stats_every_k` steps.
    """
    foolbox = library("foolbox")
    inputs = check_images(inputs)
    starts = None if starts is None else as_images(starts, name="starts")
    inputs, attack = inputs.detach(), _built(attack, {})
    _check(attack, epsilon, starts, inputs)
    with Prepared(model, inputs) as ready, _seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counted = Counted(ready).eval()
        ready.check_deterministic()
        clean = ready.clean
        held = ready.predictions.clamp_min(0) if labels is None else checked_classes("labels", labels, clean)
        goal = None if targets is None else checked_targets(targets, clean)
        wrapped = foolbox.PyTorchModel(counted, bounds=(0, 1), device=inputs.device)
        runner = _Runner(attack, wrapped, counted, inputs, held, goal, epsilon)
        perturbed, status = runner.run(starts)
        logits = ready.logits(perturbed)
        # An image that the model has no class for is no start of an attack.
        blank = ready.predictions < 0
        status = torch.where(blank, int(Status.NON_FINITE), status)
        success = (logit_gap(logits, held, goal) < 0) & torch.isfinite(logits).all(1) & (status == Status.FOUND)
        ready.check_unchanged(perturbed[success], logits[success])
    status = torch.where((status == Status.FOUND) & ~success, int(Status.STEP_LIMIT), status)
    spent = (runner.forwards.round().long(), runner.backwards.round().long())
    if not isinstance(attack, foolbox.attacks.BoundaryAttack):
        return AttackResult(inputs, held, perturbed, success, status, torch.zeros_like(held), *spent)
    walked, walk = torch.isfinite(runner.start), cast("Any", attack)
    return BoundaryResult(
        inputs,
        held,
        perturbed,
        success,
        status,
        torch.where(walked, int(walk.steps), 0).to(held),
        *spent,
        start=runner.start,
        spherical_step=torch.full_like(runner.start, torch.nan),
        source_step=torch.full_like(runner.start, torch.nan),
        converged=torch.zeros_like(walked),
        adapted=walked & (walk.steps >= WINDOW * walk.update_stats_every_k),
    )


def library(name: str) -> Any:
    """Return foolbox or what belongs to it, loaded when first used: it takes a second."""
    return importlib.import_module(name)


class _Runner:
    """One run of an attack of foolbox over all inputs, in one batch where foolbox allows it."""

    def __init__(
        self,
        attack: Any,
        model: Any,
        counted: Counted,
        inputs: Images,
        labels: Labels,
        targets: Labels | None,
        epsilon: float | None,
    ) -> None:
        self.attack, self.model, self.counted, self.epsilon = attack, model, counted, epsilon
        self.inputs, self.labels, self.targets = inputs, labels, targets
        self.forwards, self.backwards = (torch.zeros(len(inputs), dtype=torch.float64) for _ in range(2))
        self.start = torch.full((len(inputs),), torch.inf)

    def run(self, starts: Tensor | None) -> tuple[Images, Tensor]:
        """Return the perturbed images and the status of each: FOUND where foolbox returned one."""
        perturbed, status = self.inputs.clone(), torch.full_like(self.labels, Status.FOUND)
        rows = torch.arange(len(self.inputs), device=self.inputs.device)
        starts = self._starts(rows) if starts is None else starts
        if starts is not None:
            begins = self._adversarial(starts, rows)
            self.start = torch.where(begins, norms(starts - self.inputs), torch.inf).cpu()
            status[~begins] = Status.NO_START
            rows = rows[begins]
        if not len(rows):
            return perturbed, status
        try:
            perturbed[rows] = self._attack(rows, starts)
        except (ValueError, AssertionError):
            self._one_by_one(rows, starts, perturbed, status)
        return perturbed, status

    def _criterion(self, rows: Labels) -> Any:
        foolbox = library("foolbox")
        if self.targets is None:
            return foolbox.criteria.Misclassification(self.labels[rows])
        return foolbox.criteria.TargetedMisclassification(self.targets[rows])

    def _starts(self, rows: Labels) -> Images | None:
        """Return where foolbox would begin; None for attacks that begin from the inputs."""
        kinds = [kind.__name__ for kind in type(self.attack).__mro__ if kind.__name__ in STARTS]
        if not kinds:
            return None
        name, options = STARTS[kinds[0]]
        begin = self.attack.init_attack or getattr(library("foolbox").attacks, name)(**options)
        return self._counting(rows, lambda: begin.run(self.model, self.inputs, self._criterion(rows)))

    def _adversarial(self, images: Images, rows: Labels) -> Bool[Tensor, " n"]:
        logits = self._counting(rows, lambda: self.model(images))
        return cast("Tensor", self._criterion(rows)(images, logits))

    def _attack(self, rows: Labels, starts: Tensor | None) -> Images:
        options = {} if starts is None else {"starting_points": starts[rows]}
        call = partial(self.attack, self.model, self.inputs[rows], self._criterion(rows), epsilons=self.epsilon)
        return self._counting(rows, lambda: call(**options))[1].detach()

    def _one_by_one(self, rows: Labels, starts: Tensor | None, perturbed: Tensor, status: Tensor) -> None:
        """Write what each input gives alone, where the batch raised; refuse what raises for all of them."""
        errors = [self._alone(row, starts, perturbed) for row in rows.split(1)]
        failed = torch.tensor([error is not None for error in errors], device=rows.device)
        status[rows[failed]] = Status.STEP_LIMIT
        if bool(failed.all()):
            name = type(self.attack).__name__
            raise UsageError(f"arguments must be ones that foolbox's {name} accepts; got {errors[0]!r}: see its help")

    def _alone(self, row: Labels, starts: Tensor | None, perturbed: Tensor) -> Exception | None:
        """Return what foolbox raised for one input, or write what it found."""
        try:
            perturbed[row] = self._attack(row, starts)
        except (ValueError, AssertionError) as error:
            return error
        return None

    def _counting(self, rows: Labels, call: Callable[[], Any]) -> Any:
        """Return what a call returns; its cost is shared among the rows."""
        before = (self.counted.forwards, self.counted.backwards)
        try:
            return call()
        finally:
            self.forwards[rows.cpu()] += (self.counted.forwards - before[0]) / len(rows)
            self.backwards[rows.cpu()] += (self.counted.backwards - before[1]) / len(rows)


def _built(attack: object, options: dict[str, object]) -> Any:
    """Return an instance of an attack of foolbox."""
    foolbox = library("foolbox")
    if isinstance(attack, foolbox.attacks.base.Attack):
        if options:
            raise UsageError(f"options must go with a name; got {', '.join(options)} with an instance: give it its own")
        return attack
    name = str(attack)
    if name in FOOLBOX:
        options, name = {**FOOLBOX[name].options, **options}, FOOLBOX[name].attack
    kind = getattr(foolbox.attacks, name, None)
    if not (isinstance(kind, type) and issubclass(kind, foolbox.attacks.base.Attack)):
        raise unknown("attack", name, FOOLBOX)
    try:
        return kind(**options)
    except TypeError as error:
        known = [known for known in inspect.signature(kind).parameters if known != "self"]
        raise UsageError(f"options of {name} must be among {', '.join(known)}; got {error}: rename them") from None


def _check(attack: Any, epsilon: float | None, starts: Tensor | None, inputs: Images) -> None:
    """Refuse a strength that is missing, starts that the attack does not take or that are of another shape."""
    foolbox = library("foolbox")
    name = type(attack).__name__
    if epsilon is None and isinstance(attack, foolbox.attacks.base.FixedEpsilonAttack):
        raise UsageError(f"epsilon must be given with {name}; got None: it is no attack of minimum norm")
    if starts is None:
        return
    if "starting_points" not in inspect.signature(attack.run).parameters:
        raise UsageError(f"starts must be left out with {name}; got {len(starts)}: it begins from the inputs")
    if starts.shape != inputs.shape:
        raise UsageError(f"starts must be shaped {tuple(inputs.shape)}; got {tuple(starts.shape)}: give one an input")


@contextmanager
def _seeded(seed: int) -> Generator[None]:
    """Seed the global generators that foolbox draws from, and restore them."""
    state = np.random.get_state()  # noqa: NPY002 - it is this one that foolbox uses
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
