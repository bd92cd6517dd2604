"""The corruptions that are vectorised cleverly, once more by straight loops over pixels."""

import math

import numpy as np


def shuffled(image, offsets, reach):
    """Return an image (H, W, C) after one round of glass blur, its pseudo swap written as the benchmark does."""
    image = image.copy()
    height, width = image.shape[:2]
    for i, h in enumerate(range(height - reach, reach, -1)):
        for j, w in enumerate(range(width - reach, reach, -1)):
            dx, dy = (int(step) for step in offsets[i, j])
            # Both sides are views: the second assignment writes back what the first has just put there.
            image[h, w], image[h + dy, w + dx] = image[h + dy, w + dx], image[h, w]
    return image


def zoomed(image, factor):
    """Return the middle of an image (H, W), zoomed between pixel centres."""
    height, width = image.shape
    found = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            at = []
            for place, size in ((y, height), (x, width)):
                crop = math.ceil(size / factor)
                grown = round(crop * factor)
                at.append((size - crop) // 2 + (place + (grown - size) // 2) * (crop - 1) / (grown - 1))
            top, left = int(at[0]), int(at[1])
            below, right = min(top + 1, height - 1), min(left + 1, width - 1)
            v, u = at[0] - top, at[1] - left
            found[y, x] = (1 - v) * ((1 - u) * image[top, left] + u * image[top, right]) + v * (
                (1 - u) * image[below, left] + u * image[below, right]
            )
    return found


def boxed(image, height, width):
    """Return an image (H, W) resized by averages over boxes with fractions of pixels at their rims, rounded."""

    def axis(lines, size):
        step = len(lines) / size
        rows = []
        for i in range(size):
            low, high = i * step, (i + 1) * step
            if step < 1:
                rows.append(lines[int((i + 0.5) * step)])
                continue
            # Pillow takes a pixel whole if its centre lies in the box, and not at all if it does not.
            inside = [k for k in range(len(lines)) if low <= k + 0.5 < high]
            rows.append(np.mean([lines[k] for k in inside], axis=0))
        return np.floor(np.array(rows) + 0.5)

    return axis(axis(image.T.astype(float), width).T, height)


def plasma(side, decay, noise):
    """Return the fractal (side, side) in [0, 1] from the noise (side^2 - 1,) in [-1, 1], cell by cell."""
    heights = np.zeros((side, side))
    chance = iter(noise)
    step, wobble = side, 100.0

    def mean(places):
        return sum(heights[y % side, x % side] for y, x in places) / 4 + wobble**2 * next(chance)

    while step >= 2:
        half = step // 2
        grid = range(0, side, step)
        for y in grid:
            for x in grid:
                heights[y + half, x + half] = mean([(y, x), (y + step, x), (y, x + step), (y + step, x + step)])
        for y in grid:
            for x in grid:
                heights[y, x + half] = mean([(y, x), (y, x + step), (y + half, x + half), (y - half, x + half)])
        for y in grid:
            for x in grid:
                heights[y + half, x] = mean([(y, x), (y + step, x), (y + half, x + half), (y + half, x - half)])
        step, wobble = half, wobble / decay
    heights -= heights.min()
    return heights / heights.max()


def moved(image, radius, sigma, angle):
    """Return an image (H, W) under motion blur, not yet rounded."""
    height, width = image.shape
    count = 2 * math.ceil(radius) + 1
    weights = [math.exp(-(i**2) / (2 * sigma**2)) for i in range(count)]
    found = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            for i, weight in enumerate(weights):
                row = y + math.ceil(i * math.sin(math.radians(angle)) - 0.5)
                column = x + math.ceil(i * math.cos(math.radians(angle)) - 0.5)
                found[y, x] += weight * image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
    return found / sum(weights)


def chamfer(marks, most):
    """Return the distance (H, W) to the nearest mark in steps of 1, 1.4 and 2.1969, by trying every mark."""
    found = np.full(marks.shape, float(most))
    for y, x in np.ndindex(marks.shape):
        for v, u in np.argwhere(marks):
            far, near = sorted((abs(int(y - v)), abs(int(x - u))), reverse=True)
            straight = 2.1969 * near + (far - 2 * near)
            bent = 2.1969 * (far - near) + 1.4 * (2 * near - far)
            found[y, x] = min(found[y, x], straight if far >= 2 * near else bent)
    return found
