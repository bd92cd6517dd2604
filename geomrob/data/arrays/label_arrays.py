"""Labels of any kind as class numbers: integers, one-hot rows, whole floats, names; what was converted is noted."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from geomrob.errors import UsageError

Numbered: TypeAlias = tuple[NDArray[np.int64], tuple[str, ...], tuple[str, ...]]

# More classes than any data set has: a number beyond it is no class, and its list of names would fill the memory.
MOST_CLASSES = 1_000_000


def class_numbers(labels: Any, count: int, source: str, classes: Sequence[str] | None = None) -> Numbered:
    """Return labels as class numbers (N,) int64, the names of the classes, and notes of what was converted.

    Args:
        labels: Integers of any width, floats that are whole numbers, booleans or names, shaped (N,) or (N, 1); or
            one-hot rows (N, K). An array, a tensor or a list.
        count: N, the number of images.
        source: What the labels belong to, for the messages.
        classes: Names of the classes in the order of their numbers. By default names are numbered in alphabetical
            order (in numerical order if all are numbers), and numbers name themselves.

    Raises:
        UsageError: No labels, not one label an image, several labels an image, soft labels, fractions, NaN, negative
            numbers, numbers or names outside `classes`.

    Example:
        >>> numbers, classes, notes = class_numbers(["dog", "cat", "dog"], 3, "pets")
        >>> numbers.tolist(), classes
        ([1, 0, 1], ('cat', 'dog'))
        >>> notes
        ('labels of pets are names: numbered in alphabetical order, 0 is cat, 1 is dog',)
    """
    array = _as_array(labels, count, source)
    if array.shape[:1] != (count,):
        given = f"{array.shape[0] if array.ndim else 'a single one'} for {count}"
        raise UsageError(f"{source} must hold one label an image; got {given}: give each image its label")
    if count == 0:
        raise UsageError(f"{source} must hold at least one image; got none: replace it")
    if array.ndim > 1 and array.size == count:
        array = array.reshape(count)
    if array.ndim > 1:
        classes = classes if classes is not None else tuple(map(str, range(array.shape[-1])))
        array, notes = _one_hot(array, source)
    elif array.dtype.kind in "US":
        return _named(array, source, classes)
    else:
        notes = _check_whole(array, source)
    low, high = int(array.min()), int(array.max())
    names = tuple(classes) if classes is not None else tuple(map(str, range(min(high, MOST_CLASSES) + 1)))
    if low < 0:
        raise UsageError(f"labels of {source} must be at least 0; got {low} ... {high}: number the classes from 0")
    if high >= min(len(names), MOST_CLASSES):
        limit = len(names) - 1 if classes is not None else f"{MOST_CLASSES - 1:,}"
        raise UsageError(
            f"labels of {source} must lie in 0 ... {limit}; got {low} ... {high}: number the classes from 0"
        )
    if classes is None and low == 1:
        notes += (f"no label of {source} is 0: if the classes are counted from 1, subtract 1",)
    return array.astype(np.int64), names, notes


def _as_array(labels: Any, count: int, source: str) -> NDArray[Any]:
    """Return labels as an array; a list is looked through first, because numpy would nest or unify what is in it."""
    if labels is None:
        raise UsageError(f"{source} must come with labels; got none: pass (images, labels)")
    if isinstance(labels, Tensor):
        dense = labels.detach().cpu().to_dense()
        return (dense.double() if dense.is_floating_point() else dense).numpy()
    if isinstance(labels, np.ndarray):
        return labels if labels.dtype.kind != "O" or labels.ndim == 0 else _from_list(list(labels), count, source)
    if isinstance(labels, range):
        labels = list(labels)
    elif hasattr(labels, "__array__"):
        return _as_array(np.asarray(labels), count, source)
    if not isinstance(labels, (list, tuple)):
        raise UsageError(f"labels of {source} must be an array or a list; got {type(labels).__name__}: pass a list")
    return _from_list(labels, count, source)


def _from_list(labels: Sequence[Any], count: int, source: str) -> NDArray[Any]:
    """Return a list of labels as an array of one type."""
    if len(labels) != count:
        raise UsageError(f"{source} must hold one label an image; got {len(labels)} for {count}: give each its label")
    values = [_plain(label, source) for label in labels]
    kinds = {type(value) for value in values}
    if len(kinds) > 1 and kinds != {int, float}:
        mixed = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise UsageError(f"labels of {source} must be of one kind; got {mixed}: store class numbers from 0")
    if kinds == {list} and len({len(value) for value in values}) > 1:
        raise UsageError(f"labels of {source} must be one an image; got rows of differing lengths: keep one label each")
    try:
        return np.asarray(values)
    except (OverflowError, ValueError):
        raise UsageError(f"labels of {source} must be class numbers or names; got others: store integers") from None


def _plain(label: Any, source: str, *, row: bool = True) -> Any:
    """Return one label as a plain int, float, bool or text, a row of several as a list of such."""
    if isinstance(label, (Tensor, np.ndarray, np.generic)):
        label = label.tolist()
    if isinstance(label, (list, tuple)) and row:
        values = [_plain(value, source, row=False) for value in label]
        return values[0] if len(values) == 1 else values
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    if not isinstance(label, (bool, int, float, str)):
        raise UsageError(
            f"labels of {source} must be class numbers or names; got {type(label).__name__}: give each image its label"
        )
    return label


def _one_hot(rows: NDArray[Any], source: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the class of each one-hot row."""
    if rows.ndim > 2 or rows.dtype.kind not in "biuf":
        raise UsageError(f"labels of {source} must be shaped (N,) or (N, classes); got {rows.shape}: flatten them")
    if not np.isin(rows, (0, 1)).all() or not (rows.astype(np.int64).sum(1) == 1).all():
        kind = "several labels an image" if np.isin(rows, (0, 1)).all() else "rows that are not one-hot"
        raise UsageError(
            f"labels of {source} must be one class an image; got {rows.shape} with {kind}: keep one, such as argmax(1)"
        )
    return rows.argmax(1), (f"labels of {source} are one-hot: the position of the 1 of {rows.shape[1]} is the class",)


def _check_whole(array: NDArray[Any], source: str) -> tuple[str, ...]:
    """Return the note for numbers that are no integers; raise for those that number no class."""
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or not np.array_equal(array, np.floor(array)):
            raise UsageError(f"labels of {source} must be whole numbers; got fractions or NaN: store class numbers")
        return (f"labels of {source} are floats: taken as whole numbers",)
    if array.dtype.kind == "b":
        return (f"labels of {source} are true and false: taken as 1 and 0",)
    if array.dtype.kind not in "iu":
        raise UsageError(f"labels of {source} must be class numbers or names; got {array.dtype}: store integers")
    return ()


def _named(array: NDArray[Any], source: str, classes: Sequence[str] | None) -> Numbered:
    """Return the numbers of labels that are names: positions in `classes`, else in their sorted list."""
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    given = sorted(set(array.tolist()))
    numeric = all(name.isascii() and name.isdecimal() for name in given)
    names = tuple(classes) if classes is not None else tuple(sorted(given, key=int) if numeric else given)
    position = {name: number for number, name in enumerate(names)}
    missing = [name for name in given if name not in position]
    if missing:
        raise UsageError(f"labels of {source} must be among its classes; got {missing[0]!r}: add it to the classes")
    numbers = np.array([position[name] for name in array.tolist()], np.int64)
    order = "numerical" if numeric else "alphabetical"
    order = f"in {order} order" if classes is None else "as its classes are"
    shown = ", ".join(f"{number} is {name}" for number, name in enumerate(names[:3]))
    more = f" ... {len(names) - 1} is {names[-1]}" if len(names) > 3 else ""
    return numbers, names, (f"labels of {source} are names: numbered {order}, {shown}{more}",)
