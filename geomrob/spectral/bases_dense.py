"""Orthonormal bases of a whole channel as one matrix, one basis vector a row: drawn, fitted to images, or read.

Everything is float64, as in `bases_1d`.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from safetensors.torch import load_file
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.files import unpack

TOLERANCE = 1e-4
"""How far a product of two rows may be from 0 or 1."""


def random_matrix(length: int, generator: torch.Generator) -> Float64[Tensor, "n n"]:
    """Return a matrix drawn uniformly (by Haar's measure) from the orthogonal group.

    References:
        Mezzadri, How to generate random matrices from the classical compact groups, Notices of the AMS, 2007.
    """
    draw = torch.randn(length, length, dtype=torch.float64, generator=generator)
    q, r = torch.linalg.qr(draw)
    # Without these signs the draw depends on the convention of the QR routine and is not uniform.
    return (q * r.diagonal().sign()).T.contiguous()


def principal_components(samples: Float[Tensor, "n d"]) -> Float64[Tensor, "d d"]:
    """Return the directions of decreasing variance of samples (one a row), completed to an orthonormal basis.

    The largest element of each direction is positive, so that two fits agree.
    """
    mean = samples.mean(0, dtype=torch.float64)
    covariance = torch.zeros(samples.shape[1], samples.shape[1], dtype=torch.float64)
    for part in samples.split(4096):
        deviations = part.double() - mean
        covariance.addmm_(deviations.T, deviations)
    components = torch.linalg.eigh(covariance).eigenvectors.T.flip(0)
    largest = components.abs().argmax(1, keepdim=True)
    return components * components.gather(1, largest).sign()


def read_matrices(path: Path, shape: tuple[int, int]) -> tuple[Tensor, ...]:
    """Return the one matrix over the channel, or the rows and the columns, that a file holds, in float64.

    Args:
        path: A `.npy` file (one matrix), or `.npz` or `.safetensors` with one array, or with `rows` and `columns`.
        shape: Height and width that the matrices must fit.

    Raises:
        UsageError: No such file, another format, other arrays, other shapes, or rows that are not orthonormal.
    """
    height, width = shape
    arrays = _read(path, (height * width) ** 2 * 16)
    if len(arrays) == 1:
        wanted = dict.fromkeys(arrays, height * width)
    elif set(arrays) == {"rows", "columns"}:
        wanted = {"rows": height, "columns": width}
    else:
        names = ", ".join(sorted(arrays)) or "nothing"
        raise UsageError(f"file must hold one matrix, or rows and columns; got {names} in {path}: keep these alone")
    return tuple(nearest_orthonormal(arrays[name], length, name, f" in {path}") for name, length in wanted.items())


def _read(path: Path, most: int) -> dict[str, Tensor]:
    """Return the arrays of a file, each of at most so many bytes."""
    if not path.is_file():
        raise UsageError(f"file must exist; got {path}: check the path")
    try:
        if path.suffix == ".npy":
            # Mapped, so that no memory is taken for what a header claims.
            return {"matrix": torch.from_numpy(np.array(np.load(path, mmap_mode="r", allow_pickle=False)))}
        if path.suffix == ".npz":
            return unpack(path.read_bytes(), most=most)
        if path.suffix == ".safetensors":
            return load_file(path)
    # A damaged file fails with whatever exception the byte at hand happens to cause in numpy or safetensors.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"file must be a readable {path.suffix}; got {path}: write it again ({reason})") from error
    raise UsageError(f"file must end in .npy, .npz or .safetensors; got {path}: save the matrices in one of these")


def nearest_orthonormal(matrix: Tensor, length: int, name: str, where: str = "") -> Float64[Tensor, "n n"]:
    """Return the orthonormal matrix nearest to one that is orthonormal to `TOLERANCE`; refuse any other.

    Args:
        matrix: One basis vector a row.
        length: How many there must be, and how long.
        name, where: How an error names the matrix, and what it adds about the file.

    Raises:
        UsageError: Another shape, complex numbers, rows that are not orthonormal.
    """
    if tuple(matrix.shape) != (length, length):
        shape = tuple(matrix.shape)
        raise UsageError(f"{name} must be shaped ({length}, {length}); got {shape}{where}: match the images' shape")
    if matrix.is_complex():
        raise UsageError(f"{name} must be real; got {matrix.dtype}{where}: use cosines and sines instead")
    matrix = matrix.double()
    identity = torch.eye(length, dtype=torch.float64)
    error = float((matrix @ matrix.T - identity).abs().max())
    if not error <= TOLERANCE:
        advice = "orthonormalise the rows, for example by QR"
        raise UsageError(f"{name} must be orthonormal to {TOLERANCE:g}; got {error:.2g}{where}: {advice}")
    # Two Newton-Schulz steps: the error is squared twice, which takes 1e-4 to rounding.
    for _ in range(2):
        matrix = 1.5 * matrix - 0.5 * (matrix @ matrix.T) @ matrix
    return matrix
