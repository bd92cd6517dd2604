"""The zoo of small Fashion-MNIST models: its families, their trainings, and how two of them are compared."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from torch import nn

import geomrob

# The standard model of each family, and what is compared with it.
FAMILIES = {
    "fmnist-standard": (
        "fmnist-pushpull-avg3",
        "fmnist-pushpull-avg5",
        "fmnist-pushpull-fixed",
        "fmnist-similarity",
        "fmnist-l2-adversarial",
        "fmnist-linf-adversarial",
    ),
    "fmnist-vgg": ("fmnist-hah", "fmnist-hah-no-cost", "fmnist-hah-batch-norm", "fmnist-hah-no-threshold"),
}
TITLES = {"fmnist-standard": "small ResNet-8", "fmnist-vgg": "small VGG"}
SEEDS = (0, 1, 2)


def members(families: dict[str, tuple[str, ...]] = FAMILIES) -> list[str]:
    """All models of some families, each standard model first."""
    return [name for standard, others in families.items() for name in (standard, *others)]


def trainings(name: str, trained: Path | None, seeds: Sequence[int] = SEEDS) -> dict[int, nn.Module]:
    """The trainings of a model that are there, by their seed; seed 0 is embedded, for a folder without it or none."""
    files = {seed: trained / f"{name}-{seed}" / "model.safetensors" for seed in seeds} if trained else {}
    there: dict[int, Path | None] = {seed: file for seed, file in files.items() if file.is_file()}
    if 0 in seeds and 0 not in there:
        there = {0: None, **there}
    return {seed: geomrob.load_model(name, weights=file) for seed, file in there.items()}


def short(name: str) -> str:
    """The name of a model without that of the data."""
    return name.removeprefix("fmnist-")


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error: NaN for no value, an error of 0 for one."""
    if not values:
        return math.nan, 0.0
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return statistics.fmean(values), error


def cell(values: Sequence[float], digits: int = 1) -> str:
    """Mean and standard error as the tables of the docs print them."""
    if not values:
        return "-"
    mean, error = mean_and_error(values)
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if len(values) > 1 else "")


def ordering(better: Sequence[float], worse: Sequence[float]) -> str:
    """Whether a published ordering of two models holds for ours, beyond the standard error of their difference."""
    (one, error), (other, spread) = mean_and_error(better), mean_and_error(worse)
    room = math.hypot(error, spread)
    return "holds" if one > other + room else "DIFFERS" if one < other - room else "within the standard error"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table of the docs; the first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
