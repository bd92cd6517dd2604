"""What an audit rests on: everything measured about a model, gathered once, before anything is judged."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from geomrob.analysis.audit import probes
from geomrob.arrays import Distances, Images, Labels, Logits, Model, norms, per_sample
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.attacks.engine.search import Search
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.attacks.minimal.tight import tight
from geomrob.attacks.quantization import eight_bit
from geomrob.inference import Prepared, plain
from geomrob.inference.classes import checked_classes
from geomrob.results import AttackResult

BOX = (0.0, 1.0)

BEYOND = 1.05
"""How much further than the boundary an adversarial image goes before it is rounded to 8 bits."""

CLOSER = 0.99
"""A black-box distance below this share of the white-box distance is closer."""

LONGER = (200, 400)
"""Backward evaluations of the white-box searches of images where a black-box attack came closer than the first one."""

Report = Callable[[], object]


@dataclass(frozen=True)
class Evidence:
    """Everything measured about N images; `predictions` to `profile` as in `Audit`, where they have its names.

    `training`: a module came in training mode. `differentiable`: some gradient reaches the images. `changing`: two
    equal calls differ. `neighbours`: the logits depend on the rest of the batch. `vanishing_gap`, `vanishing_loss`: the
    gradient of the logit gap, of the cross-entropy, is exactly zero or not finite. `agreement`: change of the gap
    relative to what its gradient predicts. `unchanged`: a tiny step changes no logit. `robust[e, s]`: PGD does not
    change the prediction, `unbounded`: not even with the whole box. `survived`: an adversarial image still is one after
    rounding to 8 bits (true where there was none).
    """

    training: bool
    differentiable: bool
    predictions: Labels
    changing: Bool[Tensor, " n"]
    neighbours: Bool[Tensor, " n"]
    vanishing_gap: Bool[Tensor, " n"]
    vanishing_loss: Bool[Tensor, " n"]
    agreement: Distances
    unchanged: Bool[Tensor, " n"]
    white: Distances
    transferred: Distances
    decision: Distances
    robust: Bool[Tensor, "e s n"]
    unbounded: Bool[Tensor, " n"]
    survived: Bool[Tensor, " n"]
    profile: Float[Tensor, "2 n t"]
    forwards: int
    backwards: int

    @property
    def black(self) -> Distances:
        """The closer of the two black-box distances; infinity where both failed or neither ran."""
        return torch.minimum(self.transferred.nan_to_num(math.inf), self.decision.nan_to_num(math.inf))

    @property
    def roughness(self) -> Float[Tensor, "2 n"]:
        """How much the increments of the gap change from point to point, relative to how much it changes at all.

        Near 0 on a smooth line, near 2 on stairs and on noise.
        """
        increments = self.profile.diff(dim=2)
        return increments.diff(dim=2).abs().sum(2) / increments.abs().sum(2).clamp_min(1e-30)


def gather(
    model: Model,
    inputs: Images,
    *,
    sources: Mapping[str, Model],
    labels: Labels | None,
    indices: Labels,
    epsilons: Sequence[float],
    steps: Sequence[int],
    queries: int,
    seed: int,
    memory: int | None,
    report: Report,
) -> Evidence:
    """Return the measurements of a model; arguments as in `audit`, `report` is called after each of `stages(...)`."""
    network = plain(model)
    training = isinstance(network, nn.Module) and any(module.training for module in network.modules())
    draws: dict[str, Any] = {"seed": seed, "indices": indices}
    with Prepared(model, inputs, memory=memory, checked=False) as ready:
        clean = ready.clean
        if labels is not None:
            checked_classes("labels", labels, clean)
        at = Search(ready, inputs, reference=ready.predictions, bounds=BOX)
        at.clean = clean
        differentiable = probes.differentiable(ready, inputs)
        changing, neighbours = probes.changing(at), probes.neighbours(at)
        vanishing_gap, vanishing_loss, agreement = (
            probes.gradient_quality(at) if differentiable else _without_gradient(clean)
        )
        report()
        white = [tight(ready, inputs, bounds=BOX)] if differentiable else []
        report()
        carried: list[Distances] = []
        for source in sources.values():
            carried.append(probes.transferred(at, tight(source, inputs, bounds=BOX).perturbation))
            report()
        queried = [boundary(ready, inputs, budget=queries, **draws)] if queries else []
        near = _nearest(inputs, [result.distances(2) for result in white], ran=True)
        black = _nearest(inputs, [*carried, *(result.distances(2) for result in queried)], ran=True)
        second = _second_look(ready, inputs, near, black) if differentiable else []
        for where, result in second:
            near[where] = torch.minimum(near[where], result.distances(2))
        report()
        grid: list[AttackResult] = []
        for epsilon, count in _grid(epsilons, steps) if differentiable else ():
            grid.append(pgd(ready, inputs, epsilon=epsilon, steps=count, **draws))
            report()
        random = probes.directions(inputs, indices=indices, seed=seed)
        unchanged = probes.unchanged(at, random)
        toward, reach = _toward(at, [*white, *queried])
        profile = torch.stack([probes.profile(at, way, reach) for way in (toward, random)])
        report()
        survived = _survived(ready, [*white, *queried])
    spent = [*white, *queried, *grid, *(result for _, result in second)]
    # The clean logits are evaluated once, and counted by each attack that uses them.
    shared = len(inputs) * max(0, len(white) + len(grid) - 1)
    robust = [~result.success for result in grid] or [torch.ones_like(changing)] * (len(epsilons) * len(steps) + 1)
    return Evidence(
        training=training,
        differentiable=differentiable,
        predictions=ready.predictions,
        changing=changing,
        neighbours=neighbours,
        vanishing_gap=vanishing_gap,
        vanishing_loss=vanishing_loss,
        agreement=agreement,
        unchanged=unchanged,
        white=near,
        transferred=_nearest(inputs, carried, ran=bool(carried)),
        decision=_nearest(inputs, [result.distances(2) for result in queried], ran=bool(queried)),
        robust=torch.stack(robust[:-1]).reshape(len(epsilons), len(steps), len(inputs)),
        unbounded=robust[-1],
        survived=survived,
        profile=profile,
        forwards=round(float(at.spent.forwards.sum())) + sum(int(result.forwards.sum()) for result in spent) - shared,
        backwards=round(float(at.spent.backwards.sum())) + sum(int(result.backwards.sum()) for result in spent),
    )


def stages(sources: int, epsilons: int, steps: int) -> int:
    """Return how often `gather` reports progress, for a differentiable model."""
    return 4 + sources + epsilons * steps + 1


def _grid(epsilons: Sequence[float], steps: Sequence[int]) -> list[tuple[float, int]]:
    """Return what PGD is run with: every epsilon with every number of steps, and last the whole box."""
    return [*((epsilon, count) for epsilon in epsilons for count in steps), (1.0, max(steps))]


def _without_gradient(clean: Logits) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `probes.gradient_quality` gives for a model without any gradient."""
    vanishing = torch.ones(len(clean), dtype=torch.bool, device=clean.device)
    return vanishing, vanishing, torch.full_like(clean[:, 0], torch.nan)


def _nearest(inputs: Images, distances: Sequence[Distances], *, ran: bool) -> Distances:
    """Return the least of some distances, infinity without any, NaN where the attack did not run."""
    least = torch.full_like(inputs[:, 0, 0, 0], math.inf if ran else math.nan)
    return torch.stack(list(distances)).amin(0).to(least) if distances else least


def _second_look(model: Model, inputs: Images, white: Distances, black: Distances) -> list[tuple[Tensor, AttackResult]]:
    """Return positions and longer gradient-based searches of the images where a black-box attack came closer.

    Far from its boundary, as with adversarial training, an image needs a longer search than others. That the first one
    was too short says nothing about the model's gradients; that longer ones stay behind does.
    """
    where = (black < CLOSER * white).nonzero().squeeze(1)
    if not len(where):
        return []
    return [(where, tight(model, inputs[where], bounds=BOX, budget=budget)) for budget in LONGER]


def _toward(search: Search, results: Sequence[AttackResult]) -> tuple[Images, Distances]:
    """Return unit directions towards the closest boundary known, and how far a profile along them goes.

    Where no boundary is known the direction is the constant one (grey to white) and the reach the median.
    """
    best = torch.ones_like(search.images)
    distance = torch.full_like(search.images[:, 0, 0, 0], math.inf)
    for result in results:
        current = result.distances(2)
        closer = current < distance
        best = torch.where(per_sample(closer, best), result.perturbation, best)
        distance = torch.where(closer, current, distance)
    known = distance[torch.isfinite(distance)]
    usual = known.median() if len(known) else distance.new_ones(())
    reach = torch.where(torch.isfinite(distance), 2 * distance, 2 * usual)
    return best / per_sample(norms(best), best), reach


def _survived(model: Model, results: Sequence[AttackResult]) -> Tensor:
    """Return which images still are adversarial as 8-bit images, moved a little beyond the boundary before."""
    if not results:
        return torch.ones(0, dtype=torch.bool)
    first = results[0]
    further = (first.inputs + BEYOND * first.perturbation).clamp(*BOX)
    again = eight_bit(model, dataclasses.replace(first, perturbed=further))
    return again.success | ~first.success
