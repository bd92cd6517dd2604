"""The mean spectrum of a batch with its profiles: what the spectra of images, perturbations and kernels share."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Images, norms, per_sample
from geomrob.errors import UsageError, unknown
from geomrob.results import AttackResult, Provenance, Spectrum
from geomrob.runs import Clock, Run, ranges, work
from geomrob.spectral.spectra import (
    Channels,
    direction_means,
    frequencies,
    modulus,
    ring_means,
    transform,
)

Progress = Callable[[int, int], object]

ORDERS = ("mean-of-modulus", "modulus-of-mean")

CHUNK = 256
"""Images transformed at once."""

DIRECTIONS = 18
"""Directions of the azimuthal profile: steps of 10 degrees."""


def mean_spectrum(
    images: Images,
    *,
    kind: str = "power",
    order: str = "mean-of-modulus",
    norm: str = "ortho",
    window: str = "none",
    channels: Channels = "average",
    unit_norm: bool,
    of: str,
    name: str,
    data: str,
    method: str,
    clock: Clock,
    unit: str = "cycles per image",
    left_out: int = 0,
    parts: Sequence[AttackResult] = (),
    progress: Progress | None = None,
    run: Run | None = None,
) -> Spectrum:
    """Return the spectrum of images that belong to it, and its profiles."""
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    images, zeros = _scaled(images) if unit_norm else (images, 0)
    if not len(images) or not bool(torch.isfinite(images).all()):
        found = "NaN or infinity" if len(images) else "none"
        raise UsageError(f"images must be finite, and at least one; got {found}: repair or drop them")
    how: dict[str, Any] = {"kind": kind, "norm": norm, "window": window, "channels": channels}
    count, size = len(images), CHUNK * max(1, ELEMENTS // (CHUNK * math.prod(images.shape[1:])))
    sums = work(run, f"spectra of {name}", partial(summed_part, images, **how), ranges(count, size), progress=progress)
    rings = torch.cat([part["rings"] for part in sums])
    if order == "modulus-of-mean":
        whole = torch.view_as_complex(torch.cat([part["planes"] for part in sums])).sum(0)
        values = modulus(whole[None] / count, kind=kind, channels=channels)[0]
        planes = (transform(piece, norm=norm, window=window, channels=channels).cpu() for piece in images.split(CHUNK))
        without = ((whole - piece) / max(1, count - 1) for piece in planes)
        spread = torch.cat([ring_means(modulus(piece, kind=kind, channels=channels))[0] for piece in without])
    else:
        values = torch.cat([part["values"] for part in sums]).sum(0) / count
        spread = (rings.sum(0) - rings) / max(1, count - 1)
    radial, counts = ring_means(values)
    azimuthal, directions = direction_means(values, count=DIRECTIONS)
    error = ((spread - spread.mean(0)).square().sum(0) * ((count - 1) / count)).sqrt()
    return Spectrum(
        of=of,
        name=name,
        data=data,
        method=method,
        kind=kind,
        order=order,
        norm=norm,
        window=window,
        channels=str(channels),
        unit_norm=unit_norm,
        unit=unit,
        values=values.cpu(),
        vertical=frequencies(values.shape[0]),
        horizontal=frequencies(values.shape[1]),
        radial=radial.cpu(),
        error=error.cpu() if count > 1 else torch.full_like(error, torch.nan).cpu(),
        counts=counts.cpu(),
        rings=rings.cpu(),
        azimuthal=azimuthal.cpu(),
        angles=torch.arange(DIRECTIONS, dtype=torch.float64) * (180 / DIRECTIONS),
        directions=directions.cpu(),
        left_out=left_out + zeros,
        provenance=provenance_of(clock, parts),
    )


ELEMENTS = 1 << 22
"""Of the images of a part, which is a whole number of chunks."""


def summed_part(
    images: Images, piece: slice, *, kind: str, norm: str, window: str, channels: Channels
) -> dict[str, Tensor]:
    """Return the mean of each ring of each of some images, and for each chunk the sums of planes and of spectra.

    Args:
        images: All of them.
        piece: Which of them, from the start of a chunk on.
        kind, norm, window, channels: As in `image_spectrum`.
    """
    rings, sums, values = list[Tensor](), list[Tensor](), list[Tensor]()
    for start in range(piece.start, piece.stop, CHUNK):
        chunk = images[start : min(start + CHUNK, piece.stop)]
        planes = transform(chunk, norm=norm, window=window, channels=channels)
        spectra = modulus(planes, kind=kind, channels=channels)
        rings.append(ring_means(spectra)[0].cpu())
        sums.append(torch.view_as_real(planes.sum(0)).cpu())
        values.append(spectra.sum(0).cpu())
    return {"rings": torch.cat(rings), "planes": torch.stack(sums), "values": torch.stack(values)}


def as_parts(results: AttackResult | Sequence[AttackResult]) -> list[AttackResult]:
    """Return the results as a list of at least one."""
    parts = [results] if isinstance(results, AttackResult) else list(results)
    if not parts:
        raise UsageError("results must hold at least one attack result; got none: run an attack")
    return parts


def perturbations(parts: Sequence[AttackResult]) -> Images:
    """Return the perturbations of the attacks that succeeded."""
    # The difference is taken in float64: rounding it again would put energy where the attack put none.
    found = torch.cat([(part.perturbed.double() - part.inputs.double())[part.success] for part in parts])
    if not len(found):
        count = sum(len(part.success) for part in parts)
        raise UsageError(f"results must hold a successful attack; got {count} failures: see their status")
    return found


def _scaled(images: Images) -> tuple[Float[Tensor, "m c h w"], int]:
    """Return images of norm one, and how many were zero and are left out."""
    size = norms(images.double())
    return images[size > 0] / per_sample(size[size > 0], images), int((size == 0).sum())


def provenance_of(clock: Clock, parts: Sequence[AttackResult]) -> Provenance:
    """Return the birth certificate: the seconds of the analysis, the evaluations of the attacks behind it."""
    return clock.provenance(
        forwards=sum(int(part.forwards.sum()) for part in parts),
        backwards=sum(int(part.backwards.sum()) for part in parts),
    )
