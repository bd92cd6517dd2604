"""Accuracy against strength: noise, transferred FGSM and PGD, over several models, networks and repeats."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from geomrob.arrays import Images, ImagesLike, Labels, LabelsLike, Model, as_labels, check_images
from geomrob.attacks.engine.run import check_strength
from geomrob.attacks.fixed_budget.fgsm import fgsm, sign_direction
from geomrob.attacks.fixed_budget.noise import noise, noisy
from geomrob.attacks.table import AttackEntry, Variant, variant
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared, check_finite, check_first_call, checked_classes, pieces, predicted_classes
from geomrob.randomness import checked_indices
from geomrob.results import Acceptance, StrengthCurve
from geomrob.runs import Clock, Run, ranges, work

Progress = Callable[[int, int], object]

NOISE_REPEATS = 5
"""How often noise is drawn anew by default, for the standard error."""


def strength_curve(
    models: Mapping[str, Model | Sequence[Model]],
    inputs: ImagesLike,
    labels: LabelsLike,
    *,
    attack: str = "gaussian",
    strengths: Sequence[float] | None = None,
    repeats: int | None = None,
    source: Model | None = None,
    source_name: str = "",
    clamp: str = "global",
    steps: int = 40,
    restarts: int = 1,
    loss: str = "cross-entropy",
    data: str = "images",
    indices: Labels | None = None,
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> StrengthCurve:
    """Return the accuracy of each model on the images perturbed at each strength.

    All models see the same draws, and every strength the same unit draws, so that differences are the models'. The
    direction of a transferred FGSM is computed once.

    Args:
        models: Name to model, or to several networks of it (trainings with different seeds), as many for each name.
        inputs: Images in [0, 1].
        labels: Their true classes.
        attack: gaussian, uniform or salt-pepper noise, fgsm, fgsm-transfer,
            or another variant in `ATTACKS`: pgd, pgd-l2, pgd-l1.
        strengths: In [0, 1] units, of the kind that the row says; 0 is put first if it is missing. Default: the row's.
        repeats: How often draws are repeated, with seeds `seed`, `seed` + 1, ...; 1 for FGSM, which draws nothing.
            Default: 5 for noise, otherwise 1.
        source, source_name: The model that fgsm-transfer crafts on, and how it is called.
        clamp: As in `noisy`; for noise alone.
        steps, restarts, loss: As in `pgd`; for PGD alone.
        data: How the result calls the images.
        indices: Position of each image in its source.
        seed: Of the first repeat.
        memory: Budget in bytes, as in `deepfool`; the images are perturbed and evaluated in pieces that fit it.
        progress: Called with (images evaluated so far, over all networks, repeats and strengths; in all).
        run: Folder that keeps finished parts, to resume from; the result is the same.

    Raises:
        UsageError: No model, numbers of networks that differ, an unknown attack, strengths that are none, a source
            that is missing or not wanted, labels of another number, images outside [0, 1].

    References:
        Attias et al., regularising with pixel similarities, 2024, section 5.1: ten strengths, seven networks a model.

    Differences:
        The released code recomputes the gradient for every strength, and clamps noise to each image's own range.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> curve = strength_curve({"net": model}, torch.rand(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1]),
        ...                        strengths=[0.1, 0.2], repeats=3)
        >>> curve.strengths.tolist(), curve.mean.shape
        ([0.0, 0.1..., 0.2...], torch.Size([1, 3]))
    """
    inputs = check_images(inputs)
    labels = as_labels(labels)
    networks = [[Prepared(model, inputs, memory=memory) for model in group] for group in networks_of(models)]
    for ready in (ready for group in networks for ready in group):
        check_first_call(ready)
    row, how = variant(attack)
    if repeats is None:
        repeats = NOISE_REPEATS if row.kind == "noise" else 1
    scale = _checked(row, how, how.strengths if strengths is None else strengths, repeats, source, labels, len(inputs))
    keys = checked_indices(indices, len(inputs))
    clock = Clock(seed=seed, device=inputs.device)
    inputs = inputs.detach()
    options = {"clamp": clamp, "steps": steps, "restarts": restarts, "loss": loss, "memory": memory}
    flat = [model for group in networks for model in group]
    task = _Task(flat, source, inputs, labels.to(inputs.device), keys, row, how, options, seed, scale, repeats)
    cells = len(flat) * repeats * len(scale)
    parts = work(
        run,
        f"{attack} on {', '.join(models)}",
        partial(_part, task, [*flat, *task.ready]),
        ranges(len(inputs), max(PART, Prepared(flat[0], inputs, memory=memory, forward_only=True).block)),
        units=lambda piece: (piece.stop - piece.start) * cells,
        each=1 if row.kind == "noise" else 2,
        progress=progress,
    )
    if not bool(torch.stack([part["finite"] for part in parts]).any(0).all()):
        # A network that returned nothing finite for all images at one strength.
        check_finite(torch.full((1, 1), torch.nan))
    correct = torch.cat([part["correct"] for part in parts], -1)
    forwards, backwards = torch.stack([part["spent"] for part in parts]).sum(0).tolist()
    return StrengthCurve(
        models=tuple(models),
        data=data,
        attack=attack,
        source=source_name or ("source" if source is not None else ""),
        strengths=torch.tensor(scale, dtype=torch.float64),
        correct=correct.unflatten(0, (len(networks), -1)),
        labels=labels.cpu(),
        indices=keys,
        provenance=clock.provenance(
            forwards=forwards,
            backwards=backwards,
            notes=[text for group in networks for model in group for text in model.notes],
        ),
    )


class _Task:
    """A piece of the images of one curve, how they are perturbed for each network, and what that has cost."""

    def __init__(
        self,
        networks: list[Model],
        source: Model | None,
        inputs: Images,
        labels: Labels,
        keys: Labels,
        row: AttackEntry,
        how: Variant,
        options: Mapping[str, Any],
        seed: int,
        strengths: Sequence[float],
        repeats: int,
    ) -> None:
        self.networks, self.row, self.how, self.seed = networks, row, how, seed
        self.strengths, self.repeats = strengths, repeats
        self.every_image, self.every_label, self.every_key = inputs, labels, keys
        self.options = {**options, **how.options}
        self.memory: int | None = options["memory"]
        # What an attack takes from the clean logits is checked over all images, not over those of a piece.
        attacked = networks if row.attack is not noise and source is None else []
        self.ready = [Prepared(model, inputs, memory=self.memory) for model in ([source] if source else attacked)]
        for ready in self.ready:
            checked_classes("labels", labels, ready.clean)
        self.finite: dict[tuple[int, float, int], bool] = {}
        self.forwards, self.backwards = 0, 0

    def run_identity(self) -> dict[str, object]:
        """Return what the curve depends on: see `runs.fingerprint`."""
        return {
            "networks": self.networks,
            "attacked": self.ready,
            "labels": self.every_label,
            "indices": self.every_key,
            "attack": [self.row.home, self.how],
            "options": {name: value for name, value in self.options.items() if name != "memory"},
            "seed": self.seed,
            "strengths": self.strengths,
            "repeats": self.repeats,
        }

    def take(self, piece: slice, images: Images) -> None:
        """Go on with these of the images."""
        self.inputs, self.labels, self.keys = images, self.every_label[piece], self.every_key[piece]
        self.parts = [ready.rows(piece, images) for ready in self.ready]
        self.direction = -1, images[:0]

    def _signs(self, number: int) -> Images:
        """Return the direction of FGSM on a network, or on the source for all of them, for every strength."""
        number = 0 if self.how.source else number
        if self.direction[0] != number:
            self.direction = number, sign_direction(self.parts[number], self.inputs, self.labels, memory=self.memory)
            self.forwards += 2 * len(self.inputs)
            self.backwards += len(self.inputs)
        return self.direction[1]

    def correct(self, number: int, strength: float, repeat: int) -> Bool[Tensor, " n"]:
        """Return which images a network classifies as labelled at one strength."""
        at = number, strength, repeat
        if strength == 0:
            return self._right(at, self.inputs)
        if self.row.attack is fgsm:
            return self._right(at, (self.inputs + strength * self._signs(number)).clamp(0, 1))
        if self.row.attack is noise:
            chosen: dict[str, Any] = {name: self.options[name] for name in ("kind", "clamp")}
            seed = self.seed + repeat
            return self._right(at, noisy(self.inputs, epsilon=strength, seed=seed, indices=self.keys, **chosen))
        return self._withstood(number, strength, repeat)

    def _right(self, at: tuple[int, float, int], images: Images) -> Bool[Tensor, " n"]:
        self.forwards += len(images)
        logits = Prepared(self.networks[at[0]], images, memory=self.memory, forward_only=True).logits(images)
        self.finite[at] = self.finite.get(at, False) or bool(torch.isfinite(logits).any())
        return predicted_classes(logits) == checked_classes("labels", self.labels, logits)

    def _withstood(self, number: int, strength: float, repeat: int) -> Bool[Tensor, " n"]:
        options = {**self.options, "epsilon": strength, "seed": self.seed + repeat, "indices": self.keys}
        taken = {name: value for name, value in options.items() if self.row.takes(name)}
        result = self.row.attack(self.parts[number], self.inputs, self.labels, **taken)
        self.forwards += int(result.forwards.sum())
        self.backwards += int(result.backwards.sum())
        return ~result.success


PART = 64
"""Images of a part: a whole number of blocks on a CPU."""


def _part(task: _Task, _counted: Sequence[Model], images: slice) -> dict[str, Tensor]:
    """Return which of some images each network classifies as labelled, at each repeat and strength.

    Args:
        task: The curve.
        _counted: Its models, for the progress.
        images: Which.
    """
    task.finite, task.forwards, task.backwards = {}, 0, 0
    cells = list(itertools.product(range(len(task.networks)), range(task.repeats), range(len(task.strengths))))
    shape = len(task.networks), task.repeats, len(task.strengths)
    correct = torch.zeros(*shape, images.stop - images.start, dtype=torch.bool)
    for piece, rows in pieces(task.every_image, task.memory, within=images):
        task.take(piece, rows)
        own = slice(piece.start - images.start, piece.stop - images.start)
        for number, repeat, level in cells:
            correct[number, repeat, level, own] = task.correct(number, task.strengths[level], repeat).cpu()
    finite = [task.finite.get((number, task.strengths[level], repeat), True) for number, repeat, level in cells]
    spent = torch.tensor([task.forwards, task.backwards])
    return {"correct": correct, "finite": torch.tensor(finite).reshape(shape), "spent": spent}


def networks_of(models: Mapping[str, Model | Sequence[Model]]) -> list[list[Model]]:
    """Return the networks of each model.

    Raises:
        UsageError: No model, or numbers of networks that differ.
    """
    groups = [list(group) if isinstance(group, (list, tuple)) else [group] for group in models.values()]
    sizes = {name: len(group) for name, group in zip(models, groups, strict=True)}
    if not groups or len(set(sizes.values())) > 1 or 0 in sizes.values():
        told = ", ".join(f"{name}: {size}" for name, size in sizes.items()) or "no model"
        raise UsageError(f"models must be at least one, with as many networks each; got {told}: add or drop some")
    return groups  # pyright: ignore[reportReturnType]


def _checked(
    row: AttackEntry,
    how: Variant,
    strengths: Sequence[float],
    repeats: int,
    source: Model | None,
    labels: Labels,
    count: int,
) -> list[float]:
    """Return the strengths with 0 first; refuse what does not fit together."""
    if how.source != (source is not None):
        given, advice = ("None", "give one") if how.source else ("one", "leave it out")
        raise UsageError(f"source must be a model with fgsm-transfer and with nothing else; got {given}: {advice}")
    if not 1 <= repeats <= 1_000_000 or (repeats > 1 and not row.takes("seed")):
        raise UsageError(
            f"repeats must be at least 1, at most 1,000,000, and 1 for FGSM; got {repeats}: it draws nothing to repeat"
        )
    for strength in strengths:
        check_strength(strength, "strengths", "0.1 is usual")
    scale = [0.0, *(float(strength) for strength in strengths if strength > 0)]
    if len(scale) < 2 or scale != sorted(set(scale)):
        advice = "put them in order, each once" if len(scale) > 1 else "add one"
        raise UsageError(f"strengths must rise and one must be above 0; got {list(strengths)}: {advice}")
    if tuple(labels.shape) != (count,):
        raise UsageError(f"labels must be shaped ({count},); got {tuple(labels.shape)}: give one for each image")
    return scale


def acceptance(
    curve: StrengthCurve, baseline: str, *, strength: float | None = None, minimum: float = 0.9
) -> Acceptance:
    """Return where each other model stands against the baseline: R0 / U0 on clean images, RD / UD on perturbed ones.

    A model is acceptable if it keeps A0 of the clean accuracy, R0 / U0 >= A0, and gains under the perturbation,
    RD / UD > 1.

    Args:
        curve: Accuracies of the baseline and at least one other model; means over networks and repeats are compared.
        baseline: Name of the unregularised model.
        strength: Where D is taken, one of the curve's strengths; the largest by default.
        minimum: A0.

    Raises:
        UsageError: No such model or strength, no other model, a minimum outside (0, 1], a baseline that classifies no
            clean image correctly.

    References:
        Attias et al., regularising with pixel similarities, 2024, section 5.2 and Figure 4.
    """
    check_baseline(baseline, curve.models, minimum)
    strength = float(curve.strengths[-1]) if strength is None else strength
    at = (curve.strengths - strength).abs().argmin()
    if abs(float(curve.strengths[at]) - strength) > 1e-9:
        known = ", ".join(f"{value:g}" for value in curve.strengths.tolist())
        raise UsageError(f"strength must be one of the curve's; got {strength:g}: choose among {known}")
    own = curve.models.index(baseline)
    if not float(curve.mean[own, 0]) > 0:
        raise UsageError(f"baseline must be right on some clean image; got {baseline}, never right: choose another")
    others = [index for index in range(len(curve.models)) if index != own]
    ratios = curve.mean[others] / curve.mean[own]
    return Acceptance(
        models=tuple(curve.models[index] for index in others),
        baseline=baseline,
        data=curve.data,
        attack=curve.attack,
        strength=strength,
        minimum=minimum,
        clean=ratios[:, 0],
        distorted=ratios[:, at],
    )


def check_baseline(baseline: str, models: Sequence[str], minimum: float = 0.9) -> None:
    """Refuse a baseline that is not measured or has nothing to be compared with, and a minimum that is no share.

    Raises:
        UsageError: One of these.
    """
    if not 0 < minimum <= 1:
        raise UsageError(f"minimum must lie in (0, 1]; got {minimum:g}: 0.9 is usual")
    if baseline not in models:
        raise unknown("baseline", baseline, models)
    if len(set(models)) < 2:
        raise UsageError(f"models must hold another one than the baseline; got {baseline} alone: measure them together")
