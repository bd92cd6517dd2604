"""Margins by band: how far the decision boundary is inside each subspace, for many images at once."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Bounds, Images, Labels, Model, check_images, check_norm, norms
from geomrob.attacks import ATTACKS
from geomrob.attacks.engine.boundary_search import OVERSTEP, refine, verified
from geomrob.attacks.engine.linearize import linearize
from geomrob.attacks.engine.search import Search
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared
from geomrob.results import MarginCurve, Status
from geomrob.runs import Clock, Run
from geomrob.spectral.frames import Frame
from geomrob.spectral.subspaces import Subspace

Progress = Callable[[int, int], object]

_OWN = ("search", "linear", "norm", "live", "start")


def margin_curve(
    model: Model,
    inputs: Images,
    *,
    subspaces: Sequence[Subspace],
    method: str = "tight",
    norm: float = 2,
    tolerance: float = 1e-5,
    allowed: Bounds | None = (0.0, 1.0),
    labels: Labels | None = None,
    indices: Labels | None = None,
    name: str = "model",
    data: str = "images",
    band_kind: str = "custom",
    seed: int = 0,
    memory_bytes: int | None = None,
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
        method: deepfool, superdeepfool, ddn or tight.
        norm: Norm of the distance; other than 2 only with deepfool.
        tolerance: Relative width to which the boundary is bracketed.
        allowed: What the images must lie in, so that normalised ones are noticed; None for edited images, which may
            leave [0, 1]. It bounds no search.
        labels: True classes, for the accuracy only; the predicted ones by default.
        indices: Position of each image in its source.
        name, data, band_kind: How the result calls model, data and bands.
        seed: Of the bootstrap.
        memory_bytes: Budget for activations and search state, 1 GiB by default. It bounds the pairs held at once,
            whatever the number of bands or images.
        progress: Called with (pairs done, pairs in all).
        run: Folder that keeps finished parts, to resume from; the answer is the same.
        options: Options of the method's search, such as `budget` for tight or `nearest` for deepfool.

    Returns:
        Distances bands x images, infinity where no boundary was found, with the reason in `status`.

    Raises:
        UsageError: Images outside `allowed`, unknown method or option, a norm that the method does not minimise,
            subspaces of another size than the images, labels or indices of another number, a model that is not
            deterministic or returns no finite (N, K) logits or no gradient.

    References:
        Ortiz-Jimenez, Modas et al., "Hold me tight!", NeurIPS 2020, Definitions 1 and 2; Modas, thesis, 2022, sec. 4.2.

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
    check_images(inputs, allowed)
    _check_method(method, norm, options)
    _check_count("labels", labels, len(inputs))
    _check_count("indices", indices, len(inputs))
    inputs = inputs.detach()
    frame = _frame(subspaces, inputs)
    clock = Clock(seed=seed, device=inputs.device)
    count, bands = len(inputs), len(subspaces)
    parts: list[dict[str, Tensor]] = []
    with Prepared(model, inputs, memory=memory_bytes) as ready:
        ready.check_deterministic()
        predicted = ready.predictions
        tile = tile_size(frame, inputs, ready.memory, norm)
        for start in range(0, count, tile.images):
            stop = min(count, start + tile.images)
            key = f"images-{start}-{stop}"
            if run is not None and run.has(key):
                part = run.load_part(key)
            else:
                part = measure(
                    ready.rows(slice(start, stop)),
                    frame,
                    method=method,
                    norm=norm,
                    tolerance=tolerance,
                    width=tile.bands,
                    options=options,
                )
                if run is not None:
                    run.save_part(key, part)
            parts.append(part)
            if progress is not None:
                progress(stop * bands, count * bands)
    whole = {key: torch.cat([part[key] for part in parts], -1) for key in parts[0]}
    predicted = predicted.cpu()
    return MarginCurve(
        model=name,
        data=data,
        basis=subspaces[0].basis.name,
        bands=tuple(subspace.name for subspace in subspaces),
        band_kind=band_kind,
        method=method,
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
            forwards=round(float(whole["forwards"].sum())), backwards=round(float(whole["backwards"].sum()))
        ),
    )


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


def _check_method(method: str, norm: float, options: Mapping[str, float]) -> None:
    """Refuse a method that there is not, a norm that it does not minimise, an option that its search has not."""
    if method not in ATTACKS:
        raise unknown("method", method, ATTACKS)
    if check_norm(norm) not in ATTACKS[method].norms:
        raise UsageError(f"norm must be 2 for method {method}; got {norm:g}: use --method deepfool for other norms")
    known = [name for name in inspect.signature(ATTACKS[method].search).parameters if name not in _OWN]
    for name in options:
        if name not in known:
            raise unknown(f"option of {method}", name, known)


def _check_count(name: str, values: Tensor | None, count: int) -> None:
    """Refuse what is not one value an image."""
    if values is not None and tuple(values.shape) != (count,):
        raise UsageError(f"{name} must be shaped ({count},); got {tuple(values.shape)}: give one for each image")


CANDIDATES = 10
"""Classes that can lie behind the boundary, the predicted one included: the released framework's number."""


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


def measure(
    ready: Prepared,
    frame: Frame,
    *,
    method: str,
    norm: float,
    tolerance: float,
    width: int,
    options: dict[str, float],
) -> dict[str, Tensor]:
    """Return what `MarginCurve` keeps of every (band, image) pair of some images, on the CPU.

    Args:
        ready: The model, prepared for these images; the forward evaluation of each clean image is counted here.
        frame: Coordinates of all bands.
        method, norm, tolerance, options: As in `margin_curve`.
        width: How many bands are searched at a time.
    """
    columns: list[tuple[Tensor, ...]] = []
    inputs, predicted = ready.images, ready.predictions
    arguments = options if norm == 2 else {**options, "norm": norm}
    for first in range(0, len(frame), width):
        bands = torch.arange(first, min(len(frame), first + width), device=inputs.device)
        image = torch.arange(len(inputs), device=inputs.device).repeat_interleave(len(bands))
        search = Search(ready, inputs, frame, image=image, band=bands.repeat(len(inputs)), reference=predicted[image])
        search.spent.add(search.pairs, forwards=1 / len(frame))
        result = ATTACKS[method].search(search, linearize(search, CANDIDATES), **arguments)
        result = refine(search, result, tolerance=tolerance)
        coefficients, success, logits = verified(search, result, (0.0, OVERSTEP))
        moved = coefficients if norm == 2 else search.points(coefficients, search.pairs) - inputs[image]
        distance = torch.where(success, norms(moved, norm), math.inf)
        status = torch.where(result.success & ~success, int(Status.STEP_LIMIT), result.status)
        target = torch.where(success, logits.argmax(1), -1)
        rows = (distance, status, target, search.spent.forwards, search.spent.backwards)
        columns.append(tuple(row.cpu().reshape(len(inputs), len(bands)).T for row in rows))
    joined = [torch.cat(part) for part in zip(*columns, strict=True)]
    return dict(zip(("distances", "status", "targets", "forwards", "backwards"), joined, strict=True))
