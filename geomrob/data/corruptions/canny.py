"""Edges of 8-bit pictures and the distance to them, as OpenCV has them."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Lengths of steps to the side, across, and two to the side and one up (a chamfer metric), in 1/65536 of a pixel.
SIDE, ACROSS, KNIGHT = 65536, 91750, 143976
STEPS = (
    *((dy, dx, SIDE) for dy, dx in ((0, 1), (1, 0))),
    *((dy, dx, ACROSS) for dy, dx in ((1, 1), (1, -1))),
    *((dy, dx, KNIGHT) for dy, dx in ((1, 2), (2, 1), (1, -2), (2, -1))),
)
# Tangent of 22.5 degrees in 1/32768.
TANGENT = 13573


def canny(images: NDArray[np.uint8], low: int, high: int) -> NDArray[np.bool_]:
    """Return where the edges (N, H, W) of pictures are.

    Gradients are Sobel's, their size |g_x| + |g_y|. An edge is a largest gradient across its own direction (one of
    four) above `low` that hangs together with one above `high`.
    """
    wide = np.pad(images, [(0, 0), (1, 1), (1, 1)], mode="edge").astype(np.int64)
    right = wide[:, :, 2:] - wide[:, :, :-2]
    below = wide[:, 2:] - wide[:, :-2]
    across = right[:, :-2] + 2 * right[:, 1:-1] + right[:, 2:]
    down = below[..., :-2] + 2 * below[..., 1:-1] + below[..., 2:]
    size = np.abs(across) + np.abs(down)
    largest = _largest(size, across, down) & (size > low)
    together = np.zeros((3, 3, 3))
    together[1] = 1
    labels = np.zeros(largest.shape, np.int32)
    ndimage.label(largest, structure=together, output=labels)
    strong = np.zeros(int(labels.max()) + 1, bool)
    strong[labels[largest & (size > high)]] = True
    strong[0] = False
    return strong[labels]


def _largest(size: NDArray[np.int64], across: NDArray[np.int64], down: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a gradient is larger than its two neighbours in its direction; outside the picture it is 0."""
    around = np.pad(size, [(0, 0), (1, 1), (1, 1)])

    def at(dy: int, dx: int) -> NDArray[np.int64]:
        return around[:, 1 + dy : 1 + dy + size.shape[1], 1 + dx : 1 + dx + size.shape[2]]

    wide, tall = np.abs(across), np.abs(down) << 15
    flat = tall < wide * TANGENT
    steep = tall > wide * TANGENT + (wide << 16)
    rising = (across ^ down) < 0
    diagonal = np.where(rising, (size > at(-1, 1)) & (size > at(1, -1)), (size > at(-1, -1)) & (size > at(1, 1)))
    level = (size > at(0, -1)) & (size >= at(0, 1))
    upright = (size > at(-1, 0)) & (size >= at(1, 0))
    return np.where(flat, level, np.where(steep, upright, diagonal))


def distance(marks: NDArray[np.bool_], *, most: int) -> NDArray[np.float64]:
    """Return the distance (N, H, W) of each pixel to the nearest mark, `most` where there is none within that.

    It is the length of the shortest path in steps to the side (1), across (1.4) and like a knight (2.1969).
    """
    border = 2
    height, width = marks.shape[1:]
    lengths = np.full((len(marks), height + 2 * border, width + 2 * border), most * SIDE, np.int64)
    inner = lengths[:, border:-border, border:-border]
    inner[marks] = 0
    while True:
        before = inner.copy()
        for dy, dx, length in STEPS:
            for sign in (1, -1):
                top, left = border + sign * dy, border + sign * dx
                np.minimum(inner, lengths[:, top : top + height, left : left + width] + length, out=inner)
        if np.array_equal(before, inner):
            return inner / SIDE
