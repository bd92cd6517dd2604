"""The operators of OpenCV and scikit-image that the benchmark calls, where they are installed: ours give the same."""

import numpy as np
import pytest

from geomrob.data.corruptions import blur, canny, elastic, hsv, spatter

cv2 = pytest.importorskip("cv2")
skimage = pytest.importorskip("skimage")


def random(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


@pytest.mark.parametrize("seed", range(5))
def test_edges_and_distances(seed):
    picture = (blur.smooth(random(1, 48, 40, seed=seed), 1.5) * 255).astype(np.uint8)
    picture[picture < 130] = 0
    found = canny.canny(picture, 50, 150)
    np.testing.assert_array_equal(found[0], cv2.Canny(picture[0], 50, 150) == 255)
    wanted = cv2.distanceTransform(255 - 255 * found[0].astype(np.uint8), cv2.DIST_L2, 5)
    np.testing.assert_allclose(canny.distance(found, most=20)[0], np.minimum(wanted, 20), atol=1e-3)


@pytest.mark.parametrize("levels", [1, 2, 21])
def test_equalized_levels(levels):
    image = np.random.default_rng(levels).integers(20 - levels + 1, 21, (1, 30, 30))
    np.testing.assert_array_equal(spatter._equalized(image)[0], cv2.equalizeHist(image[0].astype(np.uint8)))


@pytest.mark.parametrize(("radius", "sigma"), [(0.3, 0.4), (1.0, 0.2), (1.5, 0.1), (3, 0.1), (8, 0.5), (10, 0.5)])
def test_disk_and_its_convolution(radius, sigma):
    reach, taps = (8, 3) if radius <= 8 else (radius, 5)
    line = np.arange(-reach, reach + 1)
    disk = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float32)
    kernel = cv2.GaussianBlur(disk / disk.sum(), (taps, taps), sigma)
    picture = np.random.default_rng(0).integers(0, 256, (1, 1, 48, 40), dtype=np.uint8)
    wanted = cv2.filter2D(picture[0, 0] / 255, -1, kernel).clip(0, 1) * 255
    assert np.abs(blur.defocus_blur(picture, (radius, sigma), [])[0, 0] - wanted).max() <= 1


def test_hue_saturation_value():
    pictures = np.random.default_rng(0).integers(0, 8, (2, 3, 30, 30)) / 7
    parts = hsv.to_hsv(pictures)
    wanted = skimage.color.rgb2hsv(pictures, channel_axis=1)
    np.testing.assert_allclose(np.stack(parts, 1), wanted, atol=1e-12)
    np.testing.assert_allclose(hsv.from_hsv(*parts), pictures, atol=1e-12)


def test_smoothing():
    picture = random(1, 32, 32)
    np.testing.assert_allclose(blur.smooth(picture, 1.3)[0], skimage.filters.gaussian(picture[0], 1.3), atol=1e-12)


def test_affine_map():
    picture = blur.smooth(random(1, 1, 32, 32), 1.0)
    moves = np.random.default_rng(1).uniform(-2.5, 2.5, (1, 3, 2))
    corners = 16 + 10 * np.array([[1, 1], [1, -1], [-1, -1]])
    matrix = cv2.getAffineTransform(np.float32(corners), np.float32(corners + moves[0]))
    image = picture[0, 0].astype(np.float32)
    wanted = cv2.warpAffine(image, matrix, (32, 32), borderMode=cv2.BORDER_REFLECT_101)
    found = elastic._read(picture, *elastic._affine(moves, 32, 32), edge="mirror")[0, 0]
    # Up to version 4 OpenCV reads between pixels in steps of 1/32.
    np.testing.assert_allclose(found, wanted, atol=np.abs(np.diff(image)).max() / 16)
