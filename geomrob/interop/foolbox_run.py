"""One run of an attack of foolbox: starts asked for first, the batch if foolbox lets it, what each image cost."""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Bool
from torch import Tensor

from geomrob.arrays import Images, Labels, norms
from geomrob.errors import UsageError
from geomrob.interop.counted import Counted
from geomrob.interop.watch import library, told_by, watched
from geomrob.results import AttackResult, BoundaryResult, Status

STARTS: dict[str, tuple[str, dict[str, object]]] = {
    "BoundaryAttack": ("LinearSearchBlendedUniformNoiseAttack", {"steps": 50}),
    "HopSkipJumpAttack": ("LinearSearchBlendedUniformNoiseAttack", {"steps": 50}),
    "BrendelBethgeAttack": ("LinearSearchBlendedUniformNoiseAttack", {}),
    "PointwiseAttack": ("SaltAndPepperNoiseAttack", {}),
}
"""What foolbox begins from by default, where it gives up on the batch when one image has no start."""


class FoolboxRun:
    """One run of an attack of foolbox over all inputs, in one batch where foolbox lets it."""

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
        self.attack, self.model, self.counted, self.epsilon = watched(attack), model, counted, epsilon
        self.inputs, self.labels, self.targets = inputs, labels, targets
        self.forwards, self.backwards = (torch.zeros(len(inputs), dtype=torch.float64) for _ in range(2))
        self.steps = torch.zeros_like(labels)
        self.last = {name: torch.full((len(inputs),), torch.nan) for name in ("start", "spherical_step", "source_step")}
        self.flags = {name: torch.zeros(len(inputs), dtype=torch.bool) for name in ("converged", "adapted")}
        self.last["start"][:] = torch.inf

    def all(self, starts: Tensor | None) -> tuple[Images, Tensor]:
        """Return the perturbed images and the status of each: FOUND where foolbox gave an answer."""
        perturbed, status = self.inputs.clone(), torch.full_like(self.labels, Status.FOUND)
        rows = torch.arange(len(self.inputs), device=self.inputs.device)
        starts = self._starts(rows) if starts is None else starts
        if starts is not None:
            begins = self._crossed(starts)
            self.last["start"] = torch.where(begins, norms(starts - self.inputs), torch.inf).cpu()
            status[~begins] = Status.NO_START
            rows = rows[begins]
        if not len(rows):
            return perturbed, status
        try:
            perturbed[rows] = self._run(rows, starts)
        except (ValueError, AssertionError):
            perturbed, status = self._one_by_one(rows, starts, perturbed, status)
        return perturbed, status

    def watched(self, result: AttackResult) -> BoundaryResult:
        """Return the result with what foolbox's boundary attack told of its steps."""
        return BoundaryResult(**vars(result), **self.last, **self.flags)

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
        foolbox = library("foolbox")
        name, options = STARTS[kinds[0]]
        begin = self.attack.init_attack or getattr(foolbox.attacks, name)(**options)
        return self._counting(rows, lambda: begin.run(self.model, self.inputs, self._criterion(rows)))

    def _crossed(self, images: Images) -> Bool[Tensor, " n"]:
        rows = torch.arange(len(images), device=images.device)
        logits = self._counting(rows, lambda: self.model(images))
        return cast("Tensor", self._criterion(rows)(images, logits))

    def _run(self, rows: Labels, starts: Tensor | None) -> Images:
        options = {} if starts is None else {"starting_points": starts[rows]}
        found = self._counting(
            rows,
            lambda: self.attack(self.model, self.inputs[rows], self._criterion(rows), epsilons=self.epsilon, **options),
        )
        for name, values in told_by(self.attack, len(rows)).items():
            kept = {**self.last, **self.flags, "steps": self.steps}[name]
            kept[rows.cpu()] = values.to(kept)
        return found[1].detach()

    def _one_by_one(
        self, rows: Labels, starts: Tensor | None, perturbed: Tensor, status: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what each input gives alone, where the batch raised; refuse what raises for all of them."""
        told = [self._alone(row, starts, perturbed) for row in rows.split(1)]
        failed = torch.tensor([error is not None for error in told], device=rows.device)
        status[rows[failed]] = Status.STEP_LIMIT
        if bool(failed.all()):
            name = type(self.attack).__name__
            raise UsageError(f"arguments must be ones that foolbox's {name} accepts; got {told[0]!r}: see its help")
        return perturbed, status

    def _alone(self, row: Labels, starts: Tensor | None, perturbed: Tensor) -> Exception | None:
        """Return what foolbox raised for one input, or put what it found where it belongs."""
        try:
            perturbed[row] = self._run(row, starts)
        except (ValueError, AssertionError) as error:
            return error
        return None

    def _counting(self, rows: Labels, call: Callable[[], Any]) -> Any:
        """Return what a call answers; what it costs is shared among the rows."""
        before = (self.counted.forwards, self.counted.backwards)
        try:
            return call()
        finally:
            self.forwards[rows.cpu()] += (self.counted.forwards - before[0]) / len(rows)
            self.backwards[rows.cpu()] += (self.counted.backwards - before[1]) / len(rows)
