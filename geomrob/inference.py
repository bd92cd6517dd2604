"""How a model is evaluated: prepared once (eval mode, block size, determinism, clean logits), in fixed padded blocks.

Every call of the model has the same batch shape (`Prepared.block` rows, the last one repeated as padding), because the
rounding of a matrix product depends on the shape of the batch and a search can amplify it. So the output for an image
does not depend on its neighbours, on their order or on how many images are left. The block follows from the model, the
image shape and the memory budget: another budget may give other last bits.
"""

import contextlib
import math
from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from geomrob.arrays import Distances, Images, Labels, Logits, Model
from geomrob.errors import UsageError

MEMORY = 1 << 30
"""Default budget in bytes for activations and search state together."""

CPU_BLOCK, GPU_BLOCK = 64, 4096
"""Most samples of one call: what stays in a CPU's cache, and what fills a GPU."""

CPU_FORWARD_BLOCK = 16
"""The same on a CPU where only logits are wanted: small, since single images are padded to it."""

PROBED = 8
"""How many images the determinism probe evaluates again."""

Objective = Callable[[Logits, Labels], Float[Tensor, "n r"]]
"""Maps logits and the rows that they belong to onto r scalars a row, whose gradients are wanted."""


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

    Example:
        >>> net, images = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), torch.rand(4, 1, 4, 4)
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

    def rows(self, piece: slice | Labels) -> "Prepared":
        """Return the model prepared for some of the images, with what is known of them."""
        part = Prepared(self, self.images[piece], forward_only=self.forward_only, block=self._block)
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
                added = _kept(self.model, first.repeat(2, 1, 1, 1)) - _kept(self.model, first)
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


@contextlib.contextmanager
def evaluating(model: Model) -> Generator[None]:
    """Hold a module in eval mode with parameter gradients off; restore everything afterwards, also after an error."""
    module = plain(model)
    if not isinstance(module, nn.Module):
        yield
        return
    modes = [(part, part.training) for part in module.modules()]
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    module.eval()
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        for parameter in trained:
            parameter.requires_grad_(True)


def evaluate(model: Model, images: Images) -> Logits:
    """Return the model's logits in one call.

    Raises:
        UsageError: It is not one float a class for each image.
    """
    output = cast("object", model(images))
    if not isinstance(output, Tensor) or not output.is_floating_point():
        kind = output.dtype if isinstance(output, Tensor) else type(output).__name__
        raise UsageError(f"model must return a tensor of float logits; got {kind}: wrap it in a function that does")
    if output.ndim != 2 or len(output) != len(images) or output.shape[1] < 2:
        raise UsageError(
            f"model must return logits shaped (N, K) with K >= 2; got {tuple(output.shape)} for {len(images)} images: "
            "return one score per class"
        )
    return output


def gradients(model: Model, images: Images, rows: Labels, objective: Objective) -> tuple[Logits, Tensor, list[Images]]:
    """Return logits, r objectives and the gradient of each in the images, in one call: r vector-Jacobian products.

    Args:
        model: Images to logits.
        images: One block.
        rows: What the objective is given for each image.
        objective: What is differentiated.

    Raises:
        UsageError: The logits have no gradient in the images.
    """
    points = images.detach().requires_grad_()
    with torch.enable_grad():
        outputs = evaluate(model, points)
        values = objective(outputs, rows)
        sums = values.sum(0).unbind()
    results = [gradient(total, points, again=r + 1 < len(sums)) for r, total in enumerate(sums)]
    return outputs.detach(), values.detach(), results


def gradient(value: Tensor, images: Images, *, again: bool = False) -> Images:
    """Return the gradient of a scalar in the images; `again` keeps the graph for another one.

    Raises:
        UsageError: The scalar has none.
    """
    if value.requires_grad:
        (result,) = cast(
            "tuple[Tensor | None]", torch.autograd.grad(value, images, retain_graph=again, allow_unused=True)
        )
        if result is not None:
            return result
    raise UsageError(
        "model must be differentiable in its inputs; got logits without a gradient: remove no_grad, detach or numpy"
    )


def logit_gap(outputs: Logits, labels: Labels, targets: Labels | None = None) -> Distances:
    """Return f_c - max_{k != c} f_k for the classes c of `labels`, or its negative for those of `targets`.

    It is negative exactly where the output is adversarial: another class than the label, or the target, is on top.
    """
    held = labels if targets is None else targets
    own = outputs.gather(1, held[:, None]).squeeze(1)
    best = outputs.scatter(1, held[:, None], -math.inf).amax(1)
    return own - best if targets is None else best - own


def is_adversarial(
    model: Model, images: Images, labels: Labels, targets: Labels | None = None, *, memory: int | None = None
) -> Bool[Tensor, " n"]:
    """Return where the model classifies the images as another class than `labels` (as that of `targets`, where given).

    One forward evaluation an image, in calls of the same shape as those of the attacks: what they call a success is
    one here. Ties and NaN logits count as not adversarial.

    Args:
        model: Images (N, C, H, W) to logits (N, K).
        images: Any number of images, also none.
        labels: The class that each should not be classified as.
        targets: The class that each should be classified as; None if any other will do.
        memory: Bytes for activations; 1 GiB by default.

    Raises:
        UsageError: Labels or targets that are no classes of the model.
    """
    if not len(images):
        return torch.zeros(0, dtype=torch.bool, device=images.device)
    outputs = Prepared(model, images, memory=memory).logits(images)
    checked_classes("labels", labels, outputs)
    if targets is not None:
        checked_classes("targets", targets, outputs)
    return logit_gap(outputs, labels, targets) < 0


def accuracy(model: Model, images: Images, labels: Labels, *, block: int | None = None) -> float:
    """Return the share of images that the model classifies as labelled, in eval mode; its modes are restored.

    Args:
        model: Images to logits.
        images, labels: At least one, on the CPU or on the model's device, to which they are moved call by call.
        block: Images a call; by default as many as attacks use that need no gradients.
    """
    tensors = cast("dict[str, Tensor]", model.state_dict()) if isinstance(model, nn.Module) else {}
    device = next((tensor.device for tensor in tensors.values()), images.device)
    size = None if block is None else min(block, len(images))
    with Prepared(model, images[:1].to(device), forward_only=True, block=size) as ready, torch.no_grad():
        predicted = [ready.logits(part.to(device)).argmax(1).cpu() for part in images.split(ready.block)]
    return int((torch.cat(predicted) == labels.cpu()).sum()) / len(images)


def check_finite(outputs: Logits) -> None:
    """Refuse a model of which no logit is finite.

    Raises:
        UsageError: Not one is.
    """
    if not bool(torch.isfinite(outputs).any()):
        raise UsageError("model must return finite logits; got NaN or infinity for every image: check its weights")


def checked_classes(name: str, classes: Labels, outputs: Logits) -> Labels:
    """Return the classes, one an image, on the device of the logits; refuse what the logits have no column for."""
    count = outputs.shape[1]
    if classes.shape != outputs.shape[:1] or classes.dtype != torch.int64:
        kind = f"{tuple(classes.shape)} of {classes.dtype}"
        raise UsageError(f"{name} must be shaped ({len(outputs)},) of torch.int64; got {kind}: give one class an image")
    if bool(((classes < 0) | (classes >= count)).any()):
        kind = f"{int(classes.min())} to {int(classes.max())}"
        raise UsageError(f"{name} must be classes from 0 to {count - 1}; got {kind}: the model has {count} outputs")
    return classes.to(outputs.device)


def checked_targets(targets: Labels, outputs: Logits) -> Labels:
    """Return the targets, refusing those that are the current class already."""
    targets = checked_classes("targets", targets, outputs)
    same = (targets == outputs.argmax(1)).nonzero().flatten()
    if len(same):
        raise UsageError(
            f"targets must differ from the current class; got class {int(targets[same[0]])} for image "
            f"{int(same[0])}, which has it already: choose another target"
        )
    return targets


def chunks(count: int, each: int, memory: int) -> Iterator[slice]:
    """Yield slices that cover `count` items of `each` bytes so that one slice takes at most half the budget."""
    size = max(1, memory // 2 // max(1, each))
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))


def out_of_memory(error: RuntimeError) -> bool:
    """Return whether this is how torch reports that memory ran out, on a GPU or on a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def _kept(model: Model, images: Images) -> int:
    """Return the bytes that autograd keeps of one call for its backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def give(tensor: Tensor) -> Tensor:
        return tensor

    points = images.clone().requires_grad_()
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, give):
        evaluate(model, points)
    return sum(kept.values())


def _version(images: Tensor) -> int:
    """Return what changes when a tensor is changed in place."""
    return -1 if images.is_inference() else images._version  # noqa: SLF001 - torch has no other name for it
