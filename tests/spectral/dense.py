"""The dense twins: what the package never builds, built here to check it."""

import torch
from torch import Tensor

from geomrob.spectral.bases import Basis
from geomrob.spectral.subspaces import Subspace


def dense_basis(basis: Basis) -> Tensor:
    """Return the (H*W, H*W) matrix whose rows are all basis images, from `inverse` of unit coefficients."""
    pixels = basis.shape[0] * basis.shape[1]
    units = torch.eye(pixels, dtype=torch.float64).unflatten(1, basis.shape)
    return basis.inverse(units).flatten(1)


def dense_projector(subspace: Subspace, channels: int) -> Tensor:
    """Return the (D, D) projector S S^T with S the columns of basis images in the mask, channel by channel."""
    vectors = dense_basis(subspace.basis)[subspace.mask.flatten()]
    return torch.kron(torch.eye(channels, dtype=torch.float64), vectors.T @ vectors)
