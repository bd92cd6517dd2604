"""What attacks return, and how a search can end."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TypeVar

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels, norms
from geomrob.results.provenance import quantiles
from geomrob.results.result import Result
from geomrob.tables import Column, Record

R = TypeVar("R", bound="AttackResult")


class Status(IntEnum):
    """How one search ended. Only `FOUND` carries a distance; every other status has distance infinity."""

    FOUND = 0
    STEP_LIMIT = 1
    INVARIANT = 2
    NON_FINITE = 3
    INFEASIBLE = 4
    NO_START = 5

    @property
    def words(self) -> str:
        """The status in lower case, for tables."""
        return self.name.lower().replace("_", " ")

    @property
    def sentence(self) -> str:
        """What happened."""
        return SENTENCES[self]


SENTENCES = {
    Status.FOUND: "An adversarial point was found and re-verified.",
    Status.STEP_LIMIT: "No adversarial point was found within the steps or the budget: raise them.",
    Status.INVARIANT: "The gradient is exactly zero here: the model does not react to the perturbation.",
    Status.NON_FINITE: "The model returned NaN or infinity on the way.",
    Status.INFEASIBLE: "The bounds leave no room for a further step.",
    Status.NO_START: "No adversarial starting point was found: pass starts, a pool, or raise tries.",
}


def status_counts(status: Tensor) -> dict[str, int]:
    """Return how often each status occurs, by its words.

    Example:
        >>> status_counts(torch.tensor([0, 0, 1]))
        {'found': 2, 'step limit': 1}
    """
    return dict(Counter(Status(value).words for value in status.flatten().tolist()))


def failures(status: Tensor, *, without: Sequence[Status] = ()) -> str:
    """Return in words how often each failure occurs, nothing where there is none.

    Example:
        >>> failures(torch.tensor([0, 1, 1]))
        '2 step limit'
    """
    left_out = {Status.FOUND.words, *(one.words for one in without)}
    return ", ".join(f"{count} {words}" for words, count in status_counts(status).items() if words not in left_out)


@dataclass(frozen=True, repr=False)
class AttackResult(Result):
    """What an attack returns: one entry per input; failure is an entry, never an exception.

    `success` is re-verified on `perturbed` itself. `forwards` and `backwards` count model sample-evaluations per input.
    """

    inputs: Images
    labels: Labels
    perturbed: Images
    success: Bool[Tensor, " n"]
    status: Int64[Tensor, " n"]
    steps: Int64[Tensor, " n"]
    forwards: Int64[Tensor, " n"]
    backwards: Int64[Tensor, " n"]

    COLUMNS = (
        Column("image", ("index",)),
        Column("class", ("label",)),
        Column("status", ("status",), words=True),
        Column("l2", ("l2",), "{:.4g}"),
        Column("linf", ("linf",), "{:.4g}"),
        Column("pixels", ("pixels",), "{:.0f}"),
        Column("fwd + bwd", ("forwards", "backwards"), "{} + {}"),
    )

    def tensors(self) -> dict[str, Tensor]:
        """Return the fields by name, on the CPU: a part of a run."""
        return {field.name: getattr(self, field.name).cpu() for field in fields(self)}

    @classmethod
    def joined(cls: type[R], parts: Sequence[Mapping[str, Tensor]], device: torch.device | str = "cpu") -> R:
        """Return the result of all images from that of some of them each, as `tensors` returns it."""
        return cls(**{name: torch.cat([part[name] for part in parts]).to(device) for name in parts[0]})

    def summary(self) -> Record:
        """Return success rate, median norms (failures are infinite) and mean costs."""
        medians = {
            f"{name}_median": float(quantiles(values[None].double(), (0.5,)))
            for name, values in (
                *((f"l{p:g}", self.distances(p)) for p in (1, 2, math.inf)),
                ("pixels", self.pixels),
            )
        }
        return {
            "images": len(self.labels),
            "success_rate": self.success_rate,
            **medians,
            "forwards": float(self.forwards.double().mean()),
            "backwards": float(self.backwards.double().mean()),
        }

    def records(self) -> list[Record]:
        """Return one row an input; what failed is infinitely far."""
        columns = {
            "index": range(len(self.labels)),
            "label": self.labels.tolist(),
            "status": [Status(value).words for value in self.status.tolist()],
            **{f"l{p:g}": self.distances(p).tolist() for p in (1, 2, math.inf)},
            "pixels": self.pixels.tolist(),
            "elements": self.elements.tolist(),
            "steps": self.steps.tolist(),
            "forwards": self.forwards.tolist(),
            "backwards": self.backwards.tolist(),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def headline(self) -> str:
        """Return how many attacks succeeded."""
        return f"{int(self.success.sum())} of {len(self.labels)} attacks succeeded"

    def caveats(self) -> list[str]:
        """Return how often each failure occurs, with what it means."""
        return [
            f"{count} {words}: {Status[words.upper().replace(' ', '_')].sentence}"
            for words, count in status_counts(self.status).items()
            if words != Status.FOUND.words
        ]

    @property
    def perturbation(self) -> Images:
        """What was added to the inputs (N, C, H, W)."""
        return self.perturbed - self.inputs

    @property
    def success_rate(self) -> float:
        """Share of the inputs whose decision was changed."""
        return float(self.success.double().mean())

    @property
    def changed(self) -> Bool[Tensor, "n h w"]:
        """Which pixels are changed, in any channel."""
        return (self.perturbed != self.inputs).any(1)

    @property
    def pixels(self) -> Distances:
        """How many pixels are changed, in any channel; infinity where the attack failed."""
        return torch.where(self.success, self.changed.flatten(1).sum(1).to(self.inputs.dtype), torch.inf)

    @property
    def elements(self) -> Distances:
        """How many elements (one channel of one pixel) are changed; infinity where the attack failed."""
        count = (self.perturbed != self.inputs).flatten(1).sum(1)
        return torch.where(self.success, count.to(self.inputs.dtype), torch.inf)

    def distances(self, p: float = 2) -> Distances:
        """Return the l_p norm of each perturbation, infinity where the attack failed."""
        return torch.where(self.success, norms(self.perturbation, p), torch.inf)


@dataclass(frozen=True, repr=False)
class BoundaryResult(AttackResult):
    """What a walk along the boundary returns, and how far it came: `forwards` are the queries, `steps` the proposals.

    `start` is the distance where the walk began (infinity where there was no start, `status` NO_START). The last step
    sizes are relative to the distance: `spherical_step` along the sphere around the input, `source_step` towards it.
    `converged` says where they fell under the limit, `adapted` where they ever changed.
    """

    start: Distances
    spherical_step: Distances
    source_step: Distances
    converged: Bool[Tensor, " n"]
    adapted: Bool[Tensor, " n"]

    @property
    def unstarted(self) -> tuple[int, ...]:
        """Which inputs had no valid start."""
        return tuple((self.status == Status.NO_START).nonzero().flatten().tolist())

    @property
    def warning(self) -> str:
        """What limits these distances; empty where nothing does."""
        stuck = int((~self.adapted & (self.steps > 0)).sum())
        warnings = [f"{len(self.unstarted)} images had no start: {', '.join(map(str, self.unstarted))}"]
        warnings = warnings if self.unstarted else []
        if stuck:
            warnings.append(
                f"the step sizes of {stuck} images never adapted: these are little more than distances of starts"
            )
        return "; ".join(warnings)
