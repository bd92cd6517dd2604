"""Push-pull kernels against the layer they are part of, and the signal-to-noise ratio against what it must do."""

import math

import pytest
import torch
import torch.nn.functional as F

from geomrob.errors import UsageError
from geomrob.spectral.push_pull_kernel import edge_snr, pull_kernel, push_pull_kernel, push_pull_response


def filters(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_complement_has_the_same_extrema_and_is_its_own_inverse():
    w = filters(5, 3, 7, 7)
    pull = pull_kernel(w)
    torch.testing.assert_close(pull_kernel(pull), w)
    torch.testing.assert_close(pull.amax((1, 2, 3)), w.amax((1, 2, 3)))
    assert bool((pull.flatten(1).argmin(1) == w.flatten(1).argmax(1)).all())


@pytest.mark.parametrize("alpha", [-1.0, -0.3, 0.0, 0.5, 2.0])
@pytest.mark.parametrize("box", [0, 1, 3, 5])
def test_one_kernel_is_the_layer_without_rectifiers(alpha, box):
    images, w = filters(2, 3, 20, 20, seed=1), filters(4, 3, 5, 5)
    push, pull = F.conv2d(images, w), F.conv2d(images, pull_kernel(w))
    if box:
        pull = F.avg_pool2d(pull, box, stride=1)
        push = push[..., box // 2 : push.shape[-2] - box // 2, box // 2 : push.shape[-1] - box // 2]
    torch.testing.assert_close(F.conv2d(images, push_pull_kernel(w, alpha, box=box)), push - alpha * pull)


@pytest.mark.parametrize("box", [0, 3, 5])
def test_the_identity_of_blur_and_pedestal(box):
    w, alpha = filters(4, 3, 7, 7), 0.7
    support, width = torch.ones_like(w), max(0, box - 1)

    def blurred(kernel):
        side = max(box, 1)
        box_kernel = torch.full((1, 1, side, side), 1 / side**2, dtype=torch.float64)
        planes = F.pad(kernel, [width] * 4).flatten(0, 1)[:, None]
        return F.conv2d(planes, box_kernel).unflatten(0, kernel.shape[:2])[:, :, 0]

    ends = w.amax((1, 2, 3), keepdim=True) + w.amin((1, 2, 3), keepdim=True)
    expected = F.pad(w, [width // 2] * 4) + alpha * blurred(w) - alpha * ends * blurred(support)
    torch.testing.assert_close(push_pull_kernel(w, alpha, box=box), expected)


def test_strength_may_differ_by_filter():
    w = filters(3, 1, 5, 5)
    strengths = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    together = push_pull_kernel(w, strengths, box=3)
    for one, strength in enumerate(strengths.tolist()):
        torch.testing.assert_close(together[one : one + 1], push_pull_kernel(w[one : one + 1], strength, box=3))


def test_without_inhibition_the_response_is_the_rectified_filter():
    images, w = filters(2, 3, 12, 12), filters(4, 3, 5, 5, seed=2)
    torch.testing.assert_close(push_pull_response(images, w, 0.0), F.conv2d(images, w).relu())


def test_ratio_of_a_line_detector_grows_with_inhibition_and_falls_with_noise():
    line = torch.tensor([-1.0, 2.0, -1.0], dtype=torch.float64).expand(1, 1, 3, 3)
    ratios = [float(edge_snr(line, alpha, width=1)) for alpha in (0.0, 0.25, 0.5)]
    assert ratios == sorted(ratios)
    assert ratios[0] < ratios[-1]
    assert float(edge_snr(line, width=1, noise=0.4)) < ratios[0] < float(edge_snr(line, width=1, noise=0.1))


def test_ratio_is_the_formula_on_a_filter_of_one_pixel():
    """The filter of one pixel rectifies: edge 1 + noise, background the positive half of the noise."""
    dot = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    expected = 20 * math.log10(1 / (0.1 / math.sqrt(2 * math.pi)))
    assert float(edge_snr(dot, noise=0.1, size=400)) == pytest.approx(expected, abs=0.2)


def test_a_silent_background_is_infinite():
    line = torch.tensor([-1.0, 2.0, -1.0], dtype=torch.float64).expand(1, 1, 3, 3)
    assert float(edge_snr(line, noise=0.0, width=1)) == math.inf


def test_misuse_is_one_sentence():
    w = filters(1, 1, 3, 3)
    with pytest.raises(UsageError, match="box must be an odd side or 0"):
        push_pull_kernel(w, 1.0, box=2)
    with pytest.raises(UsageError, match="size must be at least 15"):
        edge_snr(w, size=10)
