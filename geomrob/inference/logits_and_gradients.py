"""One call of a model: in eval mode, to logits or to gradients in the images, refused in one sentence."""

import contextlib
import itertools
import sys
from collections.abc import Callable, Generator
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import Images, Labels, Logits, Model
from geomrob.errors import UsageError
from geomrob.inference.outputs import Scores, scores_of, to_logits

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
    """Return the model's outputs in one call as logits; what they are on other images is not known here.

    Raises:
        UsageError: As `scores`.
    """
    return to_logits(scores(model, images), "logits")


def scores(model: Model, images: Images, notes: list[str] | None = None) -> Scores:
    """Return what the model returns in one call, unwrapped: one row an image, in the type and on the device of these.

    The model gets a copy of the images, which it may write into, in its own type and on its own device. What it prints
    goes to stderr: stdout belongs to the results. A choice among its outputs is added to `notes`.

    Raises:
        UsageError: Its output is no row of floats an image, or it does not take images of this type.
    """
    own = _first_tensor(model)
    given = images if own is None else images.to(dtype=own.dtype).to(device=own.device)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            output = cast("object", model(given.clone() if given is images else given))
    except SystemExit as error:
        raise UsageError("model must return logits; got a call of exit: take it out of the network") from error
    except RuntimeError as error:
        if own is not None or not any(part in str(error) for part in TYPE_ERRORS):
            raise
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"model must take {images.dtype} images; got {reason!r}: cast them inside it, or give images of its type"
        ) from error
    return scores_of(output, len(images), notes).to(dtype=images.dtype).to(device=images.device)


TYPE_ERRORS = ("same dtype", "should be the same", "expected scalar type", "Input type")
"""Parts of what torch says of images of another type than the weights."""


def _first_tensor(model: Model) -> Tensor | None:
    """Return the first floating parameter or buffer of a module: images are wanted in its type, on its device."""
    if not isinstance(model, nn.Module):
        return None
    tensors = itertools.chain(model.parameters(), model.buffers())
    return next((tensor for tensor in tensors if tensor.is_floating_point()), None)


def gradients(model: Model, images: Images, rows: Labels, objective: Objective) -> tuple[Logits, Tensor, list[Images]]:
    """Return logits, r objectives and the gradient of each in the images, in one call: r vector-Jacobian products.

    Args:
        model: Images to logits; a `Prepared`, which checks them.
        images: One block.
        rows: What the objective is given for each image.
        objective: What is differentiated.

    Raises:
        UsageError: The logits have no gradient in the images.
    """
    points = images.detach().requires_grad_()
    with torch.enable_grad():
        outputs = model(points)
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
        try:
            (result,) = cast(
                "tuple[Tensor | None]", torch.autograd.grad(value, images, retain_graph=again, allow_unused=True)
            )
        except NotImplementedError as error:
            raise UsageError(
                f"model must be differentiable in its inputs; got {str(error).splitlines()[0]!r}: give its function a "
                "backward"
            ) from error
        if result is not None:
            return result
    raise UsageError(
        "model must be differentiable in its inputs; got logits without a gradient: remove no_grad, detach or numpy"
    )


def out_of_memory(error: Exception) -> bool:
    """Return whether this is how torch reports that memory ran out, on a GPU or on a CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(part in str(error) for part in MEMORY_ERRORS)
    )


MEMORY_ERRORS = ("allocate memory", "not enough memory")
"""Parts of what torch says where the memory of a CPU runs out."""


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
        scores(model, points)
    return sum(kept.values())
