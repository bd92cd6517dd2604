"""Spectra against sinusoids, Parseval, noise, plain loops, numpy and scipy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft as scipy_fft

from geomrob.errors import UsageError
from geomrob.spectral.bases import basis
from geomrob.spectral.spectra import (
    NORMS,
    WINDOWS,
    band_shares,
    direction_means,
    frequencies,
    hann,
    ring_index,
    ring_means,
    spectra,
    transform,
)
from geomrob.spectral.subspaces import blocks, grid, rings

SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 20))


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wave(shape, k, m, phase=0.3):
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) / side for side in shape), indexing="ij")
    return torch.cos(2 * math.pi * (k * y + m * x) + phase)[None, None]


@pytest.mark.parametrize("shape", [(28, 28), (9, 14)])
@pytest.mark.parametrize(("k", "m"), [(3, -2), (0, 4), (1, 0)])
def test_a_sinusoid_lands_in_exactly_its_two_bins(shape, k, m):
    image = wave(shape, k, m)
    (power,) = spectra(image)
    vertical, horizontal = frequencies(shape[0]).tolist(), frequencies(shape[1]).tolist()
    two = [(vertical.index(k), horizontal.index(m)), (vertical.index(-k), horizontal.index(-m))]
    half = float(image.square().sum()) / 2
    for place in two:
        assert float(power[place]) == pytest.approx(half, rel=1e-12)
        power[place] = 0
    assert float(power.max()) < 1e-24 * half


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, channels=st.integers(1, 3), seed=st.integers(0, 99))
def test_parseval(shape, channels, seed):
    images = noise(2, channels, *shape, seed=seed)
    energy = images.square().sum((1, 2, 3))
    torch.testing.assert_close(spectra(images, channels="sum").sum((1, 2)), energy)
    torch.testing.assert_close(spectra(images).sum((1, 2)) * channels, energy)
    pixels = shape[0] * shape[1]
    torch.testing.assert_close(spectra(images, channels="sum", norm="backward").sum((1, 2)) / pixels, energy)


@pytest.mark.parametrize("window", WINDOWS)
def test_white_noise_is_flat_within_its_confidence_band(window):
    count, side = 400, 16
    power = spectra(noise(count, 1, side, side), window=window)
    # Each ring's mean over all images has mean 1; its spread is estimated from the images themselves.
    means = ring_means(power)[0]
    score = (means.mean(0) - 1) / (means.std(0) / math.sqrt(count))
    assert float(score.abs().max()) < 4
    assert float(score.square().mean()) < 3
    directions = direction_means(power)[0]
    score = (directions.mean(0) - 1) / (directions.std(0) / math.sqrt(count))
    assert float(score.abs().max()) < 4


@pytest.mark.parametrize("shape", [(28, 28), (7, 12)])
@pytest.mark.parametrize("norm", NORMS)
def test_agrees_with_numpy_and_scipy(shape, norm):
    images = noise(3, 2, *shape)
    for other in (np.fft, scipy_fft):
        expected = np.abs(np.fft.fftshift(other.fft2(images.numpy(), norm=norm), axes=(-2, -1)))
        np.testing.assert_allclose(spectra(images, kind="amplitude", norm=norm), expected.mean(1), atol=1e-12)
        np.testing.assert_allclose(spectra(images, norm=norm, channels="sum"), (expected**2).sum(1), atol=1e-9)
    axis = np.fft.fftshift(np.fft.fftfreq(shape[1], 1 / shape[1]))
    np.testing.assert_allclose(frequencies(shape[1]), axis, atol=1e-12)


def test_the_window_is_that_of_scipy_with_mean_square_one():
    from scipy.signal import get_window

    expected = np.outer(get_window("hann", 7), get_window("hann", 10))
    np.testing.assert_allclose(hann((7, 10)), expected / np.sqrt((expected**2).mean()), atol=1e-12)
    image = noise(1, 1, 7, 10)
    torch.testing.assert_close(transform(image, window="hann"), transform(image * hann((7, 10))))


def test_channels():
    images = noise(4, 3, 6, 6)
    torch.testing.assert_close(spectra(images, channels="grey"), spectra(images.mean(1, keepdim=True)))
    torch.testing.assert_close(spectra(images, channels=1), spectra(images[:, 1:2]))
    torch.testing.assert_close(spectra(images, channels="sum"), 3 * spectra(images))


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES)
def test_rings_are_those_of_a_plain_loop_and_none_is_empty(shape):
    height, width = shape
    values = noise(height, width)
    rings, found = ring_index(shape), {}
    shorter = min(shape)
    for row in range(height):
        for column in range(width):
            radius = math.hypot((row - height // 2) * shorter / height, (column - width // 2) * shorter / width)
            ring = math.floor(radius + 0.5)
            assert int(rings[row, column]) == ring
            found.setdefault(ring, []).append(float(values[row, column]))
    means, counts = ring_means(values)
    assert counts.tolist() == [len(found[ring]) for ring in range(len(found))]
    assert int(counts.sum()) == height * width
    np.testing.assert_allclose(means, [np.mean(found[ring]) for ring in range(len(found))], atol=1e-12)


@pytest.mark.parametrize("shape", [(28, 28), (9, 16)])
@pytest.mark.parametrize("count", [1, 5, 18])
def test_directions_are_those_of_a_plain_loop(shape, count):
    values, shorter = noise(*shape), min(shape)
    found: list[list[float]] = [[] for _ in range(count)]
    for row in range(shape[0]):
        for column in range(shape[1]):
            y, x = (row - shape[0] // 2) * shorter / shape[0], (column - shape[1] // 2) * shorter / shape[1]
            if 0.5 <= math.hypot(y, x) <= shorter // 2:
                angle = math.degrees(math.atan2(y, x)) % 180
                found[math.floor(angle / (180 / count) + 0.5) % count].append(float(values[row, column]))
    means, counts = direction_means(values, count=count)
    assert counts.tolist() == [len(some) for some in found]
    np.testing.assert_allclose(means, [np.mean(some) if some else np.nan for some in found], atol=1e-12)


def test_stripes_lie_where_the_docstring_says():
    vertical_stripes, horizontal_stripes = wave((16, 16), 0, 3), wave((16, 16), 3, 0)
    assert int(direction_means(spectra(vertical_stripes)[0])[0].argmax()) == 0
    assert int(direction_means(spectra(horizontal_stripes)[0])[0].argmax()) == 9


@pytest.mark.parametrize("cut", [lambda b: rings(b, 5), lambda b: grid(b, 4)], ids=["rings", "grid"])
@pytest.mark.parametrize("name", ["dct", "haar", "random"])
def test_energy_is_shared_out_without_rest_among_a_partition(cut, name):
    images = noise(6, 3, 12, 12)
    shares, energy = band_shares(images, cut(basis(name, (12, 12))))
    torch.testing.assert_close(shares.sum(0), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(energy, images.square().sum((1, 2, 3)))


def test_energy_in_sliding_blocks_is_that_of_scipy():
    images = noise(3, 2, 10, 10)
    coefficients = scipy_fft.dctn(images.numpy(), axes=(-2, -1), norm="ortho")
    shares, energy = band_shares(images, blocks(basis("dct", (10, 10)), 4, 2))
    for band, start in enumerate((0, 2, 4, 6)):
        inside = (coefficients[..., start : start + 4, start : start + 4] ** 2).sum((1, 2, 3))
        np.testing.assert_allclose(shares[band] * energy, inside, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), factor=st.floats(-3, 3))
def test_coefficients_are_linear_and_energies_of_different_bands_add(seed, factor):
    one, two = noise(2, 1, 12, 12, seed=seed), noise(2, 1, 12, 12, seed=seed + 100)
    torch.testing.assert_close(transform(one + factor * two), transform(one) + factor * transform(two))
    low, _, _, high = grid(basis("dct", (12, 12)), 6)
    one, two = low.project(one), high.project(two)
    shares, energy = band_shares(one + factor * two, [low, high])
    torch.testing.assert_close(shares[0] * energy, one.square().sum((1, 2, 3)))
    torch.testing.assert_close(shares[1] * energy, factor**2 * two.square().sum((1, 2, 3)), atol=1e-12, rtol=1e-9)


def test_zeros_have_no_shares():
    assert bool(band_shares(torch.zeros(1, 1, 8, 8), rings(basis("dct", (8, 8)), 2))[0].isnan().all())


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: spectra(torch.zeros(1, 1, 4, 4), kind="powers"), "did you mean power"),
        (lambda: spectra(torch.zeros(1, 1, 4, 4), norm="forward"), "ortho, backward"),
        (lambda: spectra(torch.zeros(1, 1, 4, 4), window="han"), "did you mean hann"),
        (lambda: spectra(torch.zeros(1, 1, 4, 4), channels="gray"), "did you mean grey"),
        (lambda: spectra(torch.zeros(1, 1, 4, 4), channels=1), "channels must be below 1"),
        (lambda: direction_means(torch.zeros(4, 4), count=0), "at least 1"),
        (lambda: band_shares(torch.zeros(1, 1, 4, 4), []), "one basis"),
    ],
)
def test_misuse_is_one_sentence(call, hint):
    with pytest.raises(UsageError, match=hint):
        call()
