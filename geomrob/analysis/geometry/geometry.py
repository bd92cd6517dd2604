"""The shape of the decision boundary where perturbations meet it: curvature, angle, and how many normals it has."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.analysis.duration import evaluations_of
from geomrob.analysis.geometry.curvature import Boundary
from geomrob.arrays import (
    LARGEST,
    Bounds,
    Distances,
    Images,
    ImagesLike,
    Labels,
    LabelsLike,
    Model,
    as_labels,
    check_images,
    norms,
    per_sample,
)
from geomrob.attacks.engine.boundary_search import OVERSTEP, refine, verified
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.attacks.table import entry, names
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared, checked_classes, chunks
from geomrob.randomness import checked_indices, normal, sample
from geomrob.results import AttackResult, Geometry, Status
from geomrob.runs import Clock, Run, ranges, work

Progress = Callable[[int, int], object]

METHODS = ("difference", "hessian")

MOST = 1_000_000
"""Directions, other images and rounds: what fits a memory, and a day."""


def geometry(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    method: str = "difference",
    step: float = 0.1,
    attack: str = "tight",
    directions: int = 20,
    others: int = 5,
    power: int = 10,
    name: str = "model",
    data: str = "images",
    indices: Labels | None = None,
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> Geometry:
    r"""Return how the boundary lies and bends at the point where the smallest perturbation of each image meets it.

    At that point, with c the class of the image, k the one behind the boundary, g = f_k - f_c and its unit normal
    n = grad g / ||grad g||, the boundary's curvature along a unit tangent v is

        kappa(v) = v' H v / ||grad g||,

    positive where the boundary bends around the image's region. Near the point the boundary departs from its tangent
    plane by -kappa t^2 / 2 at distance t. A network of ReLUs and maxima is piecewise linear: H is zero wherever it
    exists, and all bending sits in the kinks. So by default the normals at x + h v and x - h v are compared,

        kappa_h(v) = v' (grad g(x + h v) - grad g(x - h v)) / (2 h ||grad g(x)||),

    which is the mean of v' H v over that stretch, kinks included; it then depends on the length h, and is the
    curvature at a point only for a smooth model and small h.

    Args:
        model: Images (N, C, H, W) to logits (N, K).
        inputs: Images in [0, 1].
        labels: True classes, for the accuracy only; the boundary is that of the predicted class.
        method: `difference` of normals, or `hessian`: products with the second derivative by automatic
            differentiation, which are exactly 0 for a piecewise linear network.
        step: h of the difference, an l2 length in [0, 1] pixel units.
        attack: A row of `ATTACKS`: the search for the boundary, in free space; its point is then pulled back along its
            ray to within 1e-6 of the boundary.
        directions: Random tangents an image; the mean along them estimates the mean curvature.
        others: Perturbations of other images along whose tangential parts an image's boundary is measured too.
        power: Rounds of the power iteration for the direction of the largest curvature; 0 leaves it out.
        name, data: How the result calls model and data.
        indices: Position of each image in its source; what is drawn for an image depends on it alone.
        seed: Of the random tangents.
        memory: Budget in bytes, as in `deepfool`.
        progress: Called with (images done, images in all), once more along the perturbations of other images.
        run: Folder that keeps finished parts, to resume from; the result is the same. Of shards, the measurement along
            the perturbations of other images is made when they are merged.

    Returns:
        One entry an image; where no boundary was found the distance is infinite and all else NaN. `others` depends on
        which images are measured together, nothing else does.

    Raises:
        UsageError: Images outside [0, 1], an unknown method or attack, a step that is not above 0, counts below 1
            (0 for others and power), what the attack refuses.

    References:
        Fawzi, Moosavi-Dezfooli, Frossard, Soatto, Empirical study of the topology and geometry of deep networks, CVPR
        2018 (curvature of the boundary); Moosavi-Dezfooli et al., Universal adversarial perturbations, CVPR 2017
        (singular values of the normals); Modas, Robustness and invariance properties of image classifiers, EPFL 2022,
        sec. 3.2 (what SparseFool assumes).

    Differences:
        Fawzi et al. divide by the same norm and take curvature in planes that hold the normal, as here; their sign is
        not used. The curvature of SuperDeepFool's tool is that of the loss, not of the boundary.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = geometry(model, torch.rand(4, 1, 4, 4), directions=3)
        >>> bool((result.random.abs() < 1e-4).all()), bool((result.angle < 1).all())
        (True, True)
    """
    inputs, labels = check_images(inputs), as_labels(labels)
    _check(method, step, attack, (directions, others, power))
    keys, clock = checked_indices(indices, len(inputs)), Clock(seed=seed, device=inputs.device)
    length = None if method == "hessian" else float(step)
    with Prepared(model, inputs.detach(), memory=memory) as ready:
        truth = ready.predictions if labels is None else checked_classes("labels", labels, ready.clean)
        # A second derivative keeps the first one's graph as well.
        block = Prepared(ready, ready.images, memory=ready.memory // 2).block if length is None else ready.block
        size, drawn = max(LEAST, ready.block), {"directions": directions, "power": power, "seed": seed}
        parts = work(
            run,
            f"boundaries of {name}",
            partial(boundary_part, ready, keys, attack=attack, step=length, bending_block=block, **drawn),
            ranges(len(inputs), size),
            each=evaluations_of(attack)[0] + 2 * (directions + power),
            progress=progress,
        )
        found = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
        rows = (found["status"] == Status.FOUND).nonzero().squeeze(1)
        along = torch.full((len(inputs), others), torch.nan, dtype=torch.float64)
        spent = [int(found["forwards"].sum()), int(found["backwards"].sum())]
        if others and len(rows) > 1:
            known = {key: found[key] for key in ("moves", "gradients", "rivals")}
            borrowing = partial(borrowed_part, ready, rows, known, others=_others(keys, rows, others))
            lent = work(
                run,
                f"bends along perturbations of other images, {name}",
                partial(borrowing, step=length, bending_block=block),
                ranges(len(rows), size),
                each=2 * others,
                progress=progress,
            )
            along[rows] = torch.cat([part["along"] for part in lent])
            spent = [spent[side] + int(sum(part["spent"][side] for part in lent)) for side in (0, 1)]
    singular, singular_random = _spectra(_units(found["gradients"][rows].to(inputs.device)), keys[rows], seed)
    return Geometry(
        model=name,
        data=data,
        attack=attack,
        method=method,
        step=math.nan if length is None else length,
        **{key: found[key] for key in ("distances", "status", "targets", "cosine", "gradient_norm")},
        **{key: found[key] for key in ("random", "own", "largest", "predictions")},
        others=along,
        singular=singular,
        singular_random=singular_random,
        labels=truth.cpu(),
        indices=keys,
        provenance=clock.provenance(forwards=spent[0], backwards=spent[1], notes=ready.notes),
    )


LEAST = 16
"""Images of a part where blocks are small."""


def boundary_part(
    ready: Prepared,
    keys: Labels,
    piece: slice,
    *,
    attack: str,
    step: float | None,
    directions: int,
    power: int,
    seed: int,
    bending_block: int,
) -> dict[str, Tensor]:
    """Return what `Geometry` keeps of some of the images, apart from the directions of others, and what these need.

    Args:
        ready: The model, prepared for all images.
        keys: Position of each of all images in its source.
        piece: Which images.
        attack, directions, power, seed: As in `geometry`.
        step: As in `Boundary`.
        bending_block: Rows of one call where curvature is measured.
    """
    with ready:
        some, keys = ready.rows(piece), keys[piece]
        attacked = to_boundary(some, entry(attack).attack(some, some.images))
        search = Search(Prepared(some, some.images, block=bending_block), some.images, reference=attacked.labels)
        boundary, rivals = _at(search, attacked, step)
        status = torch.where(attacked.success, boundary.status, attacked.status)
        rows = (status == Status.FOUND).nonzero().squeeze(1)
        random = torch.full((len(keys), directions), torch.nan, dtype=torch.float64)
        own, largest, cosine = (torch.full((len(keys),), torch.nan, dtype=torch.float64) for _ in range(3))
        for slot in chunks(len(rows), some.images[0].numel() * some.images.element_size() * 24, ready.memory):
            pairs = rows[slot]
            to, at = pairs.cpu(), keys[pairs.cpu()]
            random[to] = _columns(_random(boundary, pairs, at, directions, seed))
            own[to] = boundary.curvature(boundary.moves[pairs], pairs).double().cpu()
            largest[to] = _largest(boundary, pairs, at, power, seed).double().cpu()
            cosine[to] = _cosine(boundary, pairs).cpu()
    part = {
        "distances": torch.where(attacked.success, attacked.distances(), torch.inf),
        "status": status,
        "targets": torch.where(attacked.success, rivals, -1),
        "gradient_norm": torch.where(status == Status.FOUND, boundary.gradient_norm, torch.nan).double(),
        "predictions": attacked.labels,
        "forwards": attacked.forwards.double().cpu() + search.spent.forwards,
        "backwards": attacked.backwards.double().cpu() + search.spent.backwards,
        "moves": boundary.moves,
        "gradients": boundary.gradients,
        "rivals": rivals,
    }
    kept = {key: value.cpu() for key, value in part.items()}
    return {**kept, "random": random, "own": own, "largest": largest, "cosine": cosine}


def borrowed_part(
    ready: Prepared,
    rows: Labels,
    known: Mapping[str, Tensor],
    piece: slice,
    *,
    others: Int64[Tensor, "p o"],
    step: float | None,
    bending_block: int,
) -> dict[str, Tensor]:
    """Return the curvatures of some of the boundaries along the perturbations of other images, and the evaluations.

    Args:
        ready, step, bending_block: As in `boundary_part`.
        rows: Images with a boundary.
        known: Of all images, from `boundary_part`: moves, gradients, rivals.
        piece: Which of `rows`.
        others: For each of `rows`, the images whose perturbations are taken.
    """
    here, device = rows[piece], ready.device
    with ready:
        some = ready.rows(here.to(device))
        search = Search(Prepared(some, some.images, block=bending_block), some.images, reference=some.predictions)
        moves, gradients, rivals = (known[key][here].to(device) for key in ("moves", "gradients", "rivals"))
        boundary, columns = Boundary(search, moves, rivals, step, gradients), list[Distances]()
        for other in others[piece].T:
            columns.append(boundary.curvature(known["moves"][other].to(device), search.pairs))
    return {
        "along": _columns(columns),
        "spent": torch.stack((search.spent.forwards.sum(), search.spent.backwards.sum())),
    }


def _units(gradients: Images) -> Images:
    return gradients / per_sample(norms(gradients), gradients)


def _at(search: Search, attacked: AttackResult, step: float | None) -> tuple[Boundary, Labels]:
    """Return the boundary at the adversarial points, and the class behind each."""
    moves = attacked.perturbation
    logits = search.clean = search.logits(moves, search.pairs)
    rivals = logits.scatter(1, search.reference[:, None], -math.inf).nan_to_num(-math.inf).argmax(1)
    return Boundary(search, moves, rivals, step), rivals


def _random(boundary: Boundary, pairs: Labels, at: Labels, count: int, seed: int) -> Iterator[Distances]:
    """Yield the curvatures along random tangents, one an image at a time."""
    for number in range(count):
        yield boundary.curvature(_gaussian(f"tangent {number}", seed, at, boundary.moves[pairs]), pairs)


def _largest(boundary: Boundary, pairs: Labels, at: Labels, rounds: int, seed: int) -> Distances:
    """Return the curvature of the largest size, NaN without rounds."""
    if not rounds:
        return torch.full_like(boundary.gradient_norm[pairs], torch.nan)
    return boundary.largest(_gaussian("tangent to bend", seed, at, boundary.moves[pairs]), pairs, rounds)


def _cosine(boundary: Boundary, pairs: Labels) -> Distances:
    """Return the cosine of the angle between perturbation and normal, NaN for a perturbation of zero."""
    moves, normals = boundary.moves[pairs].double(), boundary.normals[pairs].double()
    return (moves * normals).flatten(1).sum(1) / norms(moves)


def _others(keys: Labels, rows: Int64[Tensor, " p"], count: int) -> Int64[Tensor, "p o"]:
    """Return for each of these images `count` others, evenly spread over them in the order of their source.

    With fewer images than that, images repeat.
    """
    by_key = keys[rows].argsort()
    order, rank = rows[by_key], torch.empty_like(by_key)
    rank[by_key] = torch.arange(len(order))
    shifts = [1 + round(turn * (len(order) - 2) / count) for turn in range(count)]
    columns = [order[(rank + shift) % len(order)] for shift in shifts]
    return torch.stack(columns, 1) if columns else rows.new_empty(len(rows), 0)


def _spectra(normals: Images, keys: Labels, seed: int) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Return the singular values of the unit normals, as rows, and of as many random directions."""
    if not len(normals):
        nothing = torch.empty(0, dtype=torch.float64)
        return nothing, nothing.clone()
    random = _gaussian("normals by chance", seed, keys, normals)
    random = random / per_sample(norms(random), random)
    own, drawn = (torch.linalg.svdvals(rows.flatten(1).double().cpu()) for rows in (normals, random))
    return own, drawn


def _gaussian(use: str, seed: int, keys: Labels, like: Images) -> Images:
    """Return one random direction an image."""
    return sample(normal, f"geometry {use}", seed, keys, like)


def _columns(each: Iterable[Distances]) -> Float[Tensor, "n r"]:
    """Return one column a direction, on the CPU."""
    return torch.stack([values.double().cpu() for values in each], 1)


def _check(method: str, step: float, attack: str, counts: tuple[int, int, int]) -> None:
    """Refuse, before the work, what cannot be measured."""
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    entry(attack, names(search=True))
    if not 0 < step < LARGEST:
        raise UsageError(f"step must be a finite length above 0 and below {LARGEST:g}; got {step}: 0.1 is the default")
    directions, others, power = counts
    if not 1 <= directions <= MOST or not 0 <= others <= MOST or not 0 <= power <= MOST:
        given = f"{directions}, {others}, {power}"
        raise UsageError(
            f"directions must be at least 1, others and power at least 0, all at most {MOST:,}; got {given}: 20, 5, 10 "
            "are usual"
        )


def to_boundary(
    model: Model,
    result: AttackResult,
    *,
    targets: Labels | None = None,
    bounds: Bounds | None = None,
    tolerance: float = 1e-6,
    reaches: tuple[float, float] = (0.0, OVERSTEP),
    memory: int | None = None,
) -> AttackResult:
    """Return the result with every perturbation shortened, along its own ray, to where the prediction just changes.

    A perturbation keeps its zeros, so none changes more pixels than before, and all of its norms shrink.

    Args:
        model: The model that was attacked.
        result: What an attack returned.
        targets: The classes that it was to reach, if any.
        bounds: The box it was given.
        tolerance: Relative width of the bracket around the boundary.
        reaches: Relative steps beyond the boundary: the one to hand out, and the one where it falls back.
        memory: Budget in bytes, as in `deepfool`.

    Returns:
        The result with every success evaluated again; failures are left as they are.

    Example:
        >>> from geomrob.attacks.minimal.deepfool import deepfool
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = deepfool(model, torch.rand(4, 1, 4, 4), overshoot=0.5)
        >>> bool((to_boundary(model, result).distances() < result.distances()).all())
        True
    """
    with Prepared(model, result.inputs, memory=memory) as ready:
        search = Search(ready, result.inputs, reference=result.labels, target=targets, bounds=bounds)
        search.clean = search.logits(search.zeros(), search.pairs)
        moved = SearchResult(result.perturbation, result.status, result.steps)
        closest = refine(search, moved, tolerance=tolerance, rounds=40)
        # Exactly on the boundary first: a little further only where the model then rounds otherwise.
        coefficients, success, _ = verified(search, closest, reaches)
        perturbed = search.points(coefficients, search.pairs)
    spent = search.spent.whole()[0].to(result.forwards)
    return replace(
        result,
        perturbed=torch.where(result.success[:, None, None, None], perturbed, result.perturbed),
        success=success,
        status=torch.where(result.success & ~success, int(Status.STEP_LIMIT), result.status),
        forwards=result.forwards + spent,
    )
