import pytest
import torch

from geomrob.data.resize import resize_to
from geomrob.errors import UsageError


def some(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_images_that_fit_are_the_same():
    images = some(3, 3, 5, 7)
    assert torch.equal(resize_to(images, (3, 5, 7)), images)


def test_grey_is_the_mean_and_colour_three_times_the_grey():
    images = some(2, 3, 4, 4)
    grey = resize_to(images, (1, 4, 4))
    assert torch.allclose(grey[:, 0], (images[:, 0] + images[:, 1] + images[:, 2]) / 3)
    assert torch.equal(resize_to(grey, (3, 4, 4)), grey.repeat(1, 3, 1, 1))


def test_half_the_size_is_a_weighted_mean_of_near_pixels():
    """Antialiased bilinear by 2: weights 1, 3, 3, 1 over 8 along each axis, away from the edges."""
    images = some(1, 1, 8, 8).double()
    weights = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    found = resize_to(images, (1, 4, 4))
    for row, column in ((1, 1), (1, 2), (2, 2)):
        part = images[0, 0, 2 * row - 1 : 2 * row + 3, 2 * column - 1 : 2 * column + 3]
        assert found[0, 0, row, column].item() == pytest.approx((weights @ part @ weights).item())


def test_the_finest_pattern_is_smoothed_and_not_aliased():
    board = (torch.arange(16)[:, None] + torch.arange(16)[None, :]) % 2
    found = resize_to(board.float().reshape(1, 1, 16, 16), (1, 6, 6))
    assert float((found - 0.5).abs().max()) < 0.1


@pytest.mark.parametrize(("size", "shape"), [((12, 6), (1, 4, 4)), ((6, 12), (1, 4, 4)), ((8, 8), (1, 4, 2))])
def test_the_middle_of_the_wanted_shape_is_kept(size, shape):
    """A ramp along each axis keeps its middle, and its slope in both: nothing is squeezed."""
    rows, columns = torch.meshgrid(*(torch.arange(float(side)) for side in size), indexing="ij")
    found = resize_to(torch.stack([rows / 12, columns / 12])[:, None], shape)[:, 0, 1:-1]
    scale = min(size[0] / shape[1], size[1] / shape[2]) / 12
    assert found[0].mean().item() == pytest.approx((size[0] - 1) / 24, abs=1e-5)
    assert found[1].mean().item() == pytest.approx((size[1] - 1) / 24, abs=1e-5)
    assert (found[0, 1] - found[0, 0]).tolist() == pytest.approx([scale] * shape[2], abs=0.01)


def test_larger_images_stay_in_their_range():
    found = resize_to((some(2, 1, 5, 5) > 0.5).float(), (3, 32, 32))
    assert found.shape == (2, 3, 32, 32)
    assert 0 <= float(found.min()) < float(found.max()) <= 1


@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 4, 4), (1, 0, 4)])
def test_shapes_that_no_image_gets_are_refused(shape):
    with pytest.raises(UsageError, match="1 or 3 channels"):
        resize_to(some(2, 3, 4, 4), shape)
