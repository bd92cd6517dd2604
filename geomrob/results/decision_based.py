"""How far images are from the decision boundary for a decision-based attack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.errors import UsageError
from geomrob.results.attack import AttackResult, BoundaryResult, Status, failures
from geomrob.results.intervals import median_words, share_words
from geomrob.results.provenance import Provenance, quantiles
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

TITLES = {
    "boundary": "boundary attack",
    "foolbox-boundary": "foolbox BoundaryAttack",
    "hop-skip-jump": "foolbox HopSkipJump",
}


@dataclass(frozen=True, repr=False)
class DecisionDistances(Result):
    """Distances of N images to the decision boundary as a decision-based attack finds them, over repeats.

    `repeats` holds what the attack found of the same images, once for each seed from `seed` on; a failure is infinitely
    far. `budget` is the most queries (forward evaluations) an image. Where the attack is a walk along the boundary, the
    repeats say where it began and how its step sizes ended.
    """

    model: str
    data: str
    attack: str
    budget: int
    seed: int
    repeats: tuple[AttackResult, ...]
    labels: Labels
    indices: Labels
    provenance: Provenance

    # Two tables, because one would be wider than a terminal.
    DISTANCES = (
        Column("model", ("model",)),
        Column("found", ("found",), "{:.1%}"),
        *(
            Column(f"l2\n{name}", (f"l2_{round(100 * q):02d}",), "{:.3f}")
            for name, q in zip(("5 %", "25 %", "median", "75 %", "95 %"), QUANTILES, strict=True)
        ),
    )
    COSTS = (
        Column("model", ("model",)),
        Column("score\nS(M)", ("score",), "{:.2e}"),
        Column("queries\nper image", ("queries",), "{:,.0f}"),
        Column("converged", ("converged",), "{:.0%}"),
    )

    def facts(self) -> Record:
        """Return what was measured: model, data, attack, budget, seed, images, repeats."""
        return {**super().facts(), "images": len(self.labels), "repeats": len(self.repeats)}

    def summary(self) -> Record:
        """Return the facts, quantiles of the distances over images and repeats, S(M), mean queries, failures."""
        walks = [one for one in self.repeats if isinstance(one, BoundaryResult)]
        spent = torch.cat([one.forwards for one in self.repeats]).double()
        quantile = quantiles(self.distances.double()[None], QUANTILES)[0].tolist()
        return {
            **self.facts(),
            "found": sum(one.success_rate for one in self.repeats) / len(self.repeats),
            **{f"l2_{round(100 * q):02d}": value for q, value in zip(QUANTILES, quantile, strict=True)},
            "score": score(self.repeats),
            "queries": float(spent.mean()),
            "converged": float(torch.cat([one.converged for one in walks]).double().mean()) if walks else math.nan,
            "step_sizes_stuck": sum(int((~one.adapted & (one.steps > 0)).sum()) for one in walks),
            "failures": failures(torch.cat([one.status for one in self.repeats])),
            "unstarted": " ".join(map(str, self.unstarted)),
        }

    def records(self) -> list[Record]:
        """Return one row a repeat and image; what an attack does not report is NaN or None."""
        return [row for repeat, one in enumerate(self.repeats) for row in self._rows(self.seed + repeat, one)]

    def tables(self) -> list[Table]:
        """Return two tables of one row: share found and quantiles of the distances; score and queries."""
        again = f" x {len(self.repeats)} repeats" if len(self.repeats) > 1 else ""
        images, rows = f"{len(self.labels)} images of {self.data}{again}", [self.summary()]
        title = f"{self.title}: l2 distance of {images}, [0, 1] pixel units"
        rule = "S(M): median over images of the squared distance per element, mean over repeats; failures are infinite."
        ended = "converged: walks whose steps fell under their limit before the queries ran out; the others may go on."
        return [Table((title,), self.DISTANCES, rows), Table((rule, ended), self.COSTS, rows)]

    def caveats(self) -> list[str]:
        """Return which images had no start, why others failed, and how many walks never adapted their steps."""
        failed = failures(torch.cat([one.status for one in self.repeats]), without=[Status.NO_START])
        stuck, words = self.summary()["step_sizes_stuck"], list[str]()
        found = sum(one.success_rate for one in self.repeats) / len(self.repeats)
        # Repeats on the same images are no further images: the interval is that of the first.
        spread = median_words(self.repeats[0].distances())
        words.append(
            f"95 % intervals over the {len(self.labels)} images: found {share_words(found, len(self.labels))}"
            f"{f', median l2 {spread}' if spread else ''}"
        )
        if self.unstarted:
            indices = ", ".join(map(str, self.unstarted))
            words.append(f"no start for {len(self.unstarted)} images, counted as infinite: {indices}")
        if failed:
            words.append(f"not fooled, counted as infinite: {failed}")
        if stuck:
            words.append(
                f"the step sizes of {stuck} walks never adapted: their distances are little more than those of the "
                "starts; raise the budget"
            )
        return [f"{self.model}: {one}" for one in words]

    @property
    def title(self) -> str:
        """The attack in words, with its budget."""
        return f"{TITLES.get(self.attack, self.attack)}, {self.budget:,} queries"

    @property
    def distances(self) -> Distances:
        """The l2 distances of all repeats, one after the other; infinity where the attack failed."""
        return torch.cat([one.distances() for one in self.repeats])

    @property
    def unstarted(self) -> list[int]:
        """Positions in the source of the images that had no start in some repeat."""
        none = torch.stack([one.status == Status.NO_START for one in self.repeats]).any(0)
        return self.indices[none].tolist()

    def _rows(self, seed: int, one: AttackResult) -> list[Record]:
        """Return one row an image of one repeat."""
        columns: dict[str, Tensor | list[str] | list[None]] = {
            "index": self.indices,
            "label": self.labels,
            "class_before": one.labels,
            "status": [Status(value).words for value in one.status.tolist()],
            "l2": one.distances(),
            "start": one.start if isinstance(one, BoundaryResult) else [None] * len(self.labels),
            "queries": one.forwards,
            "steps": one.steps,
            "converged": one.converged if isinstance(one, BoundaryResult) else [None] * len(self.labels),
            "adapted": one.adapted if isinstance(one, BoundaryResult) else [None] * len(self.labels),
        }
        plain = [values.tolist() if isinstance(values, Tensor) else values for values in columns.values()]
        about: Record = {"model": self.model, "data": self.data, "seed": seed}
        return [{**about, **dict(zip(columns, row, strict=True))} for row in zip(*plain, strict=True)]


def score(repeats: Sequence[AttackResult], *, compat: bool = False) -> float:
    r"""Return S(M), the median over images of ||eta||^2 / d, averaged over repeats; the larger, the more robust.

    eta is the perturbation over all channels and d the number of its elements. An image whose attack failed counts as
    infinitely far, so a score is infinite where half the images or more resisted in some repeat.

    Args:
        repeats: What an attack found on the same model, once for each seed.
        compat: Score as the released code of the regularisers does: channel 0 alone, and failures dropped, which
            makes a model look weaker the more images resist (survivors only).

    Raises:
        UsageError: No repeat; with `compat`, a repeat without any success.

    References:
        Brendel et al., "Decision-based adversarial attacks", ICLR 2018, equation 2; Attias et al., regularising with
        pixel similarities, 2024, section 7.1: 1,000 images, 5 repeats.

    Example:
        >>> from geomrob.attacks.minimal.ddn import ddn
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> score([ddn(model, torch.rand(5, 1, 4, 4))]) > 0
        True
    """
    if not repeats:
        raise UsageError("repeats must hold at least one result; got none: run the attack first")
    return sum(middle(_released(one) if compat else mean_squares(one)) for one in repeats) / len(repeats)


def mean_squares(result: AttackResult) -> Distances:
    """Return ||eta||^2 / d of each image, infinity where the attack failed."""
    squares = result.perturbation.double().flatten(1).square().mean(1)
    return torch.where(result.success, squares, torch.inf)


def _released(result: AttackResult) -> Distances:
    if not bool(result.success.any()):
        raise UsageError("repeats must hold a success each for compat; got one without any: leave compat out")
    return result.perturbation[result.success, 0].double().flatten(1).square().mean(1)


def middle(values: Distances) -> float:
    """Return the middle value, or the mean of the two in the middle; infinite if one of those is."""
    ordered = values.sort().values
    return float((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)
