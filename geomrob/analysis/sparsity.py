"""Sparsity: how few pixels change the prediction, at what cost, and how many random pixels would have done it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from geomrob.analysis.named_attacks import BOX
from geomrob.analysis.random_pixels import median_elements, random_pixels
from geomrob.arrays import ImagesLike, Labels, LabelsLike, Logits, Model, as_labels, check_images
from geomrob.attacks.quantization import eight_bit
from geomrob.attacks.table import AttackEntry, entry, names
from geomrob.errors import UsageError, unknown
from geomrob.inference import (
    PROBED,
    Prepared,
    check_finite,
    checked_classes,
    checked_targets,
    is_adversarial,
    predicted_classes,
)
from geomrob.randomness import checked_indices
from geomrob.results import AttackResult, Sparsity, Status
from geomrob.runs import Clock, Run, ranges, work

__all__ = ["random_pixels", "sparse_attacks", "sparsity", "sparsity_sweep"]

Progress = Callable[[int, int], object]


def sparsity(
    model: Model,
    inputs: ImagesLike,
    *,
    attack: str = "sparsefool",
    labels: LabelsLike | None = None,
    target: str | None = None,
    targets: LabelsLike | None = None,
    indices: Labels | None = None,
    classes: Sequence[str] = (),
    name: str = "model",
    data: str = "images",
    seed: int = 0,
    repeats: int = 5,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
    **options: float | str | None,
) -> Sparsity:
    r"""Return how few pixels of each image had to change for another prediction, and what finding them cost.

    The fooling rate is |{x : F(x + delta_x) != F(x)}| / |D| over all images, whatever their true class. Next to
    it stands that of random pixels: `random_pixels` with as many elements of each channel as the attack changes in the
    median fooled image. The images are rounded to 8 bits and re-verified (`eight_bit`).

    Args:
        model: Images (N, C, H, W) to logits (N, K); a module is held in eval mode meanwhile.
        inputs: Images in [0, 1], on the model's device.
        attack: One of `sparse_attacks`: sparsefool, or l1-deepfool or l1-tight, with -clipped or -box.
        labels: True classes, for the accuracy and the locations only; the predicted ones by default.
        target: Class to reach, by name or number; images that are classified as it already are left out and counted.
        targets: Classes to reach, one an image; None if any other class will do.
        indices: Position of each image in its source; what is random about an image depends on it alone.
        classes: Names of the classes.
        name, data: How the result calls model and data.
        seed: Of the random pixels.
        repeats: How often the random pixels are drawn.
        memory: Budget in bytes for activations and search state, 1 GiB by default.
        progress: Called with (images done, images in all) now and then; the result is the same.
        run: Folder that keeps finished parts of the attack, to resume from; the result is the same.
        options: Options of the attack, such as `lam`, `radius`, `prune` or `count` for sparsefool. A radius of None
            or infinity is none.

    Returns:
        One entry an image on the CPU, infinity pixels where no other prediction was found, with the reason in
        `result.status`. `random` is NaN if no image was fooled. What each image cost is in `result`; the provenance
        also counts clean images, perturbed and rounded images, and the random pixels.

    Raises:
        UsageError: Images outside [0, 1], unknown attack or option, an option that it refuses, labels, targets or
            indices of another number or out of range, a target that all images are classified as, a model that is not
            deterministic or returns no finite (N, K) logits or no gradient.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, sec. 3.3 and eq. 3.7; Modas,
        Moosavi-Dezfooli, Frossard, "SparseFool", CVPR 2019.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> found = sparsity(model, torch.rand(5, 1, 8, 8), lam=2)
        >>> found.options["lam"], found.result.pixels.shape
        (2.0, torch.Size([5]))
    """
    inputs = check_images(inputs)
    labels = as_labels(labels)
    if repeats < 1:
        raise UsageError(f"repeats must be at least 1; got {repeats}: 5 is usual")
    if target is not None and targets is not None:
        raise UsageError(f"target must be given without targets; got {target} and {len(targets)} targets: drop one")
    settings = settings_of(attack, options)
    clock = Clock(seed=seed, device=inputs.device)
    inputs, total = inputs.detach(), len(inputs)
    indices = checked_indices(indices, total)
    with Prepared(model, inputs, memory=memory) as ready:
        ready.check_deterministic()
        truth = ready.predictions if labels is None else checked_classes("labels", labels, ready.clean)
        chosen = ready
        if target is not None:
            kept, number = elsewhere(ready.clean, target, classes, name)
            inputs, truth, indices = inputs[kept], truth[kept], indices[kept.cpu()]
            chosen, targets = ready.rows(kept), torch.full_like(kept, number)
        goal = None if targets is None else checked_targets(targets, chosen.clean)
        count = len(inputs)
        parts = work(
            run,
            f"{attack} of {name}",
            partial(_part, chosen, goal, attack=attack, settings=settings),
            ranges(count, max(LEAST, chosen.block)),
            each=EVALUATIONS,
            progress=progress,
        )
        result = AttackResult.joined(parts, inputs.device)
        stored = eight_bit(chosen, result, targets=goal, radius=settings.get("radius", math.inf))
        found, stored_found = _reached(chosen, result), _reached(chosen, stored)
        random = torch.full((repeats,), torch.nan, dtype=torch.float64)
        fooled = int(result.success.sum())
        if fooled:
            random = random_pixels(
                chosen,
                inputs,
                median_elements(result),
                labels=result.labels,
                seed=seed,
                indices=indices,
                repeats=repeats,
            )
    # The clean images are counted by the attack, whose logits they are, but for those that were left out.
    others = min(PROBED, total) + total - count + (repeats * count if fooled else 0)
    others += fooled + int(stored.success.sum())
    return Sparsity(
        model=name,
        data=data,
        attack=attack,
        options={option: value if isinstance(value, str) else float(value) for option, value in settings.items()},
        result=AttackResult.joined([result.tensors()]),
        found=found.cpu(),
        stored=AttackResult.joined([stored.tensors()]),
        stored_found=stored_found.cpu(),
        labels=truth.cpu(),
        indices=indices.cpu(),
        classes=tuple(classes),
        random=random,
        provenance=clock.provenance(
            forwards=others + int(stored.forwards.sum()),
            backwards=int(result.backwards.sum()),
            notes=ready.notes,
        ),
        target=target or "",
        left_out=total - count,
    )


def sparsity_sweep(
    model: Model, inputs: ImagesLike, parameter: str, values: Sequence[float | str | None], **how: Any
) -> list[Sparsity]:
    """Return the sparsity for each value of one option: `lam` for Fig. 3.3 of the thesis, `radius` for Fig. 3.6.

    Args:
        model, inputs: As in `sparsity`.
        parameter: The option that varies.
        values: What it is set to, in turn.
        how: Everything else, as in `sparsity`; progress counts over all values together.

    Raises:
        UsageError: As `sparsity`; no values, or a parameter that is also set in `how`.
    """
    if not len(values):
        raise UsageError(f"values must hold at least one value of {parameter}; got none: name some")
    if parameter in how:
        raise UsageError(f"{parameter} must be set in one place; got values and {how[parameter]!r}: leave one out")
    for value in values:
        settings_of(how.get("attack", "sparsefool"), {parameter: value})
    told: Progress | None = how.pop("progress", None)
    found: list[Sparsity] = []
    for number, value in enumerate(values):

        def tell(done: int, total: int, before: int = number) -> object:
            return None if told is None else told(before * total + done, len(values) * total)

        found.append(sparsity(model, inputs, progress=None if told is None else tell, **{parameter: value}, **how))
    return found


def elsewhere(
    clean: Logits, target: str, classes: Sequence[str], name: str = "model"
) -> tuple[Int64[Tensor, " m"], int]:
    """Return the positions of the images that are not classified as the target yet, and the number of that class.

    Args:
        clean: Logits of the clean images.
        target: Name of the class, or its number.
        classes: Names of the classes.
        name: What errors call the model.

    Raises:
        UsageError: No such class, or all images are classified as it already.
    """
    number = _class_number(target, classes, clean.shape[1])
    kept = (predicted_classes(clean) != number).nonzero().squeeze(1)
    if not len(kept):
        raise UsageError(
            f"target must differ from the current class; {name} classifies all images as {target}: name another"
        )
    return kept, number


def _class_number(target: str, classes: Sequence[str], count: int) -> int:
    """Return the class of that name or number."""
    if target in classes:
        number = classes.index(target)
    elif target.isascii() and target.isdigit():
        number = int(target)
    else:
        raise unknown("target", target, classes)
    if number >= count:
        raise UsageError(f"target must be a class from 0 to {count - 1}; got {target}: the model has no more")
    return number


def _reached(model: Model, result: AttackResult) -> Labels:
    """Return the class of each adversarial image, -1 where there is none."""
    reached = torch.full_like(result.labels, -1)
    if bool(result.success.any()):
        logits = Prepared(model, result.perturbed).logits(result.perturbed[result.success])
        check_finite(logits)
        reached[result.success] = predicted_classes(logits)
    return reached


LEAST = 16
"""Images of a part where blocks are small."""

EVALUATIONS = 100
"""About what an image takes, for the progress inside the first part."""


def _part(
    ready: Prepared, targets: Labels | None, piece: slice, *, attack: str, settings: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the result of an attack on some of the images, by field."""
    with ready:
        some = None if targets is None else targets[piece]
        return attacked(ready.rows(piece), ready.images[piece], attack, settings, targets=some).tensors()


@dataclass(frozen=True)
class SparseAttack:
    """One way to change few pixels: an attack, what is set of its options, whether it is clipped to [0, 1] after it."""

    row: AttackEntry
    fixed: Mapping[str, object] = field(default_factory=dict[str, object])
    clipped: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Options that are left to choose, with their defaults; for `radius`, infinity is no limit."""
        free = {name: default for name, default in self.row.options.items() if name not in self.fixed}
        return {name: math.inf if default is None else default for name, default in free.items()}


def sparse_attacks() -> dict[str, SparseAttack]:
    """Return the attacks of `ATTACKS` that minimise the l1 norm; what has a box as an option comes in three ways.

    l1-NAME is free to leave [0, 1], l1-NAME-clipped is clipped at the end, l1-NAME-box keeps each step inside.

    Example:
        >>> [name for name in sparse_attacks() if not name.startswith("l1-tight")]
        ['l1-deepfool', 'l1-deepfool-clipped', 'l1-deepfool-box', 'sparsefool']
    """
    known: dict[str, SparseAttack] = {}
    for name in names("minimal"):
        row = entry(name)
        if row.takes("norm") and 1 in row.norms:
            known[f"l1-{name}"] = SparseAttack(row, {"norm": 1})
            known[f"l1-{name}-clipped"] = SparseAttack(row, {"norm": 1}, clipped=True)
            known[f"l1-{name}-box"] = SparseAttack(row, {"norm": 1, "bounds": BOX})
        elif 1 in row.norms:
            known[name] = SparseAttack(row)
    return known


def sparse_attack(name: str) -> SparseAttack:
    """Return the one of that name.

    Raises:
        UsageError: None of them.
    """
    known = sparse_attacks()
    if name not in known:
        raise unknown("attack", name, known)
    return known[name]


def settings_of(attack: str, options: Mapping[str, float | str | None]) -> dict[str, Any]:
    """Return all options of an attack, those that are not given at their defaults, each in the type it has.

    Raises:
        UsageError: An attack or an option that there is not; a fraction where a whole number is needed.
    """
    settings = sparse_attack(attack).options
    for name, value in options.items():
        if name not in settings:
            raise unknown(f"option of {attack}", name, settings)
        default = settings[name]
        if isinstance(default, str) or isinstance(value, str):
            if not isinstance(default, str) or not isinstance(value, str):
                raise UsageError(f"{name} must be a {type(default).__name__}; got {value!r}: {default} is the default")
            settings[name] = value
            continue
        if value is None and default != math.inf:
            raise UsageError(f"{name} must be a number; got None: leave it out for {default}")
        number = math.inf if value is None else value
        if isinstance(default, int) and number not in (0, 1) and (isinstance(default, bool) or number % 1 != 0):
            kind = "True or False" if isinstance(default, bool) else "a whole number"
            raise UsageError(f"{name} must be {kind}; got {number}: {default} is the default")
        settings[name] = type(default)(number)
    return settings


def attacked(
    model: Model, inputs: ImagesLike, attack: str, settings: Mapping[str, Any], *, targets: Labels | None = None
) -> AttackResult:
    """Return the result of an attack on images; where it is clipped afterwards, evaluated again."""
    chosen = sparse_attack(attack)
    options = {name: None if value == chosen.options[name] == math.inf else value for name, value in settings.items()}
    result = chosen.row.attack(model, inputs, targets=targets, **chosen.fixed, **options)
    if not chosen.clipped:
        return result
    perturbed = result.perturbed.clamp(*BOX)
    success = result.success & is_adversarial(model, perturbed, result.labels, targets)
    status = torch.where(result.success & ~success, int(Status.STEP_LIMIT), result.status)
    return replace(result, perturbed=perturbed, success=success, status=status, forwards=result.forwards + 1)
