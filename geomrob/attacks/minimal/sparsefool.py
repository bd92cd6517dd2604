"""SparseFool: few changed pixels in any box, by linearizing the boundary that DeepFool finds."""

import torch
from torch import Tensor

from geomrob.arrays import (
    Bounds,
    ImagesLike,
    LabelsLike,
    Model,
    check_count,
    check_images,
    check_number,
)
from geomrob.attacks.engine.changed_pixels import COUNTS, Pixels
from geomrob.attacks.engine.linearize import Linearization, linearize
from geomrob.attacks.engine.pixel_pruning import first_points, without_needless
from geomrob.attacks.engine.run import run_attack
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.attacks.engine.sparse_projection import box_around, to_hyperplane
from geomrob.attacks.minimal.sparsefool_inner import (
    SHORT,
    WHOLE,
    all_rivals,
    from_normal,
    linearize_anew,
    to_boundary,
)
from geomrob.attacks.minimal.sparsefool_published import published_search
from geomrob.errors import UsageError, unknown
from geomrob.results import AttackResult, Status

STEP = 20
"""Most evaluations of a step where the result is pruned, and the budget is better spent otherwise."""

DEFAULTS = {"prune": False, "inner_overshoot": 0.1, "inner_steps": 0, "growth": 1.1, "nearest": 1}
"""Of the options that do not go with `published`."""


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
    inner_overshoot: float = 0.1,
    inner_steps: int = 0,
    growth: float = 1.1,
    candidates: int = 10,
    nearest: int = 1,
    published: bool = False,
    prune: bool = False,
    count: str = "pixels",
    budget: int = 150,
    memory: int | None = None,
) -> AttackResult:
    r"""Return adversarial images in a box in which few pixels are changed.

    Each step runs DeepFool from the current x to the boundary, r, takes the boundary's normal n there, and moves x
    along as few coordinates as the box allows onto the plane n . (x' - (x + lam r)) = 0
    (`sparse_projection.to_hyperplane`). It ends when x_0 + (1 + overshoot) (x - x_0), clipped to the box, is
    adversarial. With `prune` a search for fewer pixels comes before and after it (`pixel_pruning`), which adds, drops
    and exchanges pixels: on a LeNet 16 changed pixels become 4 to 5 for ten times the evaluations.

    Args:
        model, inputs, labels, targets, candidates, nearest, memory: As in `deepfool`.
        bounds: Lowest and highest value of an element of the perturbed image, numbers or tensors.
        radius: Largest change of an element, in [0, 1] units (25 / 255, say), on top of `bounds`; None for no limit.
        lam: How many times further than the boundary to aim, at least 1: higher is quicker and changes more pixels.
        steps: Most steps per image.
        overshoot: How far beyond x to test, as a share of the change so far.
        inner_overshoot: That of the inner DeepFool.
        inner_steps: Most steps of the inner DeepFool. Up to 2 it begins with the last normal where that is of the
            nearest rival; with more, such as the 50 of the paper, with gradients at x. 0 takes 2 without targets, and
            50 with: the boundary of a class that is not next to the image is far, and fewer images would reach it.
        growth: Factor of `lam` a step in the second half of the steps, at least 1, so that the few images that circle
            aim further and further.
        published: Whether to run the algorithm exactly as published: an inner overshoot of 0.02 and 50 inner steps, no
            growth, gradients of all candidates, and what *Differences* says of the released code. Without targets and
            `prune`.
        prune: Whether to spend `budget` on fewer pixels. Changed pixels then lie at the sides of the box.
        count: With `prune`, what is to be few: pixels, whatever their channels, or elements, each one channel of one
            pixel.
        budget: With `prune`, most forward and backward evaluations together per image, everything included; four are
            always spent. What is done with a budget is how a larger one begins, so more of it is never worse; with less
            than SparseFool itself needs, more pixels than without `prune` are possible.

    Returns:
        One entry an input, every element inside the box. Where nothing was found `success` is False and `status`
        says why: INFEASIBLE where the box ends before the linearized boundary (its elements are saturated).

    Raises:
        UsageError: As `deepfool`; bounds that are NaN, inverted or leave an image outside; a radius that is not above
            0; `lam` or `growth` under 1; steps, `nearest` or a budget under 1; `inner_steps` or an inner
            overshoot under 0; a `count` of something else; `published` with targets, `prune`, or another inner
            overshoot, `inner_steps`, growth or `nearest`.

    References:
        Modas, Moosavi-Dezfooli, Frossard, "SparseFool: a few pixels make a big difference", CVPR 2019, Algorithms 1, 2.

    Differences:
        Paper and released code disagree. As in the code: the plane goes through x + lam r, the test is on the overshot
        and clipped image, the next step starts from x without overshoot, and r carries no overshoot. As in the
        paper: the normal is taken at the point beyond the boundary, not a step before it. As in neither: the side of
        the plane decides the direction (the code saturates every pixel if x is beyond it); the class to leave is fixed
        to the clean prediction (the code predicts again at each x, and can walk back); an x that is adversarial by
        itself ends the search; a DeepFool and a box without solution are statuses (the code returns a
        clean image after a NaN); constants are in [0, 1] units, not normalised ones. For fewer evaluations the
        inner DeepFool overshoots by 0.1 instead of 0.02, takes at most two steps without targets, of which the first
        may go along the last normal (`inner_steps`), and computes the gradient of one rival, the nearest by the last
        known gradients, instead of 9 (`docs/benchmarks.md` has what all save); a DeepFool
        that runs out of steps lends its last point and normal, without which far targets fail; in the second half of
        the steps `lam` grows, so that the few images that circle succeed, with more pixels, instead of failing. With
        `published` all but the side of the plane and the units are as in the code.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = sparsefool(model, torch.full((4, 1, 4, 4), 0.5), radius=0.4)
        >>> bool((result.perturbation.abs() <= 0.4 + 1e-6).all())
        True
    """
    lam = check_number("lam", lam, 1, "1 aims at the boundary itself, 3 is usual")
    growth = check_number("growth", growth, 1, "1 is none, 1.1 is usual")
    overshoot = check_number("overshoot", overshoot, 0, "0.02 is usual")
    inner_overshoot = check_number("inner_overshoot", inner_overshoot, 0, "0.1 is usual")
    if count not in COUNTS:
        raise unknown("count", count, COUNTS)
    steps = check_count("steps", steps, 1, "50 is usual")
    inner_steps = check_count("inner_steps", inner_steps, 0, "0 chooses, 50 is that of the paper")
    nearest = check_count("nearest", nearest, 1, "choose how many rivals get gradients")
    candidates = check_count("candidates", candidates, 2, "the class to leave is one of them")
    budget = check_count("budget", budget, 1, "150 is usual", " evaluations")
    _check_published(
        published,
        targets,
        prune=prune,
        inner_overshoot=inner_overshoot,
        inner_steps=inner_steps,
        growth=growth,
        nearest=nearest,
    )
    inputs = check_images(inputs, None)

    # The first gradients are those of the nearest rivals alone; the others get theirs when they come near.
    first = min(candidates, nearest + 1)

    def search(pairs: Search, _: slice) -> SearchResult:
        linear = None if published else linearize(pairs, first)
        if linear is None:
            result = published_search(pairs, lam=lam, steps=steps, overshoot=overshoot, candidates=candidates)
        else:
            pixels = Pixels(pairs, budget=budget, count=count) if prune else None
            if pixels is not None:
                first_points(pixels, linear)
                without_needless(pixels, alone=False)
            result = sparsefool_search(
                pairs,
                linear,
                lam=lam,
                steps=steps,
                overshoot=overshoot,
                candidates=candidates,
                nearest=nearest,
                inner_overshoot=inner_overshoot,
                inner_steps=inner_steps,
                growth=growth,
                pixels=pixels,
            )
            if pixels is not None:
                pixels.offer(result)
                without_needless(pixels, alone=True)
                result = pixels.result(result)
        return result

    return run_attack(
        model,
        inputs,
        labels,
        search,
        targets=targets,
        bounds=box_around(inputs.detach(), bounds, radius),
        on_boundary=not published,
        copies=candidates + 16,
        memory=memory,
    )


def sparsefool_search(
    search: Search,
    linear: Linearization,
    *,
    lam: float = 3.0,
    steps: int = 50,
    overshoot: float = 0.02,
    inner_overshoot: float = 0.1,
    inner_steps: int = 0,
    growth: float = 1.1,
    candidates: int = 10,
    nearest: int = 1,
    pixels: Pixels | None = None,
) -> SearchResult:
    """Return where SparseFool ends for the pairs of a search in the whole space and a box: what it tried last.

    Args:
        search: The pairs, one an image, with bounds.
        linear: The model linearized at their images, for some or all rivals.
        lam, steps, overshoot, inner_overshoot, inner_steps, growth, candidates, nearest: As in `sparsefool`.
        pixels: Points known already: pairs that can end with no fewer pixels, or cannot afford a step, are left.
    """
    assert search.whole, "SparseFool moves the pixels of an image"
    assert search.bounds is not None, "SparseFool moves them inside a box"
    clean = search.images
    low, high = box_around(clean, search.bounds, None)
    status, taken = linear.status.clone(), torch.zeros_like(linear.status)
    tried, x = search.zeros(), clean.clone()
    start = all_rivals(search, linear, candidates)
    reach = start.lengths.clone()
    inner_steps = inner_steps or (SHORT if search.target is None else WHOLE)
    if pixels is not None:
        inner_steps = min(inner_steps, max(1, (STEP - 2 - nearest) // (1 + nearest)))
    # A step costs at most a linearization, an inner DeepFool and the test.
    most = (1 + inner_steps) * (1 + nearest) + 1
    # What the last step knows of the model near x: the normal, the class that it leads to, and the logits at `tried`.
    normal, leads, logits = search.zeros(), torch.full_like(status, -1), search.clean.clone()
    live = (status == Status.STEP_LIMIT).nonzero().squeeze(1)
    for step in range(steps):
        live = live if pixels is None else live[pixels.worth(x[live], live, most)]
        if not len(live):
            break
        target = None if search.target is None else search.target[live]
        inner = Search(search.ready, x[live], reference=search.reference[live], target=target)
        inner.clean = logits[live]
        local = start.rows(live)
        if step and inner_steps > SHORT:
            local = linearize_anew(inner, local.rivals, reach[live], nearest)
        elif step:
            ahead = tried[live] - (x - clean)[live]
            local = from_normal(inner, local.rivals, reach[live], normal[live], leads[live], ahead, nearest)
        reach[live] = local.lengths
        r, normals, status[live], leads[live] = to_boundary(inner, local, inner_overshoot, nearest, inner_steps)
        normal[live] = normals
        search.spent.add(live, inner.spent.forwards, inner.spent.backwards)
        # At an x that is adversarial by itself there is nothing left to do: it is what is handed out.
        arrived = local.status == Status.FOUND
        tried[live[arrived]] = (x - clean)[live[arrived]]
        # Where DeepFool runs out of steps, a far target mostly, its last point and normal still show the way.
        on = (((status[live] == Status.FOUND) | (status[live] == Status.STEP_LIMIT)) & ~arrived).nonzero().squeeze(1)
        live, here = live[on], x[live[on]]
        if not len(live):
            break
        through = here + lam * growth ** max(0, step - steps // 2) * r[on]
        x[live], feasible = to_hyperplane(here, normals[on], through, low[live], high[live])
        taken[live] += 1
        beyond = clean[live] + (1 + overshoot) * (x[live] - clean[live])
        tried[live] = beyond.clamp(low[live], high[live]) - clean[live]
        logits[live] = search.logits(tried[live], live)
        adversarial = search.logit_gap(logits[live], live) < 0
        status[live] = torch.where(feasible, int(Status.STEP_LIMIT), int(Status.INFEASIBLE))
        status[live[adversarial]] = Status.FOUND
        moved = (x[live] != here).flatten(1).any(1)
        live = live[~adversarial & moved]
    return SearchResult(tried, status, taken)


def _check_published(published: bool, targets: LabelsLike | None, **options: float) -> None:
    """Refuse what the published algorithm does not have."""
    if published and targets is not None:
        raise UsageError("targets must be left out with published; got some: the published algorithm has none")
    for name, value in options.items():
        if published and value != DEFAULTS[name]:
            raise UsageError(f"{name} must be left out with published; got {value}: the published algorithm sets it")
