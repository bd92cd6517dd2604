"""Decision-based distances: how near the boundary is for a decision-based attack, over repeats."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from torch import Tensor

from geomrob.arrays import ImagesLike, Labels, LabelsLike, Model, as_labels, check_images
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.errors import UsageError
from geomrob.randomness import checked_indices
from geomrob.results import AttackResult, DecisionDistances
from geomrob.runs import Clock

Progress = Callable[[int, int], object]


def decision_distances(
    model: Model,
    inputs: ImagesLike,
    *,
    attack: Callable[..., AttackResult] | None = None,
    attack_name: str = "boundary",
    budget: int = 5000,
    repeats: int = 1,
    labels: LabelsLike | None = None,
    indices: Labels | None = None,
    name: str = "model",
    data: str = "images",
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
) -> DecisionDistances:
    """Return how far images are from the boundary of their predicted region for a decision-based attack.

    Args:
        model: Images (N, C, H, W) to logits (N, K), of which the attack uses the largest alone.
        inputs: Images in [0, 1], on the model's device.
        attack: Called as `attack(model, inputs, seed=...)`; our walk along the boundary (`boundary`) by default, which
            is also given `budget`, `indices` and `memory`.
        attack_name: How the result calls it.
        budget: Most queries (forward evaluations) an image.
        repeats: How often it is done, with the seeds `seed`, `seed` + 1, ...
        labels: True classes, for the records only; the predicted ones by default.
        indices: Position of each image in its source; the walk's draws of an image depend on it alone.
        name, data: How the result calls model and data.
        seed: Of the first repeat.
        memory: Budget in bytes of one batch of our walk.
        progress: Called with (repeats done, repeats in all).

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
    if repeats < 1:
        raise UsageError(f"repeats must be at least 1; got {repeats}: 1 is the default")
    if attack is not None and memory is not None:
        raise UsageError(f"memory must be left out with {attack_name}; got {memory}: it takes all images in one batch")
    keys, clock, results = checked_indices(indices, len(inputs)), Clock(seed=seed, device=inputs.device), []
    own: dict[str, Any] = {} if attack else {"budget": budget, "indices": keys, "memory": memory}
    for repeat in range(repeats):
        results.append((attack or boundary)(model, inputs.detach(), seed=seed + repeat, **own))
        if progress is not None:
            progress(repeat + 1, repeats)
    return DecisionDistances(
        model=name,
        data=data,
        attack=attack_name,
        budget=budget,
        seed=seed,
        repeats=tuple(map(_on_cpu, results)),
        labels=(results[0].labels if labels is None else labels).cpu(),
        indices=keys.cpu(),
        provenance=clock.provenance(
            forwards=sum(int(one.forwards.sum()) for one in results),
            backwards=sum(int(one.backwards.sum()) for one in results),
        ),
    )


def _on_cpu(result: AttackResult) -> AttackResult:
    """Return the result with its tensors on the CPU."""
    parts: dict[str, Tensor] = {field.name: getattr(result, field.name).cpu() for field in fields(result)}
    return type(result)(**parts)
