"""What is vectorised agrees with straight loops, and with scipy and Pillow where the benchmark calls them."""

import numpy as np
import pytest
from scipy import ndimage

from geomrob.data.corruptions import blur, canny, digital, elastic, glass, motion, weather
from geomrob.data.corruptions.severities import CIFAR, IMAGENET
from geomrob.randomness import image_generator
from tests.data.corruptions import twins

TABLES = {"cifar": CIFAR, "imagenet": IMAGENET}


def images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("reach", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_glass_blur_copies_pixels_as_the_loops_do(reach, channels):
    first = images(2, channels, 20, 24)
    # A sigma of zero leaves the shuffle alone; the division by 255 and back does not change 8 bits.
    found = glass.glass_blur(first, (0.0, reach, 2), [image_generator("glass_blur 1", 0, i) for i in range(2)])
    for index in range(2):
        draw = image_generator("glass_blur 1", 0, index)
        wanted = first[index].transpose(1, 2, 0)
        for _ in range(2):
            wanted = twins.shuffled(wanted, glass.offsets_of(draw, 20, 24, reach), reach)
        np.testing.assert_array_equal(found[index].transpose(1, 2, 0), wanted)


def test_glass_blur_never_moves_by_the_whole_reach():
    offsets = glass.offsets_of(image_generator("glass_blur 1", 0, 0), 224, 224, 2)
    assert set(np.unique(offsets).tolist()) == {-2, -1, 0, 1}


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.13, 1.25, 1.75, 2.25, 4.5])
def test_zoom_is_the_loops_and_scipy(factor):
    image = np.random.default_rng(1).random((28, 32))
    np.testing.assert_allclose(blur.zoomed(image, factor), twins.zoomed(image, factor), atol=1e-12)
    square = image[:, :28]
    crop = int(np.ceil(28 / factor))
    first = (28 - crop) // 2
    grown = ndimage.zoom(square[first : first + crop, first : first + crop], factor, order=1)
    trim = (len(grown) - 28) // 2
    wanted = grown[trim : trim + 28, trim : trim + 28]
    np.testing.assert_allclose(blur.zoomed(square, factor), wanted, atol=1e-12)


def test_zoom_factors_of_the_benchmark_are_as_many_as_floats_make_them():
    counts = {name: [len(np.arange(1, *row)) for row in table["zoom_blur"]] for name, table in TABLES.items()}
    assert counts == {"cifar": [7, 12, 16, 21, 26], "imagenet": [12, 16, 11, 13, 11]}


def test_zoom_blur_is_the_mean_with_the_image_counted_twice():
    first = images(1, 1, 32, 32)
    found = blur.zoom_blur(first, (1.03, 0.01), [])
    image = first[0, 0] / 255
    zooms = [twins.zoomed(image, factor) for factor in np.arange(1, 1.03, 0.01)]
    wanted = 255 * (image + sum(zooms)) / (len(zooms) + 1)
    assert np.abs(found[0, 0] - wanted).max() <= 1


@pytest.mark.parametrize("factor", [0.95, 0.85, 0.65, 0.25])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixelate_is_box_averages_and_back(factor, channels):
    first = images(2, channels, 28, 32)
    found = digital.pixelate(first, (factor,), [])
    for image, result in zip(first.reshape(-1, 28, 32), found.reshape(-1, 28, 32), strict=True):
        small = twins.boxed(image, int(28 * factor), int(32 * factor))
        assert np.abs(result - twins.boxed(small, 28, 32)).max() <= 1


@pytest.mark.parametrize(("side", "decay"), [(2, 3), (16, 1.75), (32, 3)])
def test_plasma_is_the_loops(side, decay):
    noise = image_generator("fog 1", 0, 5).uniform(-1, 1, side * side - 1)
    found = weather.plasma(side, decay, [image_generator("fog 1", 0, 5)])
    np.testing.assert_allclose(found[0], twins.plasma(side, decay, noise), atol=1e-9)


@pytest.mark.parametrize("angle", [-120.0, -45.0, -10.0, 0.0, 33.0, 45.0])
def test_motion_blur_is_the_loops(angle):
    first = images(1, 1, 16, 20)
    found = motion.moved(first, 6, 2.0, np.array([angle]))
    assert np.abs(found[0, 0] - twins.moved(first[0, 0], 6, 2.0, angle)).max() <= 0.5 + 1e-9


def test_distance_to_edges_is_the_shortest_way():
    marks = np.random.default_rng(3).random((2, 18, 23)) < 0.01
    assert marks.any((1, 2)).all()
    for one, found in zip(marks, canny.distance(marks, most=20), strict=True):
        np.testing.assert_allclose(found, np.minimum(twins.chamfer(one, 20), 20), atol=1e-3)
    assert (canny.distance(np.zeros((1, 5, 5), bool), most=20) == 20).all()


def test_edges_of_a_square_are_its_rim():
    picture = np.zeros((1, 20, 20), np.uint8)
    picture[0, 6:14, 6:14] = 200
    found = canny.canny(picture, 50, 150)[0]
    rim = np.zeros((20, 20), bool)
    rim[6:14, 6:14] = True
    rim[7:13, 7:13] = False
    assert (found & ~ndimage.binary_dilation(rim)).sum() == 0
    assert found.sum() >= rim.sum() - 4
    assert not canny.canny(picture // 10, 50, 150).any()


def test_weak_edges_count_only_where_they_hang_on_strong_ones():
    ramp = np.zeros((1, 30, 30), np.uint8)
    ramp[0, :, 15:] = np.linspace(18, 90, 30).astype(np.uint8)[:, None]
    assert canny.canny(ramp, 50, 150)[0, 1].any()
    assert not canny.canny(ramp[:, :6], 50, 150).any()


def test_defocus_of_small_images_is_a_gaussian_of_three_taps():
    taps = np.exp(-(np.arange(-1, 2) ** 2) / (2 * 0.4**2))
    taps /= taps.sum()
    np.testing.assert_allclose(blur.disk(0.3, 0.4), np.outer(taps, taps), atol=1e-7)


@pytest.mark.parametrize("radius", [3.0, 4.0, 6.0, 8.0, 10.0])
def test_disk_keeps_the_light_unless_its_rim_is_mirrored(radius):
    kernel = blur.disk(radius, 0.5)
    assert kernel.sum() == pytest.approx(1, abs=1e-6 if radius < 8 else 0.014)
    assert (kernel.sum() > 1.005) == (radius >= 8)
    assert np.count_nonzero(kernel > 0.5 / (np.pi * radius**2)) == pytest.approx(np.pi * radius**2, rel=0.1)


def test_wide_kernels_blur_the_same_by_either_way():
    first = images(2, 3, 40, 44)
    kernel = blur.disk(8.0, 0.5)
    assert len(kernel) >= blur.WIDE
    wanted = ndimage.correlate(first / 255, kernel[None, None], mode="mirror") * 255
    assert np.abs(blur.defocus_blur(first, (8.0, 0.5), []) - wanted).max() <= 1


def test_affine_map_takes_its_corners_where_they_should_go():
    moves = np.random.default_rng(0).uniform(-3, 3, (4, 3, 2))
    rows, columns = elastic._affine(moves, 32, 32)
    corners = 16 + 10 * np.array([[1, 1], [1, -1], [-1, -1]])
    for one in range(4):
        where = corners + moves[one]
        for found, wanted in ((columns[one], corners[:, 0]), (rows[one], corners[:, 1])):
            at = ndimage.map_coordinates(found, [where[:, 1], where[:, 0]], order=1)
            np.testing.assert_allclose(at, wanted, atol=1e-9)


@pytest.mark.parametrize("edge", ["mirror", "reflect"])
def test_reading_between_pixels_is_scipy(edge):
    image = np.random.default_rng(0).random((1, 1, 9, 11))
    rows, columns = np.random.default_rng(1).uniform(-25, 30, (2, 1, 9, 11))
    wanted = ndimage.map_coordinates(image[0, 0], [rows[0], columns[0]], order=1, mode=edge)
    np.testing.assert_allclose(elastic._read(image, rows, columns, edge=edge)[0, 0], wanted, atol=1e-12)


def test_elastic_severity_one_of_small_images_is_affine_only():
    assert CIFAR["elastic_transform"][0][0] == 0
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8) * 4 + 60, (1, 1, 32, 32)).copy()
    generator = image_generator("elastic_transform 1", 0, 1)
    found = elastic.elastic_transform(ramp, CIFAR["elastic_transform"][0], [generator])
    inner = found[0, 0, 8:24, 8:24].astype(int)
    # An affine map of a plane is a plane: second differences vanish but for rounding.
    assert np.abs(np.diff(inner, 2, axis=0)).max() <= 1
    assert np.abs(np.diff(inner, 2, axis=1)).max() <= 1
    assert np.abs(inner - ramp[0, 0, 8:24, 8:24]).max() > 2
