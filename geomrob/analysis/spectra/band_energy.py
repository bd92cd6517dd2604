"""Energies: how the perturbations of an attack are spread over the bands of a basis."""

from collections.abc import Sequence

import torch

from geomrob.analysis.spectra.mean_spectrum import CHUNK, as_parts, perturbations, provenance_of
from geomrob.arrays import norms
from geomrob.errors import UsageError
from geomrob.results import AttackResult, BandEnergy
from geomrob.runs import Clock
from geomrob.spectral.spectra import band_shares
from geomrob.spectral.subspaces import Subspace


def band_energy(
    results: AttackResult | Sequence[AttackResult],
    subspaces: Sequence[Subspace],
    *,
    name: str = "model",
    data: str = "images",
    attack: str = "attack",
) -> BandEnergy:
    """Return the share of each perturbation's energy in each band; failed attacks are left out and counted.

    Args:
        results: As in `perturbation_spectrum`.
        subspaces: Bands of one basis: the sliding blocks of the DCT are those of the thesis.
        name, data, attack: How the result calls model, data and attack.

    Returns:
        Shares bands x perturbations; `quantiles(0.05, 0.5, 0.95)` are the curves of the figure.

    Raises:
        UsageError: No attack succeeded with a perturbation, or as `band_shares`.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, EPFL, 2022, section 4.4.2, Fig.
        4.12 (95th percentile).

    Differences:
        The figure does not say its unit: both share and energy are kept, all three percentiles are at hand.

    Example:
        >>> from geomrob.attacks import deepfool
        >>> from geomrob.spectral.bases import basis
        >>> from geomrob.spectral.subspaces import rings
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> found = deepfool(model, torch.rand(5, 1, 8, 8))
        >>> energy = band_energy(found, rings(basis("dct", (8, 8)), 3))
        >>> bool(torch.allclose(energy.shares.sum(0), torch.ones(5, dtype=torch.float64)))
        True
    """
    parts = as_parts(results)
    clock = Clock(seed=0, device=parts[0].inputs.device)
    found = perturbations(parts)
    moved = found[norms(found) > 0]
    if not len(moved):
        raise UsageError("results must hold a perturbation; got none or zeros only: nothing was changed")
    pieces = [band_shares(piece, subspaces) for piece in moved.split(CHUNK)]
    return BandEnergy(
        model=name,
        data=data,
        attack=attack,
        basis=subspaces[0].basis.name,
        bands=tuple(band.name for band in subspaces),
        frequency=torch.tensor([band.frequency for band in subspaces], dtype=torch.float64),
        dimensions=torch.tensor([band.dimension(moved.shape[1]) for band in subspaces]),
        shares=torch.cat([shares for shares, _ in pieces], 1).cpu(),
        energy=torch.cat([energy for _, energy in pieces]).cpu(),
        left_out=sum(len(part.success) for part in parts) - len(moved),
        provenance=provenance_of(clock, parts),
    )
