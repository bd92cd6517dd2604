"""A model prepared once: held in eval mode, measured lazily, evaluated in fixed padded blocks, counted."""

import contextlib
import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

import torch
from torch import Tensor

from geomrob.arrays import Images, Labels, Logits, Model
from geomrob.errors import UsageError
from geomrob.inference.classes import check_finite
from geomrob.inference.logits_and_gradients import evaluate, evaluating, kept_bytes, out_of_memory

MEMORY = 1 << 30
"""Default budget in bytes for activations and search state together."""

CPU_BLOCK, GPU_BLOCK = 64, 4096
"""Most samples of one call: what stays in a CPU's cache, and what fills a GPU."""

CPU_FORWARD_BLOCK = 16
"""The same on a CPU where only logits are wanted: small, since single images are padded to it."""

PROBED = 8
"""How many images the determinism probe evaluates again."""


@dataclass(frozen=True)
class Measured:
    """What is known of a model; of its logits, for one set of images."""

    bytes: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    blocks: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    clean: dict[Hashable, Logits] = field(default_factory=dict[Hashable, Logits])
    deterministic: dict[Hashable, bool] = field(default_factory=dict[Hashable, bool])


class Prepared:
    """A model ready to be evaluated on a set of images: made once, handed down, accepted wherever a model is.

    Inside `with` every sub-module is in eval mode and parameters collect no gradients; afterwards all is as it was.
    What is measured (block size, determinism, clean logits) is measured when first needed, and once: a `Prepared` made
    of a `Prepared` shares the measurements, the clean logits included where the images are the same. The model and the
    images must not change meanwhile.

    Args:
        model: Images (N, C, H, W) to logits (N, K), or a `Prepared` of such a model.
        images: The clean images, on the model's device.
        memory: Budget in bytes for activations and search state; that of a `Prepared` given, else 1 GiB.
        forward_only: Whether only logits are wanted: the block size then needs no measurement.
        block: Rows of one call, instead of what fits the budget.

    Attributes:
        model, images, memory, forward_only: As given; the plain model, also of a `Prepared`.
        measured: What has been measured so far.
        on_rows: Called with the number of rows after each call of `in_blocks`, for progress; None for nothing.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> images = torch.rand(4, 1, 4, 4)
        >>> with Prepared(net, images) as ready:
        ...     ready.clean.shape, ready.block, net.training
        (torch.Size([4, 3]), 64, False)
        >>> net.training
        True
    """

    def __init__(
        self,
        model: Model,
        images: Images,
        *,
        memory: int | None = None,
        forward_only: bool = False,
        block: int | None = None,
    ) -> None:
        known = model if isinstance(model, Prepared) else None
        self.model: Model = plain(model)
        self.images = images.detach()
        self.memory = (MEMORY if known is None else known.memory) if memory is None else memory
        self.forward_only = forward_only
        self._block = block
        self._version = _version(images)
        self.on_rows: Callable[[int], object] | None = None
        self._held: list[contextlib.AbstractContextManager[None]] = []
        self.measured = Measured()
        if known is not None:
            same = known.holds(images)
            self.measured = known.measured if same else Measured(known.measured.bytes, known.measured.blocks)

    def __enter__(self) -> "Prepared":
        held = evaluating(self.model)
        held.__enter__()
        self._held.append(held)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.pop().__exit__(kind, error, trace)

    def __call__(self, images: Images) -> Logits:
        """Return what the model returns in one call: a `Prepared` is a model."""
        return self.model(images)

    @property
    def device(self) -> torch.device:
        """Where images and model are."""
        return self.images.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the images."""
        return self.images.dtype

    @property
    def block(self) -> int:
        """Rows of one call: a power of two, at most 64 on a CPU (16 if `forward_only`), 4,096 on a GPU.

        It is found from what autograd keeps of one image, so it depends on model, image shape and budget alone; on a
        CPU small blocks stay in the cache and cost no speed. It is halved for good when memory runs out.
        """
        if self._key not in self.measured.blocks:
            self.measured.blocks[self._key] = self._fitting() if self._block is None else self._block
        return self.measured.blocks[self._key]

    @property
    def clean(self) -> Logits:
        """The logits (N, K) of the images.

        Raises:
            UsageError: Not one of them is finite, or the model returns no (N, K) logits.
        """
        known = self.measured.clean
        if self._key not in known:
            logits = self.logits(self.images)
            check_finite(logits)
            known[self._key] = logits
        return known[self._key]

    @property
    def predictions(self) -> Labels:
        """The predicted class of each image."""
        return self.clean.argmax(1)

    @property
    def deterministic(self) -> bool:
        """Whether the first images get exactly the same logits when they are evaluated again."""
        known = self.measured.deterministic
        if self._key not in known:
            clean = self.clean[:PROBED].nan_to_num()
            again = self.logits(self.images[:PROBED]).nan_to_num()
            # Logits may depend on the other images of the call: only equal calls must agree.
            same = torch.equal(again, clean) or torch.equal(again, self.logits(self.images[:PROBED]).nan_to_num())
            known[self._key] = same
        return known[self._key]

    def check_deterministic(self) -> None:
        """Refuse a model that returns other logits when the same images are evaluated again.

        Raises:
            UsageError: The model is not deterministic.
        """
        if not self.deterministic:
            raise UsageError(
                "model must be deterministic; got two different outputs for the same images: switch its random layers "
                "off"
            )

    def rows(self, piece: slice | Labels, images: Images | None = None) -> "Prepared":
        """Return the model prepared for some of the images, given where they are read already, and what is known."""
        images = self.images[piece] if images is None else images
        part = Prepared(self, images, forward_only=self.forward_only, block=self._block)
        part.measured.clean.update((key, logits[piece]) for key, logits in self.measured.clean.items())
        return part

    def logits(self, images: Images) -> Logits:
        """Return the logits of any images of this shape, one forward evaluation each."""
        with self, torch.no_grad():
            return self.in_blocks(lambda part: (evaluate(self.model, part),), images)[0]

    def in_blocks(self, call: Callable[..., tuple[Tensor, ...]], *rows: Tensor) -> tuple[Tensor, ...]:
        """Return what `call` returns for all rows, called with blocks of one shape; halved where memory runs out.

        Args:
            call: Takes a block of each of `rows`, padded by its last row, and returns tensors with as many rows.
            rows: Tensors of equal length, at least 1.
        """
        while True:
            block, parts = self.block, list[tuple[Tensor, ...]]()
            try:
                for start in range(0, len(rows[0]), block):
                    taken = [part[start : start + block] for part in rows]
                    count = len(taken[0])
                    if count < block:
                        taken = [torch.cat((part, part[-1:].expand(block - count, *part.shape[1:]))) for part in taken]
                    parts.append(tuple(output[:count] for output in call(*taken)))
                    if self.on_rows is not None:
                        self.on_rows(count)
                return tuple(torch.cat(part) for part in zip(*parts, strict=True))
            except RuntimeError as error:
                if block == 1 or not out_of_memory(error):
                    raise
            self.measured.blocks[self._key] = block // 2
            if self.images.is_cuda:
                torch.cuda.empty_cache()

    @property
    def _key(self) -> Hashable:
        """What the block size and with it the last bits of the logits depend on, the model apart."""
        return (*self._kind, self.memory, self.forward_only, self._block)

    @property
    def _kind(self) -> tuple[Hashable, ...]:
        return tuple(self.images.shape[1:]), self.dtype, self.device

    def _fitting(self) -> int:
        """Return the largest power of two of rows that fits the budget."""
        one, cpu = self.images[0].numel() * self.images.element_size(), self.device.type == "cpu"
        if self.forward_only:
            fit = self.memory // (64 * one)
            return min(CPU_FORWARD_BLOCK if cpu else GPU_BLOCK, 1 << max(0, fit.bit_length() - 1))
        if self._kind not in self.measured.bytes:
            with self:
                first = self.images[:1]
                # What the second image adds belongs to an image; the rest are the weights.
                added = kept_bytes(self.model, first.repeat(2, 1, 1, 1)) - kept_bytes(self.model, first)
            self.measured.bytes[self._kind] = 2 * max(0, added) + 8 * one
        fit = max(1.0, self.memory / 2 / self.measured.bytes[self._kind])
        return min(CPU_BLOCK if cpu else GPU_BLOCK, 1 << max(0, int(math.log2(fit))))

    def holds(self, images: Images) -> bool:
        """Return whether these are the same images, unchanged since."""
        own = self.images
        return (
            (own.data_ptr(), own.shape, own.stride(), own.dtype, own.device)
            == (images.data_ptr(), images.shape, images.stride(), images.dtype, images.device)
        ) and self._version == _version(images)


class Evaluations:
    """Forward and backward evaluations of a model, counted for each of P rows; a row given twice counts twice."""

    def __init__(self, count: int) -> None:
        self.forwards, self.backwards = (torch.zeros(count, dtype=torch.float64) for _ in range(2))

    def add(self, rows: Labels, forwards: float | Tensor = 0, backwards: float | Tensor = 0) -> None:
        """Count evaluations of these rows: one number for all of them, or one for each."""
        rows = rows.cpu()
        for total, number in ((self.forwards, forwards), (self.backwards, backwards)):
            if isinstance(number, Tensor) or number:
                total.index_add_(0, rows, torch.as_tensor(number, dtype=total.dtype, device="cpu").expand(len(rows)))

    def whole(self) -> tuple[Labels, Labels]:
        """Return the counts, rounded to whole numbers."""
        return self.forwards.round().long(), self.backwards.round().long()


def plain(model: Model) -> Model:
    """Return the model itself, of a `Prepared` the one that was prepared."""
    return model.model if isinstance(model, Prepared) else model


def chunks(count: int, each: int, memory: int) -> Iterator[slice]:
    """Yield slices that cover `count` items of `each` bytes so that one slice takes at most half the budget."""
    size = max(1, memory // 2 // max(1, each))
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))


def pieces(images: Images, memory: int | None, copies: int = 8) -> Iterator[tuple[slice, Images]]:
    """Yield images, in their order, with the slice that they are: lazy ones are read here, and dropped by the caller.

    Args:
        images: Any, also more than fit the memory.
        memory: Budget in bytes, 1 GiB by default; a piece takes half of it.
        copies: Arrays as large as a piece that the caller holds at once.
    """
    each = math.prod(images.shape[1:]) * images.element_size() * copies
    fit = max(1, (MEMORY if memory is None else memory) // 2 // each)
    # Like blocks, pieces are powers of two: a whole number of calls, so that an image shares its call with the same
    # others whatever the memory.
    size = 1 << (fit.bit_length() - 1)
    for start in range(0, len(images), size):
        piece = slice(start, min(len(images), start + size))
        yield piece, images[piece]


def _version(images: Tensor) -> int:
    """Return what changes when a tensor is changed in place."""
    return -1 if images.is_inference() else images._version  # noqa: SLF001 - torch has no other name for it
