"""The spatial primitive of PRIME: every image is deformed by a random smooth map that folds nowhere."""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob import randomness
from geomrob.arrays import Images
from geomrob.errors import UsageError, unknown
from geomrob.randomness import Keys

LAWS = ("thesis", "released", "capped")
MARGIN = 0.9
"""Share of the strength at which a map would begin to fold that is kept."""

AT_ONCE = 1 << 24
"""Most modes of all images that are drawn together."""


def random_diffeomorphism(
    images: Images,
    keys: Keys,
    *,
    cut: int = 100,
    least: int = 2,
    strength: float = 1.0,
    law: str = "thesis",
    bijective: bool = True,
) -> Images:
    """Return each image deformed, x(r + tau(r)), by a random displacement of largest entropy (eqs. 5.4 and 5.5).

    The cut frequency is drawn from {least ... cut}, sigma from [sqrt(T1), sqrt(T2)] of that cut (`variances`): at least
    half a pixel, at most what keeps a typical map bijective.

    Args:
        images: (N, C, H, W) in [0, 1], at least 4 x 4.
        keys: Of the draws (`randomness.image_keys`).
        cut: K_tau, the highest cut frequency; but for `released` at most `largest_cut`.
        least: The lowest, at least 2; equal to `cut` it fixes K_tau.
        strength: Factor of sigma.
        law: `thesis` draws cut and sigma uniformly; `released` draws them as the released code does, see Differences;
            `capped` is that with cuts of at most `largest_cut` and modes within c.
        bijective: Whether a map that would fold is weakened until it does not (`displacements`).

    Raises:
        UsageError: Images too small, numbers out of range, an unknown law.

    References:
        Petrini, Favero, Geiger, Wyart, Relative stability toward diffeomorphisms indicates performance in deep nets,
        NeurIPS 2021; Modas, Robustness and invariance properties of image classifiers, EPFL 2022, eqs. 5.4-5.5 and
        appendix B.2.2.

    Differences:
        The thesis fixes K_tau: 100 for images of 32 pixels. There the range T1 ... T2 is empty above 2n/pi = 20, and
        above n the sines alias to pixel noise; so K_tau is the upper end here, at most 2n/pi, and drawn below it.
        `least=cut` fixes it. The text does not check that a map is bijective, which the range alone does not ensure.

        The released code draws its highest cut m ~ U{least + 1 ... cut}, c = floor(least + (m + 1 - least) b) and
        sigma^2 = T1 + (max(T1, T2) - T1) b' with b, b' ~ Beta(1/2, 1/2), cuts up to 100 whatever the image, and sums
        modes with i^2 + j^2 < (c + 1/2)^2: `released`. It draws one map for a whole batch, here every image has its
        own. `capped` moves images of 32 pixels 1.6 times as far in the median: high cuts are weak.
    """
    height, width = images.shape[-2:]
    side = min(height, width)
    if law not in LAWS:
        raise unknown("law", law, LAWS)
    if not 2 <= least <= cut or not strength >= 0:
        found = f"least {least}, cut {cut}, strength {strength}"
        raise UsageError(
            f"least must lie in 2 ... cut, strength be at least 0; got {found}: the presets have 2 and 100"
        )
    highest = cut if law == "released" else min(cut, largest_cut(side))
    cuts, sigma = drawn_strengths(keys, side, min(least, highest), highest, uniform=law == "thesis")
    shape, beyond = (height, width), law == "released"
    fields, sigma = randomness.fork(keys, 3), strength * sigma
    moves = [
        displacements(fields[part], cuts[part], sigma[part], shape, bijective=bijective, beyond=beyond)
        for part in torch.arange(len(keys), device=keys.device).split(max(1, AT_ONCE // highest**2))
    ]
    return remapped(images, torch.cat(moves)).clamp_(0, 1)


def drawn_strengths(
    keys: Keys, side: int, least: int, highest: int, *, uniform: bool
) -> tuple[Int64[Tensor, " n"], Float[Tensor, " n"]]:
    """Return a cut frequency and a sigma for each image.

    Args:
        keys: Of the draws.
        side: n, pixels of the shorter side.
        least, highest: The range of the cuts.
        uniform: Whether cut and sigma are uniform (thesis) or follow the arcsine laws of the released code.
    """
    if uniform:
        cuts = randomness.whole(randomness.fork(keys, 0), least, highest)
        share = randomness.uniform(randomness.fork(keys, 1), 1)[:, 0]
        low, high = (bound.sqrt() for bound in variances(side, cuts))
        return cuts, low + (high - low) * share
    top = randomness.whole(randomness.fork(keys, 2), min(least + 1, highest), highest)
    share = randomness.beta(randomness.fork(keys, 0), 0.5, 0.5)
    cuts = (least + (top + 1 - least) * share).long().clamp_max(highest)
    low, high = variances(side, cuts)
    return cuts, (low + (high - low) * randomness.beta(randomness.fork(keys, 1), 0.5, 0.5)).sqrt()


def largest_cut(side: int) -> int:
    """Return the highest cut frequency whose range of strengths is not empty: 2n/pi for n pixels.

    Raises:
        UsageError: Fewer than 4 pixels, which have none.

    Example:
        >>> largest_cut(32), largest_cut(224)
        (20, 142)
    """
    if side < 4:
        raise UsageError(f"images must be at least 4 pixels wide and high for a deformation; got {side}: enlarge them")
    return int(2 * side / math.pi)


def variances(side: int, cut: Int64[Tensor, " n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Return the smallest and the largest sigma^2 for a cut frequency on images of n pixels.

    T1 = 1 / (pi n^2 ln c) moves the centre by half a pixel, T2 = 4 / (pi^3 c^2 ln c) is where a typical map begins to
    fold; where T2 would be smaller both are T1.

    Args:
        side: n.
        cut: c, at least 2.
    """
    logarithm = cut.float().log()
    low = 1 / (math.pi * side**2 * logarithm)
    return low, torch.maximum(low, 4 / (math.pi**3 * cut**2 * logarithm))


def displacements(
    keys: Keys,
    cut: Int64[Tensor, " n"],
    sigma: Float[Tensor, " n"],
    shape: tuple[int, int],
    *,
    bijective: bool = True,
    beyond: bool = False,
) -> Float[Tensor, "n 2 h w"]:
    """Return the displacement fields (down, right) of images in pixels; zero at the border.

        tau(r) = sum over i^2 + j^2 <= c^2 of beta_ij sin(pi i r1) sin(pi j r2),  beta_ij ~ N(0, sigma^2 / (i^2 + j^2))

    in units of the shorter side. With s the strength, det(1 + s J) is a quadratic polynomial, both for the derivatives
    J at a pixel and for the differences along two sides of a square of four pixels. Where the smallest of all their
    roots is below 1 / 0.9, the map is weakened to 0.9 of it. Then every square is mapped without a fold, and with the
    border that stays, the map is one to one.

    Args:
        keys: Of the draws.
        cut: c of each image, below the sides unless `beyond`.
        sigma: Of each image.
        shape: Height and width.
        bijective: Whether to weaken maps that fold.
        beyond: Whether modes are summed as in the released code: i^2 + j^2 < (c + 1/2)^2, of any cut.

    Raises:
        UsageError: A cut that the pixels cannot carry, unless `beyond`.
    """
    most = int(cut.max()) if len(cut) else 1
    if most >= min(shape) and not beyond:
        raise UsageError(f"cut must be below the side of the images; got {most} for {shape}: its waves would alias")
    index = torch.arange(1, most + 1, device=keys.device)
    square = index[:, None] ** 2 + index**2
    # The number of a mode does not depend on the other images of the batch: shell by shell, along both sides of it.
    shell = torch.maximum(index[:, None], index)
    number = (shell - 1) ** 2 + torch.where(index[:, None] == shell, index - 1, 2 * shell - 1 - index[:, None])
    drawn = randomness.normal_pairs(keys, most**2)[:, :, number.flatten()].unflatten(2, (most, most))
    limit = cut**2 + cut if beyond else cut**2
    size = sigma[:, None, None] * (square <= limit[:, None, None]) / square.sqrt()
    fields, jacobian = _fields((drawn * size).movedim(0, 1), shape)
    if bijective:
        weaker = (MARGIN * torch.minimum(_folding(jacobian), _folding_squares(fields))).clamp_max(1)
        fields = fields * weaker.reshape(-1, 1, 1, 1)
    return fields


def remapped(images: Images, moves: Float[Tensor, "n 2 h w"]) -> Images:
    """Return the image values at (pixel + displacement), bilinear; beyond the border the nearest pixel."""
    height, width = images.shape[-2:]
    down = torch.arange(height, device=images.device)[:, None] + moves[:, 0]
    right = torch.arange(width, device=images.device) + moves[:, 1]
    grid = torch.stack((right * (2 / (width - 1)) - 1, down * (2 / (height - 1)) - 1), -1)
    return F.grid_sample(images, grid.to(images), mode="bilinear", padding_mode="border", align_corners=True)


def _fields(coefficients: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the fields (N, 2, H, W) in pixels and their derivatives by rows and columns (N, 2, 2, H, W)."""
    most = coefficients.shape[-1]
    rows, row_slopes = _waves(shape[0], most, coefficients.device)
    columns, column_slopes = _waves(shape[1], most, coefficients.device)
    side = min(shape)
    half = rows @ coefficients
    by_rows = (row_slopes @ coefficients) @ columns.T * (side / (shape[0] - 1))
    by_columns = half @ column_slopes.T * (side / (shape[1] - 1))
    return half @ columns.T * side, torch.stack((by_rows, by_columns), 2)


def _folding(jacobian: Tensor) -> Tensor:
    """Return the smallest s > 0 for which det(1 + s J) is 0 at some pixel, infinity if there is none; (N,)."""
    (a, b), (c, d) = (row.unbind(1) for row in jacobian.unbind(1))
    trace, determinant = a + d, a * d - b * c
    divisor = (trace**2 - 4 * determinant).sqrt() - trace
    # A negative discriminant gives NaN: no root. Otherwise 2 / divisor is the smallest positive root if it is positive.
    return 2 / divisor.nan_to_num(0.0).flatten(1).amax(1).clamp_min(0)


def _folding_squares(fields: Tensor) -> Tensor:
    """Return the smallest s > 0 for which a square of four pixels folds when moved by s times its displacements.

    Between the pixels a bilinear map has a determinant that is linear along each side, so the corners decide.
    """
    down, right = fields.diff(dim=2), fields.diff(dim=3)
    corners = [
        torch.stack((down[..., left], right[:, :, top]), 2)
        for left in (slice(0, -1), slice(1, None))
        for top in (slice(0, -1), slice(1, None))
    ]
    return torch.stack([_folding(corner) for corner in corners]).amin(0)


@lru_cache(maxsize=16)
def _waves(length: int, most: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return sin(pi i t) and its derivative, (length, most), for t from 0 to 1 and i from 1."""
    with torch.inference_mode(mode=False):
        index = torch.arange(1, most + 1, dtype=torch.float64) * math.pi
        phase = torch.linspace(0, 1, length, dtype=torch.float64)[:, None] * index
        # A sine is 0 at both ends, where rounding would leave a last bit.
        sine = phase.sin()
        sine[[0, -1]] = 0
        return sine.float().to(device), (phase.cos() * index).float().to(device)
