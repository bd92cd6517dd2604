"""The images that the similarity part of a recipe compares, where they are not the training images."""

from pathlib import Path

from geomrob.data import DATASETS, load
from geomrob.data.entry import Samples
from geomrob.data.fit_shape import as_shape
from geomrob.data.folder import SPLITS
from geomrob.spectral.edits import transform
from geomrob.training.recipe import Recipe


def regularization_images(recipe: Recipe, train: Samples, data_dir: str | Path | None = None) -> Samples | None:
    """Return the regularisation images that a recipe names, in the shape of its training images.

    Of a row of the table they are the first of its training split. A folder or a file, whose images may be sorted by
    class, is drawn from with seed 0. The edit of the recipe is applied last.

    Args:
        recipe: Its part `[similarity]` says how many images of which data.
        train: The training images, whose shape is taken.
        data_dir: As in `geomrob.data.load`.

    Returns:
        The samples; None where the recipe names no data of its own for them, so that the training images serve.

    Raises:
        UsageError: The data cannot be loaded, or cannot be given this shape.

    Example:
        >>> from geomrob.training import read_recipe
        >>> regularization_images(read_recipe("fmnist-similarity"), load("fashion-mnist-1k")) is None
        True
    """
    how = recipe.options.similarity
    if how is None or not how.data:
        return None
    if how.data in DATASETS:
        split = "train" if "train" in DATASETS[how.data].splits else "test"
        found = load(how.data, split=split, data_dir=data_dir)
    else:
        split = "train" if any((Path(how.data).expanduser() / name).is_dir() for name in SPLITS["train"]) else "test"
        found = load(how.data, split=split, samples=how.images, seed=0)
    _, channels, height, width = train.images.shape
    images = as_shape(found.images[: how.images], (channels, height, width))
    if recipe.transform:
        images = transform(recipe.transform)(images)
    count = len(images)
    return Samples(images, found.labels[:count], found.classes, found.indices[:count], found.name, found.skipped)
