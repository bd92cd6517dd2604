"""The birth certificate of a number."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.result import Result


@dataclass(frozen=True, repr=False)
class Provenance(Result):
    """The birth certificate of a number: what made it, from what, on what, at what cost.

    `notes` are the sentences on what was converted, renumbered or left out of the model's outputs and the data.
    """

    command: str
    seed: int
    versions: dict[str, str]
    device: str
    seconds: float
    forwards: int
    backwards: int
    created: str
    notes: tuple[str, ...] = ()

    def headline(self, of: str = "") -> str:
        """Return seed, time, device and evaluations in one line, after the model `of` which they are."""
        return (
            f"{of}{': ' if of else ''}seed {self.seed}, {self.seconds:.1f} s on {self.device}; "
            f"{self.forwards:,} forward + {self.backwards:,} backward evaluations"
        )


def share_correct(predictions: Labels, labels: Labels) -> float:
    """Return the share of images that are classified as labelled; a prediction of -1, where logits are NaN, is none."""
    return float(((predictions == labels) & (predictions >= 0)).double().mean())


def quantiles(values: Float[Tensor, "r n"], q: Sequence[float]) -> Float[Tensor, "r q"]:
    """Return the quantiles of each row, linearly interpolated between finite values, infinite next to infinite ones."""
    ordered = values.sort(dim=1).values
    rank = torch.tensor(q, dtype=torch.float64) * (ordered.shape[1] - 1)
    below = ordered[:, rank.floor().long()].double()
    above = ordered[:, rank.ceil().long()].double()
    between = below + (rank - rank.floor()) * (above - below)
    return torch.where(torch.isinf(above), torch.where(rank == rank.floor(), below, above), between)
