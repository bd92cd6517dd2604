"""Distances to the decision boundary for attacks that see predicted classes alone, over several seeds."""

from collections.abc import Callable

from geomrob.arrays import Images, Labels, Model
from geomrob.attacks import boundary
from geomrob.errors import UsageError
from geomrob.randomness import checked_indices
from geomrob.results import AttackResult, DecisionDistances
from geomrob.runs import Clock

Progress = Callable[[int, int], object]


def decision_distances(
    model: Model,
    inputs: Images,
    *,
    budget: int = 5000,
    repeats: int = 1,
    peer: Callable[..., AttackResult] | None = None,
    attack: str = "boundary attack",
    labels: Labels | None = None,
    indices: Labels | None = None,
    name: str = "model",
    data: str = "images",
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
) -> DecisionDistances:
    """Return the l2 distances at which a decision-based attack changes the prediction of each image, for several seeds.

    Args:
        model: Images (N, C, H, W) to logits (N, K), of which the predicted class alone is used.
        inputs: Images in [0, 1].
        budget: Most queries per image.
        repeats: How often the attack is run, with the seeds `seed`, `seed` + 1, ...
        peer: Another attack, called as `peer(model, inputs, seed=...)`; `boundary` by default.
        attack: How the result calls the attack.
        labels: True classes; the predicted ones by default.
        indices: Position of each image in its source.
        name, data: How the result calls model and data.
        seed: Of the first run.
        memory: Budget in bytes; only for our own attack.
        progress: Called with (runs done, runs in all).

    Raises:
        UsageError: Fewer than one repeat, a memory budget for another attack, and what the attack refuses.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> decision_distances(model, torch.full((4, 1, 4, 4), 0.5), budget=100).distances.shape
        torch.Size([1, 4])
    """
    if repeats < 1:
        raise UsageError(f"repeats must be at least 1; got {repeats}: 1 is the default")
    if peer is not None and memory is not None:
        raise UsageError("memory must be left out with foolbox's attacks; got one: they take all images in one batch")
    keys = checked_indices(indices, len(inputs))
    clock = Clock(seed=seed, device=inputs.device)
    runs: list[AttackResult] = []
    for key in range(seed, seed + repeats):
        if peer is None:
            runs.append(boundary(model, inputs, budget=budget, seed=key, indices=keys, memory=memory))
        else:
            runs.append(peer(model, inputs, seed=key))
        if progress is not None:
            progress(len(runs), repeats)
    return DecisionDistances(
        model=name,
        data=data,
        attack=attack,
        budget=budget,
        seed=seed,
        runs=tuple(runs),
        labels=runs[0].labels.cpu() if labels is None else labels.cpu(),
        indices=keys,
        provenance=clock.provenance(
            forwards=sum(int(run.forwards.sum()) for run in runs),
            backwards=sum(int(run.backwards.sum()) for run in runs),
        ),
    )
