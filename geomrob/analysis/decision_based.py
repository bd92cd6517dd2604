"""Decision-based distances: how near the boundary is for a decision-based attack, over repeats."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from geomrob.arrays import ImagesLike, Labels, LabelsLike, Model, as_labels, check_images
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.errors import UsageError
from geomrob.inference import Prepared
from geomrob.randomness import checked_indices
from geomrob.results import AttackResult, BoundaryResult, DecisionDistances
from geomrob.runs import Clock, Run, ranges, work

Progress = Callable[[int, int], object]


def decision_distances(
    model: Model,
    inputs: ImagesLike,
    *,
    attack: Callable[..., AttackResult] | None = None,
    attack_name: str = "boundary",
    budget: int = 5000,
    smoothness: float = 1.0,
    repeats: int = 1,
    labels: LabelsLike | None = None,
    indices: Labels | None = None,
    name: str = "model",
    data: str = "images",
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> DecisionDistances:
    """Return how far images are from the boundary of their predicted region for a decision-based attack.

    Args:
        model: Images (N, C, H, W) to logits (N, K), of which the attack uses the largest alone.
        inputs: Images in [0, 1], on the model's device.
        attack: Called as `attack(model, inputs, seed=...)`; our walk along the boundary (`boundary`) by default, which
            is also given `budget`, `smoothness`, `indices` and `memory`.
        attack_name: How the result calls it.
        budget: Most queries (forward evaluations) an image.
        smoothness: Of the proposals of our walk: 1, or 0 for white ones; see `boundary`.
        repeats: How often it is done, with the seeds `seed`, `seed` + 1, ...
        labels: True classes, for the records only; the predicted ones by default.
        indices: Position of each image in its source; the walk's draws of an image depend on it alone.
        name, data: How the result calls model and data.
        seed: Of the first repeat.
        memory: Budget in bytes of one batch of our walk.
        progress: Called with (images done, in all repeats), inside a part as their queries tell.
        run: Folder that keeps finished parts, to resume from; the result is the same.

    Returns:
        What each repeat found, on the CPU: infinite distances where an image had no start or was not fooled.

    Raises:
        UsageError: No repeat, images outside [0, 1], memory with another attack than ours, what the attack refuses.

    References:
        Brendel, Rauber, Bethge, "Decision-based adversarial attacks", ICLR 2018.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> decision_distances(model, torch.rand(4, 1, 4, 4), budget=60, repeats=2).distances.shape
        torch.Size([8])
    """
    inputs = check_images(inputs)
    labels = as_labels(labels)
    if not 1 <= repeats <= 1_000_000:
        raise UsageError(f"repeats must be at least 1, at most 1,000,000; got {repeats}: 1 is the default")
    if attack is not None and memory is not None:
        raise UsageError(f"memory must be left out with {attack_name}; got {memory}: it takes all images in one batch")
    count = len(inputs)
    keys, clock = checked_indices(indices, count), Clock(seed=seed, device=inputs.device)
    ready = Prepared(model, inputs.detach(), memory=memory, forward_only=True)
    ready.check_deterministic()
    # Another attack may draw for all images at once.
    pieces = ranges(count, count if attack else max(LEAST, ready.block))
    items = {f"repeat-{repeat}-{key}": (repeat, piece) for repeat in range(repeats) for key, piece in pieces.items()}
    parts = work(
        run,
        f"{attack_name} of {name}",
        partial(_part, ready, keys, attack=attack, budget=budget, smoothness=smoothness, seed=seed),
        items,
        units=lambda item: item[1].stop - item[1].start,
        each=budget,
        progress=progress,
    )
    results: list[AttackResult] = []
    for repeat in range(repeats):
        own = parts[repeat * len(pieces) : (repeat + 1) * len(pieces)]
        results.append((BoundaryResult if "start" in own[0] else AttackResult).joined(own))
    return DecisionDistances(
        model=name,
        data=data,
        attack=attack_name,
        budget=budget,
        seed=seed,
        repeats=tuple(results),
        labels=(results[0].labels if labels is None else labels).cpu(),
        indices=keys.cpu(),
        provenance=clock.provenance(
            forwards=sum(int(one.forwards.sum()) for one in results),
            backwards=sum(int(one.backwards.sum()) for one in results),
        ),
    )


LEAST = 16
"""Images of a part where blocks are small."""


def _part(
    ready: Prepared,
    keys: Labels,
    item: tuple[int, slice],
    *,
    attack: Callable[..., AttackResult] | None,
    budget: int,
    smoothness: float,
    seed: int,
) -> dict[str, Tensor]:
    """Return what one repeat of the attack finds of some of the images, by field."""
    repeat, piece = item
    rows = ready.rows(piece)
    if attack is not None:
        return attack(rows, rows.images, seed=seed + repeat).tensors()
    own: dict[str, Any] = {"indices": keys[piece], "memory": ready.memory}
    return boundary(rows, rows.images, seed=seed + repeat, budget=budget, smoothness=smoothness, **own).tensors()
