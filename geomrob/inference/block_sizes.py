"""Which smaller calls of a model return the same bits as full ones, so that a few rows need no padding to a block."""

import contextlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from geomrob.inference.outputs import Scores

if TYPE_CHECKING:
    from geomrob.inference.prepared import Prepared

SHARES = (3 / 4, 1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8, 1 / 16)
"""Sizes that are tried, as shares of a block."""

LEAST = 4
"""Fewer rows take other kernels in most networks, and cost as much."""

FAILURES = (RuntimeError, ValueError, AssertionError, IndexError, TypeError, MemoryError)
"""What a model may raise that takes one image only, or one number of them."""

WORTH = 3
"""Blocks of padding after which smaller sizes are looked for, which takes about as much time."""


@dataclass
class Sizes:
    """What is known of a model: rows of padding so far, and the sizes that need none, by what the block depends on."""

    padding: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    equal: dict[Hashable, tuple[int, ...]] = field(default_factory=dict[Hashable, tuple[int, ...]])


def rows_of_call(ready: "Prepared", count: int, block: int) -> int:
    """Return with how many rows, padding included, some rows are called: the block, or the next size of equal bits."""
    if count == block or ready.device.type != "cpu" or not ready.checked:
        # Where checks are off, nothing is asked of the model but what the caller asks.
        return block
    key, known = (ready.key, block), ready.measured.sizes
    if key not in known.equal:
        known.padding[key] = known.padding.get(key, 0) + block - count
        if known.padding[key] < WORTH * block:
            return block
        known.equal[key] = (block,)
        # A model may take blocks of one size alone.
        with contextlib.suppress(*FAILURES), ready:
            known.equal[key] = equal_sizes(ready, block)
    return next(size for size in known.equal[key] if size >= count)


def equal_sizes(ready: "Prepared", block: int) -> tuple[int, ...]:
    """Return the sizes of calls whose logits and gradients are those of full blocks to the last bit, rising.

    Every smaller size is tried, on random images, which depend on nothing but their shape: what a kernel adds up in
    another order shows in some of thousands of numbers. The first size that differs ends the search. The block itself
    is always among them.

    Args:
        ready: A model prepared for images on a CPU.
        block: Rows of a full call.
    """
    sizes = sorted({int(share * block) for share in SHARES if share * block >= LEAST}, reverse=True)
    drawn = torch.rand(block, *ready.images.shape[1:], generator=torch.Generator().manual_seed(0))
    images = drawn.to(ready.images)
    equal = [block]
    whole = _outputs(ready, images)
    for size in sizes:
        # The last rows of a block are the first of this call: a row has another place in it as well.
        if not all(map(torch.equal, _outputs(ready, images[-size:]), (full[-size:] for full in whole))):
            break
        equal.append(size)
    return tuple(reversed(equal))


def _outputs(ready: "Prepared", images: Tensor) -> list[Tensor]:
    """Return what a call returns, with and without a graph, and its gradient in the images where it has one."""
    with torch.no_grad():
        results: list[Tensor] = [_finite(ready.scores(images))]
    if ready.forward_only:
        return results
    points = images.detach().requires_grad_()
    with torch.enable_grad():
        scores = ready.scores(points)
        if scores.requires_grad:
            weights = torch.linspace(-1, 1, scores.shape[1], dtype=scores.dtype, device=scores.device)
            (found,) = cast(
                "tuple[Tensor | None]", torch.autograd.grad((scores * weights).sum(), points, allow_unused=True)
            )
            results += [] if found is None else [_finite(found)]
    return [*results, _finite(scores.detach())]


def _finite(values: Scores) -> Tensor:
    """Return values of which equal ones compare as equal, NaN included."""
    return torch.nan_to_num(values, nan=12345.678)
