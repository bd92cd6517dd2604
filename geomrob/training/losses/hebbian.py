"""The Hebbian/anti-Hebbian part of a training loss: what each HaH block of a model adds while a batch passes."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight
from torch.utils.hooks import RemovableHandle

from geomrob.errors import UsageError, unknown
from geomrob.models.layers.hah import HaHBlock, WeightNormConv2d, normalized_weight
from geomrob.models.layers.hebbian import hebbian_gradient

GRADIENTS = ("paper", "local")


class HebbianTerm:
    """Collects sum_l alpha_l * L_l over the HaH blocks of a model (eq. 5), to be subtracted from the loss.

    While the context is open, each pass of the model is listened to at the projections of its HaH blocks. The hooks
    are removed when it closes, whatever happened inside. Several passes add up.

    Args:
        model: With HaH blocks anywhere in it.
        weights: alpha_l, one a block in the order of `model.modules()`.
        share: Of `hebbian_cost`.
        balance: Of `hebbian_cost`.
        gradients: `paper` for the gradient of eq. 5, where the cost of a layer reaches the weights of all layers
            before it; `local` for the released one, where each layer's weights see the cost of their own layer only.

    Raises:
        UsageError: Another number of weights than of HaH blocks, a negative weight, or unknown `gradients`.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, eq. 5.

    Differences:
        The released `local` training passes each clean batch twice, once for the costs, once for the cross-entropy, so
        that running statistics of batch normalisation move twice a step; here one pass serves both.

    Example:
        >>> block = HaHBlock(1, 10)
        >>> with HebbianTerm(block, (0.5,)) as term:
        ...     features = block(torch.rand(2, 1, 8, 8))
        >>> term.value().requires_grad
        True
    """

    def __init__(
        self,
        model: nn.Module,
        weights: Sequence[float],
        *,
        share: float = 0.1,
        balance: float = 0.1,
        gradients: str = "paper",
    ) -> None:
        if gradients not in GRADIENTS:
            raise unknown("gradients", gradients, GRADIENTS)
        self.blocks = [module for module in model.modules() if isinstance(module, HaHBlock)]
        if len(weights) != len(self.blocks):
            found = f"{len(weights)} for {len(self.blocks)} blocks"
            raise UsageError(f"weights must be one a HaH block; got {found}: give as many as the model has")
        if weights and not min(weights) >= 0:
            raise UsageError(f"weights must be at least 0; got {tuple(weights)}: the term is subtracted as it is")
        self.weights = tuple(weights)
        self.share, self.balance, self.gradients = share, balance, gradients
        self.terms: list[Tensor] = []
        self.handles: list[RemovableHandle] = []

    def __enter__(self) -> "HebbianTerm":
        """Begin to listen."""
        self.terms = []
        for block, weight in zip(self.blocks, self.weights, strict=True):
            if weight:
                self.handles.append(block.conv.register_forward_hook(self._listener(weight)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        while self.handles:
            self.handles.pop().remove()

    def value(self) -> Tensor | float:
        """Return sum_l alpha_l * L_l of what has passed since the context opened, 0.0 if nothing has."""
        return sum(self.terms[1:], start=self.terms[0]) if self.terms else 0.0

    def _listener(self, weight: float) -> Any:
        """Return the hook that adds the term of one block."""

        def listen(conv: WeightNormConv2d, inputs: tuple[Tensor], projections: Tensor) -> Tensor:
            how = (self.share, self.balance)
            if self.gradients == "paper":
                projections, cost = _SharedCost.apply(projections, *how)
            else:
                filters, padding = normalized_weight(conv.weight), cast("tuple[int, int]", conv.padding)
                projections, cost = _OwnCost.apply(inputs[0], filters, projections.detach(), padding, *how)
            self.terms.append(weight * cost)
            return projections

        return listen


class _SharedCost(torch.autograd.Function):
    """Projections and their Hebbian cost, so that both gradients are added in one pass."""

    @staticmethod
    def forward(ctx: Any, projections: Tensor, share: float, balance: float) -> tuple[Tensor, Tensor]:
        """Return the projections as they came, and their cost."""
        derivative = hebbian_gradient(projections, share=share, balance=balance)
        ctx.save_for_backward(derivative)
        return projections.view_as(projections), torch.dot(projections.flatten(), derivative.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient by the projections."""
        (derivative,) = ctx.saved_tensors
        return torch.addcmul(gradients[0], derivative, gradients[1]), None, None


class _OwnCost(torch.autograd.Function):
    """A convolution that was done already, and its Hebbian cost, which only the filters shall feel.

    Backwards, the filters receive both gradients in one product and the inputs that of the projections alone, so that
    a layer-local cost takes no second convolution.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        filters: Tensor,
        projections: Tensor,
        padding: tuple[int, int],
        share: float,
        balance: float,
    ) -> tuple[Tensor, Tensor]:
        """Return the projections as they came, and their cost."""
        derivative = hebbian_gradient(projections, share=share, balance=balance)
        ctx.save_for_backward(inputs, filters, derivative)
        ctx.padding = padding
        return projections.view_as(projections), torch.dot(projections.flatten(), derivative.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients by inputs and filters."""
        inputs, filters, derivative = ctx.saved_tensors
        passed, both = gradients[0], torch.addcmul(gradients[0], derivative, gradients[1])
        by_inputs = None
        if ctx.needs_input_grad[0]:
            by_inputs = conv2d_input(inputs.shape, filters, passed, padding=ctx.padding)
        by_filters = conv2d_weight(inputs, filters.shape, both, padding=ctx.padding)
        return by_inputs, by_filters, None, None, None, None
