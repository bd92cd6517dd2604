"""Robust accuracy at every epsilon from one search an image: the closest of several, then balls where images stand."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.analysis.geometry.geometry import to_boundary
from geomrob.analysis.named_attacks import BOX, named_attack
from geomrob.arrays import (
    ImagesLike,
    Labels,
    LabelsLike,
    Model,
    as_labels,
    check_count,
    check_images,
    check_norm,
    check_number,
)
from geomrob.attacks.engine.boundary_search import OVERSTEP
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.attacks.minimal.tight import tight
from geomrob.errors import UsageError
from geomrob.inference import Prepared, checked_classes
from geomrob.randomness import checked_indices
from geomrob.results import AttackResult, RobustAccuracy
from geomrob.runs import Clock, Run, ranges, work

Attack = Callable[..., AttackResult]
Progress = Callable[[int, int], object]

NORMS: dict[str, float] = {"linf": math.inf, "l2": 2.0, "l1": 1.0}
"""Names of the norms, as commands take them."""

SEARCHES: dict[float, dict[str, Attack]] = {
    math.inf: {"tight": named_attack("tight", bounds=BOX, norm=math.inf)},
    2.0: {"tight": named_attack("tight", bounds=BOX)},
    1.0: {
        "tight": named_attack("tight", bounds=BOX, norm=1),
        "sparsefool-pruned": named_attack("sparsefool", bounds=BOX, prune=True),
    },
}
"""The searches for the smallest perturbation in each norm, all inside [0, 1]; the closest counts."""

AIMED = "tight at classes"
"""What the searches aimed at classes are called."""

BALL = "pgd"
"""What the search inside balls is called."""

EPSILONS: dict[float, tuple[float, ...]] = {
    math.inf: tuple(level / 255 for level in (1, 2, 3, 4, 6, 8, 12, 16)),
    2.0: (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0),
    1.0: (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0),
}
"""The usual epsilons in [0, 1] pixel units."""

INSIDE = 1.5 * OVERSTEP
"""How much smaller the ball searched is, relative to epsilon: what is found moves a step beyond the boundary."""

LONG = 0.5
"""Length of a long step, relative to the radius of the ball."""

REACH = 1.25
"""How much larger than an epsilon a smallest perturbation is, at most, for searches aimed at classes to go below it."""

AIMING = 60
"""Backward evaluations of each search aimed at a class."""

NEXT, LONGER = 1.03, 400
"""Reach and evaluations of the longer search that follows: the last per cent of the way takes the most of them."""

PART = 128
"""Images of a part at least: the balls of all of them are searched in the same calls."""


def robust_accuracy(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike,
    *,
    norm: float = math.inf,
    epsilons: Sequence[float] | None = None,
    searches: Mapping[str, Attack] | None = None,
    steps: int = 30,
    targets: int = 4,
    reference: Attack | None = None,
    reference_name: str = "AutoAttack",
    keep: bool = False,
    indices: Labels | None = None,
    name: str = "model",
    data: str = "images",
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> RobustAccuracy:
    """Return the accuracy of a model under the strongest perturbations found of every size in one norm.

    Each image is searched once for its smallest perturbation inside [0, 1]; where that is little above an epsilon,
    `tight` is aimed at each of the nearest classes, and where it ends within 3 % of one, it runs once longer. The
    largest epsilon below the smallest norm is then searched by PGD: on the difference of the logits from the
    perturbation moved into the ball, and on the cross-entropy with long steps from two random points. What that finds
    is the new smallest one and the next epsilon is searched, until a ball holds none. So one run serves all epsilons,
    and the accuracy never rises with epsilon. Where no search found a perturbation of any size, PGD is also targeted at
    the nearest classes.

    Args:
        model: Images (N, C, H, W) in [0, 1] to logits (N, K).
        inputs: Images in [0, 1], on the model's device.
        labels: Their true classes: an image that is misclassified already counts as such at every epsilon.
        norm: inf, 2 or 1.
        epsilons: Sizes in [0, 1] pixel units, in any order; `EPSILONS` by default.
        searches: Attacks by name in place of those of `SEARCHES`, each called as `attack(model, inputs, labels)`.
        steps: Steps of PGD from each start; 0 leaves the balls out.
        targets: How many classes searches are aimed at, those with the largest logits of the clean image.
        reference: An attack of given strength to run at each epsilon for comparison, called as
            `reference(model, inputs, labels, epsilon=..., norm=...)`; `geomrob.interop.autoattack.autoattack`, say.
        reference_name: How the result calls it.
        keep: Whether the result keeps the perturbed images.
        indices: Position of each image in its source; random starts depend on it alone.
        name, data: How the result calls model and data.
        seed: Of the random starts.
        memory: Budget in bytes, as in `deepfool`.
        progress: Called with (images done, images in all).
        run: Folder that keeps finished parts, to resume from; the result is the same.

    Returns:
        An upper bound of the robust accuracy at each epsilon, with its interval. An image for which no search found a
        perturbation of any size is undecided where its ball holds none: counted as not robust, and reported.

    Raises:
        UsageError: Another norm, an epsilon that is not above 0, negative steps or targets, no search, images outside
            [0, 1], labels of another number or that the model has no class for.

    References:
        Croce et al., "RobustBench", NeurIPS 2021, for robust accuracy at an epsilon; Brown, Cai, DasGupta, "Interval
        estimation for a binomial proportion", Statistical Science 2001, for Wilson's interval.

    Differences:
        RobustBench runs an ensemble at one epsilon; an image that it fails on counts as robust whatever the reason.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> images = torch.rand(8, 1, 4, 4)
        >>> found = robust_accuracy(net, images, net(images).argmax(1), epsilons=[0.01, 0.9])
        >>> found.clean, bool((found.accuracy.diff() <= 0).all())
        (1.0, True)
    """
    sizes, table = _checked(norm, epsilons, searches)
    steps = check_count("steps", steps, 0, "30 is usual", most=10**6)
    targets = check_count("targets", targets, 0, "4 is usual", most=10**6)
    inputs, labels = check_images(inputs).detach(), as_labels(labels)
    keys, clock = checked_indices(indices, len(inputs)), Clock(seed=seed, device=inputs.device)
    ready = Prepared(model, inputs, memory=memory)
    ready.check_deterministic()
    truth = checked_classes("labels", labels, ready.clean)
    settings = {"norm": norm, "epsilons": sizes, "steps": steps, "targets": targets, "seed": seed, "keep": keep}
    parts = work(
        run,
        f"robust accuracy of {name}",
        partial(_part, ready, truth, keys, list(table.values()), **settings),
        ranges(len(inputs), max(PART, ready.block)),
        each=(3 + targets) * steps,
        progress=progress,
    )
    joined = {field: torch.cat([part[field] for part in parts]) for field in parts[0]}
    fooled = torch.zeros(len(sizes), len(inputs), dtype=torch.bool)
    cost = torch.zeros(len(sizes), 2, dtype=torch.float64)
    if reference is not None:
        compared = work(
            run,
            f"{reference_name} on {name}",
            partial(_reference, ready, truth, reference, norm),
            {f"epsilon-{at}": epsilon for at, epsilon in enumerate(sizes)},
            progress=progress,
        )
        fooled = torch.stack([part["fooled"] for part in compared])
        cost = torch.stack([part["cost"] for part in compared])
    forwards, backwards = (
        int(joined[kind].sum() + round(float(cost[:, at].sum()) * len(inputs)))
        for at, kind in enumerate(("forwards", "backwards"))
    )
    return RobustAccuracy(
        model=name,
        data=data,
        norm=float(norm),
        epsilons=torch.tensor(sizes, dtype=torch.float64),
        searches=(*table, *((AIMED,) if targets else ()), *((BALL,) if steps else ())),
        distances=joined["distances"],
        by=joined["by"],
        searched=joined["searched"],
        forwards=joined["forwards"],
        backwards=joined["backwards"],
        predictions=ready.predictions.cpu(),
        labels=truth.cpu(),
        indices=keys,
        reference="" if reference is None else reference_name,
        reference_fooled=fooled,
        reference_cost=cost,
        verdict="",
        causes=(),
        perturbed=joined["perturbed"] if keep else None,
        provenance=clock.provenance(forwards=forwards + len(inputs), backwards=backwards, notes=list(ready.notes)),
    )


class _Closest:
    """The smallest perturbation of each image so far, which search found it, and what the searches have spent."""

    def __init__(self, ready: Prepared, truth: Labels, norm: float) -> None:
        """Begin with no perturbation: 0 for an image that is misclassified already, else infinite."""
        self.ready, self.truth, self.norm = ready, truth, norm
        self.perturbed = ready.images[:].clone()
        self.distances = torch.where(ready.predictions == truth, math.inf, 0.0).double()
        self.by = torch.full_like(truth, -1)
        self.spent = torch.zeros(2, len(truth), dtype=torch.int64, device=truth.device)

    def take(self, found: AttackResult, rows: Labels, number: int) -> Bool[Tensor, " r"]:
        """Take what a search found for some images where it is smaller; return for which it is, once evaluated again.

        Each perturbation is first shortened to a small step beyond the boundary on its ray.
        """
        found = to_boundary(self.ready.rows(rows), found, bounds=BOX, reaches=(OVERSTEP, 0.0))
        distances = found.distances(self.norm).double()
        closer = found.success & (distances < self.distances[rows])
        taken = rows[closer]
        self.perturbed[taken], self.distances[taken] = found.perturbed[closer], distances[closer]
        self.by[taken] = number
        self.spend(found, rows)
        return closer

    def nearest(self, rows: Labels) -> Int64[Tensor, "r others"]:
        """Return the other classes of some images by falling logit of the clean image."""
        others = self.ready.clean[rows].scatter(1, self.truth[rows, None], -math.inf)
        return others.sort(dim=1, descending=True, stable=True).indices[:, :-1]

    def spend(self, found: AttackResult, rows: Labels) -> None:
        """Count the evaluations of a search."""
        self.spent[:, rows] += torch.stack((found.forwards, found.backwards))


def _part(
    model: Prepared,
    truth: Labels,
    keys: Labels,
    searches: Sequence[Attack],
    item: slice,
    *,
    norm: float,
    epsilons: Sequence[float],
    steps: int,
    targets: int,
    seed: int,
    keep: bool,
) -> dict[str, Tensor]:
    """Return the smallest perturbations of some images by field."""
    with model:
        ready = model.rows(item)
        closest = _Closest(ready, truth[item], norm)
        live = (closest.distances > 0).nonzero().squeeze(1)
        for number, search in enumerate(searches):
            if len(live):
                some = ready.rows(live)
                closest.take(search(some, some.images, closest.truth[live]), live, number)
        searched = torch.isfinite(closest.distances)
        _aim(closest, epsilons, len(searches), targets)
        if steps:
            inside = partial(_ball, steps=steps, targets=targets, seed=seed)
            _search_balls(closest, epsilons, len(searches) + 1, inside, keys[item])
    fields = {"distances": closest.distances, "by": closest.by, "searched": searched, "forwards": closest.spent[0]}
    fields |= {"backwards": closest.spent[1]} | ({"perturbed": closest.perturbed} if keep else {})
    return {field: value.cpu() for field, value in fields.items()}


def _aim(closest: _Closest, epsilons: Sequence[float], number: int, targets: int) -> None:
    """Aim `tight` at the nearest classes of each image that stands little above an epsilon; then search longer."""
    sizes = torch.tensor(epsilons, dtype=torch.float64, device=closest.distances.device)
    turns = [(REACH, AIMING, rank) for rank in range(targets)] + ([(NEXT, LONGER, None)] if targets else [])
    for reach, budget, rank in turns:
        level = torch.searchsorted(sizes, closest.distances) - 1
        rows = ((level >= 0) & (closest.distances <= reach * sizes[level])).nonzero().squeeze(1)
        goals = closest.nearest(rows)
        if not len(rows) or (rank is not None and rank >= goals.shape[1]):
            continue
        goal = None if rank is None else goals[:, rank]
        search = partial(tight, targets=goal, bounds=BOX, norm=closest.norm, budget=budget)
        some = closest.ready.rows(rows)
        closest.take(search(some, some.images, closest.truth[rows]), rows, number)


def _search_balls(
    closest: _Closest,
    epsilons: Sequence[float],
    number: int,
    inside: Callable[[_Closest, Labels, Float[Tensor, " r"], Labels], AttackResult],
    keys: Labels,
) -> None:
    """Search the largest ball smaller than each smallest perturbation, until one holds none.

    Where nothing was found of any size, it is the largest ball first.
    """
    sizes = torch.tensor(epsilons, dtype=torch.float64, device=closest.distances.device)
    failed = torch.zeros_like(closest.by, dtype=torch.bool)
    while True:
        level = torch.searchsorted(sizes, closest.distances) - 1
        rows = ((level >= 0) & ~failed).nonzero().squeeze(1)
        if not len(rows):
            return
        found = inside(closest, rows, sizes[level[rows]] * (1 - INSIDE), keys[rows.cpu()])
        failed[rows[~closest.take(found, rows, number)]] = True


def _ball(
    closest: _Closest, rows: Labels, radius: Float[Tensor, " r"], keys: Labels, *, steps: int, targets: int, seed: int
) -> AttackResult:
    """Return what PGD finds inside the ball of each of some images: from the closest point, then towards classes."""
    ready = closest.ready
    # Long steps on the cross-entropy leave the regions in which the difference of the logits has its local minima.
    turns: list[dict[str, Any]] = [
        {"loss": "margin", "start": True},
        {"loss": "cross-entropy", "long": True, "restarts": 2},
    ]
    turns += [{"loss": "margin", "goal": goal} for goal in closest.nearest(rows)[:, :targets].unbind(1)]
    left = torch.arange(len(rows), device=rows.device)
    best: AttackResult | None = None
    for number, turn in enumerate(turns):
        if "goal" in turn:
            left = left[~torch.isfinite(closest.distances[rows[left]])]
        if not len(left):
            break
        own = rows[left]
        some = ready.rows(own)
        goal = turn.get("goal")
        found = pgd(
            some,
            some.images,
            closest.truth[own],
            targets=None if goal is None else goal[left],
            epsilon=radius[left],
            norm=closest.norm,
            steps=steps,
            step_size=radius[left] * LONG if "long" in turn else None,
            restarts=turn.get("restarts", 1),
            loss=turn["loss"],
            starts=closest.perturbed[own] if "start" in turn else None,
            seed=seed + number,
            indices=keys[left.cpu()],
        )
        best = _merged(best, found, left, closest.truth[rows])
        left = left[~found.success]
    assert best is not None, "there is a row"
    return best


def _merged(
    best: AttackResult | None, found: AttackResult, rows: Labels, labels: Int64[Tensor, " every"]
) -> AttackResult:
    """Return the results of all rows with those found now in place of failures; evaluations add up."""
    if best is None:
        return found
    fields = {name: value.clone() for name, value in vars(best).items()}
    for name in ("perturbed", "success", "status"):
        fields[name][rows] = getattr(found, name)
    for name in ("steps", "forwards", "backwards"):
        fields[name][rows] += getattr(found, name)
    return AttackResult(**{**fields, "labels": labels})


def _reference(model: Prepared, truth: Labels, attack: Attack, norm: float, epsilon: float) -> dict[str, Tensor]:
    """Return where the reference succeeds at an epsilon, and its mean evaluations an image."""
    found = attack(model.model, model.images, truth, epsilon=epsilon, norm=norm)
    cost = torch.stack((found.forwards.double().mean(), found.backwards.double().mean()))
    # An image that is misclassified already is none that it has to find.
    return {"fooled": (found.success | (model.predictions != truth)).cpu(), "cost": cost.cpu()}


def _checked(
    norm: float,
    epsilons: Sequence[float] | None,
    searches: Mapping[str, Attack] | None,
) -> tuple[list[float], Mapping[str, Attack]]:
    """Return the epsilons, rising, each once, and the searches; what cannot be searched is refused before the work."""
    check_norm(norm)
    sizes = EPSILONS[norm] if epsilons is None else epsilons
    if not len(sizes):
        raise UsageError("epsilons must hold one number at least; got none: leave them out for the usual ones")
    for epsilon in sizes:
        check_number("epsilons", epsilon, 0, "the clean accuracy is shown in any case", above=True)
        if math.isinf(norm) and epsilon > 1:
            raise UsageError(
                f"epsilons must be at most 1 in linf, all that a pixel can change; got {epsilon:g}: 8/255?"
            )
    table = SEARCHES[norm] if searches is None else searches
    if not table:
        raise UsageError("searches must hold one attack at least; got none: leave them out for the usual ones")
    return sorted(set(map(float, sizes))), table
