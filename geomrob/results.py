"""Everything geomrob returns, on one page: frozen dataclasses of tensors, strings and numbers.

A result knows its own meaning (units, norm, what failure looks like) and its birth certificate (`Provenance`).
`save` writes `name.json` (facts) beside `name.npz` (arrays); `load` gives an equal result back.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels, UsageError, norms, unknown
from geomrob.files import pack, unpack, write_atomic

SCHEMA = 1

T = TypeVar("T")


class Status(IntEnum):
    """How one search ended. Only `FOUND` carries a distance; every other status has distance infinity."""

    FOUND = 0
    STEP_LIMIT = 1
    INVARIANT = 2
    NON_FINITE = 3
    INFEASIBLE = 4
    NO_START = 5


@dataclass(frozen=True)
class Provenance:
    """The birth certificate of a number: what made it, from what, on what, at what cost."""

    command: str
    seed: int
    versions: dict[str, str]
    device: str
    seconds: float
    forwards: int
    backwards: int
    created: str


@dataclass(frozen=True)
class AttackResult:
    """What an attack returns: one entry per input; failure is an entry, never an exception.

    `success` is re-verified on `perturbed` itself. `forwards` and `backwards` count model sample-evaluations per input.
    """

    inputs: Images
    labels: Labels
    perturbed: Images
    success: Bool[Tensor, " n"]
    status: Int64[Tensor, " n"]
    steps: Int64[Tensor, " n"]
    forwards: Int64[Tensor, " n"]
    backwards: Int64[Tensor, " n"]

    @property
    def perturbation(self) -> Images:
        """What was added to the inputs (N, C, H, W)."""
        return self.perturbed - self.inputs

    @property
    def success_rate(self) -> float:
        """Share of the inputs whose decision was changed."""
        return float(self.success.double().mean())

    @property
    def changed(self) -> Bool[Tensor, "n h w"]:
        """Which pixels are changed, in any channel."""
        return (self.perturbed != self.inputs).any(1)

    @property
    def pixels(self) -> Distances:
        """How many pixels are changed, in any channel; infinity where the attack failed."""
        return torch.where(self.success, self.changed.flatten(1).sum(1).to(self.inputs.dtype), torch.inf)

    @property
    def elements(self) -> Distances:
        """How many elements (one channel of one pixel) are changed; infinity where the attack failed."""
        count = (self.perturbed != self.inputs).flatten(1).sum(1)
        return torch.where(self.success, count.to(self.inputs.dtype), torch.inf)

    def distances(self, p: float = 2) -> Distances:
        """Return the l_p norm of each perturbation, infinity where the attack failed."""
        return torch.where(self.success, norms(self.perturbation, p), torch.inf)


@dataclass(frozen=True)
class BoundaryResult(AttackResult):
    """What a walk along the boundary returns, and how far it came: `forwards` are the queries, `steps` the proposals.

    `start` is the distance where the walk began (infinity where there was no start, `status` NO_START). The last step
    sizes are relative to the distance: `spherical_step` along the sphere around the input, `source_step` towards it.
    `converged` says where they fell under the limit, `adapted` where they ever changed.
    """

    start: Distances
    spherical_step: Distances
    source_step: Distances
    converged: Bool[Tensor, " n"]
    adapted: Bool[Tensor, " n"]

    @property
    def unstarted(self) -> tuple[int, ...]:
        """Which inputs had no valid start."""
        return tuple((self.status == Status.NO_START).nonzero().flatten().tolist())

    @property
    def warning(self) -> str:
        """What a reader of these distances has to know; empty where nothing is wrong."""
        stuck = int((~self.adapted & (self.steps > 0)).sum())
        told = [f"{len(self.unstarted)} images had no start: {', '.join(map(str, self.unstarted))}"]
        told = told if self.unstarted else []
        if stuck:
            told.append(
                f"the step sizes of {stuck} images never adapted: these are little more than distances of starts"
            )
        return "; ".join(told)


@dataclass(frozen=True)
class MarginCurve:
    """Margins of N images in R subspaces ("bands") of one basis, and what they cost.

    `distances[r, i]` is the distance of image i to the boundary of its predicted region inside band r, in [0, 1] pixel
    units, free of the box; infinity where none was found, `status` says why. `targets` is the class behind the
    boundary (-1 where none). `frequency` is each band's centre in cycles per image (NaN in a basis without
    frequencies), `frequencies` its vertical and horizontal centre. `forwards` and `backwards` are model
    sample-evaluations; those that an image's bands share are divided among them. `interval` is the bootstrap interval
    of the median.
    """

    model: str
    data: str
    basis: str
    bands: tuple[str, ...]
    band_kind: str
    method: str
    norm: float
    frequency: Float[Tensor, " r"]
    frequencies: Float[Tensor, "r 2"]
    dimensions: Int64[Tensor, " r"]
    distances: Float[Tensor, "r n"]
    status: Int64[Tensor, "r n"]
    targets: Int64[Tensor, "r n"]
    predictions: Labels
    labels: Labels
    indices: Labels
    interval: Float[Tensor, "r 2"]
    forwards: Float[Tensor, "r n"]
    backwards: Float[Tensor, "r n"]
    provenance: Provenance

    def quantiles(self, *q: float) -> Float[Tensor, "r q"]:
        """Return each band's quantiles over all images, linearly interpolated, failures counted as infinity.

        A quantile that falls between a finite and an infinite distance is infinite: failures are never averaged in.
        """
        return _quantiles(self.distances, q)

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.predictions == self.labels).double().mean())

    @property
    def reached(self) -> Float[Tensor, " r"]:
        """Share of the images of each band for which a boundary was found."""
        return torch.isfinite(self.distances).double().mean(1)


@dataclass(frozen=True)
class Sparsity:
    """How few pixels of N images had to change for another decision, and what finding them cost.

    `attack` is the search's answer (its `labels` are the classes left), `found` the class seen in each perturbed image
    (-1 where the attack failed). `options` are the attack's own (`lam`, `radius` in [0, 1] units with infinity for
    none, `prune`, ...). `survived` says which perturbed images still change the decision after rounding to 8 bits.
    `random` is, for each of some repeats, the fooling rate of as many random pixels.
    """

    model: str
    data: str
    method: str
    options: dict[str, float]
    attack: AttackResult
    found: Labels
    labels: Labels
    indices: Labels
    classes: tuple[str, ...]
    survived: Bool[Tensor, " n"]
    random: Float[Tensor, " r"]
    provenance: Provenance

    @property
    def fooling_rate(self) -> float:
        """Share of the images whose decision was changed (thesis, eq. 3.7)."""
        return self.attack.success_rate

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.attack.labels == self.labels).double().mean())

    @property
    def percent(self) -> Distances:
        """Per cent of the pixels that are changed, in any channel; infinity where the attack failed."""
        height, width = self.attack.inputs.shape[-2:]
        return 100 * self.attack.pixels / (height * width)

    def quantiles(self, *q: float, of: str = "pixels") -> Float[Tensor, " q"]:
        """Return quantiles over all images of `pixels`, `elements`, `percent`, `l1`, `l2` or `linf`.

        Failures count as infinity: a quantile that falls between a finite and an infinite value is infinite.
        """
        return _quantiles(self.values(of)[None], q)[0]

    def values(self, of: str) -> Distances:
        """Return one value an image of `pixels`, `elements`, `percent`, `l1`, `l2` or `linf`."""
        orders = {"l1": 1.0, "l2": 2.0, "linf": math.inf}
        if of in orders:
            return self.attack.distances(orders[of])
        known = {"pixels": self.attack.pixels, "elements": self.attack.elements, "percent": self.percent}
        if of not in known:
            raise unknown("of", of, [*known, *orders])
        return known[of]


@dataclass(frozen=True)
class Locations:
    """Where in the image an attack changes pixels, for each class of images.

    `maps[c, y, x]` is the share of the fooled images of class c in which pixel (y, x) is changed (NaN where a class has
    no fooled image), `counts[c]` how many those are. `by` says which class: `label` (the true one), `left` (the one
    the model saw) or `found` (the one it sees now).
    """

    model: str
    data: str
    method: str
    by: str
    classes: tuple[str, ...]
    maps: Float[Tensor, "k h w"]
    counts: Int64[Tensor, " k"]
    provenance: Provenance


@dataclass(frozen=True)
class Overlap:
    """How far two models' perturbations of the same images change the same pixels.

    `union` is, for each image, shared pixels over all changed pixels (Jaccard index), `smaller` shared pixels over the
    pixels of the smaller of the two. `chance` is what `smaller` would be if the pixels of one lay anywhere, and
    `elsewhere` what it is on average against the other model's perturbations of *other* images: the part that comes
    from where objects are, not from this image. All are NaN where one of the attacks failed.
    """

    models: tuple[str, str]
    data: str
    method: str
    union: Distances
    smaller: Distances
    chance: Distances
    elsewhere: Distances


@dataclass(frozen=True)
class TransferMatrix:
    """Fooling rates between models: images crafted on one (row, source), shown to another (column, target).

    `fooled[s, t, i]` says whether model t decides otherwise on image i as perturbed on model s than on the clean image.
    An image whose attack failed on the source is not fooled on any target: `found[s, i]` counts them. `accuracy` is
    that of each model on the clean images.
    """

    models: tuple[str, ...]
    data: str
    method: str
    fooled: Bool[Tensor, "s s n"]
    found: Bool[Tensor, "s n"]
    accuracy: Float[Tensor, " s"]
    provenance: Provenance

    @property
    def rates(self) -> Float[Tensor, "s s"]:
        """Fooling rate (thesis, eq. 3.7) of each target (column) on the images of each source (row)."""
        return self.fooled.double().mean(2)


@dataclass(frozen=True)
class StrengthCurve:
    """Accuracy of several models against the strength of a perturbation that nobody fits to the image, or of PGD.

    `correct[m, g, r, e, i]` says whether network g of model m (several trainings of it, or one) classifies image i as
    labelled at strength e in repeat r of the draws. `strengths[0]` is 0: the clean images. `source` is the model that
    the perturbation is crafted on; empty where that is each network itself, or none.
    """

    models: tuple[str, ...]
    data: str
    attack: str
    source: str
    strengths: Float[Tensor, " e"]
    correct: Bool[Tensor, "m g r e n"]
    labels: Labels
    indices: Labels
    provenance: Provenance

    @property
    def accuracy(self) -> Float[Tensor, "m g r e"]:
        """Share of the images that are classified as labelled, for each network and repeat."""
        return self.correct.double().mean(4)

    @property
    def mean(self) -> Float[Tensor, "m e"]:
        """Mean accuracy of each model over its networks and repeats."""
        return self.accuracy.mean((1, 2))

    @property
    def error(self) -> Float[Tensor, "m e"]:
        """Standard error of that mean: over the networks, over the repeats of a single one, NaN with one of both."""
        each = self.accuracy.mean(2) if self.correct.shape[1] > 1 else self.accuracy[:, 0]
        if each.shape[1] == 1:
            return torch.full_like(each[:, 0], torch.nan)
        return each.std(1) / math.sqrt(each.shape[1])


@dataclass(frozen=True)
class Acceptance:
    """Which models keep their clean accuracy and gain under a strong perturbation, both relative to a baseline.

    `clean` is R0 / U0, the accuracy of each model on clean images over the baseline's; `distorted` is RD / UD, the
    same at `strength` (infinity where only the baseline is never right, NaN where neither ever is).
    """

    models: tuple[str, ...]
    baseline: str
    data: str
    attack: str
    strength: float
    minimum: float
    clean: Float[Tensor, " m"]
    distorted: Float[Tensor, " m"]

    @property
    def accepted(self) -> Bool[Tensor, " m"]:
        """Where R0 / U0 >= A0 and RD / UD > 1, A0 the `minimum`."""
        return (self.clean >= self.minimum) & (self.distorted > 1)


@dataclass(frozen=True)
class Spectrum:
    """The mean Fourier spectrum of N images, perturbations or kernels, its radial and its azimuthal profile.

    `values[k, l]` belongs to the frequencies `vertical[k]`, `horizontal[l]` in `unit`, zero in the middle. `kind` is
    power or amplitude; `order` is mean-of-modulus (mean over images of |F|) or modulus-of-mean (|F| of the mean image);
    `factor` is ortho or backward, `window` none or hann, `channels` average, sum, grey or a channel's number;
    `unit_norm` says whether each image was first divided by its l2 norm. `radial[r]` is the mean of `values` over the
    `counts[r]` bins whose radius rounds to r, `error[r]` its (jackknife) standard error over images, NaN for one image,
    and `rings[i, r]` the same mean for the spectrum of image i alone. `azimuthal[a]` is the mean over the
    `directions[a]` bins around `angles[a]` degrees. `left_out` counts failed attacks, and images of zeros where they
    cannot be scaled: they take no part.
    """

    of: str
    name: str
    data: str
    method: str
    kind: str
    order: str
    factor: str
    window: str
    channels: str
    unit_norm: bool
    unit: str
    values: Float[Tensor, "h w"]
    vertical: Float[Tensor, " h"]
    horizontal: Float[Tensor, " w"]
    radial: Float[Tensor, " r"]
    error: Float[Tensor, " r"]
    counts: Int64[Tensor, " r"]
    rings: Float[Tensor, "n r"]
    azimuthal: Float[Tensor, " a"]
    angles: Float[Tensor, " a"]
    directions: Int64[Tensor, " a"]
    left_out: int
    provenance: Provenance

    def quantiles(self, *q: float) -> Float[Tensor, "r q"]:
        """Return the quantiles over images of each ring's mean, linearly interpolated."""
        return _quantiles(self.rings.T, q)

    @property
    def shares(self) -> Float[Tensor, " r"]:
        """Share of the sum of `values` that lies in each ring."""
        whole = self.radial * self.counts
        return whole / whole.sum()


@dataclass(frozen=True)
class BandEnergy:
    """How the energy of N perturbations is spread over R bands of one basis.

    `shares[r, i]` is the part of the squared l2 norm of perturbation i that lies in band r, `energy[i]` that norm.
    Bands may overlap, so shares need not sum to 1. `frequency` is each band's centre in cycles per image (NaN in a
    basis without frequencies). `left_out` counts failed attacks and perturbations of zero, which have no shares.
    """

    model: str
    data: str
    method: str
    basis: str
    bands: tuple[str, ...]
    frequency: Float[Tensor, " r"]
    dimensions: Int64[Tensor, " r"]
    shares: Float[Tensor, "r n"]
    energy: Distances
    left_out: int
    provenance: Provenance

    def quantiles(self, *q: float, of: str = "share") -> Float[Tensor, "r q"]:
        """Return each band's quantiles over images of the `share`, or of the `energy` (share times energy)."""
        values = {"share": self.shares, "energy": self.shares * self.energy}
        if of not in values:
            raise unknown("of", of, values)
        return _quantiles(values[of], q)


@dataclass(frozen=True)
class HeatMap:
    """How often a model is right when its images are moved along one Fourier basis direction.

    `accuracy[k, l]` is the share of `images` images classified as labelled after a step of l2 length `epsilon` (all
    channels, [0, 1] pixel units) along the direction of the frequencies `vertical[k]`, `horizontal[l]` (cycles per
    image, zero in the middle), either sign by chance; `clean` that without a step. `radial[r]` is the mean over the
    `counts[r]` bins whose radius rounds to r. `bounded` says whether images were clipped to [0, 1].
    """

    model: str
    data: str
    epsilon: float
    bounded: bool
    images: int
    clean: float
    accuracy: Float[Tensor, "h w"]
    vertical: Float[Tensor, " h"]
    horizontal: Float[Tensor, " w"]
    radial: Float[Tensor, " r"]
    counts: Int64[Tensor, " r"]
    provenance: Provenance


@dataclass(frozen=True)
class Check:
    """One question of an audit, its answer, and what to do about it.

    `verdict` is passed, warned, failed or skipped. `value` is the number that decided (in the words of `unit`), a
    warning starts above `warn` and a failure above `fail`. `images` are the positions of the images concerned.
    """

    name: str
    verdict: str
    value: float
    warn: float
    fail: float
    unit: str
    images: Labels
    meaning: str
    advice: str


@dataclass(frozen=True)
class Audit:
    """Whether the robustness that attacks on a model report can be trusted: the checks, and what they rest on.

    Distances are l2 in the box [0, 1], infinity where no boundary was found, NaN where the attack was not run: `white`
    with the model's own gradients, `transferred` along the perturbations of other models, `decision` from the class
    alone. `robust[e, s]` is the share of images that PGD leaves unchanged at `epsilons[e]` (l-infinity) after
    `steps[s]` steps. `profile[d, i, t]` is the gap (logit of the seen class minus the best other) of image i at `t /
    (T - 1)` of twice the white-box distance along direction d: 0 adversarial, 1 random. `causes` name what is wrong.
    """

    model: str
    data: str
    checks: tuple[Check, ...]
    causes: tuple[str, ...]
    predictions: Labels
    labels: Labels
    indices: Labels
    white: Distances
    transferred: Distances
    decision: Distances
    epsilons: Float[Tensor, " e"]
    steps: Int64[Tensor, " s"]
    robust: Float[Tensor, "e s"]
    profile: Float[Tensor, "2 n t"]
    provenance: Provenance

    @property
    def verdict(self) -> str:
        """The worst verdict of all checks."""
        order = ("failed", "warned", "passed")
        return next((v for v in order if any(check.verdict == v for check in self.checks)), "skipped")

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.predictions == self.labels).double().mean())


def _quantiles(values: Float[Tensor, "r n"], q: Sequence[float]) -> Float[Tensor, "r q"]:
    """Return the quantiles of each row, linearly interpolated between finite values, infinite beside infinite ones."""
    ordered = values.sort(dim=1).values
    rank = torch.tensor(q, dtype=torch.float64) * (ordered.shape[1] - 1)
    below = ordered[:, rank.floor().long()].double()
    above = ordered[:, rank.ceil().long()].double()
    between = below + (rank - rank.floor()) * (above - below)
    return torch.where(torch.isinf(above), torch.where(rank == rank.floor(), below, above), between)


RESULTS: dict[str, type] = {
    "Provenance": Provenance,
    "AttackResult": AttackResult,
    "BoundaryResult": BoundaryResult,
    "MarginCurve": MarginCurve,
    "Sparsity": Sparsity,
    "Locations": Locations,
    "Overlap": Overlap,
    "TransferMatrix": TransferMatrix,
    "StrengthCurve": StrengthCurve,
    "Acceptance": Acceptance,
    "Spectrum": Spectrum,
    "BandEnergy": BandEnergy,
    "HeatMap": HeatMap,
    "Check": Check,
    "Audit": Audit,
}


def save(result: object, path: Path | str) -> Path:
    """Return the JSON file that now holds the facts of `result`; its arrays are in the npz beside it.

    Both files are written whole or not at all, and the JSON records the digest of its npz, so that `load` notices when
    the two do not belong together. JSON has no infinity and no NaN: they are written as `{"$float": "inf"}`.

    Args:
        result: An instance of one of `RESULTS`.
        path: Where to; an ending .json or .npz is dropped first. Files of that name are replaced.

    Raises:
        UsageError: `result` is none of `RESULTS`, or the place cannot be written to.
    """
    if type(result).__name__ not in RESULTS:
        raise UsageError(f"result must be one of {', '.join(RESULTS)}; got {type(result).__name__}: save its parts")
    arrays: dict[str, Tensor] = {}
    facts = _encode(result, "", arrays)
    packed = pack(arrays)
    page = {"schema": SCHEMA, "digest": hashlib.sha256(packed).hexdigest(), "content": facts}
    facts_file, arrays_file = _pair(path)
    write_atomic(arrays_file, packed)
    write_atomic(facts_file, (json.dumps(page, indent=1, allow_nan=False) + "\n").encode())
    return facts_file


@overload
def load(path: Path | str) -> object: ...
@overload
def load(path: Path | str, kind: type[T]) -> T: ...
def load(path: Path | str, kind: type[Any] = object) -> object:
    """Return the result that `save` wrote to `path`, on the CPU, equal to what was saved.

    Args:
        path: The path that was given to `save`.
        kind: The class that is expected, for instance `MarginCurve`.

    Raises:
        UsageError: A file is missing, damaged, of another schema, or holds another class than `kind`.
    """
    facts_file, arrays_file = _pair(path)
    try:
        page: dict[str, Any] = json.loads(facts_file.read_bytes())
        schema, digest, content = page["schema"], page["digest"], page["content"]
        packed = arrays_file.read_bytes()
    except OSError as error:
        raise UsageError(f"path must name a saved result; got {path}: {error.strerror} ({error.filename})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{facts_file} must be JSON written by geomrob.save; got a damaged file: save again"
        ) from error
    if schema != SCHEMA:
        raise UsageError(f"{facts_file} must have schema {SCHEMA}; got {schema!r}: use the geomrob that wrote it")
    if hashlib.sha256(packed).hexdigest() != digest:
        raise UsageError(
            f"{arrays_file} must be the file saved with its .json; got another or a damaged one: save again"
        )
    result = _decode(content, unpack(packed))
    if not isinstance(result, kind):
        raise UsageError(f"{facts_file} must hold a {kind.__name__}; got a {type(result).__name__}: load it as that")
    return result


def equal(one: object, other: object) -> bool:
    """Return whether two results say exactly the same: same classes, types, shapes and values, with NaN equal to NaN.

    The device of a tensor does not count.

    Example:
        >>> equal(torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.nan]))
        True
        >>> equal(torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64))
        False
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _same_numbers(one.detach().cpu(), other.detach().cpu())
    if is_dataclass(one):
        return all(equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return bool(one == other) or bool(one != one and other != other)  # noqa: PLR0124


def _same_numbers(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors agree in type, shape and every value; only NaN differs from itself."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())  # noqa: PLR0124


def _pair(path: Path | str) -> tuple[Path, Path]:
    """Return the files of the facts and of the arrays."""
    path = Path(path)
    stem = path.name.removesuffix(".json").removesuffix(".npz")
    return path.with_name(f"{stem}.json"), path.with_name(f"{stem}.npz")


def _encode(value: object, name: str, arrays: dict[str, Tensor]) -> object:
    """Return `value` as strict JSON; tensors go to `arrays` under the path of their fields."""
    if isinstance(value, Tensor):
        arrays[name] = value
        return {"$array": name}
    if is_dataclass(value):
        facts = {f.name: _encode(getattr(value, f.name), f"{name}.{f.name}".lstrip("."), arrays) for f in fields(value)}
        return {"$class": type(value).__name__, **facts}
    if isinstance(value, tuple):
        return [_encode(item, f"{name}.{index}", arrays) for index, item in enumerate(value)]
    if isinstance(value, dict):
        assert not any(str(key).startswith("$") for key in value), "keys with $ mean something else in the file"
        return {key: _encode(item, f"{name}.{key}", arrays) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    return value


def _decode(value: Any, arrays: dict[str, Tensor]) -> Any:
    """Return what `_encode` was given."""
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]]
    if "$float" in value:
        return float(value["$float"])
    if "$class" not in value:
        return {key: _decode(item, arrays) for key, item in value.items()}
    name = value["$class"]
    facts = {key: _decode(item, arrays) for key, item in value.items() if key != "$class"}
    try:
        return RESULTS[name](**facts)
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"content must be one of {', '.join(RESULTS)}; got {name!r} with {', '.join(facts)}"
        ) from error
