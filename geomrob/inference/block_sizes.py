"""Which smaller calls of a model return the same bits as full ones, so that a few rows need no padding to a block."""

import contextlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from geomrob.inference.prepared import Prepared

SHARES = (3 / 4, 1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8, 1 / 16)
"""Sizes that are tried, as shares of a block."""

LEAST = 4
"""Fewer rows take other kernels in most networks, and cost as much."""

FAILURES = (RuntimeError, ValueError, AssertionError, IndexError, TypeError, MemoryError)
"""What a model may raise that takes one image only, or one number of them."""

PLAIN = (bool, int, float, str)
"""Attributes of a module that are compared by value."""

WORTH = 3
"""Blocks of padding after which smaller sizes are looked for, which takes about as much time."""


@dataclass
class Sizes:
    """What is known of a model: rows of padding so far, and the sizes that need none, by what the block depends on."""

    padding: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    equal: dict[Hashable, tuple[int, ...]] = field(default_factory=dict[Hashable, tuple[int, ...]])

    def pad(self, key: Hashable, rows: int) -> int:
        """Return the rows of padding so far, with these."""
        self.padding[key] = self.padding.get(key, 0) + rows
        return self.padding[key]


_SEEN: WeakKeyDictionary[nn.Module, tuple[object, dict[Hashable, tuple[int, ...]]]] = WeakKeyDictionary()
"""What was found of each model in this process, and what it looked like then: a second attack looks for nothing."""


def rows_of_call(ready: "Prepared", count: int, block: int) -> int:
    """Return with how many rows, padding included, some rows are called: the block, or the next size of equal bits."""
    if count == block or ready.device.type != "cpu" or not ready.checked:
        # Where checks are off, nothing is asked of the model but what the caller asks.
        return block
    key, known = (ready.key, block), ready.measured.sizes
    if key not in known.equal:
        with ready:
            if key not in known.padding and (seen := _seen(ready).get(_kernels(ready, block))):
                known.equal[key] = seen
            elif known.pad(key, block - count) < WORTH * block:
                return block
            else:
                known.equal[key] = (block,)
                # A model may take blocks of one size alone.
                with contextlib.suppress(*FAILURES):
                    known.equal[key] = equal_sizes(ready, block)
                _seen(ready)[_kernels(ready, block)] = known.equal[key]
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


def _finite(values: Tensor) -> Tensor:
    """Return values of which equal ones compare as equal, NaN included."""
    return torch.nan_to_num(values, nan=12345.678)


def _seen(ready: "Prepared") -> dict[Hashable, tuple[int, ...]]:
    """Return what was found of a module as it is now, by its kernels; nothing of what is no module or has changed."""
    if not isinstance(ready.model, nn.Module):
        return {}
    state = [_state(part) for part in ready.model.modules()]
    if ready.model not in _SEEN or _SEEN[ready.model][0] != state:
        _SEEN[ready.model] = state, {}
    return _SEEN[ready.model][1]


def _kernels(ready: "Prepared", block: int) -> Hashable:
    """Return what decides on the kernels of a call, the model apart."""
    precision = torch.get_float32_matmul_precision(), ready.measured.reading.autocast
    switches = torch.backends.mkldnn.enabled, torch.are_deterministic_algorithms_enabled()
    return ready.key, block, torch.get_num_threads(), precision, switches


def _state(part: nn.Module) -> list[object]:
    """Return what changes when a module does: its tensors by place and version, all else by value or identity."""
    tensors = (*part.parameters(recurse=False), *part.buffers(recurse=False))
    state: list[object] = [type(part)]
    for tensor in tensors:
        version = -1 if tensor.is_inference() else tensor._version  # noqa: SLF001 - torch has no other name for it
        state.append((tensor.data_ptr(), version, tensor.shape, tensor.stride(), tensor.dtype, tensor.device))
    for name, value in vars(part).items():
        held = cast("Mapping[object, object]", value) if isinstance(value, dict) else {None: value}
        if name not in ("_parameters", "_buffers"):
            state += [name, *(one if isinstance(one, PLAIN) else id(one) for one in held.values())]
    return state
