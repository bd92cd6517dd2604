"""A model prepared once: held in eval mode, measured lazily, evaluated in fixed padded blocks, counted."""

import contextlib
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from types import TracebackType

import torch
from torch import Tensor

from geomrob.arrays import Images, ImagesLike, Labels, Logits, Model, as_images, check_count
from geomrob.errors import UsageError, note
from geomrob.inference.block_sizes import FAILURES, Sizes, rows_of_call
from geomrob.inference.classes import check_finite, predicted_classes
from geomrob.inference.evaluations import MEMORY
from geomrob.inference.logits_and_gradients import evaluating, kept_bytes, out_of_memory, scores
from geomrob.inference.outputs import (
    FlattenedError,
    Reading,
    Scores,
    check_outputs,
    oddities,
    said_outputs,
    settle,
    to_logits,
)
from geomrob.inference.repeatability import repeated, unchanged

CPU_BLOCK, GPU_BLOCK = 64, 4096
"""Most samples of one call: what stays in a CPU's cache, and what fills a GPU."""

CPU_FORWARD_BLOCK = 16
"""The same on a CPU where only logits are wanted: small, since single images are padded to it."""

ONE_IMAGE = "the model takes one image at a time: it is called for each image alone"


@dataclass(frozen=True)
class Measured:
    """What is known of a model; of its logits, for one set of images."""

    bytes: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    blocks: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    sizes: Sizes = field(default_factory=Sizes)
    clean: dict[Hashable, Logits] = field(default_factory=dict[Hashable, Logits])
    deterministic: dict[Hashable, tuple[bool, bool]] = field(default_factory=dict[Hashable, tuple[bool, bool]])
    reading: Reading = field(default_factory=Reading)


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
        block: Rows of one call, instead of what fits the budget; that of a `Prepared` given, if it was given one.
        outputs: What the model returns: "logits", "probabilities" (their logarithm is taken) or "auto" (they are
            recognised on the clean images). By default what the model's attribute `output_kind` says, if it is one, or
            what a `Prepared` given was made with; else auto.
        checked: Whether attacks refuse a model that is not deterministic or looks at the other images of a call;
            that of a `Prepared` given, else True.

    Attributes:
        model, images, memory, forward_only, checked: As given; the plain model, also of a `Prepared`.
        measured: What has been measured so far.
        on_rows: Called with the number of rows after each call of `in_blocks`, also of those made of this one later,
            for progress; None for nothing.

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
        images: ImagesLike,
        *,
        memory: int | None = None,
        forward_only: bool = False,
        block: int | None = None,
        outputs: str | None = None,
        checked: bool | None = None,
    ) -> None:
        known = model if isinstance(model, Prepared) else None
        self.model: Model = plain(model)
        self.images = as_images(images).detach()
        self.memory = MEMORY if known is None else known.memory
        if memory is not None:
            self.memory = check_count("memory", memory, 1, "1 GiB is the default", " bytes", most=2**63 - 1)
        self.forward_only = forward_only
        self.given_block = known.given_block if block is None and known is not None else block
        self._version = _version(self.images)
        self.checked = (known is None or known.checked) if checked is None else checked
        self.on_rows: Callable[[int], object] | None = None if known is None else known.on_rows
        self._part = known is not None and known._part and known.holds(self.images)  # noqa: SLF001
        self._held: list[contextlib.ExitStack] = []
        self.measured = Measured(reading=Reading(said_outputs(self.model) if outputs is None else outputs))
        self._first: Prepared | None = None
        check_outputs(self.measured.reading.outputs)
        if known is not None and outputs in (None, known.measured.reading.outputs):
            old = known.measured
            same = known.holds(self.images)
            self.measured = old if same else replace(old, clean={}, deterministic={})
            # What the outputs are is settled on the images that the first of them was prepared for.
            self._first = None if same or old.reading.kind else known
        kind = self.device.type
        if torch.is_autocast_enabled(kind):
            self.measured.reading.autocast = torch.get_autocast_dtype(kind)

    def run_identity(self) -> dict[str, object]:
        """Return what logits and gradients depend on, to the last bit on one kind of machine: see `runs.fingerprint`.

        The memory counts by the block that follows from it.
        """
        reading = self.measured.reading
        return {
            "model": self.model,
            "images": self.images,
            "block": self.block,
            "outputs": reading.outputs,
            "autocast": reading.autocast,
            "device": self.device.type,
        }

    def __getstate__(self) -> dict[str, object]:
        """Return what another process needs; what this one does meanwhile (eval mode, progress) stays here."""
        return {**vars(self), "_held": [], "on_rows": None}

    def __enter__(self) -> "Prepared":
        held = contextlib.ExitStack()
        held.enter_context(evaluating(self.model))
        if self.measured.reading.autocast is not None:
            # The search is no part of the model: its products keep their precision.
            held.enter_context(torch.autocast(self.device.type, enabled=False))
        self._held.append(held)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.pop().__exit__(kind, error, trace)

    def __call__(self, images: Images) -> Logits:
        """Return the logits of one call, (N, K) in the type of the images, whatever the model returns.

        Probabilities are recognised on the clean images, which are evaluated first if they were not.
        """
        if not self.measured.reading.kind:
            self._evaluate_clean()
        return to_logits(self.scores(images), self.measured.reading.kind)

    def scores(self, images: Images) -> Tensor:
        """Return what the model returns in one call, one row an image."""
        kind, dtype = images.device.type, self.measured.reading.autocast
        with contextlib.nullcontext() if dtype is None else torch.autocast(kind, dtype=dtype):
            return scores(self.model, images, self.measured.reading.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was converted or left out on the way to the logits, a sentence each; what a loaded model notes first."""
        return (*getattr(self.model, "notes", ()), *self.measured.reading.notes)

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
        if self.key not in self.measured.blocks:
            self.measured.blocks[self.key] = self._fitting() if self.given_block is None else self.given_block
        return self.measured.blocks[self.key]

    @property
    def clean(self) -> Logits:
        """The logits (N, K) of the images.

        Raises:
            UsageError: Not one of them is finite, or the model returns no (N, K) logits.
        """
        logits = self._evaluate_clean()
        if not self._part:
            check_finite(logits)
        return logits

    def _evaluate_clean(self) -> Logits:
        """Return the logits of the images, finite or not; what the model returns is known from here on."""
        known = self.measured.clean
        if self.key not in known:
            with self, torch.no_grad():
                known[self.key] = self.read(self.in_blocks(lambda part: (self.scores(part),), self.images)[0])
        return known[self.key]

    def read(self, scores: Scores) -> Logits:
        """Return as logits what the model returned for the clean images; what it is, is settled and noted here.

        Raises:
            UsageError: They are not what the caller says of them.
        """
        reading = self.measured.reading
        if not reading.kind and self._first is not None:
            self._first._evaluate_clean()  # noqa: SLF001 - another one of these
        if not reading.kind:
            before = len(reading.notes)
            settle(reading, scores)
            reading.notes += oddities(scores, self.images)
            for text in reading.notes[before:]:
                note(text)
        return to_logits(scores, reading.kind)

    @property
    def predictions(self) -> Labels:
        """The predicted class of each image; -1 where the model returned NaN."""
        return predicted_classes(self.clean)

    @property
    def deterministic(self) -> bool:
        """Whether the first images get exactly the same logits when they are evaluated again."""
        return self._repeated()[0]

    @property
    def independent(self) -> bool:
        """Whether they get the same logits, apart from rounding, among other images than before."""
        return self._repeated()[1]

    def check_deterministic(self) -> None:
        """Refuse a model whose logits for an image change when it is evaluated again, or among other images.

        Raises:
            UsageError: They do. Nothing is refused where `checked` is off.
        """
        if not self.checked:
            return
        if not self.deterministic:
            raise UsageError(
                "model must be deterministic; got two different outputs for the same images: switch its random layers "
                "off"
            )
        if not self.independent:
            raise UsageError(
                "model must return the same logits for an image whatever the other images of a call; got another: "
                "use running statistics, or a wrapper that evaluates one image at a time"
            )

    def check_unchanged(self, images: Images | None = None, logits: Logits | None = None) -> None:
        """Refuse a model that by now returns other logits than it did, for clean images or for these.

        Args:
            images, logits: What is evaluated again, each among other images than before, and its logits so far.

        Raises:
            UsageError: They differ by more than rounding. Nothing is refused where `checked` is off.
        """
        if not self.checked:
            return
        if not unchanged(self, images, logits):
            raise UsageError(
                "model must return the same logits for the same image throughout; got others after the search than "
                "before or during it: switch off what changes between calls or depends on the other images"
            )

    def _repeated(self) -> tuple[bool, bool]:
        if self.key not in self.measured.deterministic:
            self.measured.deterministic[self.key] = repeated(self)
        return self.measured.deterministic[self.key]

    def rows(self, piece: slice | Labels, images: Images | None = None) -> "Prepared":
        """Return the model prepared for some of the images, given where they are read already, and what is known."""
        images = self.images[piece] if images is None else images
        part = Prepared(self, images, forward_only=self.forward_only, block=self.given_block)
        part._part = True
        part.measured.clean.update((key, logits[piece]) for key, logits in self.measured.clean.items())
        return part

    def logits(self, images: Images) -> Logits:
        """Return the logits of any images of this shape, one forward evaluation each."""
        with self, torch.no_grad():
            return self.in_blocks(lambda part: (self(part),), images)[0]

    def in_blocks(self, call: Callable[..., tuple[Tensor, ...]], *rows: Tensor) -> tuple[Tensor, ...]:
        """Return what `call` returns for all rows, called with blocks of one shape; halved where memory runs out.

        Args:
            call: Takes a block of each of `rows`, padded by its last row, and returns tensors with as many rows. One
                that is not full is padded, on a CPU only to the next of the sizes that return the same bits.
            rows: Tensors of equal length, at least 1.
        """
        while True:
            block, parts = self.block, list[tuple[Tensor, ...]]()
            try:
                for start in range(0, len(rows[0]), block):
                    taken = [part[start : start + block] for part in rows]
                    count = len(taken[0])
                    if missing := rows_of_call(self, count, block) - count:
                        taken = [torch.cat((part, part[-1:].expand(missing, *part.shape[1:]))) for part in taken]
                    parts.append(tuple(output[:count] for output in call(*taken)))
                    self.measured.reading.batched |= block > 1
                    if self.on_rows is not None:
                        self.on_rows(count)
                return tuple(torch.cat(part) for part in zip(*parts, strict=True))
            except FAILURES as error:
                if block == 1 or isinstance(error, FlattenedError) or not (out_of_memory(error) or self._takes_one()):
                    raise
                short = out_of_memory(error)
                smaller = block // 2 if short else 1
            if short:
                note(f"memory ran out with {block} images at a time: {smaller} from here on, which moves last digits")
            self.measured.blocks[self.key] = smaller
            if self.images.is_cuda:
                torch.cuda.empty_cache()

    def _takes_one(self) -> bool:
        """Return whether a model that failed with several images takes a single one, which is then noted."""
        reading = self.measured.reading
        if reading.batched:
            return False
        try:
            with self, torch.no_grad():
                self.scores(self.images[:1])
        except FAILURES:
            return False
        if ONE_IMAGE not in reading.notes:
            reading.notes.append(ONE_IMAGE)
            note(ONE_IMAGE)
        return True

    @property
    def key(self) -> Hashable:
        """What the block size and with it the last bits of the logits depend on, the model apart."""
        return (*self._kind, self.memory, self.forward_only, self.given_block)

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
                try:
                    both = kept_bytes(self.scores, first.repeat(2, 1, 1, 1))
                except FAILURES as error:
                    if isinstance(error, FlattenedError) or not self._takes_one():
                        raise
                    return 1
                self.measured.reading.batched = True
                try:
                    # What the second image adds belongs to an image; the rest are the weights.
                    added = both - kept_bytes(self.scores, first)
                except FAILURES as error:
                    raise UsageError(
                        f"model must take a single image too; got {str(error).splitlines()[0]!r}: use running "
                        "statistics, those of eval mode"
                    ) from error
            self.measured.bytes[self._kind] = 2 * max(0, added) + 8 * one
        fit = max(1.0, self.memory / 2 / self.measured.bytes[self._kind])
        return min(CPU_BLOCK if cpu else GPU_BLOCK, 1 << max(0, int(math.log2(fit))))

    def holds(self, images: Images) -> bool:
        """Return whether these are the same images, unchanged since."""
        own, other = ((x.data_ptr(), x.shape, x.stride(), x.dtype, x.device) for x in (self.images, images))
        return own == other and self._version == _version(images)


def plain(model: Model) -> Model:
    """Return the model itself, of a `Prepared` the one that was prepared."""
    return model.model if isinstance(model, Prepared) else model


def _version(images: Tensor) -> int:
    """Return what changes when a tensor is changed in place."""
    return -1 if images.is_inference() else images._version  # noqa: SLF001 - torch has no other name for it
