"""SparseFool: few changed pixels in any box, by linearising the boundary that DeepFool finds."""

import math

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Images, Labels, Logits, Model, check_images
from geomrob.attacks.engine.linearize import Linear
from geomrob.attacks.engine.pixel_pruning import prune as fewer_pixels
from geomrob.attacks.engine.run import attack
from geomrob.attacks.engine.search import Found, Search, rounding
from geomrob.attacks.engine.sparse_projection import box_around, to_hyperplane
from geomrob.attacks.minimal.deepfool import deepfool_search
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Status

BLOCK = 16
"""Most samples per call of the model on a CPU: most images are done after a step, larger ones would be padding."""

INNER = 0.1
"""Overshoot of the inner DeepFool: it ends a step sooner, and the normal is taken where the sparse point will be."""


GROWTH = 1.1
"""Factor of `lam` a step in the second half of the steps: what has not crossed by then aims further and further."""


def sparsefool(
    model: Model,
    inputs: Images,
    labels: Labels | None = None,
    *,
    targets: Labels | None = None,
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
    r"""Return images in a box that change the decision by changing few pixels.

    Each step runs DeepFool from the current x to the boundary, r, takes the boundary's normal n there, and moves x
    along as few coordinates as the box allows onto the plane n . (x' - (x + lam r)) = 0 (`sparse_box.to_hyperplane`).
    It ends when x_0 + (1 + overshoot) (x - x_0), clipped to the box, has changed the decision. `prune` then drops,
    rebuilds and exchanges pixels (`prune.prune`): on a LeNet, 16 changed pixels become 5 to 6 for six times the
    evaluations.

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
        One entry an input, every element inside the box. Where no crossing was found `success` is False and `status`
        says why: INFEASIBLE where the box ends before the linearised boundary (its elements are saturated).

    Raises:
        UsageError: As `deepfool`; bounds that are NaN, inverted or leave an image outside; a radius that is not above
            0; `lam` under 1; steps, `nearest` or a budget under 1.

    References:
        Modas, Moosavi-Dezfooli, Frossard, "SparseFool: a few pixels make a big difference", CVPR 2019, Algorithms 1, 2.

    Differences:
        Paper and released code disagree. As in the code: the plane goes through x + lam r, the test is on the overshot
        and clipped image, the next step starts from x without overshoot, and r carries no overshoot. As in the
        paper: the normal is taken at the point across the boundary, not a step before it. As in neither: the side of
        the plane decides the direction (the code saturates every pixel if x is beyond it); the class to leave is fixed
        to the clean prediction (the code asks again at each x, and can walk back); an x that has crossed by itself
        ends the search; a DeepFool without answer and a box without answer are statuses (the code returns a clean
        image after a NaN); constants are in [0, 1] units, not normalised ones; the inner DeepFool overshoots by 0.1
        instead of 0.02 (on a LeNet three evaluations fewer, and a pixel) and computes the slope of one rival, the
        nearest by the last known slopes, instead of 9 (medians stay, slopes are halved beside 3); a DeepFool that runs
        out of steps lends its last point and normal, without which far targets fail; in the second half of the steps
        `lam` grows by a tenth a step, so that the few images that circle are fooled, by more pixels, instead of lost.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = sparsefool(model, torch.full((4, 1, 4, 4), 0.5), radius=0.4)
        >>> bool((result.perturbation.abs() <= 0.4 + 1e-6).all())
        True
    """
    if not 1 <= lam < math.inf:
        raise UsageError(f"lam must be at least 1 and finite; got {lam}: 1 aims at the boundary itself, 3 is usual")
    if steps < 1:
        raise UsageError(f"steps must be at least 1; got {steps}: 50 is usual")
    if nearest < 1:
        raise UsageError(f"nearest must be at least 1; got {nearest}: choose how many rivals get slopes")
    if budget < 1:
        raise UsageError(f"budget must be at least 1 evaluation; got {budget}: 150 is usual")
    check_images(inputs, None)

    def run(search: Search, linear: Linear) -> Found:
        block = search.block
        search.block = block if inputs.is_cuda else min(block, BLOCK)
        found = sparsefool_search(
            search, linear, lam=lam, steps=steps, overshoot=overshoot, candidates=candidates, nearest=nearest
        )
        found = fewer_pixels(search, found, budget=budget) if prune else found
        # What is handed out is verified in calls as large as before, unless memory has run out meanwhile.
        search.block = block if search.block == BLOCK else search.block
        return found

    return attack(
        model,
        inputs,
        labels,
        run,
        targets=targets,
        bounds=box_around(inputs.detach(), bounds, radius),
        # The first slopes are those of the nearest rivals alone; the others get theirs when they come near.
        candidates=min(candidates, nearest + 1),
        memory=memory,
    )


def sparsefool_search(
    search: Search,
    linear: Linear,
    *,
    lam: float = 3.0,
    steps: int = 50,
    overshoot: float = 0.02,
    candidates: int = 10,
    nearest: int = 1,
) -> Found:
    """Return where SparseFool ends for the pairs of a search in the whole space and a box: what it tried last.

    Args:
        search: The pairs, one an image, with bounds.
        linear: The model linearised at their images, for some or all rivals.
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
        inner = Search(search.model, x[live], reference=search.reference[live], target=target, block=search.block)
        local = _linearise(inner, start.rivals[live], reach[live], nearest) if step else _rows(start, live)
        reach[live] = local.lengths
        found = deepfool_search(inner, local, overshoot=INNER, nearest=nearest)
        # At an x that has crossed by itself there is nothing left to do: it is what is handed out.
        arrived = local.status == Status.FOUND
        tried[live[arrived]] = (x - clean)[live[arrived]]
        status[live] = found.status
        # Where DeepFool runs out of steps, a far target mostly, its last point and normal still show the way.
        on = ((found.success | (found.status == Status.STEP_LIMIT)) & ~arrived).nonzero().squeeze(1)
        normals = _normals(inner, found.coefficients[on], on)
        search.forwards[live.cpu()] += inner.forwards
        search.backwards[live.cpu()] += inner.backwards
        live, here = live[on], x[live[on]]
        if not len(live):
            break
        further = lam * GROWTH ** max(0, step - steps // 2)
        through = here + further / (1 + INNER) * found.coefficients[on]
        x[live], feasible = to_hyperplane(here, normals, through, low[live], high[live])
        taken[live] += 1
        beyond = clean[live] + (1 + overshoot) * (x[live] - clean[live])
        tried[live] = beyond.clamp(low[live], high[live]) - clean[live]
        crossed = search.crosses(tried[live], live)
        status[live] = torch.where(feasible, int(Status.STEP_LIMIT), int(Status.INFEASIBLE))
        status[live[crossed]] = Status.FOUND
        moved = (x[live] != here).flatten(1).any(1)
        live = live[~crossed & moved]
    return Found(tried, status, taken)


def _normals(at: Search, crossings: Images, pairs: Labels) -> Images:
    """Return the slope of what separates the class reached from the class to leave (or the target from the rest)."""
    if not len(pairs):
        return crossings
    return at.slopes(crossings, pairs, lambda logits, p: -at.gap(logits, p)[:, None])[2][:, 0]


def _all_rivals(search: Search, linear: Linear, candidates: int) -> Linear:
    """Return the linearised model with the rest of the candidates added, their slopes taken to be of average length."""
    if search.target is not None:
        return linear
    missing = min(candidates, search.clean.shape[1]) - 1 - linear.rivals.shape[1]
    taken = torch.cat((search.reference[:, None], linear.rivals), 1)
    others = search.clean.scatter(1, taken, -math.inf).topk(missing, 1).indices
    guess = linear.lengths.mean(1, keepdim=True).expand(-1, missing)
    lengths = torch.cat((linear.lengths, guess), 1)
    return Linear(torch.cat((linear.rivals, others), 1), linear.values, linear.slopes, lengths, linear.status)


def _rows(linear: Linear, rows: Labels) -> Linear:
    """Return some rows of a linearised model."""
    parts = (linear.rivals, linear.values, linear.slopes, linear.lengths, linear.status)
    return Linear(*(part[rows] for part in parts))


def _linearise(at: Search, rivals: Tensor, reach: Tensor, nearest: int) -> Linear:
    """Return the model linearised for the rivals that the last known lengths of slopes, `reach`, put nearest."""
    picked = rivals.new_zeros(len(at), min(nearest, rivals.shape[1]))

    def objective(logits: Logits, pairs: Labels) -> Tensor:
        if at.target is not None:
            return -at.gap(logits, pairs)[:, None]
        lacking = logits.gather(1, at.reference[pairs, None]) - logits.gather(1, rivals[pairs])
        estimate = lacking.detach() / reach[pairs].clamp_min(torch.finfo(logits.dtype).tiny)
        picked[pairs] = estimate.topk(picked.shape[1], 1, largest=False).indices
        return -lacking.gather(1, picked[pairs])

    logits, values, slopes, total = at.slopes(at.zeros(), at.pairs, objective)
    lengths = torch.linalg.vector_norm(slopes.flatten(2), dim=2)
    status = torch.full_like(at.image, Status.STEP_LIMIT)
    status[(lengths <= rounding(total)).all(1)] = Status.INVARIANT
    status[at.gap(logits, at.pairs) < 0] = Status.FOUND
    status[~(torch.isfinite(logits).all(1) & torch.isfinite(lengths).all(1))] = Status.NON_FINITE
    return Linear(rivals, values, slopes, reach.scatter(1, picked, lengths), status)
