import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geomrob.errors import UsageError
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import BANDS, bands, blocks, diagonal, grid, rings, span
from tests.spectral.dense import dense_projector

PARTITIONS = ["grid", "rings"]
NAMES = ["dct", "pixel", "haar", "fourier", "random"]


@pytest.mark.parametrize("kind", BANDS)
@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 14), width=st.integers(1, 14), name=st.sampled_from(NAMES), seed=st.integers(0, 9))
def test_every_band_is_an_orthogonal_projector(kind, height, width, name, seed):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, 2, height, width, dtype=torch.float64, generator=generator)
    for band in bands(kind, basis(name, (height, width)))[:4]:
        projected = band.project(x)
        torch.testing.assert_close(band.project(projected), projected)
        torch.testing.assert_close((projected * y).sum(), (x * band.project(y)).sum())
        assert 1 <= band.dimension(2) == 2 * int(band.mask.sum()) <= x.numel()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BANDS)
def test_project_is_its_dense_twin(kind, name):
    built = basis(name, (6, 7))
    images = torch.randn(5, 2, 6, 7, dtype=torch.float64)
    for band in bands(kind, built, **({"count": 4} if kind == "rings" else {"size": 3})):
        expected = (images.flatten(1) @ dense_projector(band, channels=2)).view_as(images)
        torch.testing.assert_close(band.project(images), expected)


@pytest.mark.parametrize("kind", PARTITIONS)
@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), name=st.sampled_from(NAMES[:4]), number=st.integers(1, 9))
def test_partitions_sum_to_the_identity(kind, height, width, name, number):
    built = basis(name, (height, width))
    number = min(number, height, width) if kind == "grid" else number
    parts = bands(kind, built, **{"size" if kind == "grid" else "count": number})
    assert torch.equal(torch.stack([part.mask for part in parts]).sum(0), torch.ones(height, width, dtype=torch.int64))
    assert all(part.mask.any() for part in parts)
    images = torch.rand(height, width, dtype=torch.float64)
    torch.testing.assert_close(sum(part.project(images) for part in parts), images)


@pytest.mark.parametrize(("side", "size", "step", "count"), [(28, 8, 1, 21), (32, 8, 2, 13), (224, 16, 16, 14)])
def test_defaults_are_those_of_the_paper(side, size, step, count):
    for kind in ("blocks", "diagonal"):
        found = bands(kind, basis("dct", (side, side)))
        assert len(found) == count
        starts = [int(band.mask.any(1).int().argmax()) for band in found]
        assert starts == list(range(0, step * count, step))
        assert {band.dimension(3) for band in found} == {3 * size**2 if kind == "blocks" else 3 * size}


def test_a_block_is_the_whole_square_and_a_diagonal_its_diagonal():
    built = basis("dct", (10, 12))
    block, line = blocks(built, 4, 3)[1], diagonal(built, 4, 3)[1]
    assert (block.name, line.name) == ("block 3:7", "diagonal 3:7")
    expected = torch.zeros(10, 12, dtype=torch.bool)
    expected[3:7, 3:7] = True
    assert torch.equal(block.mask, expected)
    assert torch.equal(line.mask, expected & torch.eye(10, 12, dtype=torch.bool))


@pytest.mark.parametrize(("side", "blocks_a_side"), [(4, 4), (28, 7), (32, 8), (64, 8), (224, 7), (30, 8)])
def test_grid_has_at_most_eight_blocks_a_side_by_default(side, blocks_a_side):
    assert len(grid(basis("dct", (side, side)))) == blocks_a_side**2


def test_grid_runs_row_by_row_and_its_last_blocks_are_smaller():
    parts = grid(basis("dct", (5, 7)), 3)
    assert [part.name for part in parts[:3]] == ["grid 0:3, 0:3", "grid 0:3, 3:6", "grid 0:3, 6:7"]
    assert [part.dimension(1) for part in parts] == [9, 9, 3, 6, 6, 2]


def test_frequencies_are_centres_in_cycles_per_image():
    built = basis("dct", (28, 28))
    block = blocks(built, 8, 1)[4]
    assert (block.frequency, block.frequencies) == (3.75, (3.75, 3.75))
    assert diagonal(built, 8, 1)[4].frequency == 3.75
    part = grid(built, 4)[6]
    assert part.frequencies == (0.75, 12.75)
    assert part.frequency == pytest.approx(12.77, abs=0.02)
    radii = [ring.frequency for ring in rings(built, 8)]
    assert radii == sorted(radii)
    assert 0 < radii[0] < 13.5 * math.sqrt(2) / 8 < radii[1]
    for name in ("pixel", "random"):
        assert all(
            math.isnan(ring.frequency) and math.isnan(ring.frequencies[0]) for ring in rings(basis(name, (8, 8)))
        )


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (12, 9), (8, 14)])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_fourier_rings_are_the_rings_of_the_fft(shape, count):
    height, width = shape
    shorter = min(shape)
    vertical = np.abs(np.fft.fftfreq(height)) * shorter
    horizontal = np.abs(np.fft.fftfreq(width)) * shorter
    radius = np.hypot(vertical[:, None], horizontal[None, :])
    ring = np.minimum(np.floor(radius / radius.max() * count + 1e-9), count - 1)
    image = np.random.default_rng(0).standard_normal(shape)
    parts = rings(basis("fourier", shape), count)
    assert len(parts) == len(np.unique(ring))
    for index, part in zip(np.unique(ring), parts, strict=True):
        expected = np.fft.ifft2(np.fft.fft2(image) * (ring == index))
        assert np.abs(expected.imag).max() < 1e-12
        np.testing.assert_allclose(part.project(torch.from_numpy(image)).numpy(), expected.real, atol=1e-12)


def test_rings_that_would_be_empty_are_left_out():
    found = rings(basis("haar", (16, 16)), 12)
    assert len(found) < 12
    assert all(ring.mask.any() for ring in found)
    assert len(rings(basis("dct", (1, 1)))) == 1


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("block", {}, "bands must be one of blocks, .*; got 'block': did you mean blocks"),
        ("blocks", {"size": 9}, "size must be from 1 to 8 on 8x10 images; got 9"),
        ("diagonal", {"size": 0}, "size must be from 1 to 8 on 8x10 images; got 0"),
        ("grid", {"size": 9}, "size must be from 1 to 8"),
        ("blocks", {"step": 0}, "step must be at least 1; got 0"),
        ("rings", {"count": 0}, "count must be at least 1; got 0"),
        ("rings", {"size": 4}, "size must be left out for rings; got 4"),
        ("grid", {"step": 4}, "step must be left out for grid"),
        ("blocks", {"count": 4}, "count must be left out for blocks"),
    ],
)
def test_misuse_is_told_in_one_sentence(kind, options, said):
    with pytest.raises(UsageError, match=said) as caught:
        bands(kind, basis("dct", (8, 10)), **options)
    assert "\n" not in str(caught.value)


def test_a_span_holds_the_vectors_named_and_no_other():
    source = basis("random", (2, 5), seed=2)
    found = span(source, [7, 0], "two")
    rows = source.matrices[0][[0, 7]]
    x = torch.randn(3, 2, 5, dtype=torch.float64)
    truth = (x.flatten(1) @ rows.T @ rows).reshape(x.shape)
    torch.testing.assert_close(found.project(x), truth)
    assert (found.name, found.dimension(1), found.dimension(3)) == ("two", 2, 6)
    for vectors in ([], [1, 1], [-1], [10]):
        with pytest.raises(UsageError, match=r"vectors must be different numbers in 0 ... 9; got"):
            span(source, vectors, "none")
