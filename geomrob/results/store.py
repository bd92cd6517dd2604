"""The table of results that can be saved, and what is done with any of them: save, load, compare.

`save` writes `name.json` (facts) next to `name.npz` (arrays); `load` gives an equal result back.
"""

import glob
import hashlib
import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

from torch import Tensor

from geomrob.errors import UsageError
from geomrob.files import move_in, pack, stage, staged_name, unpack
from geomrob.results.accuracy.by_class import ByClass
from geomrob.results.accuracy.corruptions import CorruptedSet, CorruptionScores, CorruptionTable
from geomrob.results.accuracy.robust_accuracy import RobustAccuracy
from geomrob.results.accuracy.strength_curve import Acceptance, StrengthCurve
from geomrob.results.accuracy.transfer import TransferMatrix
from geomrob.results.attack import AttackResult, BoundaryResult
from geomrob.results.audit import Audit, Check
from geomrob.results.augmentation_grid import AugmentationGrid
from geomrob.results.comparison import Comparison
from geomrob.results.decision_based import DecisionDistances
from geomrob.results.filter_banks import FilterBank
from geomrob.results.geometry import CrossSection, Geometry
from geomrob.results.layers import Layers
from geomrob.results.margins import BandExamples, MarginCurve
from geomrob.results.minimum_norms import Norms
from geomrob.results.models import DatasetCard, ModelCard
from geomrob.results.provenance import Provenance
from geomrob.results.sparsity import Locations, Overlap, Sparsity
from geomrob.results.spectra import BandEnergy, HeatMap, Spectrum
from geomrob.results.training import TrainingReport, Trainings

SCHEMA, UNSEALED = 3, 2
"""Of the JSON; files of the earlier one have no digest of their own, and are read as before."""

T = TypeVar("T")

RESULTS: dict[str, type] = {
    "Provenance": Provenance,
    "AttackResult": AttackResult,
    "BoundaryResult": BoundaryResult,
    "DecisionDistances": DecisionDistances,
    "MarginCurve": MarginCurve,
    "BandExamples": BandExamples,
    "Sparsity": Sparsity,
    "Locations": Locations,
    "Overlap": Overlap,
    "TransferMatrix": TransferMatrix,
    "Trainings": Trainings,
    "StrengthCurve": StrengthCurve,
    "Acceptance": Acceptance,
    "Spectrum": Spectrum,
    "FilterBank": FilterBank,
    "BandEnergy": BandEnergy,
    "HeatMap": HeatMap,
    "Check": Check,
    "AugmentationGrid": AugmentationGrid,
    "ModelCard": ModelCard,
    "DatasetCard": DatasetCard,
    "ByClass": ByClass,
    "TrainingReport": TrainingReport,
    "Audit": Audit,
    "Layers": Layers,
    "Geometry": Geometry,
    "Norms": Norms,
    "RobustAccuracy": RobustAccuracy,
    "CorruptionTable": CorruptionTable,
    "CorruptedSet": CorruptedSet,
    "CorruptionScores": CorruptionScores,
    "CrossSection": CrossSection,
    "Comparison": Comparison,
}


def save(result: object, path: Path | str) -> Path:
    """Return the JSON file that now holds the facts of `result`; its arrays are in the npz next to it.

    Both files are written whole or not at all, and together: killed at any moment, `load` gives the old result or the
    new one. The JSON records the digest of its npz and one of itself, so that `load` notices when the two do not belong
    together or a number was edited. JSON has no infinity and no NaN: they are written as `{"$float": "inf"}`.

    Args:
        result: An instance of one of `RESULTS`.
        path: Where to; an ending .json or .npz is dropped first. Files of that name are replaced.

    Raises:
        UsageError: `result` is none of `RESULTS`, or the file cannot be written.
    """
    files = as_files(result, path)
    facts_file, arrays_file = files
    stage(files)
    # Until the arrays are in place too, `load` finds them where they wait.
    move_in(files)
    for old in arrays_file.parent.glob(f".{glob.escape(arrays_file.name)}.*.part"):
        old.unlink(missing_ok=True)
    return facts_file


def as_files(result: object, path: Path | str) -> dict[Path, bytes]:
    """Return the content of the two files of a result by path, the facts first: what `save` writes.

    Args:
        result: An instance of one of `RESULTS`.
        path: As for `save`.

    Raises:
        UsageError: `result` is none of `RESULTS`.
    """
    if type(result).__name__ not in RESULTS:
        raise UsageError(f"result must be one of {', '.join(RESULTS)}; got {type(result).__name__}: save its parts")
    arrays: dict[str, Tensor] = {}
    facts = _encode(result, "", arrays)
    packed = pack(arrays)
    page = {"schema": SCHEMA, "digest": hashlib.sha256(packed).hexdigest(), "content": facts}
    facts_file, arrays_file = _pair(path)
    text = json.dumps({**page, "own_digest": _own_digest(page)}, indent=1, allow_nan=False) + "\n"
    return {facts_file: text.encode(), arrays_file: packed}


def _own_digest(page: dict[str, Any]) -> str:
    """Return the digest of what the facts say, by which an edited number is noticed."""
    said = {key: value for key, value in page.items() if key != "own_digest"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


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
        schema, digest, content = page["schema"], str(page["digest"]), page["content"]
        packed = _arrays(arrays_file, digest)
    except OSError as error:
        raise UsageError(f"path must name a saved result; got {path}: {error.strerror} ({error.filename})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{facts_file} must be JSON written by geomrob.save; got a damaged file: save again"
        ) from error
    if schema not in (SCHEMA, UNSEALED):
        raise UsageError(f"{facts_file} must have schema {SCHEMA}; got {schema!r}: use the geomrob that wrote it")
    if schema == SCHEMA and _own_digest(page) != page.get("own_digest"):
        raise UsageError(f"{facts_file} must be as geomrob.save wrote it; got an edited or damaged file: save again")
    if hashlib.sha256(packed).hexdigest() != digest:
        raise UsageError(
            f"{arrays_file} must be the file saved with its .json; got another or a damaged one: save again"
        )
    result = _decode(content, unpack(packed))
    if not isinstance(result, kind):
        raise UsageError(f"{facts_file} must hold a {kind.__name__}; got a {type(result).__name__}: load it as that")
    return result


def _arrays(file: Path, digest: str) -> bytes:
    """Return the bytes of the arrays of that digest: those in place, or those that a killed `save` was about to move.

    Where neither is it, those in place are returned.
    """
    try:
        packed = file.read_bytes()
    except FileNotFoundError:
        packed = None
    waiting = staged_name(file, digest)
    if (packed is None or hashlib.sha256(packed).hexdigest() != digest) and waiting.exists():
        return waiting.read_bytes()
    return file.read_bytes() if packed is None else packed


def equal(one: object, other: object) -> bool:
    """Return whether two results say exactly the same: same classes, types, shapes and values, with NaN equal to NaN.

    The device of a tensor does not count.

    Example:
        >>> import torch
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
