"""Synthetic data sets whose features are known: T1, one linear feature in noise; T2, a second one that alternates."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float64
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from geomrob.arrays import check_number
from geomrob.data.entry import Arrays, Samples
from geomrob.errors import UsageError
from geomrob.randomness import image_generator
from geomrob.spectral.bases import Basis, from_matrix
from geomrob.spectral.bases_dense import random_matrix

CLASSES = ("-1", "+1")

Fill: TypeAlias = Callable[[NDArray[np.float64], int, Generator], None]


@dataclass(frozen=True, eq=False)
class SyntheticData:
    """A training and a test set that share their directions.

    `basis` holds them: its vector k is u_(k+1), so that u_1 is the first row of `basis.matrices[0]`. Images are vectors
    shaped (1, 1, D); class 0 is y = -1, class 1 is y = +1.
    """

    train: Samples
    test: Samples
    basis: Basis


def t1(
    epsilon: float = 5.0,
    sigma: float = 1.0,
    *,
    count: int = 10_000,
    dimension: int = 100,
    half: bool = True,
    seed: int = 0,
) -> SyntheticData:
    r"""Return T1(epsilon, sigma): one direction separates the classes, all others hold noise.

        x = (epsilon / 2) y u_1 + sum over k > 1 of z_k u_k,   z_k ~ N(0, sigma^2),   y uniform in {-1, +1}

    so that a classifier that uses u_1 alone has margin epsilon / 2 everywhere.

    Args:
        epsilon: Feature size, at least 0: distance of the classes along u_1.
        sigma: Standard deviation of the noise, at least 0.
        count: N, samples of the training set and as many of the test set, at least 1.
        dimension: D, at least 2.
        half: Whether the classes lie at epsilon y / 2; False for epsilon y, as printed.
        seed: Of everything drawn: of the rotation, and, with the index, of each sample.

    Returns:
        The sets and their directions. A sample is the same whatever `count`; with other sizes of features it has the
        same noise and the same class.

    Raises:
        UsageError: A size below its least.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, section 4.2.2; Ortiz-Jimenez, Modas
        et al., Hold me tight!, NeurIPS 2020.

    Differences:
        The text prints x_1 = epsilon y, with which a perfect separator has margin epsilon = 5, but its Tables 4.1 and
        A.1 have 2.5 and call it epsilon / 2; with sigma = 1 only classes at epsilon y / 2 give their percentiles too
        (`docs/synthetic.md`). The text multiplies by U and calls its first row u_1, which would be its first column;
        here u_1 is a row, and x is U^T times the features.

    Example:
        >>> world = t1(count=50, dimension=10)
        >>> world.train.images.shape, world.test.classes
        (torch.Size([50, 1, 1, 10]), ('-1', '+1'))
        >>> float(world.basis.forward(world.train.images)[..., 0, 0].abs().mean().round(decimals=4))
        2.5
    """
    _check(epsilon=epsilon, sigma=sigma)
    scale = epsilon / 2 if half else epsilon

    def fill(row: NDArray[np.float64], sign: int, generator: Generator) -> None:
        row[0] = scale * sign
        row[1:] = sigma * generator.standard_normal(len(row) - 1)

    return _world(fill, f"T1({epsilon:g}, {sigma:g})", count, dimension, 2, seed)


def t2(
    rho: float = 20.0,
    epsilon: float = 1.0,
    sigma: float = 1.0,
    periods: int = 3,
    *,
    count: int = 10_000,
    dimension: int = 100,
    half: bool = True,
    seed: int = 0,
) -> SyntheticData:
    r"""Return T2(rho, epsilon, sigma, K): a small linear feature along u_1, a large one along u_2 that alternates.

        x = (epsilon / 2) y u_1 + rho (k + [y = -1] / 2) u_2 + sum over j > 2 of z_j u_j,   z_j ~ N(0, sigma^2)

    with k uniform in {-K, ..., K - 1}. Along u_2 the classes alternate at a distance of rho / 2; epsilon > 0 also
    separates them linearly, along u_1.

    Args:
        rho: Period of the pattern along u_2, at least 0.
        epsilon, sigma, count, half, seed: As in `t1`.
        periods: K, half the number of positions of each class, at least 1.
        dimension: D, at least 3.

    Returns:
        As `t1`. With another epsilon each sample is moved along u_1 and nothing else.

    Raises:
        UsageError: A size below its least.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, section 4.4.1, Figs. 4.9 and 4.10.

    Differences:
        As in `t1`.

    Example:
        >>> world = t2(epsilon=0, count=20, dimension=5)
        >>> positions = world.basis.forward(world.train.images)[world.train.labels == 1, 0, 0, 1]
        >>> bool(((positions / 20).round() * 20 - positions).abs().max() < 1e-4)
        True
    """
    _check(rho=rho, epsilon=epsilon, sigma=sigma)
    if periods < 1:
        raise UsageError(f"periods must be at least 1; got {periods}: 1 is the least, the thesis takes 3")
    scale = epsilon / 2 if half else epsilon

    def fill(row: NDArray[np.float64], sign: int, generator: Generator) -> None:
        row[0] = scale * sign
        row[1] = rho * (generator.integers(-periods, periods) + (0.0 if sign > 0 else 0.5))
        row[2:] = sigma * generator.standard_normal(len(row) - 2)

    return _world(fill, f"T2({rho:g}, {epsilon:g}, {sigma:g}, {periods})", count, dimension, 3, seed)


def rotation(dimension: int, seed: int) -> Float64[Tensor, "d d"]:
    """Return a matrix drawn uniformly (by Haar's measure) from the rotations SO(D), one direction a row."""
    # Not the seed itself, because the random basis of that seed would then hold these very directions.
    digest = hashlib.sha256(f"synthetic rotation {seed}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
    matrix = random_matrix(dimension, generator)
    # Half of the orthogonal matrices mirror; reversing one row maps them onto the others and keeps the measure.
    if torch.linalg.det(matrix) < 0:
        matrix[-1] *= -1
    return matrix


def read(name: str) -> Callable[[Path, str], Arrays]:
    """Return the reader of the table of data sets for `t1` or `t2` with the sizes of the thesis and seed 0."""

    def reader(_: Path, split: str) -> Arrays:
        world = t1() if name == "t1" else t2()
        part = world.train if split == "train" else world.test
        return part.images.numpy(), part.labels.numpy(), part.indices.numpy()

    return reader


def _check(**sizes: float) -> None:
    """Refuse negative and infinite sizes."""
    for name, value in sizes.items():
        check_number(name, value, 0, "1 and 5 are those of the thesis")


def _world(fill: Fill, name: str, count: int, dimension: int, least: int, seed: int) -> SyntheticData:
    """Return both sets, their features made by `fill` and turned."""
    if count < 1 or dimension < least:
        given = f"{count} and {dimension}"
        raise UsageError(
            f"count must be at least 1 and dimension at least {least}; got {given}: the thesis takes 10,000 and 100"
        )
    matrix = rotation(dimension, seed)
    train, test = (_samples(fill, f"{name}, {split}", split, count, matrix, seed) for split in ("train", "test"))
    return SyntheticData(train, test, from_matrix(matrix, (1, dimension), note=f"directions of {name}"))


def _samples(fill: Fill, name: str, split: str, count: int, matrix: Tensor, seed: int) -> Samples:
    """Return one set: each sample drawn from a generator of its own."""
    turn = matrix.numpy()
    images, labels = np.zeros((count, len(turn)), np.float32), np.zeros(count, np.int64)
    for index in range(count):
        generator = image_generator(f"synthetic {split}", seed, index)
        labels[index] = generator.integers(2)
        features = np.zeros(len(turn))
        fill(features, 2 * int(labels[index]) - 1, generator)
        # One product a sample, because the rounding of a product of all depends on how many there are.
        images[index] = features @ turn
    shaped = torch.from_numpy(images).reshape(count, 1, 1, -1)
    return Samples(shaped, torch.from_numpy(labels), CLASSES, torch.arange(count), name)
