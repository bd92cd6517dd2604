"""Laws of margins, on linear models of random shape: geometry alone, whatever the search."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geomrob.analysis.margins import margin_curve
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import BANDS, Subspace, bands
from tests.oracles import LinearModel

shapes = st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9))
names = st.sampled_from(["dct", "haar", "fourier", "random"])
seeds = st.integers(0, 99)
law = settings(max_examples=12, deadline=None)


def problem(shape, seed, count=4):
    generator = torch.Generator().manual_seed(seed)
    return LinearModel(shape, classes=5, seed=seed), torch.rand(count, *shape, generator=generator, dtype=torch.float64)


def margins(model, inputs, subspaces):
    return margin_curve(model, inputs, subspaces=subspaces, attack="deepfool", nearest=4).distances


def everything(space, name="all"):
    return Subspace(space, torch.ones(space.shape, dtype=torch.bool), name, 0.0, (0.0, 0.0))


@law
@given(shape=shapes, name=names, kind=st.sampled_from(list(BANDS)), seed=seeds)
def test_no_subspace_brings_the_boundary_nearer_than_the_whole_space(shape, name, kind, seed):
    model, inputs = problem(shape, seed)
    space = basis(name, shape[1:])
    found = margins(model, inputs, [*bands(kind, space), everything(space)])
    assert bool((found >= found[-1] * (1 - 1e-5)).all())
    torch.testing.assert_close(found[-1], model.margins(inputs), rtol=1e-5, atol=0)


@law
@given(shape=shapes, name=names, seed=seeds, data=st.data())
def test_a_larger_subspace_is_never_farther(shape, name, seed, data):
    model, inputs = problem(shape, seed)
    space = basis(name, shape[1:])
    generator = torch.Generator().manual_seed(data.draw(seeds))
    rank = torch.randperm(shape[1] * shape[2], generator=generator).reshape(shape[1:])
    sizes = sorted(data.draw(st.sets(st.integers(1, rank.numel()), min_size=2, max_size=5)))
    nested = [Subspace(space, rank < size, f"{size}", 0.0, (0.0, 0.0)) for size in sizes]
    found = margins(model, inputs, nested)
    assert bool((found[1:] <= found[:-1] * (1 + 1e-5)).all())


@law
@given(shape=shapes, name=names, kind=st.sampled_from(list(BANDS)), seed=seeds)
def test_rotating_data_model_and_basis_together_changes_nothing(shape, name, kind, seed):
    """Margins along coefficients of any basis are margins along pixels of a model of these coefficients."""
    model, inputs = problem(shape, seed)
    space, pixels = basis(name, shape[1:]), basis("pixel", shape[1:])
    some = bands(kind, space)
    rotated = LinearModel(shape, classes=5, seed=seed)
    rotated.weight.copy_(space.forward(model.weight))
    coefficients = space.forward(inputs)
    # Coefficients are no images: shrunk and shifted into [0, 1], distances shrink alike.
    low, scale = coefficients.min(), coefficients.max() - coefficients.min()
    rotated.bias.add_(low * rotated.weight.flatten(1).sum(1))
    rotated.weight.mul_(scale)
    images = ((coefficients - low) / scale).clamp(0, 1)
    same = [Subspace(pixels, band.mask, band.name, 0.0, (0.0, 0.0)) for band in some]
    torch.testing.assert_close(scale * margins(rotated, images, same), margins(model, inputs, some), rtol=2e-5, atol=0)
