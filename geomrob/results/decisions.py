"""How near the decision boundary is for attacks that see predicted classes alone."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.accuracy import score
from geomrob.results.attack import AttackResult, BoundaryResult, Status, failures, status_counts
from geomrob.results.provenance import Provenance, quantiles
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, repr=False)
class DecisionDistances(Result):
    """The l2 distances at which a decision-based attack changes the prediction of N images, for R seeds.

    `runs[r]` is what the attack found with seed `seed + r`, each with at most `budget` queries per image. `labels` are
    the true classes and `indices` the positions of the images in their source.
    """

    model: str
    data: str
    attack: str
    budget: int
    seed: int
    runs: tuple[AttackResult, ...]
    labels: Labels
    indices: Labels
    provenance: Provenance

    COLUMNS = (
        Column("model", ("model",)),
        Column("found", ("found",), "{:.1%}"),
        *(Column(f"l2\n{words}", (f"l2_{key}",), "{:.3f}") for key, words in (("05", "5 %"), ("25", "25 %"))),
        Column("l2\nmedian", ("l2_50",), "{:.3f}"),
        *(Column(f"l2\n{words}", (f"l2_{key}",), "{:.3f}") for key, words in (("75", "75 %"), ("95", "95 %"))),
        Column("score\nS(M)", ("score",), "{:.2e}"),
        Column("queries\nper image", ("queries",), "{:,.0f}"),
        Column("con-\nverged", ("converged",), "{:.0%}"),
    )

    @property
    def distances(self) -> Tensor:
        """The l2 distances (R, N), infinite where the attack failed."""
        return torch.stack([run.distances().double() for run in self.runs])

    @property
    def success(self) -> bool:
        """Whether every image was fooled in every run."""
        return all(bool(run.success.all()) for run in self.runs)

    @property
    def score(self) -> float:
        """S(M): median over images of the squared distance per element, mean over runs."""
        return score(self.runs)

    @property
    def unstarted(self) -> list[int]:
        """Positions of the images without a starting point in some run."""
        missing = torch.stack([run.status == Status.NO_START for run in self.runs]).any(0)
        return self.indices[missing].tolist()

    def facts(self) -> Record:
        """Return model, data, attack, budget, seed, images and repeats."""
        return {**super().facts(), "images": len(self.labels), "repeats": len(self.runs)}

    def summary(self) -> Record:
        """Return the facts, share found, quantiles of the distance over images and runs, score and cost."""
        walks = [run for run in self.runs if isinstance(run, BoundaryResult)]
        values = quantiles(self.distances.flatten()[None], QUANTILES)[0].tolist()
        return {
            **self.facts(),
            "found": sum(run.success_rate for run in self.runs) / len(self.runs),
            **{f"l2_{round(100 * q):02d}": value for q, value in zip(QUANTILES, values, strict=True)},
            "score": self.score,
            "queries": float(torch.cat([run.forwards for run in self.runs]).double().mean()),
            "converged": float(torch.cat([run.converged for run in walks]).double().mean()) if walks else math.nan,
            "step_sizes_stuck": sum(int((~run.adapted & (run.steps > 0)).sum()) for run in walks),
            **{f"status_{words}": count for words, count in status_counts(self._status).items()},
            "unstarted": " ".join(map(str, self.unstarted)),
        }

    def records(self) -> list[Record]:
        """Return one row a run and image; NaN and None where the attack does not say."""
        return [row for run, result in enumerate(self.runs) for row in self._rows(self.seed + run, result)]

    def tables(self) -> list[Table]:
        """Return one row: the tables of several models are one."""
        repeats = f" x {len(self.runs)} repeats" if len(self.runs) > 1 else ""
        title = (
            (
                f"{self.attack}, {self.budget:,} queries: l2 distance of {len(self.labels)} images of "
                f"{self.data}{repeats}, [0, 1] pixel units"
            ),
            "S(M): median over images of the squared distance per element, mean over repeats; failures are infinite.",
        )
        return [Table(title, self.COLUMNS, [self.summary()])]

    def notes(self) -> list[str]:
        """Return which images had no start, how often the attack failed, which step sizes never adapted."""
        failed = failures(self._status, without=[Status.NO_START])
        stuck = self.summary()["step_sizes_stuck"]
        told: list[str] = []
        if self.unstarted:
            listed = ", ".join(map(str, self.unstarted))
            told.append(f"{self.model}: no start for {len(self.unstarted)} images, counted as infinite: {listed}")
        if failed:
            told.append(f"{self.model}: not fooled, counted as infinite: {failed}")
        if stuck:
            told.append(
                f"{self.model}: the step sizes of {stuck} walks never adapted: their distances are little more than "
                "those of the starts; raise --budget"
            )
        return told

    @property
    def _status(self) -> Tensor:
        return torch.cat([run.status for run in self.runs])

    def _rows(self, seed: int, run: AttackResult) -> list[Record]:
        count = len(run.labels)
        walk = run if isinstance(run, BoundaryResult) else None
        columns = {
            "index": self.indices.tolist(),
            "label": self.labels.tolist(),
            "class_before": run.labels.tolist(),
            "status": [Status(value).words for value in run.status.tolist()],
            "l2": run.distances().tolist(),
            "start": [math.nan] * count if walk is None else walk.start.tolist(),
            "queries": run.forwards.tolist(),
            "steps": run.steps.tolist(),
            "converged": [None] * count if walk is None else walk.converged.tolist(),
            "adapted": [None] * count if walk is None else walk.adapted.tolist(),
        }
        lines = zip(*columns.values(), strict=True)
        return [{"model": self.model, "seed": seed, **dict(zip(columns, line, strict=True))} for line in lines]
