"""One call of a model: in eval mode, to logits or to gradients in the images, refused in one sentence."""

import contextlib
from collections.abc import Callable, Generator
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import Images, Labels, Logits, Model
from geomrob.errors import UsageError

Objective = Callable[[Logits, Labels], Float[Tensor, "n r"]]
"""Maps logits and the rows that they belong to onto r scalars a row, whose gradients are wanted."""


@contextlib.contextmanager
def evaluating(model: Model) -> Generator[None]:
    """Hold a module in eval mode with parameter gradients off; restore everything afterwards, also after an error."""
    if not isinstance(model, nn.Module):
        yield
        return
    modes = [(part, part.training) for part in model.modules()]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
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


def out_of_memory(error: RuntimeError) -> bool:
    """Return whether this is how torch reports that memory ran out, on a GPU or on a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def kept_bytes(model: Model, images: Images) -> int:
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
