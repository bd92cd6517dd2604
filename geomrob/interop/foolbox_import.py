"""foolbox both ways: its attacks asked and verified as ours are, and ours as attacks that foolbox can run."""

import inspect
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from geomrob.arrays import Images, Labels, Model, check_images
from geomrob.attacks.engine.run import checked_classes, checked_targets
from geomrob.errors import UsageError, unknown
from geomrob.inference import evaluating, scores
from geomrob.interop.counted import Counted
from geomrob.interop.foolbox_export import OURS, as_foolbox
from geomrob.interop.foolbox_run import FoolboxRun
from geomrob.interop.watch import library
from geomrob.results import AttackResult, Status

__all__ = ["FOOLBOX", "OURS", "FoolboxEntry", "as_foolbox", "from_foolbox", "run_foolbox"]


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
    "boundary": FoolboxEntry("BoundaryAttack", 2, "decisions alone, a walk along the boundary"),
    "hop-skip-jump": FoolboxEntry("HopSkipJumpAttack", 2, "decisions alone, slopes estimated from them"),
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
    inputs: Images,
    labels: Labels | None = None,
    *,
    targets: Labels | None = None,
    epsilon: float | None = None,
    starts: Tensor | None = None,
    seed: int = 0,
) -> AttackResult:
    """Return what an attack of foolbox finds, verified on the images returned.

    Args:
        attack: As in `from_foolbox`.
        model, inputs, labels, targets: As in `deepfool`.
        epsilon: Strength, for attacks that need one; those of minimum norm then clip their answer to it.
        starts: An image (N, C, H, W) decided otherwise for each input, for attacks that begin from one.
        seed: Of PyTorch's and NumPy's global generators, which foolbox draws from; both are put back.

    Returns:
        One entry an input; a `BoundaryResult` with the last step sizes for BoundaryAttack. An input without a start has
        the status NO_START and the others are finished. Evaluations are those of a batch, shared equally.

    Raises:
        UsageError: No such attack; images outside [0, 1]; arguments that foolbox accepts for none of the inputs.

    Differences:
        foolbox raises for the whole batch when one start fails. Here its own start is asked for first, with the same
        draws, and the attack runs on those that have one: on all, with foolbox's own answer, where none fails.
    """
    foolbox = library("foolbox")
    check_images(inputs)
    inputs, attack = inputs.detach(), _built(attack, {})
    _check(attack, epsilon, starts, inputs)
    with evaluating(model), _seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counted = Counted(cast("nn.Module", model)).eval()
        with torch.no_grad():
            clean = scores(model, inputs)
        held = clean.argmax(1) if labels is None else checked_classes("labels", labels, clean)
        goal = None if targets is None else checked_targets(targets, clean)
        wrapped = foolbox.PyTorchModel(counted, bounds=(0, 1), device=inputs.device)
        runner = FoolboxRun(attack, wrapped, counted, inputs, held, goal, epsilon)
        perturbed, status = runner.all(starts)
        with torch.no_grad():
            logits = scores(model, perturbed)
    answer = logits.argmax(1)
    success = (answer != held if goal is None else answer == goal) & torch.isfinite(logits).all(1)
    success &= status == Status.FOUND
    status = torch.where((status == Status.FOUND) & ~success, int(Status.STEP_LIMIT), status)
    spent = (runner.forwards.round().long(), runner.backwards.round().long())
    result = AttackResult(inputs, held, perturbed, success, status, runner.steps, *spent)
    return runner.watched(result) if isinstance(attack, foolbox.attacks.BoundaryAttack) else result


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
    """Seed the global generators that foolbox draws from, and put them back."""
    state = np.random.get_state()  # noqa: NPY002 - it is this one that foolbox uses
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
