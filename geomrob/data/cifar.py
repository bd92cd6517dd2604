"""CIFAR-10 and CIFAR-100 from the python batches of the official archives, without running what a pickle calls."""

import pickle
import pickletools
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from geomrob.data.arrays.label_arrays import class_numbers
from geomrob.data.entry import Arrays
from geomrob.errors import UsageError
from geomrob.files import user_path

CLASSES10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NAMES100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
CLASSES100 = tuple(NAMES100.split())


def read10(folder: Path, split: str) -> Arrays:
    """Return the images (N, 3, 32, 32) uint8, labels and positions (N,) int64 of CIFAR-10."""
    names = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
    images, labels, _ = zip(*[_batch(folder / name, "labels", CLASSES10) for name in names], strict=True)
    return np.concatenate(images), np.concatenate(labels), np.arange(sum(map(len, images)))


def read100(folder: Path, split: str) -> Arrays:
    """Return the images (N, 3, 32, 32) uint8, fine labels and positions (N,) int64 of CIFAR-100."""
    return _batch(folder / split, "fine_labels", CLASSES100)


def _batch(path: Path, key: str, classes: Sequence[str]) -> Arrays:
    """Return the images and labels of one batch file."""
    if not user_path(path, "data_dir").is_file():
        raise UsageError(f"data_dir must hold {path.parent.name}/{path.name}; nothing there: put it into {path.parent}")
    content = read_pickle(path)
    items = content.items() if isinstance(content, dict) else ()
    named = {k.decode(errors="replace") if isinstance(k, bytes) else k: v for k, v in items}
    data, labels = named.get("data"), named.get(key)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,) or labels is None:
        raise UsageError(f"{path} must hold data (N, 3072) as bytes and {key}; got something else: fetch it again")
    numbers, _, notes = class_numbers(labels, len(data), str(path), classes)
    # Not even whole floats: the official batches hold integers.
    if notes:
        raise UsageError(f"{path} must hold integers as {key}; got others ({notes[0]}): fetch it again")
    return data.reshape(-1, 3, 32, 32), numbers, np.arange(len(data))


def read_pickle(path: Path) -> Any:
    """Return what a pickle holds if it needs nothing but containers, text, bytes, numbers and numpy arrays.

    Raises:
        UsageError: The file is damaged, or calls any other function or class, which is never run.
    """
    try:
        # From memory, where no read can ask for more than there is.
        content = BytesIO(path.read_bytes())
        _check_memo(content)
        return _Arrays(content, encoding="bytes").load()
    except UsageError:
        raise
    # A damaged pickle fails with whatever exception the opcode at hand happens to raise.
    except Exception as error:
        raise UsageError(f"{path} must be a readable pickle; got {type(error).__name__}: fetch it again") from error


def _check_memo(content: BytesIO) -> None:
    """Refuse a pickle that numbers its objects higher than they can be: room is made for all numbers below."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content), start=1):
        if "PUT" in opcode.name and int(argument or 0) > 1000 + 2 * count:
            raise UsageError(f"a data file must be a sound pickle; got object {argument} after {count}: fetch it again")
    content.seek(0)


def _rebuild(_kind: str, shape: tuple[int, ...], _code: bytes) -> NDArray[np.generic]:
    """Return the empty array that a pickle fills; memory is taken for no other shape."""
    if shape != (0,):
        raise UsageError(f"a data file must hold whole arrays; got an empty one of shape {shape}: do not trust it")
    return np.empty(shape, np.int8)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Return the bytes that a protocol-2 pickle of bytes stands for."""
    return text.encode("latin1")


class _Arrays(pickle.Unpickler):
    """An unpickler that rebuilds numpy arrays and scalars and refuses everything else."""

    # The rebuilding functions are taken from numpy itself: their module has moved between its versions.
    allowed: ClassVar[dict[str, Any]] = {
        # A name, because calling it would take memory for any shape.
        "ndarray": "ndarray",
        "dtype": np.dtype,
        "_reconstruct": _rebuild,
        "scalar": np.int64(0).__reduce__()[0],
        "_frombuffer": np.empty(1).__reduce_ex__(5)[0],
    }

    def find_class(self, module: str, name: str, /) -> Any:
        """Return an allowed function; refuse the file otherwise."""
        if module.split(".", maxsplit=1)[0] == "numpy" and name in self.allowed:
            return self.allowed[name]
        if (module, name) == ("_codecs", "encode"):
            return _encode
        raise UsageError(f"a data file must hold arrays only; got a pickle that calls {module}.{name}: do not trust it")
