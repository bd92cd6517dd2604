"""What an audit rests on: everything measured about a model, gathered once, before anything is judged."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int64
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
from geomrob.runs import Run, ranges, work

BOX = (0.0, 1.0)

BEYOND = 1.05
"""How much further than the boundary an adversarial image goes before it is rounded to 8 bits."""

CLOSER = 0.99
"""A black-box distance below this share of the white-box distance is closer."""

LONGER = (200, 400)
"""Backward evaluations of the white-box searches of images where a black-box attack came closer than the first one.

Far from its boundary, as with adversarial training, an image needs a longer search than others. That the first one was
too short says nothing about the model's gradients; that longer ones stay behind does.
"""

Progress = Callable[[int, int], object]

Measurement = tuple[str, Any]
"""What is measured, and with what: a number of queries, of a source, an epsilon with a number of steps."""

Item = tuple[str, Any, slice]
"""The same of some of the images."""

Part = dict[str, Tensor]


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
    budget: int,
    smoothness: float,
    seed: int,
    memory: int | None,
    name: str = "model",
    progress: Progress | None = None,
    run: Run | None = None,
) -> Evidence:
    """Return the measurements of a model; arguments as in `audit`."""
    network = plain(model)
    training = isinstance(network, nn.Module) and any(module.training for module in network.modules())
    how: dict[str, Any] = {"units": _evaluations, "each": 1, "progress": progress}
    with Prepared(model, inputs, memory=memory, checked=False) as ready:
        clean = ready.clean
        if labels is not None:
            checked_classes("labels", labels, clean)
        differentiable = probes.differentiable(ready, inputs)
        others = [Prepared(source, inputs) for source in sources.values()]
        grid = [*((epsilon, count) for epsilon in epsilons for count in steps), (1.0, max(steps))]
        asked = [*([("white", 0)] if differentiable else []), *([("queries", budget)] if budget else [])]
        asked += [("probes", 0), *(("source", number) for number in range(len(others)))]
        asked += [("pgd", where) for where in grid] if differentiable else []
        settings: dict[str, Any] = {"seed": seed, "smoothness": smoothness, "differentiable": differentiable}
        measure = partial(measured_part, ready, others, indices, **settings)
        parts = _work(run, f"measurements of {name}", measure, asked, ranges(len(inputs), _size(ready)), how)
        results = {
            kind: AttackResult.joined([part], inputs.device)
            for kind in ("white", "queries")
            if (part := _named(parts, kind, AttackResult))
        }
        found, carried = list(results.values()), [parts["source", number]["carried"] for number in range(len(others))]
        white, queried = (
            [results[kind].distances(2).cpu()] if kind in results else [] for kind in ("white", "queries")
        )
        near, black = (_nearest(inputs, distances, ran=True) for distances in (white, [*carried, *queried]))
        closer = (black < CLOSER * near).nonzero().squeeze(1) if differentiable else torch.empty(0, dtype=torch.int64)
        toward, reach = _toward(inputs, found)
        look = partial(followed_part, ready, indices, closer, toward, reach, seed=seed)
        again = _work(run, f"second look at {name}", look, [("profile", 0)], ranges(len(inputs), _size(ready)), how)
        if len(closer):
            longer = [("longer", backwards) for backwards in LONGER]
            again |= _work(run, f"longer searches of {name}", look, longer, ranges(len(closer), _size(ready)), how)
            for backwards in LONGER:
                near[closer] = torch.minimum(near[closer], again["longer", backwards]["distances"])
    every = [*parts.values(), *again.values()]
    # The clean logits are evaluated once, and counted by each attack that uses them.
    shared = len(inputs) * max(0, differentiable * (1 + len(grid)) - 1)
    first, untouched = parts["probes", 0], torch.ones(len(inputs), dtype=torch.bool)
    robust = [~parts["pgd", where]["success"] if differentiable else untouched for where in grid]
    return Evidence(
        training=training,
        differentiable=differentiable,
        predictions=ready.predictions.cpu(),
        **{key: value for key, value in first.items() if key not in ("forwards", "backwards")},
        white=near,
        transferred=_nearest(inputs, carried, ran=bool(carried)),
        decision=_nearest(inputs, queried, ran=bool(queried)),
        robust=torch.stack(robust[:-1]).reshape(len(epsilons), len(steps), len(inputs)),
        unbounded=robust[-1],
        survived=next((parts[key]["survived"] for key in asked if key[0] in results), untouched[:0]),
        profile=again["profile", 0]["gaps"].movedim(1, 0),
        forwards=round(sum(float(part["forwards"].sum()) for part in every)) - shared,
        backwards=round(sum(float(part["backwards"].sum()) for part in every)),
    )


LEAST = 32
"""Images of a part where blocks are small."""


def _size(ready: Prepared) -> int:
    return max(LEAST, ready.block)


def _work(
    run: Run | None,
    name: str,
    compute: "partial[Part]",
    asked: Sequence[Measurement],
    pieces: Mapping[str, slice],
    how: dict[str, Any],
) -> dict[Measurement, Part]:
    """Return each measurement of all images; a part is one of them for some of the images."""
    items: dict[str, Item] = {
        f"{kind}-{number}-{key}": (kind, value, piece)
        for number, (kind, value) in enumerate(asked)
        for key, piece in pieces.items()
    }
    parts = work(run, name, compute, items, **how)
    several = [parts[start : start + len(pieces)] for start in range(0, len(parts), len(pieces))]
    return {
        measurement: {key: torch.cat([part[key] for part in group]) for key in group[0]}
        for measurement, group in zip(asked, several, strict=True)
    }


def _named(parts: Mapping[Measurement, Part], kind: str, fields_of: type) -> Part:
    """Return the fields of a result that is among the parts, nothing if it is not."""
    part = next((part for (name, _), part in parts.items() if name == kind), {})
    return {field.name: part[field.name] for field in dataclasses.fields(fields_of) if part}


def _evaluations(item: Item) -> int:
    """Return how many evaluations of the model a part is expected to take."""
    kind, value, piece = item
    usual = {"white": 75, "source": 150, "probes": 12, "profile": 2 * probes.POINTS}
    each: int = usual[kind] if kind in usual else value[1] if kind == "pgd" else value
    return (piece.stop - piece.start) * each


def measured_part(
    ready: Prepared,
    sources: Sequence[Prepared],
    indices: Labels,
    item: Item,
    *,
    seed: int,
    smoothness: float,
    differentiable: bool,
) -> Part:
    """Return one measurement of some of the images, and the evaluations that it took for each.

    Args:
        ready, sources: The model and those whose perturbations are tried on it, prepared for all images.
        indices: Position of each of all images in its source.
        item: What is measured, with what, of which images.
        seed: Of everything drawn.
        smoothness: Of the proposals of the decision-based attack.
        differentiable: Whether some gradient reaches the images.
    """
    kind, value, piece = item
    with ready:
        some, keys = ready.rows(piece), indices[piece]
        at = Search(some, some.images, reference=some.predictions, bounds=BOX)
        at.clean = some.clean
        draws: dict[str, Any] = {"seed": seed, "indices": keys}
        if kind == "probes":
            return _counted(_probed(at, differentiable, draws), at)
        if kind == "source":
            source = sources[cast("int", value)]
            source.predictions  # noqa: B018 - evaluated once for all parts
            attacked = tight(source.rows(piece), some.images, bounds=BOX)
            return _counted({"carried": probes.transferred(at, attacked.perturbation)}, at)
        if kind == "pgd":
            epsilon, count = cast("tuple[float, int]", value)
            return pgd(some, some.images, epsilon=epsilon, steps=count, **draws).tensors()
        result = (
            tight(some, some.images, bounds=BOX)
            if kind == "white"
            else boundary(some, some.images, budget=cast("int", value), smoothness=smoothness, **draws)
        )
        counts = kind == "white" or not differentiable
        return {**result.tensors(), **({"survived": _survived(some, result).cpu()} if counts else {})}


def followed_part(
    ready: Prepared,
    indices: Labels,
    closer: Int64[Tensor, " few"],
    toward: Images,
    reach: Distances,
    item: Item,
    *,
    seed: int,
) -> Part:
    """Return what is measured of some of the images when the attacks are done.

    Args:
        ready, indices, item, seed: As in `measured_part`; the images of a longer search are some of `closer`.
        closer: The images to which a black-box attack came closer.
        toward, reach: As `_toward` returns them.
    """
    kind, value, piece = item
    with ready:
        if kind == "longer":
            some = ready.rows(closer[piece].to(ready.device))
            result = tight(some, some.images, bounds=BOX, budget=cast("int", value))
            return {**result.tensors(), "distances": result.distances(2).cpu()}
        some = ready.rows(piece)
        at = Search(some, some.images, reference=some.predictions, bounds=BOX)
        random = probes.directions(some.images, indices=indices[piece], seed=seed)
        ways = (toward[piece].to(ready.device), random)
        gaps = [probes.profile(at, way, reach[piece].to(ready.device)) for way in ways]
        return _counted({"gaps": torch.stack(gaps, 1)}, at)


def _probed(at: Search, differentiable: bool, draws: Mapping[str, Any]) -> Part:
    """Return the fields of `Evidence` that no attack is needed for."""
    changing, neighbours = probes.changing(at), probes.neighbours(at)
    gradients = probes.gradient_quality(at) if differentiable else _without_gradient(at.clean)
    named = dict(zip(("vanishing_gap", "vanishing_loss", "agreement"), gradients, strict=True))
    random = probes.directions(at.images, **draws)
    return {"changing": changing, "neighbours": neighbours, **named, "unchanged": probes.unchanged(at, random)}


def _counted(values: Part, search: Search) -> Part:
    """Return the values on the CPU, with the evaluations of the search."""
    here = {key: value.cpu() for key, value in values.items()}
    return {**here, "forwards": search.spent.forwards, "backwards": search.spent.backwards}


def _without_gradient(clean: Logits) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `probes.gradient_quality` gives for a model without any gradient."""
    vanishing = torch.ones(len(clean), dtype=torch.bool, device=clean.device)
    return vanishing, vanishing, torch.full_like(clean[:, 0], torch.nan)


def _nearest(inputs: Images, distances: Sequence[Distances], *, ran: bool) -> Distances:
    """Return the least of some distances, infinity without any, NaN where the attack did not run."""
    least = torch.full((len(inputs),), math.inf if ran else math.nan, dtype=inputs.dtype)
    return torch.stack(list(distances)).amin(0).to(least) if distances else least


def _toward(inputs: Images, results: Sequence[AttackResult]) -> tuple[Images, Distances]:
    """Return unit directions towards the closest boundary known, and how far a profile along them goes.

    Where no boundary is known the direction is the constant one (grey to white) and the reach the median.
    """
    best = torch.ones_like(inputs[:])
    distance = torch.full_like(best[:, 0, 0, 0], math.inf)
    for result in results:
        current = result.distances(2)
        closer = current < distance
        best = torch.where(per_sample(closer, best), result.perturbation, best)
        distance = torch.where(closer, current, distance)
    known = distance[torch.isfinite(distance)]
    usual = known.median() if len(known) else distance.new_ones(())
    reach = torch.where(torch.isfinite(distance), 2 * distance, 2 * usual)
    return best / per_sample(norms(best), best), reach


def _survived(model: Model, first: AttackResult) -> Tensor:
    """Return which images still are adversarial as 8-bit images, moved a little beyond the boundary before.

    One that was not adversarial counts as surviving.
    """
    further = (first.inputs + BEYOND * first.perturbation).clamp(*BOX)
    again = eight_bit(model, dataclasses.replace(first, perturbed=further))
    return again.success | ~first.success
