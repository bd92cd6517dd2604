"""The smallest perturbations of images in several norms, by the best of several searches, for several models."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.analysis.geometry.geometry import to_boundary
from geomrob.analysis.named_attacks import BOX, named_attack
from geomrob.arrays import ImagesLike, Labels, LabelsLike, Model, as_labels, check_images
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared, checked_classes
from geomrob.randomness import checked_indices
from geomrob.results import AttackResult, Norms
from geomrob.runs import Clock, Run, work

Attack = Callable[..., AttackResult]
Progress = Callable[[int, int], object]

SEARCHES: dict[str, Attack] = {
    "sparsefool": named_attack("sparsefool", bounds=BOX),
    "sparsefool-pruned": named_attack("sparsefool", bounds=BOX, prune=True),
    "tight-l1": named_attack("tight", bounds=BOX, norm=1),
    "tight": named_attack("tight", bounds=BOX),
    "tight-linf": named_attack("tight", bounds=BOX, norm=torch.inf),
}
"""The searches whose best result counts: few pixels, few elements, l1, l2, l-infinity; all inside [0, 1]."""

NORMS: dict[str, Callable[[AttackResult], Tensor]] = {
    "pixels": lambda found: found.pixels,
    "elements": lambda found: found.elements,
    "l1": lambda found: found.distances(1),
    "l2": lambda found: found.distances(2),
    "linf": lambda found: found.distances(torch.inf),
}
"""How each norm is read off a result: changed pixels and elements are the two readings of l0."""

LEAVE = ("predicted", "true")


def minimum_norms(
    models: Mapping[str, Model],
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    leave: str = "predicted",
    norms: Sequence[str] = tuple(NORMS),
    searches: Mapping[str, Attack] | None = None,
    data: str = "images",
    indices: Labels | None = None,
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> Norms:
    """Return the smallest norms at which a perturbation inside [0, 1] changes each image's decision on each model.

    Every perturbation found has a value in every norm, so each norm takes the smallest over all searches. First each
    perturbation is shortened along its own ray to the boundary. All are upper bounds of the true minimum.

    Args:
        models: Name and model, on the device of `inputs`.
        inputs: Images in [0, 1].
        labels: True classes, for the accuracies and for `leave="true"`.
        leave: `predicted`, the class that the model sees; or `true`, as in the figure of the paper: an image that is
            not seen as its label then has norm 0 and pulls the means down.
        norms: Rows of `NORMS`.
        searches: Attacks by name, each called as `attack(model, inputs, labels)` and keeping to [0, 1]; `SEARCHES` by
            default. Add other libraries' attacks (`from_foolbox`) here.
        data: How the result calls the images.
        indices: Position of each image in its source.
        seed: Written to the provenance; the searches of the table draw nothing.
        memory: Budget in bytes, as in `deepfool`, of the shortening.
        progress: Called with (searches done, searches on all models).
        run: Folder that keeps what each search has found, to resume from; the result is the same.

    Returns:
        Infinity where no search changed the decision; means leave those images out and `Norms.failures` counts them.

    Raises:
        UsageError: No model or search, images outside [0, 1], an unknown norm, `leave="true"` without labels, labels of
            another number or that the model has no class for, and what a search refuses.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, Fig. 5.

    Differences:
        The paper takes foolbox's FMN in each norm, which returns the clean image where it fails (a norm of 0).

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> found = minimum_norms({"net": model}, torch.rand(4, 1, 8, 8), norms=["pixels", "l2"])
        >>> found.mean.shape, found.failures.tolist()
        (torch.Size([1, 2]), [[0, 0]])
    """
    table = SEARCHES if searches is None else searches
    inputs, labels = check_images(inputs), as_labels(labels)
    _check(models, labels, leave, norms, table)
    keys, clock = checked_indices(indices, len(inputs)), Clock(seed=seed, device=inputs.device)
    inputs, spent = inputs.detach(), [0, 0]
    accuracy = torch.full((len(models),), torch.nan, dtype=torch.float64)
    best, which = list[Tensor](), list[Tensor]()
    ready = [Prepared(model, inputs, memory=memory) for model in models.values()]
    left: list[Labels] = []
    for number, model in enumerate(ready):
        truth = model.predictions if labels is None else checked_classes("labels", labels, model.clean)
        if labels is not None:
            accuracy[number] = (model.predictions == truth).double().mean()
        left.append(truth if leave == "true" else model.predictions.clamp_min(0))
    parts = work(
        run,
        f"norms of {', '.join(models)}",
        partial(_part, ready, list(table.values()), left),
        {f"model-{number}-search-{turn}": (number, turn) for number in range(len(ready)) for turn in range(len(table))},
        progress=progress,
    )
    for start in range(0, len(parts), len(table)):
        results = [AttackResult.joined([part]) for part in parts[start : start + len(table)]]
        spent[0] += sum(int(result.forwards.sum()) for result in results)
        spent[1] += sum(int(result.backwards.sum()) for result in results)
        smallest, by = _smallest(results, norms)
        best.append(smallest)
        which.append(by)
    notes = [text for model in ready for text in model.notes]
    return Norms(
        models=tuple(models),
        data=data,
        norms=tuple(norms),
        attacks=tuple(table),
        left=leave,
        values=torch.stack(best),
        by=torch.stack(which),
        accuracy=accuracy,
        indices=keys,
        provenance=clock.provenance(forwards=spent[0] + len(models) * len(inputs), backwards=spent[1], notes=notes),
    )


def _part(
    models: Sequence[Prepared], searches: Sequence[Attack], left: Sequence[Labels], item: tuple[int, int]
) -> dict[str, Tensor]:
    """Return what one of the searches finds on one of the models, shortened to the boundary, by field."""
    number, turn = item
    model = models[number]
    found = searches[turn](model.model, model.images, left[number])
    return to_boundary(model, found, bounds=BOX).tensors()


def _smallest(
    results: Sequence[AttackResult], norms: Sequence[str]
) -> tuple[Float[Tensor, "p n"], Int64[Tensor, "p n"]]:
    """Return for each norm and image the smallest value, and the number of the attack that found it (-1 for none)."""
    values = torch.stack([torch.stack([NORMS[norm](found).double() for found in results]) for norm in norms])
    smallest, by = values.min(1)
    return smallest.cpu(), torch.where(torch.isfinite(smallest), by, -1).cpu()


def _check(
    models: Mapping[str, Model],
    labels: Labels | None,
    leave: str,
    norms: Sequence[str],
    searches: Mapping[str, Attack],
) -> None:
    """Refuse, before the work, what cannot be measured."""
    if not models or not searches or not norms:
        raise UsageError(
            f"models, searches and norms must hold one at least; got {len(models)}, {len(searches)}, {len(norms)}: "
            "name some"
        )
    for norm in norms:
        if norm not in NORMS:
            raise unknown("norms", norm, NORMS)
    if leave not in LEAVE:
        raise unknown("leave", leave, LEAVE)
    if leave == "true" and labels is None:
        raise UsageError("labels must be given to leave the true class; got none: pass them, or leave the predicted")
