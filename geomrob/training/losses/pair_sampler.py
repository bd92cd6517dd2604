"""Pairs of images and how similar they should look to a network: drawn by index arithmetic, never listed."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from geomrob.arrays import Images
from geomrob.errors import UsageError, unknown
from geomrob.files import unpack, user_path

DRAWS = 10_000
"""Pairs drawn for each wanted one before a target is called empty."""

BLOCK = 1_024
"""Most pairs drawn together: their vectors are gathered, 12 KB each for photographs of 32 x 32."""


def pair(number: Int64[Tensor, " p"], count: int) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]:
    """Return the pairs i < j of `count` images with these numbers, from 0 to count (count - 1) / 2 - 1.

    Pair (i, j) has number j (j - 1) / 2 + i: j follows from a square root, corrected where it was rounded.

    Example:
        >>> pair(torch.arange(6), 4)
        (tensor([0, 0, 1, 0, 1, 2]), tensor([1, 2, 2, 3, 3, 3]))
    """
    second = ((1 + (1 + 8 * number.double()).sqrt()) / 2).floor().long()
    second = second - (second * (second - 1) // 2 > number).long()
    second = second + (second * (second + 1) // 2 <= number).long()
    if bool((number < 0).any() | (second >= count).any()):
        span, last = f"[{int(number.min())}, {int(number.max())}]", count * (count - 1) // 2 - 1
        raise UsageError(f"number must lie in 0 ... {last} for {count} images; got {span}: draw it there")
    return number - second * (second - 1) // 2, second


def centred(images: Images, *, gray: bool = False) -> Float[Tensor, "n d"]:
    """Return images as vectors of length 1 with the mean image of all of them subtracted; their products are S^pixel.

    Args:
        images: (N, C, H, W).
        gray: Whether the mean over the channels is taken first.

    Returns:
        A row an image; (almost) zeros where the image is the mean image.

    References:
        Attias, Pehlevan, Obeid, A brain-inspired regularizer for adversarial robustness, 2024, section 4.
    """
    flat = (images.mean(1) if gray else images).flatten(1)
    return torch.nn.functional.normalize(flat - flat.mean(0), dim=1, eps=1e-5)


def thresholded(similarity: Tensor, threshold: float) -> Tensor:
    """Return S^Th: 1 above the threshold, -1 below its negative, else 0 (eq. 5)."""
    return (similarity > threshold).to(similarity) - (similarity < -threshold).to(similarity)


Rule: TypeAlias = Callable[[Tensor, float, float], Tensor]
Matrix: TypeAlias = NDArray[np.floating]

RULES: dict[str, Rule] = {
    "pixel": lambda s, high, low: torch.ones_like(s, dtype=torch.bool),
    "threshold": lambda s, high, low: torch.ones_like(s, dtype=torch.bool),
    "double": lambda s, high, low: (s.abs() > high) | (s.abs() <= low),
    "negative": lambda s, high, low: s <= high,
    "positive": lambda s, high, low: s >= -high,
    "low": lambda s, high, low: s.abs() <= high,
    "high": lambda s, high, low: s.abs() > high,
}
"""Which pairs a target uses, by their similarity and the two thresholds: eqs. 5 and 6 and the sets of Appendix 7.7."""


class PairTargets:
    """Draws pairs of images together with the similarity that their features should have.

    Args:
        images: (N, C, H, W), at least two.
        target: A row of `RULES`, or the path of an N x N similarity matrix (.npy; .npz with one array) with values in
            [-1, 1], such as one measured in a visual cortex. A .npy is checked once and then read where pairs need it.
        threshold, second: Th (or Th1) and Th2.
        gray: Whether the similarity of pixels is that of the grey images.

    Raises:
        UsageError: Unknown target, a matrix of another size or kind.

    References:
        Attias, Pehlevan, Obeid, 2024, eqs. 5 and 6, Appendix 7.7.

    Differences:
        Pairs are drawn with replacement, where the released code shuffles a list of all 12.5 million of them. Pairs
        between the thresholds of `double`, for which eq. 6 names no target, are drawn again, as are those outside a
        subset. A similarity of exactly Th counts as below it everywhere, as in eq. 5; Appendix 7.7 leaves it open.

    Example:
        >>> targets = PairTargets(torch.rand(20, 1, 4, 4), threshold=0.2)
        >>> first, second, wanted = targets.draw(5, torch.Generator().manual_seed(0))
        >>> bool((first < second).all()), set(wanted.tolist()) <= {-1.0, 0.0, 1.0}
        (True, True)
    """

    def __init__(
        self,
        images: Images,
        target: str = "threshold",
        *,
        threshold: float = 0.8,
        second: float = 0.0,
        gray: bool = False,
    ) -> None:
        if len(images) < 2:
            raise UsageError(f"images must be at least two to be paired; got {len(images)}: give more")
        self.count = len(images)
        self.target, self.threshold, self.second = target, threshold, second
        self.matrix = None if target in RULES else _matrix(user_path(target, "target"), self.count)
        self.vectors = centred(images, gray=gray) if self.matrix is None else None

    def similarity(self, first: Int64[Tensor, " p"], second: Int64[Tensor, " p"]) -> Float[Tensor, " p"]:
        """Return the similarity of pixels of these pairs, or what the matrix says of them."""
        if self.matrix is not None:
            values = np.asarray(self.matrix[first.numpy(), second.numpy()], dtype=np.float32)
            return torch.from_numpy(values)
        assert self.vectors is not None
        return (self.vectors[first] * self.vectors[second]).sum(1)

    def wanted(self, similarity: Float[Tensor, " p"]) -> tuple[Float[Tensor, " p"], Bool[Tensor, " p"]]:
        """Return the targets of pairs with these similarities, and which of the pairs have one."""
        if self.matrix is not None:
            return similarity, torch.ones_like(similarity, dtype=torch.bool)
        used = RULES[self.target](similarity, self.threshold, self.second)
        return similarity if self.target == "pixel" else thresholded(similarity, self.threshold), used

    def draw(
        self, pairs: int, generator: torch.Generator
    ) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"], Float[Tensor, " p"]]:
        """Return `pairs` pairs i < j and their targets.

        Raises:
            UsageError: Hardly any pair has a target.
        """
        drawn: list[tuple[Tensor, Tensor, Tensor]] = []
        missing, looked, block = pairs, 0, max(pairs, 64)
        while missing > 0:
            if looked > DRAWS * pairs:
                raise UsageError(
                    f"target {self.target!r} must have pairs; got {pairs - missing} in {looked:,} draws with threshold "
                    f"{self.threshold}: lower it"
                )
            numbers = torch.randint(self.count * (self.count - 1) // 2, (block,), generator=generator)
            first, second = pair(numbers, self.count)
            targets, used = self.wanted(self.similarity(first, second))
            looked += len(numbers)
            part = used.nonzero().squeeze(1)[:missing]
            drawn.append((first[part], second[part], targets[part]))
            missing -= len(part)
            block = max(block, min(2 * block, BLOCK))
        first, second, targets = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        return first, second, targets


def _matrix(path: Path, count: int) -> Matrix:
    """Return the similarity matrix of a file, mapped into memory where the format allows."""
    if path.suffix not in (".npy", ".npz"):
        raise unknown("target", str(path), [*RULES, "a file .npy", "a file .npz"])
    try:
        if path.suffix == ".npy":
            arrays = [np.load(path, mmap_mode="r", allow_pickle=False)]
        else:
            arrays = [array.numpy() for array in unpack(path.read_bytes(), most=16 * count**2).values()]
    # A damaged file fails with whatever exception the byte at hand happens to cause in numpy.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"target must be a readable similarity matrix; got {reason} from {path}: save it again"
        ) from error
    if len(arrays) != 1:
        raise UsageError(f"target must be a file with one array; got {len(arrays)} in {path}: keep the matrix only")
    matrix = arrays[0]
    if matrix.shape != (count, count) or not np.issubdtype(matrix.dtype, np.floating):
        kind = f"{matrix.dtype} {matrix.shape} in {path}"
        raise UsageError(
            f"target must hold {count} x {count} floating-point similarities; got {kind}: match the images"
        )
    for start in range(0, count, BLOCK):
        rows, columns = matrix[start : start + BLOCK], matrix[:, start : start + BLOCK]
        largest = float(np.max(np.abs(rows)))
        if not largest <= 1 + 1e-6:
            raise UsageError(f"target must lie in [-1, 1]; got a value of size {largest:.3g} in {path}: scale it")
        if not np.allclose(rows, columns.T, atol=1e-5):
            raise UsageError(
                f"target must be symmetric; got a matrix that is not in {path}: average it with its mirror"
            )
    return matrix
