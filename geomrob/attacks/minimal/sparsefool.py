"""SparseFool: few changed pixels in any box, by linearizing the boundary that DeepFool finds."""

import math

import torch
from torch import Tensor

from geomrob.arrays import LARGEST, Bounds, Images, ImagesLike, Labels, LabelsLike, Model, check_images
from geomrob.attacks.engine.linearize import Linearization, nearest_rivals, towards_boundary
from geomrob.attacks.engine.pixel_pruning import prune as fewer_pixels
from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult, rounding
from geomrob.attacks.engine.sparse_projection import box_around, to_hyperplane
from geomrob.attacks.minimal.deepfool import deepfool_search
from geomrob.errors import UsageError
from geomrob.inference import Prepared
from geomrob.results import AttackResult, Status

BLOCK = 16
"""Most samples per call of the model on a CPU: most images are done after a step, larger ones would be padding."""

INNER = 0.1
"""Overshoot of the inner DeepFool: it ends a step sooner, and the normal is taken where the sparse point will be."""


GROWTH = 1.1
"""Factor of `lam` a step in the second half of the steps: who has not succeeded by then aims further and further."""


def sparsefool(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    targets: LabelsLike | None = None,
    bounds: Bounds = (0.0, 1.0),
    radius: float | Tensor | None = None,
    lam: float = 3.0,
    steps: int = 50,
    overshoot: float = 0.02,
    candidates: int = 10,
    nearest: int = 1,
    prune: bool = False,
    budget: int = 150,
    memory: int | None = None,
) -> AttackResult:
    r"""Return adversarial images in a box in which few pixels are changed.

    Each step runs DeepFool from the current x to the boundary, r, takes the boundary's normal n there, and moves x
    along as few coordinates as the box allows onto the plane n . (x' - (x + lam r)) = 0
    (`sparse_projection.to_hyperplane`). It ends when x_0 + (1 + overshoot) (x - x_0), clipped to the box, is
    adversarial. `prune` then drops, rebuilds and exchanges pixels (`pixel_pruning.prune`): on a LeNet, 16 changed
    pixels become 5 to 6 for six times the evaluations.

    Args:
        model, inputs, labels, targets, candidates, nearest, memory: As in `deepfool`.
        bounds: Lowest and highest value of an element of the perturbed image, numbers or tensors.
        radius: Largest change of an element, in [0, 1] units (25 / 255, say), on top of `bounds`; None for no limit.
        lam: How many times further than the boundary to aim, at least 1: higher is quicker and changes more pixels.
        steps: Most steps per image.
        overshoot: How far beyond x to test, as a share of the change so far.
        prune: Whether to spend `budget` on fewer pixels. Changed pixels then lie at the sides of the box, in all
            channels: fewer pixels, not fewer elements.
        budget: With `prune`, most forward and backward evaluations together per image, SparseFool's own (about 20)
            included.

    Returns:
        One entry an input, every element inside the box. Where nothing was found `success` is False and `status`
        says why: INFEASIBLE where the box ends before the linearized boundary (its elements are saturated).

    Raises:
        UsageError: As `deepfool`; bounds that are NaN, inverted or leave an image outside; a radius that is not above
            0; `lam` under 1; steps, `nearest` or a budget under 1.

    References:
        Modas, Moosavi-Dezfooli, Frossard, "SparseFool: a few pixels make a big difference", CVPR 2019, Algorithms 1, 2.

    Differences:
        Paper and released code disagree. As in the code: the plane goes through x + lam r, the test is on the overshot
        and clipped image, the next step starts from x without overshoot, and r carries no overshoot. As in the
        paper: the normal is taken at the point beyond the boundary, not a step before it. As in neither: the side of
        the plane decides the direction (the code saturates every pixel if x is beyond it); the class to leave is fixed
        to the clean prediction (the code predicts again at each x, and can walk back); an x that is adversarial by
        itself ends the search; a DeepFool and a box without solution are statuses (the code returns a
        clean image after a NaN); constants are in [0, 1] units, not normalised ones; the inner DeepFool overshoots by
        0.1 instead of 0.02 (on a LeNet three evaluations fewer, and a pixel) and computes the gradient of one rival,
        the nearest by the last known gradients, instead of 9 (medians stay, gradients are half those of 3); a DeepFool
        that runs out of steps lends its last point and normal, without which far targets fail; in the second half of
        the steps `lam` grows by a tenth a step, so that the few images that circle succeed, with more pixels, instead
        of failing.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = sparsefool(model, torch.full((4, 1, 4, 4), 0.5), radius=0.4)
        >>> bool((result.perturbation.abs() <= 0.4 + 1e-6).all())
        True
    """
    if not 1 <= lam < LARGEST:
        raise UsageError(f"lam must be at least 1 and finite; got {lam}: 1 aims at the boundary itself, 3 is usual")
    if steps < 1:
        raise UsageError(f"steps must be at least 1; got {steps}: 50 is usual")
    if nearest < 1:
        raise UsageError(f"nearest must be at least 1; got {nearest}: choose how many rivals get gradients")
    if budget < 1:
        raise UsageError(f"budget must be at least 1 evaluation; got {budget}: 150 is usual")
    inputs = check_images(inputs, None)

    # The first gradients are those of the nearest rivals alone; the others get theirs when they come near.
    first = min(candidates, nearest + 1)

    def search(pairs: Search, linear: Linearization) -> SearchResult:
        ready = pairs.ready
        if not inputs.is_cuda:
            pairs.ready = Prepared(ready, pairs.images, block=min(ready.block, BLOCK))
        result = sparsefool_search(
            pairs, linear, lam=lam, steps=steps, overshoot=overshoot, candidates=candidates, nearest=nearest
        )
        result = fewer_pixels(pairs, result, budget=budget) if prune else result
        # What is handed out is verified in calls as large as before.
        pairs.ready = ready
        return result

    return run_linearized(
        model,
        inputs,
        labels,
        search,
        first,
        targets=targets,
        bounds=box_around(inputs.detach(), bounds, radius),
        memory=memory,
    )


def sparsefool_search(
    search: Search,
    linear: Linearization,
    *,
    lam: float = 3.0,
    steps: int = 50,
    overshoot: float = 0.02,
    candidates: int = 10,
    nearest: int = 1,
) -> SearchResult:
    """Return where SparseFool ends for the pairs of a search in the whole space and a box: what it tried last.

    Args:
        search: The pairs, one an image, with bounds.
        linear: The model linearized at their images, for some or all rivals.
        lam, steps, overshoot, candidates, nearest: As in `sparsefool`.
    """
    assert search.whole, "SparseFool moves the pixels of an image"
    assert search.bounds is not None, "SparseFool moves them inside a box"
    clean = search.images
    low, high = box_around(clean, search.bounds, None)
    status, taken = linear.status.clone(), torch.zeros_like(linear.status)
    tried, x = search.zeros(), clean.clone()
    start = _all_rivals(search, linear, candidates)
    reach = start.lengths.clone()
    live = (status == Status.STEP_LIMIT).nonzero().squeeze(1)
    for step in range(steps):
        if not len(live):
            break
        target = None if search.target is None else search.target[live]
        inner = Search(search.ready, x[live], reference=search.reference[live], target=target)
        inner.clean = search.clean[live]
        local = _linearize(inner, start.rivals[live], reach[live], nearest) if step else _rows(start, live)
        reach[live] = local.lengths
        reached = deepfool_search(inner, local, overshoot=INNER, nearest=nearest)
        # At an x that is adversarial by itself there is nothing left to do: it is what is handed out.
        arrived = local.status == Status.FOUND
        tried[live[arrived]] = (x - clean)[live[arrived]]
        status[live] = reached.status
        # Where DeepFool runs out of steps, a far target mostly, its last point and normal still show the way.
        on = ((reached.success | (reached.status == Status.STEP_LIMIT)) & ~arrived).nonzero().squeeze(1)
        normals = _normals(inner, reached.coefficients[on], on)
        search.spent.add(live, inner.spent.forwards, inner.spent.backwards)
        live, here = live[on], x[live[on]]
        if not len(live):
            break
        further = lam * GROWTH ** max(0, step - steps // 2)
        through = here + further / (1 + INNER) * reached.coefficients[on]
        x[live], feasible = to_hyperplane(here, normals, through, low[live], high[live])
        taken[live] += 1
        beyond = clean[live] + (1 + overshoot) * (x[live] - clean[live])
        tried[live] = beyond.clamp(low[live], high[live]) - clean[live]
        adversarial = search.is_adversarial(tried[live], live)
        status[live] = torch.where(feasible, int(Status.STEP_LIMIT), int(Status.INFEASIBLE))
        status[live[adversarial]] = Status.FOUND
        moved = (x[live] != here).flatten(1).any(1)
        live = live[~adversarial & moved]
    return SearchResult(tried, status, taken)


def _normals(at: Search, points: Images, pairs: Labels) -> Images:
    """Return the gradient between the class reached and the class to leave (or the target and the rest)."""
    return at.gradients(points, pairs, towards_boundary(at))[2][:, 0] if len(pairs) else points


def _all_rivals(search: Search, linear: Linearization, candidates: int) -> Linearization:
    """Return the linearization with the rest of the candidates, their gradients taken to be of average length."""
    if search.target is not None:
        return linear
    missing = min(candidates, search.clean.shape[1]) - 1 - linear.rivals.shape[1]
    taken = torch.cat((search.reference[:, None], linear.rivals), 1)
    others = search.clean.scatter(1, taken, -math.inf).topk(missing, 1).indices
    guess = linear.lengths.mean(1, keepdim=True).expand(-1, missing)
    lengths = torch.cat((linear.lengths, guess), 1)
    rivals = torch.cat((linear.rivals, others), 1)
    return Linearization(rivals, linear.values, linear.gradients, lengths, linear.status)


def _rows(linear: Linearization, rows: Labels) -> Linearization:
    """Return some rows of a linearization."""
    parts = (linear.rivals, linear.values, linear.gradients, linear.lengths, linear.status)
    return Linearization(*(part[rows] for part in parts))


def _linearize(at: Search, rivals: Tensor, reach: Tensor, nearest: int) -> Linearization:
    """Return the model linearized for the rivals that the last known lengths of gradients, `reach`, put nearest."""
    objective, picked = nearest_rivals(at, rivals, reach, nearest)
    logits, values, gradients, total = at.gradients(at.zeros(), at.pairs, objective)
    at.clean = logits
    lengths = torch.linalg.vector_norm(gradients.flatten(2), dim=2)
    status = torch.full_like(at.image, Status.STEP_LIMIT)
    status[(lengths <= rounding(total)).all(1)] = Status.INVARIANT
    status[at.logit_gap(logits, at.pairs) < 0] = Status.FOUND
    status[~(torch.isfinite(logits).all(1) & torch.isfinite(lengths).all(1))] = Status.NON_FINITE
    return Linearization(rivals, values, gradients, reach.scatter(1, picked, lengths), status)
