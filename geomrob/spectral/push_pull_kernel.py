"""Push-pull kernels: a filter inhibited by its own complement, as one kernel, and its response to a noisy edge."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor

from geomrob.arrays import Images
from geomrob.errors import UsageError


def pull_kernel(weights: Float[Tensor, "f c k l"]) -> Float[Tensor, "f c k l"]:
    """Return the complement of each filter, -w + max(w) + min(w), extrema over all channels of the filter.

    References:
        As `push_pull_kernel`, eq. 4.

    Example:
        >>> pull_kernel(torch.tensor([[[[0.0, 1.0, 4.0]]]])).flatten().tolist()
        [4.0, 3.0, 0.0]
    """
    return weights.amax((1, 2, 3), keepdim=True) + weights.amin((1, 2, 3), keepdim=True) - weights


def push_pull_kernel(
    weights: Float[Tensor, "f c k l"], alpha: float | Float[Tensor, " f"], *, box: int = 0
) -> Float[Tensor, "f c m n"]:
    r"""Return the one kernel that a push-pull convolution without rectification is.

        f(w; alpha, box) = w - alpha (w_pull * 1_box),    w_pull = -w + max(w) + min(w)

    1_box is the average over box x box elements. It widens the kernel by box - 1, with w padded by zeros in the middle.
    So f = w + alpha (w * 1_box) - alpha (max + min) (1_support * 1_box): an inhibition adds a blurred copy of the
    filter and takes away a pedestal, whose spectrum is at the low frequencies; a negative alpha adds the pedestal.

    Args:
        weights: Filters (F, C, k, l).
        alpha: Inhibition strength, one or one a filter; negative values are what training can lead to.
        box: Side of the average, odd; 0 for none.

    Raises:
        UsageError: An even or negative box.

    References:
        Bennabhaktula, Alegre, Strisciuglio and Azzopardi, PushPull-Net: Inhibition-driven ResNet robust to image
        corruptions, 2024, eqs. 4, 8 and (negative alpha) 15.

    Differences:
        Averages over the border of the kernel count zeros, as one convolution kernel must; the released layer averages
        the response and leaves out what lies outside the image, so that the two agree inside it.

    Example:
        >>> push_pull_kernel(torch.tensor([[[[0.0, 1.0, 4.0]]]]), 0.5).flatten().tolist()
        [-2.0, -0.5, 4.0]
    """
    pull = pull_kernel(weights)
    if _checked_box(box):
        around = [box - 1] * 4
        pull = F.avg_pool2d(F.pad(pull, around), box, stride=1)
        weights = F.pad(weights, [box // 2] * 4)
    strength = torch.as_tensor(alpha, dtype=weights.dtype, device=weights.device).reshape(-1, 1, 1, 1)
    return weights - strength * pull


def push_pull_response(
    images: Images, weights: Float[Tensor, "f c k l"], alpha: float, *, box: int = 0
) -> Float[Tensor, "n f m o"]:
    """Return the response of the push-pull layer inside the image: r(r(x * w) - alpha r((x * w_pull) * 1_box)).

    r is the rectifier. No padding, so that no border takes part; alpha = 0 is the plain filter, rectified.

    Args:
        images: (N, C, H, W), no smaller than the filter with its box.
        weights, alpha, box: As in `push_pull_kernel`.

    Raises:
        UsageError: An even or negative box.

    References:
        As `push_pull_kernel`, eq. 5, without bias, rectified once more as the next layer does.

    Example:
        >>> push_pull_response(torch.ones(1, 1, 4, 4), torch.ones(2, 1, 3, 3), 0.0).shape
        torch.Size([1, 2, 2, 2])
    """
    push, pull = F.conv2d(images, weights).relu(), F.conv2d(images, pull_kernel(weights))
    if _checked_box(box):
        margin = box // 2
        pull = F.avg_pool2d(pull, box, stride=1)
        push = push[..., margin : push.shape[-2] - margin, margin : push.shape[-1] - margin]
    return (push - alpha * pull.relu()).relu()


def edge_snr(
    weights: Float[Tensor, "f c k l"],
    alpha: float = 0.0,
    *,
    box: int = 0,
    noise: float = 0.2,
    size: int = 64,
    width: int = 5,
    seed: int = 0,
) -> Float64[Tensor, " f"]:
    """Return how far the response of each filter to a vertical edge exceeds its response to noise, in decibels.

    20 log10(A_s / A_n): the image is `width` columns of 1 in the middle of size x size zeros, plus Gaussian noise; A_s
    is the mean response over those columns, A_n the mean response over the columns that do not cover them.

    Args:
        weights, alpha, box: As in `push_pull_kernel`; alpha = 0 is the push filter alone.
        noise: Standard deviation of the noise, the edge being 1.
        size: Side of the image in pixels.
        width: Columns of the edge.
        seed: Of the noise; the same for all filters.

    Returns:
        One number a filter: infinity where only the background has no response, -infinity where only the edge has none,
        NaN where neither has one.

    Raises:
        UsageError: An even or negative box, or an image in which no column is far from the edge.

    References:
        As `push_pull_kernel`, Fig. 4.

    Differences:
        The figure gives the formula, but not the image, the noise or the filter; these are arguments. Responses are
        rectified, so that no sign can cancel in a mean.

    Example:
        >>> line = torch.tensor([-1.0, 2.0, -1.0]).expand(1, 1, 3, 3)
        >>> bool(edge_snr(line, alpha=0.5, width=1) > edge_snr(line, width=1))
        True
    """
    lost = weights.shape[-1] - 1 + max(0, box - 1)
    if size < width + 4 * lost + 2:
        least = width + 4 * lost + 2
        raise UsageError(f"size must be at least {least} for this kernel and edge; got {size}: pass at least that")
    generator = torch.Generator().manual_seed(seed)
    column = torch.arange(size) - (size - width) // 2
    image = ((column >= 0) & (column < width)).double().expand(1, weights.shape[1], size, size)
    image = image + noise * torch.randn(image.shape, generator=generator, dtype=torch.float64)
    response = push_pull_response(image, weights.detach().cpu().double(), alpha, box=box)[0]
    # Column j of the response covers the columns j to j + lost of the image and is centred between them.
    centre = column[: size - lost] + lost / 2
    edge = (centre >= 0) & (centre <= width - 1)
    background = (centre < -lost / 2) | (centre > width - 1 + lost / 2)
    return 20 * (response[..., edge].mean((1, 2)) / response[..., background].mean((1, 2))).log10()


def _checked_box(box: int) -> int:
    """Return the side of the average, 0 for none."""
    if box < 0 or (box and box % 2 == 0):
        raise UsageError(f"box must be an odd side or 0 for no average; got {box}: 3 and 5 are those of the paper")
    return box
