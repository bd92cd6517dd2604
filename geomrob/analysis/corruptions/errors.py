"""Errors of several models under common corruptions: every image is corrupted once for all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from geomrob.analysis.corruptions.batchnorm_adaptation import ADAPTATIONS, grouped_logits
from geomrob.analysis.corruptions.scores import BENCHMARK, check_imagenet
from geomrob.analysis.strength_curve import networks_of
from geomrob.arrays import Images, ImagesLike, Labels, LabelsLike, Logits, Model, as_labels, check_images
from geomrob.data.class_names import mapped
from geomrob.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from geomrob.data.corruptions.precomputed import Corrupted, find_corrupted, load_corrupted, read_manifest
from geomrob.data.entry import Samples
from geomrob.data.lazy import LazyImages
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared, check_finite, checked_classes, pieces, plain, predicted_classes
from geomrob.randomness import checked_indices
from geomrob.results import CorruptionTable
from geomrob.runs import Clock, Run, work

Progress: TypeAlias = Callable[[int, int], object]
Change: TypeAlias = Callable[..., Images]
Measure: TypeAlias = Callable[[Model, Logits, Labels], float]


def corruption_errors(
    models: Mapping[str, Model | Sequence[Model]],
    images: ImagesLike,
    labels: LabelsLike,
    *,
    corruptions: Sequence[str] = BENCHMARK,
    severities: Sequence[int] = SEVERITIES,
    adapt: str = "none",
    ready_made: Callable[[str, int], Corrupted] | None = None,
    table: str = "auto",
    measure: Measure | None = None,
    measured: str = "error",
    data: str = "images",
    indices: Labels | None = None,
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> CorruptionTable:
    """Return the error of each model on the clean images and under each corruption at each severity.

    `corruption_scores` makes mCE, mrCE, R_net and the others of it.

    Args:
        models: Name to model, or to several networks of it (trainings with different seeds), as many for each name.
        images: Clean images in [0, 1].
        labels: Their true classes.
        corruptions: Rows of `CORRUPTIONS`; by default the 15 of the benchmark, in the column order of the papers.
        severities: Of 1 to 5, rising.
        adapt: Whether batch-norm statistics are fitted to the images of each cell, the clean ones among them: `none`,
            or a row of `ADAPTATIONS` (`adaptive_logits`).
        ready_made: Where corrupted images are from instead: called with (name, severity), must give the same images in
            the same order, as `functools.partial(load_corrupted, "cifar10", samples=..., seed=...)` does.
        table: Constants of corruptions that are made, as in `corrupt`.
        measure: What is measured instead of the share of wrong classes: (model, outputs, labels) to a number, such as
            `Retrieval`.
        measured: How the result calls it.
        data: How the result calls the images.
        indices: Position of each image in its source.
        seed: Of everything random in the corruptions, and of the groups of `adapt`.
        memory: Budget in bytes, as in `deepfool`; the images are corrupted and evaluated in pieces that fit it.
        progress: Called with (cells of the table so far, the clean images among them, in all).
        run: Folder that keeps finished cells, to resume from; the result is the same.

    Raises:
        UsageError: No model, numbers of networks that differ, a model that says nothing finite of the clean images,
            corruptions or severities that are none or come twice, ready-made images that are other images, a model
            without batch normalisation to adapt; as `corrupt`.

    References:
        Hendrycks and Dietterich, 2019, section 4.1; PushPull-Net, section 4.1.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
        >>> found = corruption_errors({"net": net}, torch.rand(4, 1, 16, 16), torch.tensor([0, 1, 0, 1]),
        ...                           corruptions=["fog"], severities=[1, 5])
        >>> found.errors.shape, found.source
        (torch.Size([1, 1, 1, 2]), 'made')
    """
    images = check_images(images, name="images")
    labels = as_labels(labels)
    networks = networks_of(models)
    names, levels = _checked(corruptions, severities, adapt, networks)
    ready = [[Prepared(model, images, memory=memory, forward_only=True) for model in group] for group in networks]
    keys, clock = checked_indices(indices, len(images)), Clock(seed=seed, device=images.device)
    images = images.detach()
    for model in (model for group in ready for model in group if adapt == "none"):
        first = images[: model.block]
        model.rows(slice(0, len(first)), first).check_deterministic()
    models_in_all = [model for group in ready for model in group]
    cells: dict[str, tuple[str, int] | None] = {
        "clean": None,
        **{f"{name}-{level}": (name, level) for name in names for level in levels},
    }
    parts = work(
        run,
        f"corruptions of {', '.join(models)}",
        partial(
            _cell,
            models_in_all,
            images,
            labels=labels,
            keys=keys,
            adapt=adapt,
            measure=measure,
            seed=seed,
            table=table,
            ready_made=ready_made,
        ),
        cells,
        each=len(images) * len(models_in_all),
        progress=progress,
    )
    clean, *values = (part["values"].reshape(len(ready), -1) for part in parts)
    made = [bytes(part["source"].tolist()).decode() for part in parts[1:]]
    sources = [
        _one(set(made[start : start + len(levels)]), name)
        for start, name in zip(range(0, len(made), len(levels)), names, strict=True)
    ]
    errors = torch.stack(values, -1).unflatten(-1, (len(names), len(levels)))
    # One row a network, of each cell; none where another measure is taken.
    correct = [part["correct"].unflatten(0, (len(ready), -1)) for part in parts if "correct" in part]
    return CorruptionTable(
        models=tuple(models),
        data=data,
        measure=measured,
        images=len(images),
        corruptions=names,
        severities=levels,
        sources=tuple(sources),
        adapt=adapt,
        errors=errors,
        clean=clean,
        provenance=clock.provenance(
            forwards=len(images) * len(models_in_all) * len(cells),
            backwards=0,
            notes=[text for group in ready for model in group for text in model.notes],
        ),
        correct=torch.stack(correct[1:], 2).unflatten(2, (len(names), len(levels))) if correct else None,
        clean_correct=correct[0] if correct else None,
        labels=labels.cpu(),
        indices=keys,
    )


def _cell(
    models: Sequence[Prepared],
    images: Images,
    cell: tuple[str, int] | None,
    *,
    labels: Labels,
    keys: Labels,
    adapt: str,
    measure: Measure | None,
    seed: int,
    table: str,
    ready_made: Callable[[str, int], Corrupted] | None,
) -> dict[str, Tensor]:
    """Return the measure of every network on one set of images, changed a piece at a time, and where they are from.

    Args:
        models: All networks.
        images: The clean ones.
        cell: Corruption and severity; None for the clean images themselves.
        labels, keys, adapt, measure, seed, table, ready_made: As in `corruption_errors`.
    """
    change: Change | None = None
    source = "made"
    if cell is not None and ready_made is not None:
        found = _same(ready_made(*cell), images, labels, keys)
        images, source = found.samples.images.to(images), found.source
    elif cell is not None:
        change = partial(corrupt, name=cell[0], severity=cell[1], seed=seed, table=table)
    outputs: list[list[Tensor]] = [[] for _ in models]
    finite = torch.full((len(models),), torch.nan)
    for piece, part in _pieces(images, change, keys, adapt, models[0].memory):
        for number, model in enumerate(models):
            logits = _logits(model, part, keys, adapt, seed)
            finite[number] = torch.where(torch.isfinite(logits).any().cpu(), 0, finite[number])
            truth = checked_classes("labels", labels, logits[:1].expand(len(images), -1))[piece]
            outputs[number].append(_wrong(logits, truth) if measure is None else logits)
    if cell is None:
        # Nothing finite under a corruption is a result, on the clean images a broken network.
        for number in range(len(models)):
            check_finite(finite[number].reshape(1, 1))
    whole = [torch.cat(parts) for parts in outputs]
    values = [_value(*both, labels, measure) for both in zip(models, whole, strict=True)]
    return {
        **({"correct": ~torch.stack(whole).cpu()} if measure is None else {}),
        "values": torch.tensor(values, dtype=torch.float64),
        "source": torch.tensor(list(source.encode()), dtype=torch.uint8),
    }


def _pieces(
    images: Images, change: Change | None, keys: Labels, adapt: str, memory: int
) -> Iterator[tuple[slice, Images]]:
    """Yield the changed images in pieces; in one, of which each is read when it is used, where they are adapted to.

    Adaptation draws its groups from all images.
    """
    if adapt == "none":
        for piece, part in pieces(images, memory):
            yield piece, part if change is None else change(part, indices=keys[piece])
    elif change is None:
        yield slice(None), images
    elif isinstance(images, LazyImages):
        yield slice(None), images.mapped(lambda image, row: change(image, indices=keys[row : row + 1]))
    else:
        yield slice(None), change(images, indices=keys)


def _logits(model: Prepared, images: Images, keys: Tensor, adapt: str, seed: int) -> Logits:
    if adapt != "none":
        return grouped_logits(model, images, adapt, keys, seed=seed, memory=model.memory)
    return predicted(model, images, model.memory)


def _value(model: Prepared, outputs: Tensor, labels: Labels, measure: Measure | None) -> float:
    return float(outputs.double().mean()) if measure is None else measure(model.model, outputs, labels)


def predicted(model: Model, images: Images, memory: int | None = None) -> Logits:
    """Return what a model in eval mode says of images, in calls of one shape."""
    return Prepared(model, images, memory=memory, forward_only=True).logits(images)


def _wrong(logits: Logits, labels: Labels) -> Tensor:
    """Return which images are not classified as labelled; NaN or infinity as the best score is an error."""
    return predicted_classes(logits) != labels


def _same(found: Corrupted, images: Images, labels: Labels, keys: Labels) -> Corrupted:
    """Return corrupted images if they are those of the clean ones, refusing others."""
    samples, told = found.samples, f"{found.corruption} {found.severity}"
    if samples.images.shape != images.shape or not torch.equal(samples.indices, keys):
        raise UsageError(
            f"ready_made must give the {len(images)} clean images in their order; got others for {told}: read both "
            "with the same samples and seed, and pass indices"
        )
    if not torch.equal(samples.labels, labels.cpu()):
        raise UsageError(f"ready_made must give the labels of the clean images; got others for {told}: read both alike")
    return found


def _one(sources: set[str], name: str) -> str:
    """Return the source of one column, refusing a column of both kinds."""
    if len(sources) > 1:
        raise UsageError(f"severities of {name} must have one source; got {', '.join(sorted(sources))}: make them all")
    return sources.pop()


def _checked(
    corruptions: Sequence[str], severities: Sequence[int], adapt: str, networks: list[list[Model]]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the corruptions and severities, refusing those that are none, and an adaptation that does not fit."""
    for name in corruptions:
        if name not in CORRUPTIONS:
            raise unknown("corruption", name, CORRUPTIONS)
    if not corruptions or len(set(corruptions)) < len(corruptions):
        raise UsageError(f"corruptions must be at least one, each once; got {list(corruptions)}: name others")
    levels = tuple(severities)
    if not levels or levels != tuple(level for level in SEVERITIES if level in levels):
        advice = "put them in order, each once" if levels and set(levels) <= set(SEVERITIES) else "choose some of those"
        raise UsageError(f"severities must rise within 1 ... 5; got {list(severities)}: {advice}")
    if adapt not in ("none", *ADAPTATIONS):
        raise unknown("adapt", adapt, ("none", *ADAPTATIONS))
    if adapt != "none" and not all(isinstance(plain(model), nn.Module) for group in networks for model in group):
        raise UsageError("models must be torch.nn.Module to adapt; got a function: it has no batch normalisation")
    return tuple(corruptions), levels


def corrupted_source(
    data: str,
    samples: Samples,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    baseline: str = "",
    classes: Path | None = None,
    image_size: tuple[int, int] | None = None,
    crop: float = 1.0,
    interpolation: str = "bilinear",
) -> Callable[[str, int], Corrupted] | None:
    """Return what reads a corrupted set of these images on disk, None where there is none.

    Args:
        data: Name or path of the data set.
        samples: The drawn images, whose labels may have been mapped to the outputs of a model.
        data_dir: Folder of the full data sets.
        seed: Of the draw.
        baseline: `alexnet` is refused where the set is no ImageNet-C.
        classes, image_size, crop, interpolation: As in `load_corrupted`.

    Raises:
        UsageError: As `check_imagenet`.
    """
    root = find_corrupted(data, data_dir=data_dir)
    if baseline == "alexnet":
        check_imagenet(samples.name, "made" if root is None or read_manifest(root) else "ready-made")
    if root is None:
        return None

    def read(name: str, severity: int) -> Corrupted:
        found = load_corrupted(
            data,
            name,
            severity,
            data_dir=data_dir,
            samples=len(samples),
            seed=seed,
            classes=classes,
            image_size=image_size,
            crop=crop,
            interpolation=interpolation,
        )
        alike = mapped(replace(found.samples, ordered=samples.ordered), len(samples.classes))
        return replace(found, samples=alike)

    return read


def chosen_corruptions(names: Sequence[str]) -> tuple[str, ...]:
    """Return the corruptions that are meant, each once, in the order of the table.

    Args:
        names: Of corruptions, `benchmark` for the 15 of mCE, `all` for the 19.

    Raises:
        UsageError: A name that is none.

    Example:
        >>> chosen_corruptions(["fog", "snow"])
        ('snow', 'fog')
    """
    groups = {"all": set(CORRUPTIONS), "benchmark": {name for name, one in CORRUPTIONS.items() if one.benchmark}}
    wanted: set[str] = set()
    for name in names:
        if name not in groups and name not in CORRUPTIONS:
            raise unknown("corruptions", name, (*groups, *CORRUPTIONS))
        wanted |= groups.get(name, {name})
    return tuple(name for name in CORRUPTIONS if name in wanted)
