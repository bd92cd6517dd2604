"""The order of each row's values, as a stable sort finds it, for the searches that order every pixel at every step."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

INDEX = (1 << 32) - 1
"""The half of a key that says where the value was."""


def descending(
    values: Float[Tensor, "n d"], count: int | None = None
) -> tuple[Float[Tensor, "n k"], Int64[Tensor, "n k"]]:
    """Return the largest values of each row, in falling order, and their places; of equal ones the first comes first.

    What `sort(descending=True, stable=True)` returns. On a CPU, value and place of a number in single precision are
    packed into one integer, all of which differ: numpy orders these several times as fast, and needs not order all.

    Args:
        values: No NaN.
        count: How many are wanted; all by default.

    Example:
        >>> descending(torch.tensor([[1.0, 3.0, 0.0, 3.0]]), 3)
        (tensor([[3., 3., 1.]]), tensor([[1, 3, 0]]))
    """
    width = values.shape[1]
    count = width if count is None else min(count, width)
    if values.device.type != "cpu" or values.dtype != torch.float32 or not values.numel():
        largest, order = values.sort(dim=1, descending=True, stable=True)
        return largest[:, :count], order[:, :count]
    # Minus zero is zero. The bits of a float are in its order once those of negative ones are flipped.
    bits = (values.detach() + 0.0).view(torch.int32)
    falling = ~(bits ^ ((bits >> 31) & 0x7FFFFFFF))
    keys = ((falling.long() << 32) | torch.arange(width)).numpy()
    if count < width // 2:
        keys = np.partition(keys, count, axis=1)[:, :count]
    order = torch.from_numpy(np.sort(keys, axis=1)[:, :count]) & INDEX
    return values.gather(1, order), order


def ranks(values: Float[Tensor, "n d"]) -> Int64[Tensor, "n d"]:
    """Return for each value how many of its row come before it in that order."""
    order = descending(values)[1]
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)
