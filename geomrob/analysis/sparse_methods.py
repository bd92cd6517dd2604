"""The ways to change few pixels that are compared: SparseFool, and DeepFool in the l1 norm with and without a box."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from geomrob.arrays import Images, Labels, Model, UsageError, unknown
from geomrob.attacks.deepfool import deepfool
from geomrob.attacks.eight_bit import fools
from geomrob.attacks.sparsefool import sparsefool
from geomrob.results import AttackResult, Status


@dataclass(frozen=True)
class SparseMethod:
    """One way to change few pixels: the attack, what the method sets of its options, what follows, what it is."""

    attack: Callable[..., AttackResult]
    fixed: Mapping[str, object]
    clipped: bool
    summary: str

    @property
    def options(self) -> dict[str, Any]:
        """Options that are left to choose, with their defaults; for `radius`, infinity is no limit."""
        given = inspect.signature(self.attack).parameters.values()
        taken = {"targets", "subspace", "bounds", "norm", "memory"}
        free = (option for option in given if option.kind is option.KEYWORD_ONLY and option.name not in taken)
        return {option.name: math.inf if option.default is None else option.default for option in free}


METHODS: dict[str, SparseMethod] = {
    "sparsefool": SparseMethod(sparsefool, {}, False, "SparseFool: the box is part of the problem"),
    "l1-deepfool": SparseMethod(deepfool, {"norm": 1}, False, "DeepFool in the l1 norm, free to leave [0, 1]"),
    "l1-deepfool-clipped": SparseMethod(deepfool, {"norm": 1}, True, "the same, clipped to [0, 1] at the end"),
    "l1-deepfool-box": SparseMethod(
        deepfool, {"norm": 1, "bounds": (0.0, 1.0)}, False, "DeepFool in the l1 norm, each step inside [0, 1]"
    ),
}


def settings_of(method: str, options: Mapping[str, float | None]) -> dict[str, Any]:
    """Return all options of a method, those that are not given at their defaults, each in the type it has.

    Raises:
        UsageError: A method or an option that there is not; a fraction where a whole number is needed.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    settings = METHODS[method].options
    for name, value in options.items():
        if name not in settings:
            raise unknown(f"option of {method}", name, settings)
        default = settings[name]
        if value is None and default != math.inf:
            raise UsageError(f"{name} must be a number; got None: leave it out for {default}")
        number = math.inf if value is None else value
        if isinstance(default, int) and number not in (0, 1) and (isinstance(default, bool) or number % 1 != 0):
            kind = "True or False" if isinstance(default, bool) else "a whole number"
            raise UsageError(f"{name} must be {kind}; got {number}: {default} is the default")
        settings[name] = type(default)(number)
    return settings


def run(
    model: Model,
    inputs: Images,
    method: str,
    settings: Mapping[str, Any],
    *,
    targets: Labels | None = None,
    memory: int | None = None,
) -> AttackResult:
    """Return the attack of a method on images; where it is clipped afterwards, with the model asked again."""
    chosen = METHODS[method]
    told = {name: None if value == chosen.options[name] == math.inf else value for name, value in settings.items()}
    found = chosen.attack(model, inputs, targets=targets, memory=memory, **chosen.fixed, **told)
    if not chosen.clipped:
        return found
    perturbed = found.perturbed.clamp(0, 1)
    success = found.success & fools(model, perturbed, found.labels, targets, memory=memory)
    status = torch.where(found.success & ~success, int(Status.STEP_LIMIT), found.status)
    return replace(found, perturbed=perturbed, success=success, status=status, forwards=found.forwards + 1)
