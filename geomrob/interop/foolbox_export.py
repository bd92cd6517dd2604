"""Our attacks as foolbox attacks: subclasses of its minimum-norm and fixed-strength attacks, run by its protocol."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor

from geomrob.arrays import Images, Labels
from geomrob.attacks.table import AttackEntry, entry, names, variants
from geomrob.errors import UsageError, unknown
from geomrob.interop.foolbox_import import library
from geomrob.results import AttackResult


@dataclass(frozen=True)
class ExportEntry:
    """One attack for foolbox: its row, the norm that foolbox measures it in, what is set of its options.

    Those with a `strength` are run once for each epsilon of foolbox, the others once for all.
    """

    row: AttackEntry
    norm: float
    strength: bool = False
    options: Mapping[str, object] = field(default_factory=dict[str, object])


def exported() -> dict[str, ExportEntry]:
    """Return the attacks of `ATTACKS` that foolbox can run: all but those whose strength bounds no norm.

    Example:
        >>> {"boundary", "pgd", "pgd-l2", "uniform"} <= set(exported()), "gaussian" in exported()
        (True, False)
    """
    minimal = {name: ExportEntry(entry(name), entry(name).norm) for name in names("minimal", "decision")}
    strengths = {
        name: ExportEntry(row, how.norm, strength=True, options=how.options)
        for name, (row, how) in variants().items()
        if how.norm is not None and not how.source
    }
    return minimal | strengths


def as_foolbox(name: str, **options: object) -> Any:
    """Return one of our attacks as a `foolbox.attacks.Attack`: `attack(model, inputs, criterion, epsilons=...)`.

    What foolbox calls raw is what the function returns when called directly with the model's images in [0, 1]; foolbox
    clips it to each epsilon and judges success itself. `Misclassification` gives the labels,
    `TargetedMisclassification` the targets; an input that is classified as its target already stays as it is.

    Args:
        name: One of `exported`: one of minimum norm (deepfool, tight, sparsefool, boundary, ...), or one of a given
            strength (fgsm, pgd, pgd-l2, uniform) that foolbox runs for each epsilon.
        options: Of the function, such as `steps` or `seed`.

    Raises:
        UsageError: No such attack or option.

    Example:
        >>> import foolbox
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
        >>> images, labels = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 2, 0])
        >>> raw, clipped, success = as_foolbox("deepfool")(
        ...     foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), images, labels, epsilons=[0.1, 9.0])
        >>> success.shape
        torch.Size([2, 4])
    """
    table = exported()
    if name not in table:
        raise unknown("attack", name, table)
    chosen = table[name]
    shared = (argument for argument in ("subspace", "memory") if chosen.row.takes(argument))
    known = [option for option in (*chosen.row.options, *shared) if option not in _OWN]
    for option in options:
        if option not in known:
            raise unknown(f"option of {name}", option, known)
    kind = _classes()[chosen.strength]
    return kind(name, chosen, {**chosen.options, **options})


_OWN = ("indices", "starts")
"""Options that foolbox gives by its own protocol."""


@cache
def _classes() -> tuple[type, type]:
    """Return the class of minimum-norm and that of fixed-strength attacks; made when first used."""
    eagerpy = library("eagerpy")
    foolbox = library("foolbox")
    base = foolbox.attacks.base

    class Ours:
        def __init__(self, name: str, chosen: ExportEntry, options: dict[str, object]) -> None:
            self.name, self.options = name, options
            self._attack = chosen.row.attack
            self._distance = foolbox.distances.LpDistance(chosen.norm)

        @property
        def distance(self) -> Any:
            return self._distance

        def _run(self, model: Any, inputs: Any, criterion: Any, **more: object) -> Any:
            images, restore = eagerpy.astensor_(inputs)
            if not isinstance(images.raw, Tensor):
                raise UsageError(
                    f"inputs must be PyTorch tensors; got {type(images.raw).__name__}: geomrob needs torch"
                )
            found = _attacked(
                self._attack, model, images.raw, _classes_of(base.get_criterion(criterion)), self.options, more
            )
            return restore(eagerpy.astensor(found))

    class GeomrobMinimization(Ours, base.MinimizationAttack):
        def run(self, model: Any, inputs: Any, criterion: Any, *, early_stop: Any = None, **more: Any) -> Any:
            del early_stop
            starts = more.pop("starting_points", None)
            base.raise_if_kwargs(more)
            return self._run(model, inputs, criterion, **({} if starts is None else {"starts": _raw(starts)}))

    class GeomrobFixedEpsilon(Ours, base.FixedEpsilonAttack):
        def run(self, model: Any, inputs: Any, criterion: Any, *, epsilon: float, **more: Any) -> Any:
            base.raise_if_kwargs(more)
            return self._run(model, inputs, criterion, epsilon=epsilon)

    return GeomrobMinimization, GeomrobFixedEpsilon


def _classes_of(criterion: Any) -> dict[str, Labels]:
    """Return the labels or the targets of a criterion."""
    foolbox = library("foolbox")
    if isinstance(criterion, foolbox.criteria.Misclassification):
        return {"labels": _raw(criterion.labels)}
    if isinstance(criterion, foolbox.criteria.TargetedMisclassification):
        return {"targets": _raw(criterion.target_classes)}
    raise UsageError(
        f"criterion must be Misclassification or TargetedMisclassification; got {type(criterion).__name__}: use these"
    )


def _raw(values: Any) -> Tensor:
    return cast("Tensor", getattr(values, "raw", values))


def _attacked(
    attack: Callable[..., AttackResult],
    model: Any,
    images: Images,
    classes: dict[str, Labels],
    options: dict[str, object],
    more: dict[str, object],
) -> Images:
    """Return what the attack makes of the images, evaluated in [0, 1] whatever the bounds of foolbox's model."""
    low, high = map(float, model.bounds)
    wide = high - low
    own = (low, high) == (0.0, 1.0)

    def in_unit_box(values: Tensor) -> Tensor:
        return values if own else ((values - low) / wide).clamp(0, 1)

    def scaled(inputs: Tensor) -> Tensor:
        return model(inputs if own else inputs * wide + low)

    rows = torch.arange(len(images), device=images.device)
    if "targets" in classes:
        with torch.no_grad():
            rows = rows[model(images).argmax(1) != classes["targets"]]
    if not len(rows):
        return images
    picked: dict[str, Any] = {name: values[rows] for name, values in classes.items()}
    if "epsilon" in more:
        picked["epsilon"] = float(cast("float", more["epsilon"])) / wide
    if "starts" in more:
        picked["starts"] = in_unit_box(cast("Tensor", more["starts"])[rows])
    words = inspect.signature(attack).parameters
    if "bounds" in words:
        picked["bounds"] = (0.0, 1.0)
    if "indices" in words:
        picked["indices"] = rows.cpu()
    found = attack(scaled, in_unit_box(images[rows]), **picked, **options).perturbed
    perturbed = images.clone()
    perturbed[rows] = found if own else found * wide + low
    return perturbed
