"""How a model is asked: in eval mode, in calls that fit the memory, and answering with one score per class."""

import contextlib
import math
from collections.abc import Generator
from typing import cast

import torch
from torch import Tensor, nn

from geomrob.arrays import Images, Logits, Model
from geomrob.errors import UsageError

MEMORY = 1 << 30
"""Default budget in bytes for activations and search state together."""

CPU_BLOCK, GPU_BLOCK = 64, 4096
"""Most samples of one call: what stays in a CPU's cache, and what fills a GPU."""


@contextlib.contextmanager
def evaluating(model: Model) -> Generator[None]:
    """Hold a module in eval mode with parameter gradients off; put everything back afterwards, also after an error."""
    if not isinstance(model, nn.Module):
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter in wanted:
            parameter.requires_grad_(True)


def scores(model: Model, images: Images) -> Logits:
    """Return what the model says of the images, refused in one sentence if that is not one score per class."""
    logits = cast("object", model(images))
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        found = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise UsageError(f"model must return a tensor of float logits; got {found}: wrap it in a function that does")
    if logits.ndim != 2 or len(logits) != len(images) or logits.shape[1] < 2:
        raise UsageError(
            f"model must return logits shaped (N, K) with K >= 2; got {tuple(logits.shape)} for {len(images)} images: "
            "return one score per class"
        )
    return logits


def slope(value: Tensor, images: Images, *, again: bool) -> Images:
    """Return the gradient of a scalar in the images; `again` keeps the graph for another one."""
    if value.requires_grad:
        found = torch.autograd.grad(value, images, retain_graph=again, allow_unused=True)
        (gradient,) = cast("tuple[Tensor | None]", found)
        if gradient is not None:
            return gradient
    raise UsageError(
        "model must be differentiable in its inputs; got logits without a gradient: remove no_grad, detach or numpy"
    )


def block_size(model: Model, example: Images, memory: int = MEMORY) -> int:
    """Return how many samples one call of the model takes: a power of two, at most 64 on a CPU, 4,096 on a GPU.

    It is found from what autograd keeps of one sample, so it depends on model, image shape and budget alone. On a CPU
    small blocks stay in the cache and cost no speed.
    """
    one = example[:1].detach()
    # What the second sample adds belongs to a sample; the rest are the weights.
    each = 2 * max(0, _kept(model, one.repeat(2, 1, 1, 1)) - _kept(model, one)) + 8 * one.numel() * one.element_size()
    most = CPU_BLOCK if example.device.type == "cpu" else GPU_BLOCK
    return min(most, 1 << max(0, int(math.log2(max(1.0, memory / 2 / each)))))


def _kept(model: Model, images: Images) -> int:
    """Return the bytes that autograd keeps of one call for its backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def give(tensor: Tensor) -> Tensor:
        return tensor

    where = images.clone().requires_grad_()
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, give):
        scores(model, where)
    return sum(kept.values())


def out_of_memory(error: RuntimeError) -> bool:
    """Return whether this is how torch says that memory ran out, on a GPU or on a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
