"""The images that come with the package: one grey PNG mosaic, and next to it a JSON file that says which they are."""

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geomrob.data.entry import Arrays
from geomrob.errors import UsageError

ASSETS = Path(__file__).resolve().parent.parent / "assets"
NAME = "fashion-mnist-1k"
COLUMNS = 50
SIDE = 28


def read(folder: Path, split: str) -> Arrays:
    """Return the embedded images (1000, 1, 28, 28) uint8, labels and positions in the Fashion-MNIST test set.

    `folder` and `split` are those of every reader and change nothing: there is one folder and one split.
    """
    try:
        facts = json.loads((ASSETS / f"{NAME}.json").read_text())
        with Image.open(ASSETS / f"{NAME}.png") as mosaic:
            images = from_mosaic(np.asarray(mosaic))
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{NAME} must be readable; got {error}: install geomrob again") from None
    if hashlib.sha256(images.tobytes()).hexdigest() != facts["pixels_sha256"]:
        raise UsageError(f"{NAME}.png must hold the pixels it was made with; got others: install geomrob again")
    return images[:, None], np.array(facts["labels"], np.int64), np.array(facts["indices"], np.int64)


def to_mosaic(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (N, 28, 28) side by side, 50 a row, N a multiple of 50."""
    rows = len(images) // COLUMNS
    tiles = images.reshape(rows, COLUMNS, SIDE, SIDE)
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3).reshape(rows * SIDE, COLUMNS * SIDE))


def from_mosaic(mosaic: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the images (N, 28, 28) that `to_mosaic` laid out."""
    tiles = mosaic.reshape(-1, SIDE, COLUMNS, SIDE)
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3).reshape(-1, SIDE, SIDE))
