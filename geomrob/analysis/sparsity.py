"""Sparsity: how few pixels change the decision, at what cost, and how many random pixels would have done it."""

import inspect
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from geomrob.analysis.random_pixels import median_elements, one_per_image, random_pixels
from geomrob.arrays import Images, Labels, Model, check_images
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.attacks.quantization import eight_bit
from geomrob.errors import UsageError, unknown
from geomrob.inference import (
    CPU_BLOCK,
    GPU_BLOCK,
    PROBED,
    Prepared,
    check_finite,
    checked_classes,
    checked_targets,
    is_adversarial,
    plain,
)
from geomrob.results import AttackResult, Sparsity, Status
from geomrob.runs import Clock

__all__ = ["METHODS", "exported", "random_pixels", "sparsity", "sparsity_sweep"]

Progress = Callable[[int, int], object]


def sparsity(
    model: Model,
    inputs: Images,
    *,
    method: str = "sparsefool",
    labels: Labels | None = None,
    targets: Labels | None = None,
    indices: Labels | None = None,
    classes: Sequence[str] = (),
    name: str = "model",
    data: str = "images",
    seed: int = 0,
    repeats: int = 5,
    memory_bytes: int | None = None,
    progress: Progress | None = None,
    **options: float | None,
) -> Sparsity:
    r"""Return how few pixels of each image had to change for another decision, and what finding them cost.

    The fooling rate is |{x : F(x + delta_x) != F(x)}| / |D| over all images, whatever their true class. Beside it
    stands that of random pixels: `random_pixels` with as many elements of each channel as the attack changes in the
    median fooled image. The images are exported to 8 bits and asked again (`eight_bit`).

    Args:
        model: Images (N, C, H, W) to logits (N, K); a module is held in eval mode meanwhile.
        inputs: Images in [0, 1], on the model's device.
        method: One of `METHODS`.
        labels: True classes, for the accuracy and the locations only; the predicted ones by default.
        targets: Classes to reach, one an image; None if any other class will do.
        indices: Position of each image in its source; what is random about an image depends on it alone.
        classes: Names of the classes.
        name, data: How the result calls model and data.
        seed: Of the random pixels.
        repeats: How often the random pixels are drawn.
        memory_bytes: Budget for activations and search state, 1 GiB by default.
        progress: Called with (images done, images in all) now and then; the answer is the same.
        options: Options of the method's attack, such as `lam`, `radius` or `prune` for sparsefool. A radius of None
            or infinity is none.

    Returns:
        One entry an image on the CPU, infinity pixels where no other decision was found, with the reason in
        `attack.status`. `random` is NaN if no image was fooled. What each image cost is in `attack`; the provenance
        also counts clean images, answers to perturbed and exported images, and the random pixels.

    Raises:
        UsageError: Images outside [0, 1], unknown method or option, an option that its attack refuses, labels, targets
            or indices of another number or out of range, a model that is not deterministic or returns no finite
            (N, K) logits or no gradient.

    References:
        Modas, thesis, 2022, sec. 3.3 and eq. 3.7; Modas, Moosavi-Dezfooli, Frossard, "SparseFool", CVPR 2019.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> found = sparsity(model, torch.rand(5, 1, 8, 8), lam=2)
        >>> found.options["lam"], found.attack.pixels.shape
        (2.0, torch.Size([5]))
    """
    check_images(inputs)
    if repeats < 1:
        raise UsageError(f"repeats must be at least 1; got {repeats}: 5 is usual")
    settings = settings_of(method, options)
    clock = Clock(seed=seed, device=inputs.device)
    inputs, count = inputs.detach(), len(inputs)
    indices = torch.arange(count) if indices is None else one_per_image("indices", indices, inputs)
    with Prepared(model, inputs, memory=memory_bytes) as ready:
        ready.check_deterministic()
        truth = ready.predictions if labels is None else checked_classes("labels", labels, ready.clean)
        target = None if targets is None else checked_targets(targets, ready.clean)
        parts: list[AttackResult] = []
        for piece in _pieces(torch.isfinite(ready.clean).any(1), progress is not None):
            some = None if target is None else target[piece]
            parts.append(run(ready.rows(piece), inputs[piece], method, settings, targets=some))
            if progress is not None:
                progress(piece.stop, count)
        attack = AttackResult(*(torch.cat(part) for part in zip(*map(_tensors, parts), strict=True)))
        stored = eight_bit(ready, attack, targets=target, radius=settings.get("radius", math.inf))
        found, random = _reached(ready, attack), torch.full((repeats,), torch.nan, dtype=torch.float64)
        fooled = int(attack.success.sum())
        if fooled:
            random = random_pixels(
                ready,
                inputs,
                median_elements(attack),
                labels=attack.labels,
                seed=seed,
                indices=indices,
                repeats=repeats,
            )
    # The clean images are counted by the attack, whose logits they are.
    others = min(PROBED, count) + fooled + (repeats * count if fooled else 0)
    return Sparsity(
        model=name,
        data=data,
        method=method,
        options={option: float(value) for option, value in settings.items()},
        attack=AttackResult(*(part.cpu() for part in _tensors(attack))),
        found=found.cpu(),
        labels=truth.cpu(),
        indices=indices.cpu(),
        classes=tuple(classes),
        survived=stored.success.cpu(),
        random=random,
        provenance=clock.provenance(
            forwards=others + int(stored.forwards.sum()), backwards=int(attack.backwards.sum())
        ),
    )


def exported(model: Model, found: Sparsity, *, targets: Labels | None = None) -> Sparsity:
    """Return the result with the images as 8 bits a channel hold them, asked again, in place of the exact ones.

    Args:
        model: The model that was attacked, on any device.
        found: What `sparsity` returned.
        targets: The targets it was given.
    """
    network = plain(model)
    device = next(network.parameters(), found.attack.inputs).device if isinstance(network, nn.Module) else "cpu"
    exact = AttackResult(*(part.to(device) for part in _tensors(found.attack)))
    stored = eight_bit(model, exact, targets=targets, radius=found.options.get("radius", math.inf))
    kept = AttackResult(*(part.cpu() for part in _tensors(stored)))
    return replace(found, attack=kept, found=_reached(model, stored).cpu(), survived=kept.success)


def sparsity_sweep(
    model: Model, inputs: Images, parameter: str, values: Sequence[float | None], **how: Any
) -> list[Sparsity]:
    """Return the sparsity for each value of one option: `lam` for Fig. 3.3 of the thesis, `radius` for Fig. 3.6.

    Args:
        model, inputs: As in `sparsity`.
        parameter: The option that varies.
        values: What it is set to, in turn.
        how: Everything else, as in `sparsity`; progress is told over all values together.

    Raises:
        UsageError: As `sparsity`; no values, or a parameter that is also set in `how`.
    """
    if not len(values):
        raise UsageError(f"values must hold at least one value of {parameter}; got none: name some")
    if parameter in how:
        raise UsageError(f"{parameter} must be set in one place; got values and {how[parameter]!r}: leave one out")
    for value in values:
        settings_of(how.get("method", "sparsefool"), {parameter: value})
    told: Progress | None = how.pop("progress", None)
    found: list[Sparsity] = []
    for number, value in enumerate(values):

        def tell(done: int, total: int, before: int = number) -> object:
            return None if told is None else told(before * total + done, len(values) * total)

        found.append(sparsity(model, inputs, progress=None if told is None else tell, **{parameter: value}, **how))
    return found


def _reached(model: Model, attack: AttackResult) -> Labels:
    """Return the class of each adversarial image, -1 where there is none."""
    reached = torch.full_like(attack.labels, -1)
    if bool(attack.success.any()):
        logits = Prepared(model, attack.perturbed).logits(attack.perturbed[attack.success])
        check_finite(logits)
        reached[attack.success] = logits.argmax(1)
    return reached


def _pieces(usable: Bool[Tensor, " n"], several: bool) -> Generator[slice]:
    """Yield the images in one piece or several, each with one for which the model has an answer."""
    size = (CPU_BLOCK if usable.device.type == "cpu" else GPU_BLOCK) if several else len(usable)
    start = 0
    for stop in range(size, len(usable), size):
        if bool(usable[start:stop].any()) and bool(usable[stop:].any()):
            yield slice(start, stop)
            start = stop
    yield slice(start, len(usable))


def _tensors(result: AttackResult) -> list[Tensor]:
    """Return the fields of a result."""
    return [cast("Tensor", getattr(result, field.name)) for field in fields(result)]


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
    success = found.success & is_adversarial(model, perturbed, found.labels, targets, memory=memory)
    status = torch.where(found.success & ~success, int(Status.STEP_LIMIT), found.status)
    return replace(found, perturbed=perturbed, success=success, status=status, forwards=found.forwards + 1)
