import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from geomrob.spectral.bases_1d import dct_axis, fourier_axis, haar_axis, pixel_axis

AXES = [dct_axis, pixel_axis, haar_axis, fourier_axis]


@pytest.mark.parametrize("axis", AXES)
@settings(max_examples=15, deadline=None)
@given(length=st.integers(1, 70))
def test_every_axis_is_orthonormal_at_any_length(axis, length):
    matrix, frequencies = axis(length)
    assert matrix.dtype == frequencies.dtype == torch.float64
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(length, dtype=torch.float64), atol=1e-12, rtol=0)
    assert frequencies.shape == (length,)


@pytest.mark.parametrize("axis", [dct_axis, haar_axis, fourier_axis])
@pytest.mark.parametrize("length", [1, 2, 7, 28, 32])
def test_the_first_row_is_the_mean_and_frequencies_rise(axis, length):
    matrix, frequencies = axis(length)
    torch.testing.assert_close(matrix[0], torch.full((length,), length**-0.5, dtype=torch.float64))
    assert frequencies[0] == 0
    if axis is not haar_axis:
        assert bool((frequencies.diff() >= 0).all())


@pytest.mark.parametrize("length", [1, 5, 28, 224])
def test_dct_is_that_of_scipy(length):
    expected = fft.dct(torch.eye(length, dtype=torch.float64).numpy(), type=2, norm="ortho", axis=0)
    torch.testing.assert_close(dct_axis(length)[0], torch.from_numpy(expected), atol=1e-12, rtol=0)


def test_haar_of_four_is_the_textbook_matrix():
    root = math.sqrt(2)
    expected = torch.tensor([[1, 1, 1, 1], [1, 1, -1, -1], [root, -root, 0, 0], [0, 0, root, -root]]) / 2
    matrix, frequencies = haar_axis(4)
    torch.testing.assert_close(matrix, expected.double(), atol=1e-7, rtol=0)
    assert frequencies.tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("length", [3, 7, 28, 100])
def test_unbalanced_haar_goes_from_coarse_to_fine_with_mean_zero(length):
    matrix, frequencies = haar_axis(length)
    supports = (matrix[1:].abs() > 1e-12).sum(1)
    torch.testing.assert_close(matrix[1:].sum(1), torch.zeros(length - 1, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(frequencies[1:], length / supports.double())
    # Within a scale supports differ by one pixel; the next scale is at most half of the longer one.
    assert bool((supports[1:] <= supports[:-1] + 1).all())
    assert all(len(row[row != 0].unique()) == 2 for row in matrix[1:])


@pytest.mark.parametrize("length", [1, 2, 7, 8])
def test_each_fourier_row_is_one_frequency_of_the_fft(length):
    matrix, frequencies = fourier_axis(length)
    energy = torch.fft.fft(matrix, dim=1).abs().square()
    found = (torch.fft.fftfreq(length, dtype=torch.float64) * length).abs()
    for row, frequency in zip(energy, frequencies, strict=True):
        assert float(row[found != frequency].sum()) < 1e-20
