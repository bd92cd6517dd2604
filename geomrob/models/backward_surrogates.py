"""Models with the same logits and other gradients: through surrogates of some layers, or averaged over noise."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.inference.outputs import scores_of
from geomrob.models.layers.hah import HaHBlock, SmoothHaHBlock
from geomrob.models.module_replacement import replace_module

Surrogate = Callable[[Any], nn.Module]
"""Makes of a layer a smooth one that is differentiated in its place."""

SURROGATES: Mapping[type[nn.Module], Surrogate] = {HaHBlock: SmoothHaHBlock}
"""The surrogates of our layers whose gradients do not say where the boundary is."""


def surrogate_gradients(model: nn.Module, surrogates: Mapping[type[nn.Module], Surrogate] | None = None) -> nn.Module:
    """Return a copy of a model with the same logits, in which some layers have the gradient of a smooth surrogate.

    Forwards, a layer returns what it returned; backwards, the gradient is that of its surrogate at the same input.
    What an attack finds with such gradients is adversarial for the model itself.

    Args:
        model: Any network whose steps (rounding, thresholds, maxima) are modules.
        surrogates: For a type of layers, what makes a surrogate of such a layer; `SURROGATES` by default. For a layer
            that rounds its input, `lambda layer: nn.Identity()` is the straight-through estimator.

    Returns:
        A copy; weights and buffers are copies, too. A gradient costs one more forward evaluation of these layers.

    Raises:
        UsageError: The model has no such layer.

    References:
        Athalye, Carlini, Wagner, "Obfuscated gradients give a false sense of security", ICML 2018 (BPDA); Bengio,
        Leonard, Courville, "Estimating or propagating gradients through stochastic neurons ...", 2013
        (straight-through).

    Example:
        >>> model = torch.nn.Sequential(HaHBlock(1, 4), torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> images = torch.rand(2, 1, 4, 4)
        >>> torch.equal(surrogate_gradients(model)(images), model(images))
        True
    """
    table = SURROGATES if surrogates is None else surrogates
    kinds = tuple(table)
    result = copy.deepcopy(model)
    layers = [layer for layer in result.modules() if isinstance(layer, kinds)]
    if not layers:
        names = ", ".join(kind.__name__ for kind in kinds) or "none named"
        inside = ", ".join(sorted({type(layer).__name__ for layer in model.modules()})[:6])
        raise UsageError(
            f"model must have a layer with a surrogate ({names}); got one of {inside}: give surrogates for its layers, "
            "or take gradients averaged over noise"
        )
    for layer in layers:
        kind = next(kind for kind in kinds if isinstance(layer, kind))
        new = SurrogateGradient(layer, table[kind](layer))
        if layer is result:
            return new
        replace_module(result, layer, new)
    return result


def smoothed_gradients(model: nn.Module, *, noise: float = 0.02, samples: int = 8, seed: int = 0) -> nn.Module:
    """Return a model with the same logits, whose gradients are means over images with Gaussian noise.

    For models that shatter their gradients in ways for which no surrogate is known: what oscillates faster than the
    noise averages out. A gradient that is zero everywhere stays zero.

    Args:
        model: Images to logits, or to a dictionary or tuple with them, as every analysis takes it.
        noise: Standard deviation of the noise in the units of the images, above 0.
        samples: Images that a gradient is the mean over, an even number: the noise is added and subtracted.
        seed: Of the noise, which is the same for all images: the result does not depend on the batch.

    Returns:
        A module around the same model. A gradient costs `samples` more forward and backward evaluations, which counts
        of evaluations do not include.

    Raises:
        UsageError: `noise` is not above 0, `samples` not even and above 0.

    References:
        Athalye, Carlini, Wagner, ICML 2018, for expectations over a transformation; Smilkov et al., "SmoothGrad", 2017.
    """
    if not 0 < noise < math.inf:
        raise UsageError(f"noise must be above 0; got {noise}: 0.02 is usual")
    if samples < 2 or samples % 2:
        raise UsageError(f"samples must be an even number above 0; got {samples}: 8 is usual")
    return SmoothedGradient(model, noise, samples, seed)


class SurrogateGradient(nn.Module):
    """A layer that is differentiated through a surrogate of it."""

    def __init__(self, layer: nn.Module, surrogate: nn.Module) -> None:
        super().__init__()
        self.layer, self.surrogate = layer, surrogate

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the layer returns, with the gradient of the surrogate."""
        if not (torch.is_grad_enabled() and inputs.requires_grad):
            return self.layer(inputs)
        with torch.no_grad():
            outputs: Tensor = self.layer(inputs)
        return _with_gradient(outputs, self.surrogate(inputs))


class SmoothedGradient(nn.Module):
    """A model that is differentiated at noisy copies of its images."""

    def __init__(self, model: nn.Module, noise: float, samples: int, seed: int) -> None:
        super().__init__()
        self.model, self.noise, self.samples, self.seed = model, noise, samples, seed
        self.notes: tuple[str, ...] = getattr(model, "notes", ())

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of the images, with the mean gradient of the noisy ones."""
        if not (torch.is_grad_enabled() and inputs.requires_grad):
            return self.model(inputs)
        with torch.no_grad():
            outputs = self._tensor(inputs)
        generator = torch.Generator().manual_seed(self.seed)
        half = torch.randn(self.samples // 2, *inputs.shape[1:], generator=generator).to(inputs) * self.noise
        noisy = (inputs[:, None] + torch.cat((half, -half))).flatten(0, 1)
        return _with_gradient(outputs, self._tensor(noisy).unflatten(0, (-1, self.samples)).mean(1))

    def _tensor(self, inputs: Tensor) -> Tensor:
        """Return the output, or the logits in a dictionary or tuple."""
        output = self.model(inputs)
        return output if isinstance(output, Tensor) else scores_of(output, len(inputs))


def _with_gradient(outputs: Tensor, surrogate: Tensor) -> Tensor:
    """Return the outputs, bitwise, with the gradient of the surrogate."""
    if surrogate.shape != outputs.shape:
        raise UsageError(
            f"surrogates must return the shape of their layer, {tuple(outputs.shape)}; got {tuple(surrogate.shape)}: "
            "give a layer of that shape"
        )
    # A surrogate that is not finite has no gradient to give; its own difference would be NaN.
    return outputs + (surrogate - surrogate.detach()).nan_to_num(nan=0.0)
