"""Fourier directions: norm one, one pair of frequencies each, orthogonal, and half of the plane is all of it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geomrob.spectral.fourier_directions import fourier_directions, half_plane
from geomrob.spectral.spectra import frequencies, spectra

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES)
def test_every_direction_has_norm_one_and_one_pair_of_frequencies(shape):
    pairs, index = half_plane(shape)
    waves = fourier_directions(shape, pairs)
    torch.testing.assert_close(waves.square().sum((1, 2)), torch.ones(len(pairs), dtype=torch.float64))
    power = spectra(waves[:, None])
    for pair, plane in enumerate(power):
        torch.testing.assert_close(plane * (index != pair), torch.zeros_like(plane), atol=1e-24, rtol=0)


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES)
def test_half_of_the_plane_covers_it_once(shape):
    pairs, index = half_plane(shape)
    assert index.shape == shape
    sizes = torch.bincount(index.flatten(), minlength=len(pairs))
    assert set(sizes.tolist()) <= {1, 2}
    height, width = shape
    for row, k in enumerate(frequencies(height).tolist()):
        for column, l in enumerate(frequencies(width).tolist()):  # noqa: E741
            of_pair = pairs[index[row, column]]
            same = ((of_pair - torch.tensor([k, l])) % torch.tensor([height, width]) == 0).all()
            opposite = ((of_pair + torch.tensor([k, l])) % torch.tensor([height, width]) == 0).all()
            assert bool(same | opposite)


@pytest.mark.parametrize(("shape", "count"), [((28, 28), 394), ((32, 32), 514), ((5, 5), 13), ((4, 6), 14)])
def test_there_are_as_many_as_half_the_plane_and_what_is_its_own_opposite(shape, count):
    assert len(half_plane(shape)[0]) == count


def test_directions_are_orthogonal():
    waves = fourier_directions((6, 7), half_plane((6, 7))[0]).flatten(1)
    torch.testing.assert_close(waves @ waves.T, torch.eye(len(waves), dtype=torch.float64))
