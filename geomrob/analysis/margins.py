"""Margins by band: how far the decision boundary is inside each subspace, for many images at once."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.analysis.duration import evaluations_of
from geomrob.arrays import (
    Bounds,
    Images,
    ImagesLike,
    Labels,
    LabelsLike,
    Model,
    as_labels,
    check_count,
    check_images,
    check_norm,
    check_number,
    norms,
)
from geomrob.attacks.engine.boundary_search import OVERSTEP, refine, verified
from geomrob.attacks.engine.linearize import linearize
from geomrob.attacks.engine.options import checked
from geomrob.attacks.engine.search import Search
from geomrob.attacks.table import entry, names
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared, checked_classes
from geomrob.results import BandExamples, MarginCurve, Status
from geomrob.runs import Clock, Run, ranges, work
from geomrob.spectral.frames import Frame
from geomrob.spectral.subspaces import Subspace

Progress = Callable[[int, int], object]

_OWN = ("search", "linear", "norm", "live", "start")


def margin_curve(
    model: Model,
    inputs: ImagesLike,
    *,
    subspaces: Sequence[Subspace],
    attack: str = "tight",
    norm: float = 2,
    tolerance: float = 1e-5,
    allowed: Bounds | None = (0.0, 1.0),
    labels: LabelsLike | None = None,
    indices: Labels | None = None,
    name: str = "model",
    data: str = "images",
    band_kind: str = "custom",
    seed: int = 0,
    examples: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
    **options: float,
) -> MarginCurve:
    r"""Return the margins of images in each of several subspaces of one basis.

    The margin of x in S is min ||delta|| such that F(x + delta) != F(x), delta in S: the distance to the boundary of
    the *predicted* region, in free space (no box), in [0, 1] pixel units. It is an upper bound found by search, closed
    in on the boundary by bracketing, and re-verified on the perturbed image itself.

    Args:
        model: Images (N, C, H, W) to logits (N, K); a module is held in eval mode meanwhile.
        inputs: Images in `allowed`, on the model's device.
        subspaces: The bands, all of one basis.
        attack: deepfool, superdeepfool, ddn or tight.
        norm: Norm of the distance; other than 2 only with deepfool.
        tolerance: Relative width to which the boundary is bracketed.
        allowed: What the images must lie in, so that normalised ones are noticed; None for edited images, which may
            leave [0, 1]. It bounds no search.
        labels: True classes, for the accuracy only; the predicted ones by default.
        indices: Position of each image in its source.
        name, data, band_kind: How the result calls model, data and bands.
        seed: Of the bootstrap.
        examples: Of how many images to keep the perturbations in the lowest, the middle and the highest band.
        memory: Budget for activations and search state, 1 GiB by default. It bounds the pairs held at once,
            whatever the number of bands or images.
        progress: Called with (pairs done, pairs in all) after each call of the model; how many of the pairs that are
            searched together count as done is estimated from their evaluations.
        run: Folder that keeps finished parts, to resume from; the result is the same. Other weights, images, bands or
            options in the same folder are refused.
        options: Options of the attack's search, such as `budget` for tight or `nearest` for deepfool.

    Returns:
        Distances bands x images, infinity where no boundary was found, with the reason in `status`.

    Raises:
        UsageError: Images outside `allowed`, unknown attack or option, a norm that the attack does not minimise,
            subspaces of another size than the images, labels or indices of another number, labels without an output, a
            model that is not deterministic or returns no finite (N, K) logits or no gradient.

    References:
        Ortiz-Jimenez, Modas et al., "Hold me tight!", NeurIPS 2020, Definitions 1 and 2; Modas, Robustness and
        invariance properties of image classifiers, EPFL 2022, sec. 4.2.

    Differences:
        The released framework reports the norm of the overshot DeepFool point, and of the last iterate where DeepFool
        failed; here the boundary point, and infinity.

    Example:
        >>> from geomrob.spectral.bases import basis
        >>> from geomrob.spectral.subspaces import blocks
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> bands = blocks(basis("dct", (8, 8)), size=4, step=2)
        >>> margin_curve(model, torch.rand(5, 1, 8, 8), subspaces=bands).distances.shape
        torch.Size([3, 5])
    """
    inputs = check_images(inputs, allowed)
    labels = as_labels(labels)
    options = _checked_options(attack, norm, options)
    tolerance = check_number("tolerance", tolerance, 0, "1e-5 is usual", above=True, most=1)
    examples = check_count("examples", examples, 0, "0 keeps none")
    _check_count("labels", labels, len(inputs))
    _check_count("indices", indices, len(inputs))
    inputs = inputs.detach()
    frame = _frame(subspaces, inputs)
    clock = Clock(seed=seed, device=inputs.device)
    count, bands = len(inputs), len(subspaces)
    with Prepared(model, inputs, memory=memory) as ready:
        ready.check_deterministic()
        predicted = ready.predictions
        if labels is not None:
            checked_classes("labels", labels, ready.clean)
        shown = sorted({0, bands // 2, bands - 1})
        parts = work(
            run,
            f"margins of {name}",
            partial(
                measured_part,
                ready,
                frame,
                attack=attack,
                norm=norm,
                tolerance=tolerance,
                options=options,
                examples=examples,
                shown=shown,
            ),
            ranges(count, max(1, max(ready.block, min(PAIRS, 16 * ready.block)) // bands)),
            units=lambda piece: (piece.stop - piece.start) * bands,
            each=evaluations_of(attack, options.get("budget"))[0],
            progress=progress,
        )
        ready.check_unchanged()
    perturbed = torch.cat([part.pop("perturbed") for part in parts], 1)
    whole = {key: torch.cat([part[key] for part in parts], -1) for key in parts[0]}
    predicted = predicted.cpu()
    return MarginCurve(
        model=name,
        data=data,
        basis=subspaces[0].basis.name,
        bands=tuple(subspace.name for subspace in subspaces),
        band_kind=band_kind,
        attack=attack,
        norm=float(norm),
        frequency=torch.tensor([float(subspace.frequency) for subspace in subspaces], dtype=torch.float64),
        frequencies=torch.tensor(
            [list(map(float, subspace.frequencies)) for subspace in subspaces], dtype=torch.float64
        ),
        dimensions=frame.dimension.cpu(),
        predictions=predicted,
        labels=predicted if labels is None else labels.cpu(),
        indices=torch.arange(count) if indices is None else indices.cpu(),
        interval=median_interval(whole["distances"], seed=seed),
        **whole,
        provenance=clock.provenance(
            forwards=round(float(whole["forwards"].sum())),
            backwards=round(float(whole["backwards"].sum())),
            notes=ready.notes,
        ),
        examples=None
        if examples < 1
        else BandExamples(
            model=name,
            data=data,
            bands=tuple(_called(subspaces[band]) for band in shown),
            attack=attack,
            norm=float(norm),
            images=inputs[:examples].cpu(),
            perturbed=perturbed,
            before=predicted[:examples],
            after=whole["targets"][shown, :examples],
            distances=whole["distances"][shown, :examples],
        ),
    )


def _called(band: Subspace) -> str:
    """Return what a band is called in a picture: its frequency where it has one."""
    return band.name if math.isnan(band.frequency) else f"{band.frequency:.3g} cycles/image"


def median_interval(
    distances: Float[Tensor, "r n"], *, seed: int = 0, level: float = 0.95, resamples: int = 2000
) -> Float[Tensor, "r 2"]:
    """Return a bootstrap percentile interval of each band's median.

    The median of a resample is an order statistic, so resampling the ranks once serves every band; an interval that
    reaches the images whose margin was not found ends at infinity.

    Args:
        distances: Margins, infinity where not found.
        seed: Of the resamples.
        level: Coverage.
        resamples: How many.
    """
    count = distances.shape[1]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(count, (resamples, count), generator=generator)
    medians = drawn.sort(1).values[:, [(count - 1) // 2, count // 2]]
    tail = (1 - level) / 2
    low = medians[:, 0].sort().values[math.floor(tail * (resamples - 1))]
    high = medians[:, 1].sort().values[math.ceil((1 - tail) * (resamples - 1))]
    return distances.sort(1).values[:, torch.stack((low, high))]


def _frame(subspaces: Sequence[Subspace], inputs: Images) -> Frame:
    """Return the frame of the subspaces, refused if they are made for images of another size."""
    if subspaces and tuple(subspaces[0].basis.shape) != tuple(inputs.shape[-2:]):
        shape = "x".join(map(str, subspaces[0].basis.shape))
        raise UsageError(
            f"subspaces must be made for {inputs.shape[-2]}x{inputs.shape[-1]} images; got a basis of {shape}: "
            "build the basis with the shape of the images"
        )
    return Frame(subspaces, inputs.shape[1])


def _checked_options(attack: str, norm: float, options: Mapping[str, float]) -> dict[str, float]:
    """Return the options of a search; refuse an attack, a norm or an option that there is not, or out of range."""
    row = entry(attack, names(search=True))
    if check_norm(norm) not in row.norms:
        raise UsageError(f"norm must be 2 for {attack}; got {norm:g}: use the attack tight or deepfool for other norms")
    known = [name for name in inspect.signature(row.search).parameters if name not in _OWN]
    for name in options:
        if name not in known:
            raise unknown(f"option of {attack}", name, known)
    return checked(**options)


def _check_count(name: str, values: Tensor | None, count: int) -> None:
    """Refuse what is not one value an image."""
    if values is not None and tuple(values.shape) != (count,):
        raise UsageError(f"{name} must be shaped ({count},); got {tuple(values.shape)}: give one for each image")


CANDIDATES = 10
"""Classes that can lie behind the boundary, the predicted one included: the released framework's number."""


REPEATED = 16
"""About how many boundary points of each search are evaluated again."""


@dataclass(frozen=True)
class Tile:
    """How many images and bands are searched together."""

    images: int
    bands: int


def tile_size(frame: Frame, inputs: Images, memory: int, norm: float = 2) -> Tile:
    """Return the largest tile whose search state fits into half the memory, at most 4,096 pairs."""
    size, pixels = inputs.element_size(), inputs[0].numel()
    # Norms other than 2 are measured in pixels, so that a pair needs a few images beside its coefficients.
    pair = size * (math.prod(frame.shape) * (16 + CANDIDATES) + (0 if norm == 2 else 8 * pixels))
    image = pixels * size * (3 + CANDIDATES)
    bands = max(1, min(len(frame), (memory // 2 - image) // pair))
    return Tile(images=max(1, min(4096 // bands, memory // 2 // (image + bands * pair))), bands=bands)


PAIRS = 1024
"""Most pairs of a part, which is 16 blocks at most: padding costs little, and a killed run of a large model too."""


def measured_part(
    ready: Prepared,
    frame: Frame,
    piece: slice,
    *,
    attack: str,
    norm: float,
    tolerance: float,
    options: dict[str, float],
    examples: int,
    shown: Sequence[int],
) -> dict[str, Tensor]:
    """Return `measure` of some of the images, in tiles that fit the memory; their number changes no bit.

    Args:
        ready: The model, prepared for all images.
        frame, attack, norm, tolerance, options: As in `measure`.
        piece: Which images.
        examples, shown: Of how many of all images, in which bands, the perturbed images are kept.
    """
    tile = tile_size(frame, ready.images, ready.memory, norm)
    tiles: list[dict[str, Tensor]] = []
    with ready:
        for start in range(piece.start, piece.stop, tile.images):
            stop = min(piece.stop, start + tile.images)
            kept = max(0, min(examples, stop) - start), shown
            rows = ready.rows(slice(start, stop))
            how = partial(measure, attack=attack, norm=norm, tolerance=tolerance, options=options)
            tiles.append(how(rows, frame, width=tile.bands, kept=kept))
    perturbed = torch.cat([part.pop("perturbed") for part in tiles], 1)
    return {**{key: torch.cat([part[key] for part in tiles], -1) for key in tiles[0]}, "perturbed": perturbed}


def measure(
    ready: Prepared,
    frame: Frame,
    *,
    attack: str,
    norm: float,
    tolerance: float,
    width: int,
    options: dict[str, float],
    kept: tuple[int, Sequence[int]] = (0, ()),
) -> dict[str, Tensor]:
    """Return what `MarginCurve` keeps of every (band, image) pair of some images, on the CPU.

    Args:
        ready: The model, prepared for these images; the forward evaluation of each clean image is counted here.
        frame: Coordinates of all bands.
        attack, norm, tolerance, options: As in `margin_curve`.
        width: How many bands are searched at a time.
        kept: Of how many images, in which bands, the perturbed images are kept.
    """
    inputs, predicted = ready.images, ready.predictions
    perturbed = inputs.new_zeros(len(kept[1]), kept[0], *inputs.shape[1:])
    columns: list[tuple[Tensor, ...]] = []
    arguments = options if norm == 2 else {**options, "norm": norm}
    for first in range(0, len(frame), width):
        bands = torch.arange(first, min(len(frame), first + width), device=inputs.device)
        image = torch.arange(len(inputs), device=inputs.device).repeat_interleave(len(bands))
        search = Search(ready, inputs, frame, image=image, band=bands.repeat(len(inputs)), reference=predicted[image])
        search.spent.add(search.pairs, forwards=1 / len(frame))
        result = entry(attack).search(search, linearize(search, CANDIDATES), **arguments)
        result = refine(search, result, tolerance=tolerance)
        coefficients, success, logits = verified(search, result, (0.0, OVERSTEP))
        moved = coefficients if norm == 2 else search.points(coefficients, search.pairs) - inputs[image]
        distance = torch.where(success, norms(moved, norm), math.inf)
        status = torch.where(result.success & ~success, int(Status.STEP_LIMIT), result.status)
        # Some of the successes, through all bands and images, are evaluated again among others.
        sampled = success.nonzero().flatten()[:: max(1, int(success.sum()) // REPEATED)]
        if len(sampled):
            ready.check_unchanged(search.points(coefficients[sampled], sampled), logits[sampled])
        target = torch.where(success, logits.argmax(1), -1)
        for row, band in enumerate(kept[1]):
            chosen = search.pairs[(search.band == band) & (image < kept[0])]
            perturbed[row, image[chosen]] = search.points(coefficients[chosen], chosen)
        rows = (distance, status, target, search.spent.forwards, search.spent.backwards)
        columns.append(tuple(row.cpu().reshape(len(inputs), len(bands)).T for row in rows))
    joined = [torch.cat(part) for part in zip(*columns, strict=True)]
    names = ("distances", "status", "targets", "forwards", "backwards")
    return {**dict(zip(names, joined, strict=True)), "perturbed": perturbed.cpu()}
