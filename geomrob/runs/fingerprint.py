"""What a computation depends on, as JSON: digests of weights, images and bands, options, the code of functions.

It is read off the bound arguments of the function that computes a part, so that no option can be forgotten: what the
function is not given cannot change what it returns.
"""

import dataclasses
import hashlib
import inspect
import itertools
import json
import math
import types
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROWS = 256
"""Images that are read at a time."""

_HIDDEN = ("training", "dump_patches", "call_super_init", "notes")


def digest(value: object) -> str:
    """Return the fingerprint of what JSON can say, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def settings_of(compute: "partial[Any]") -> dict[str, Any]:
    """Return what a function with bound arguments depends on: the function, and its arguments by name.

    An argument with a method `run_identity`, such as a `Prepared`, stands there by the names that the method gives.

    Example:
        >>> settings_of(partial(math.ldexp, 0.5))
        {'computation': 'math.ldexp', 'x': 0.5}
    """
    known: dict[int, Any] = {}
    settings: dict[str, Any] = {"computation": _name(compute.func)}
    for name, value in _bound(compute).items():
        described = _identity(value, known)
        settings |= described if hasattr(value, "run_identity") and isinstance(described, dict) else {name: described}
    return settings


def identity(value: object) -> Any:
    """Return what tells a value from others, as JSON: equal values have one identity, in every process.

    Of a tensor or array it is the digest of type, shape and elements; of a module that of its class, its parameters,
    buffers and plain attributes, its hooks and the code of its forward; of a function its name, its code and what it
    closes over. What a function reads of its module's globals is not seen.

    Example:
        >>> identity({"epsilon": 0.1, "band": slice(0, 8)})
        {'epsilon': 0.1, 'band': [0, 8, None]}
        >>> identity(torch.zeros(2)) == identity(torch.zeros(2)), identity(torch.zeros(2)) == identity(torch.ones(2))
        (True, False)
    """
    return _identity(value, {})


def _identity(value: Any, known: dict[int, Any]) -> Any:
    """Return the identity of a value; one that is met again, inside itself too, is not described twice."""
    if value is None or isinstance(value, (bool, int, str)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if id(value) not in known:
        # The value is kept with what is said of it: the id of one that is gone may be another's.
        known[id(value)] = value, "itself"
        known[id(value)] = value, _described(value, known)
    return known[id(value)][1]


def _described(value: Any, known: dict[int, Any]) -> Any:
    """Return the identity of what is no plain value."""
    if hasattr(value, "run_identity"):
        return _identity(value.run_identity(), known)
    for kinds, describe in KINDS:
        if isinstance(value, kinds):
            return describe(value, known)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, known)
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return _fields(value, vars(value), known)
    return _name(value) if callable(value) else f"{type(value).__qualname__} {value!r}"


def _fields(value: object, fields: Mapping[str, object], known: dict[int, Any]) -> dict[str, Any]:
    return {"class": _name(type(value)), **{name: _identity(part, known) for name, part in fields.items()}}


def _tensor(value: Tensor, _known: dict[int, Any]) -> dict[str, Any]:
    """Return type, shape and digest; many rows are read piece by piece, since they may not fit into memory."""
    bytes_of = hashlib.sha256()
    for part in value.split(ROWS) if value.ndim > 2 else (value,):
        plain = part.detach().cpu().contiguous()
        # numpy has no bfloat16.
        bytes_of.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return {"dtype": str(value.dtype), "shape": list(value.shape), "sha256": bytes_of.hexdigest()}


def _array(value: np.ndarray, _known: dict[int, Any]) -> dict[str, Any]:
    content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return {"dtype": str(value.dtype), "shape": list(value.shape), "sha256": content}


def _module(model: nn.Module, known: dict[int, Any]) -> dict[str, str]:
    """Return the class of a model and two digests: of its weights, and of everything else that makes its outputs."""
    weights = {name: _tensor(tensor.data, known) for name, tensor in _tensors(model)}
    rest: list[Any] = [repr(model)]
    for part in model.modules():
        plain = {name: value for name, value in vars(part).items() if name[0] != "_" and name not in _HIDDEN}
        hooks = [hook for kind in ("_forward_pre_hooks", "_forward_hooks") for hook in getattr(part, kind).values()]
        rest.append([_name(type(part)), _identity(plain, known), [_identity(hook, known) for hook in hooks]])
        if not _name(type(part)).startswith("torch."):
            # Without what a checker of types has put around it.
            rest.append(_identity(getattr(inspect.unwrap(type(part).forward), "__code__", None), known))
    return {"class": _name(type(model)), "weights": digest(weights), "architecture": digest(rest)}


def _tensors(model: nn.Module) -> "itertools.chain[tuple[str, Tensor]]":
    """Return parameters and buffers, those that are not saved too."""
    return itertools.chain(model.named_parameters(), model.named_buffers())


def _function(function: types.FunctionType, known: dict[int, Any]) -> dict[str, Any]:
    """Return the name of a function, its code, its defaults and what it closes over."""
    cells = [_cell(cell) for cell in function.__closure__ or ()]
    return {
        "function": _name(function),
        "code": _identity(function.__code__, known),
        "holds": [_identity(part, known) for part in (*(function.__defaults__ or ()), *cells)],
    }


def _cell(cell: Any) -> object:
    """Return what a cell of a closure holds, nothing while it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _code(code: types.CodeType, known: dict[int, Any]) -> str:
    constants = [_identity(constant, known) for constant in code.co_consts]
    return digest([code.co_code.hex(), list(code.co_names), constants])


def _partial(function: "partial[Any]", known: dict[int, Any]) -> dict[str, Any]:
    bound = {name: _identity(value, known) for name, value in _bound(function).items()}
    return {"function": _identity(function.func, known), **bound}


def _method(method: types.MethodType, known: dict[int, Any]) -> list[Any]:
    return [method.__name__, _identity(method.__self__, known)]


def _mapping(value: Mapping[Any, Any], known: dict[int, Any]) -> dict[str, Any]:
    return {str(key): _identity(part, known) for key, part in value.items()}


def _sequence(value: "list[Any] | tuple[Any, ...]", known: dict[int, Any]) -> list[Any]:
    return [_identity(part, known) for part in value]


def _set(value: "set[Any] | frozenset[Any]", known: dict[int, Any]) -> list[Any]:
    return sorted((_identity(part, known) for part in value), key=str)


def _slice(value: slice, _known: dict[int, Any]) -> list[Any]:
    return [value.start, value.stop, value.step]


def _text(value: object, _known: dict[int, Any]) -> str:
    return str(value)


KINDS: tuple[tuple[Any, Callable[[Any, dict[int, Any]], Any]], ...] = (
    (Tensor, _tensor),
    (np.ndarray, _array),
    (nn.Module, _module),
    (types.FunctionType, _function),
    (types.MethodType, _method),
    (types.CodeType, _code),
    (partial, _partial),
    (Mapping, _mapping),
    ((list, tuple), _sequence),
    ((set, frozenset), _set),
    (slice, _slice),
    ((Path, torch.dtype, torch.device, np.generic, bytes, complex), _text),
)
"""How each kind of value is described; the first that fits."""


def _bound(function: "partial[Any]") -> dict[str, Any]:
    """Return the bound arguments of a function by name."""
    try:
        return dict(inspect.signature(function.func).bind_partial(*function.args, **function.keywords).arguments)
    except (TypeError, ValueError):
        return {**{f"argument {number}": value for number, value in enumerate(function.args)}, **function.keywords}


def _name(value: Any) -> str:
    """Return the qualified name of a function or class."""
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
