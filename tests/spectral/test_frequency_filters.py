import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn, idctn

from geomrob.errors import UsageError
from geomrob.spectral.frequency_filters import TRANSFORMS, band_stop, flip, gray, high_pass, low_pass, transform

SHAPES = [(3, 8, 8), (2, 3, 8, 8), (2, 1, 7, 10), (5, 2, 3, 6, 6)]
NAMES = ["flip", "lowpass:3", "highpass:4", "bandstop:2:5", "lowpass:5+flip"]


def images(shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def coefficients(values):
    return torch.from_numpy(dctn(values.numpy(), axes=(-2, -1), norm="ortho"))


def synthesised(values):
    return torch.from_numpy(idctn(values.numpy(), axes=(-2, -1), norm="ortho"))


@pytest.mark.parametrize("shape", SHAPES)
def test_flip_reverses_the_coefficients_and_twice_is_the_identity(shape):
    x = images(shape)
    torch.testing.assert_close(coefficients(flip(x)), coefficients(x).flip(-1, -2))
    torch.testing.assert_close(flip(flip(x)), x)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [0, 1, 4, 6])
def test_a_corner_is_all_that_a_pass_leaves(shape, size):
    x = images(shape)
    full = coefficients(x)
    low, high = torch.zeros_like(full), torch.zeros_like(full)
    low[..., :size, :size] = full[..., :size, :size]
    high[..., full.shape[-2] - size :, full.shape[-1] - size :] = full[..., -size or 99 :, -size or 99 :]
    torch.testing.assert_close(low_pass(x, size), synthesised(low))
    torch.testing.assert_close(high_pass(x, size), synthesised(high))


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 12), width=st.integers(1, 12), ends=st.tuples(st.integers(0, 12), st.integers(0, 12)))
def test_energies_add_up(height, width, ends):
    start, stop = sorted(min(end, height, width) for end in ends)
    x = images((2, 3, height, width))
    kept = band_stop(x, start, stop)
    removed = low_pass(x, stop) - low_pass(x, start)
    torch.testing.assert_close((kept**2).sum() + (removed**2).sum(), (x**2).sum())
    torch.testing.assert_close((flip(x) ** 2).sum(), (x**2).sum())
    torch.testing.assert_close((coefficients(low_pass(x, stop)) ** 2).sum(), (low_pass(x, stop) ** 2).sum())
    torch.testing.assert_close(flip(low_pass(x, stop)), high_pass(flip(x), stop))


@pytest.mark.parametrize("name", [*NAMES, "gray"])
def test_a_batch_is_what_its_images_are_one_by_one(name):
    x = images((4, 3, 8, 8))
    edit = transform(name)
    torch.testing.assert_close(edit(x), torch.stack([edit(image) for image in x]))
    assert edit(x.float()).dtype == torch.float32
    torch.testing.assert_close(edit(x.float()).double(), edit(x), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES[1:4])
def test_filters_are_projections_and_self_adjoint(name):
    x, y = images((2, 3, 9, 9), 1), images((2, 3, 9, 9), 2)
    edit = transform(name)
    torch.testing.assert_close(edit(edit(x)), edit(x))
    torch.testing.assert_close((edit(x) * y).sum(), (x * edit(y)).sum())


def test_the_released_mask_on_a_batch_is_another_filter():
    """What it does is written under Differences of `low_pass`: all columns stay."""
    x = images((2, 3, 8, 8))
    full = coefficients(x)
    full[:, :, 4:] = 0
    assert not torch.allclose(synthesised(full), low_pass(x, 4))


def test_gray_is_the_luma_of_pillow():
    from PIL import Image

    x = torch.randint(256, (3, 9, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    luma = torch.tensor(list(Image.fromarray(x.permute(1, 2, 0).numpy()).convert("L").tobytes())).reshape(9, 7)
    mine = gray(x / 255)
    assert (mine == mine[:1]).all()
    assert ((mine[0] * 255) - luma).abs().max() < 0.6
    assert gray(x[:1] / 255).equal(x[:1] / 255)


def test_gradients_pass_even_after_inference_mode():
    with torch.inference_mode():
        low_pass(torch.rand(1, 11, 11), 3)
    x = torch.rand(1, 11, 11, requires_grad=True)
    low_pass(x, 3).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("lowpas:3", "did you mean lowpass"),
        ("grey", "did you mean gray"),
        ("lowpass", "must be written lowpass:SIZE"),
        ("lowpass:0", "must have a size of at least 1; got 'lowpass:0'"),
        ("lowpass:3:4", "must be written lowpass:SIZE"),
        ("bandstop:-1:4", "must be written bandstop:START:STOP"),
        ("flip:1", "must be written flip with"),
        ("flip+", "transform must be one of"),
    ],
)
def test_misuse_of_words_is_one_sentence(name, sentence):
    with pytest.raises(UsageError, match=sentence):
        transform(name)


def test_misuse_of_numbers_is_one_sentence():
    with pytest.raises(UsageError, match=r"must lie in 0 \.\.\. 8; got 9"):
        transform("lowpass:9")(torch.rand(1, 8, 10))
    with pytest.raises(UsageError, match=r"must be floats; got torch\.uint8: divide"):
        inspect.unwrap(low_pass)(torch.zeros(1, 8, 8, dtype=torch.uint8), 4)
    with pytest.raises(UsageError, match=r"must be floats; got torch\.int64"):
        inspect.unwrap(gray)(torch.zeros(3, 8, 8, dtype=torch.int64))
    with pytest.raises(UsageError, match="swap them"):
        transform("bandstop:5:2")(torch.rand(1, 8, 8))
    with pytest.raises(UsageError, match="1 or 3 channels; got 2"):
        gray(torch.rand(2, 8, 8))
    assert set(TRANSFORMS) == {"flip", "lowpass", "highpass", "bandstop", "gray"}
