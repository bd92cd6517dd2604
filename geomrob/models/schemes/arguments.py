"""The part ?key=value&key=value of a model's name, typed by the signature of the function that takes it."""

import ast
import contextlib
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union
from urllib.parse import unquote

import torch

from geomrob.errors import UsageError, unknown

TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def parse_arguments(text: str) -> dict[str, str]:
    """Return the values by key; %XX stands for a character as in addresses.

    Raises:
        UsageError: A part without a key or an equals sign, a key twice.

    Example:
        >>> parse_arguments("depth=18&name=a%26b")
        {'depth': '18', 'name': 'a&b'}
    """
    values: dict[str, str] = {}
    for part in text.split("&") if text else ():
        key, equals, value = part.partition("=")
        if not key.strip() or not equals:
            raise UsageError(f"arguments must read ?key=value&key=value; got {part!r}: write key=value")
        if (key := unquote(key).strip()) in values:
            raise UsageError(f"arguments must name each key once; got {key} twice: keep one")
        values[key] = unquote(value)
    return values


def typed_arguments(
    factory: Callable[..., Any], values: Mapping[str, str], name: str
) -> tuple[list[Any], dict[str, Any]]:
    """Return the values as the parameters of `factory` are annotated, or else as their defaults are.

    Args:
        factory: Its signature says what the values are: int, float, bool, str, Path, a tuple or list of these, None
            where that is allowed, a literal, an Enum by name or value, a torch.dtype. A parameter without annotation
            and default takes what Python would read.
        values: As written.
        name: Of the factory, for messages.

    Returns:
        Those of parameters that take no name (before `/`), in their order, and the others by name.

    Raises:
        UsageError: No such parameter, one that is missing, a value of another type.

    Example:
        >>> def net(depth, /, width=1): ...
        >>> typed_arguments(net, {"width": "2", "depth": "18"}, "net")
        ([18], {'width': 2})
    """
    try:
        signature = inspect.signature(factory, eval_str=True)
    except NameError:  # an annotation that is only a text, or under TYPE_CHECKING
        signature = inspect.signature(factory)
    except (ValueError, TypeError):  # functions in C have none
        return [], guessed(values)
    by_name = {
        key: parameter
        for key, parameter in signature.parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    for key in values:
        if key not in by_name and not free:
            if not by_name:
                raise UsageError(f"arguments must be left out for {name}, which takes none; got {key}: drop ?...")
            raise unknown(f"argument of {name}", key, by_name)
    missing = [key for key, parameter in by_name.items() if parameter.default is parameter.empty and key not in values]
    if missing:
        example = "&".join(f"{key}=..." for key in missing)
        raise UsageError(
            f"{name} must be called with {', '.join(missing)}; got none: add ?{example}, or give it a default"
        )
    typed = {
        key: _typed(key, value, _kind(by_name[key])) if key in by_name else _guess(value)
        for key, value in values.items()
    }
    unnamed = [key for key, parameter in by_name.items() if parameter.kind is parameter.POSITIONAL_ONLY]
    # One that is left out before one that is given has its default, which no name can skip.
    given = max((place + 1 for place, key in enumerate(unnamed) if key in typed), default=0)
    return [typed.pop(key, by_name[key].default) for key in unnamed[:given]], typed


def guessed(values: Mapping[str, str]) -> dict[str, Any]:
    """Return values for a function whose signature says nothing of them: each as Python would read it.

    Example:
        >>> guessed({"num_classes": "10", "act": "gelu"})
        {'num_classes': 10, 'act': 'gelu'}
    """
    return {key: _guess(value) for key, value in values.items()}


def _kind(parameter: inspect.Parameter) -> Any:
    """Return the type of a parameter: its annotation, or the type of its default, or Any."""
    if parameter.annotation is not parameter.empty and not isinstance(parameter.annotation, str):
        return parameter.annotation
    if parameter.default is parameter.empty or parameter.default is None:
        return Any
    return type(parameter.default)


def _typed(key: str, text: str, kind: Any) -> Any:
    """Return the value of a key as `kind`."""
    try:
        return _convert(text.strip(), kind)
    except ValueError:
        wanted = str(kind) if typing.get_origin(kind) else getattr(kind, "__name__", str(kind))
        advice = "write it so"
        if inspect.isclass(kind) and issubclass(kind, enum.Enum):
            wanted = f"one of {', '.join(kind.__members__)}"
        elif not _writable(kind):
            advice = "no text stands for that, so give it a default and leave it out"
        raise UsageError(f"argument {key} must be {wanted}; got {text!r}: {advice}") from None


def _convert(text: str, kind: Any) -> Any:
    """Return a text as `kind`; ValueError if it is none."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    base = origin or kind
    if origin is typing.Annotated:
        return _convert(text, inner[0])
    if origin in (Union, types.UnionType, Literal):
        return _literal(text, inner) if origin is Literal else _first(text, inner)
    if kind is Any:
        return _guess(text)
    if base in SCALARS:
        return SCALARS[base](text)
    if base in CONTAINERS:
        return _collection(text, CONTAINERS[base], inner)
    return _object(text, base)


def _object(text: str, kind: Any) -> Any:
    """Return a text as a member, a type of numbers, or what Python would read; ValueError if it is no such object."""
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return _member(text, kind)
    value = _dtype(text) if kind is torch.dtype else _guess(text)
    # A text that is no such object would be taken for one silently.
    if inspect.isclass(kind) and not isinstance(value, kind):
        raise ValueError
    return value


def _writable(kind: Any) -> bool:
    """Return whether a text can stand for a value of that kind."""
    inner = typing.get_args(kind)
    return (
        kind in SCALARS
        or kind in CONTAINERS
        or kind in (torch.dtype, dict)
        or (bool(inner) and typing.get_origin(kind) is not type)
    )


def _member(text: str, kind: type[enum.Enum]) -> enum.Enum:
    """Return the member of an enumeration by its name (`GELU`, `Act.GELU`) or its value."""
    name = text.removeprefix(f"{kind.__name__}.")
    for member in kind:
        if name == member.name or text == str(member.value):
            return member
    raise ValueError


def _dtype(text: str) -> torch.dtype:
    """Return a type of numbers by its name, `float16` or `torch.float16`."""
    value: object = getattr(torch, text.removeprefix("torch."), None)
    if not isinstance(value, torch.dtype):
        raise ValueError
    return value


def _truth(text: str) -> bool:
    """Return a text as a truth value."""
    if text.lower() not in TRUTH:
        raise ValueError
    return TRUTH[text.lower()]


def _none(text: str) -> None:
    """Return None for the text that says so."""
    if text.lower() not in ("none", "null"):
        raise ValueError


SCALARS: dict[Any, Callable[[str], Any]] = {
    bool: _truth,
    int: int,
    float: float,
    str: str,
    Path: Path,
    type(None): _none,
}
CONTAINERS: dict[Any, Callable[[list[Any]], Any]] = {
    tuple: tuple,
    Sequence: tuple,
    list: list,
    set: set,
    frozenset: frozenset,
}


def _literal(text: str, values: tuple[Any, ...]) -> Any:
    """Return the value of a literal that reads as the text."""
    for value in values:
        if str(value) == text:
            return value
    raise ValueError


def _first(text: str, kinds: tuple[Any, ...]) -> Any:
    """Return the text as the first kind of a union that takes it: None before others, a plain text last."""
    for kind in sorted(kinds, key=lambda kind: (kind is str, kind is not type(None))):
        with contextlib.suppress(ValueError):
            return _convert(text, kind)
    raise ValueError


def _collection(text: str, kind: Callable[[list[Any]], Any], inner: tuple[Any, ...]) -> Any:
    """Return the values between commas; brackets around them are optional."""
    if text[:1] + text[-1:] in ("()", "[]", "{}"):
        text = text[1:-1]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    kinds = [one for one in inner if one is not Ellipsis] or [Any]
    if len(kinds) > 1 and len(parts) != len(kinds):
        raise ValueError
    each = kinds if len(kinds) > 1 else kinds * len(parts)
    return kind([_convert(part, one) for part, one in zip(parts, each, strict=True)])


def _guess(text: str) -> Any:
    """Return a text as Python would read it: a number, a tuple, True, None; otherwise as it is."""
    if text.lower() in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
