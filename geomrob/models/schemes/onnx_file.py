"""`onnx:FILE`: an ONNX file as a network of PyTorch, if its outputs and gradients agree with the file."""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.files import user_path
from geomrob.models.preprocessing import Preprocessing
from geomrob.models.schemes.opened import Opened, Request, isolated, library, reason

OUTPUT_TOLERANCE = 1e-3
"""Largest difference of the logits, in units of their largest value."""
GRADIENT_TOLERANCE = 0.05
"""Largest relative difference between a derivative and the difference quotient of the file, in float32."""
STEPS = (0.3, 0.1, 0.03, 0.01)
"""Lengths of the step of the quotient: long ones meet kinks, short ones the rounding. The best one counts."""


def open_model(request: Request) -> Opened:
    """Return the network of an ONNX file, converted by onnx2torch.

    Logits and a derivative along the gradient are compared with onnxruntime's on a random image: a network that
    onnx2torch converts wrongly, or whose gradient is cut, is rejected.

    Raises:
        UsageError: A library is missing, no such file, no ONNX, an operator that onnx2torch does not know, a network
            that takes no images (N, C, H, W), or one whose outputs or gradients differ.
    """
    path = user_path(request.rest, f"model {request.name[:80]}")
    if request.own_weights:
        raise UsageError(f"weights must be left out with {request.name}, which holds its own; got a file: drop it")
    if not path.is_file():
        raise UsageError(f"model {request.name} must name an ONNX file; got no file {path}: check the path")
    onnx, runtime, convert = (library(name, request, "onnx") for name in ("onnx", "onnxruntime", "onnx2torch"))
    logging.getLogger("onnx2torch").setLevel(logging.ERROR)
    try:
        with isolated():
            session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            network = convert.convert(onnx.load(str(path))).eval()
    except Exception as error:
        raise UsageError(
            f"model {request.name} must be an ONNX file that onnx2torch converts; got {reason(error)}: export the "
            "network again, or build it in a factory"
        ) from error
    shape = _image_shape(session, request)
    _check(network, session, shape, request)
    fixed = all(isinstance(side, int) for side in session.get_inputs()[0].shape[2:])
    return Opened(network, Preprocessing(size=(shape[2], shape[3]) if fixed else None))


def _image_shape(session: Any, request: Request) -> tuple[int, int, int, int]:
    """Return the shape of a batch that the network takes, free sides as 1 image of 64 x 64."""
    inputs = session.get_inputs()
    shape = [side if isinstance(side, int) else None for side in inputs[0].shape]
    if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (None, 1, 3) or inputs[0].type != "tensor(float)":
        given = ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs)
        raise UsageError(f"model {request.name} must take float images (N, C, H, W) alone; got {given}: export it so")
    batch, channels, height, width = shape
    return batch or 1, channels or 3, height or 64, width or 64


def _check(network: nn.Module, session: Any, shape: tuple[int, int, int, int], request: Request) -> None:
    """Refuse a converted network whose logits or derivative differ from those of the file."""
    name = session.get_inputs()[0].name

    def original(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: images.numpy()})[0]).flatten(1)

    images = torch.rand(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    try:
        with torch.enable_grad():
            logits = network(images).flatten(1)
            chosen = int(logits[0].argmax())
            (gradient,) = torch.autograd.grad(logits[:, chosen].sum(), images)
        expected = original(images.detach())
    except Exception as error:
        raise UsageError(
            f"model {request.name} must have gradients when converted; got {reason(error)}: build it in a factory"
        ) from error
    scale = float(expected.abs().max()) + 1e-12
    if logits.shape != expected.shape or float((logits.detach() - expected).abs().max()) > OUTPUT_TOLERANCE * scale:
        raise UsageError(
            f"model {request.name} must give the logits of the file when converted by onnx2torch; they differ: build "
            "it in a factory"
        )
    norm = float(gradient.norm())
    direction = gradient / norm if norm else torch.ones_like(gradient) / gradient.numel() ** 0.5
    errors: list[float] = []
    for step in STEPS:
        ahead, behind = (original(images.detach() + sign * step * direction)[:, chosen].sum() for sign in (1, -1))
        quotient = float(ahead - behind) / (2 * step)
        errors.append(abs(quotient - norm) / (abs(quotient) + 1e-6 * scale))
    if not min(errors) <= GRADIENT_TOLERANCE:
        raise UsageError(
            f"model {request.name} must have the derivatives of the file when converted by onnx2torch; they differ by "
            f"{min(errors):.0%}: build it in a factory"
        )
