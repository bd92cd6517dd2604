import timeit

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geomrob.errors import UsageError
from geomrob.spectral.bases import basis
from geomrob.spectral.frames import Coordinates, Frame, WholeSpace
from geomrob.spectral.subspaces import BANDS, Subspace, bands, blocks, rings

NAMES = ["dct", "haar", "random"]


def pairs(frame, shape, count=20, seed=0):
    """Return images and bands of some pairs, float64, in no order."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, frame.channels, *shape, dtype=torch.float64, generator=generator)
    return images, torch.randint(len(frame), (count,), generator=generator)


@pytest.mark.parametrize("kind", BANDS)
@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(1, 18),
    width=st.integers(1, 18),
    channels=st.integers(1, 3),
    name=st.sampled_from(NAMES),
    seed=st.integers(0, 9),
)
def test_the_laws_of_a_frame(kind, height, width, channels, name, seed):
    frame = Frame(bands(kind, basis(name, (height, width))), channels)
    images, band = pairs(frame, (height, width), seed=seed)
    coefficients = frame.analyse(images, band)
    assert coefficients.shape == (20, *frame.shape)
    assert torch.equal(frame.dimension, torch.tensor([s.dimension(channels) for s in frame.subspaces]))

    # Synthesis after analysis projects, and the norm of the coefficients is that of the projection.
    projected = frame.synthesise(coefficients, band)
    expected = torch.stack([frame.subspaces[b].project(x) for x, b in zip(images, band.tolist(), strict=True)])
    torch.testing.assert_close(projected, expected)
    torch.testing.assert_close(coefficients.flatten(1).norm(dim=1), projected.flatten(1).norm(dim=1))

    # Any coefficients: analysis after synthesis only masks them, and the two are adjoint.
    anything = torch.randn(coefficients.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    made = frame.synthesise(anything, band)
    kept = frame.analyse(made, band)
    assert bool(((kept - anything).abs().minimum(kept.abs()) < 1e-10).all())
    counts = (kept.abs() > 1e-12).flatten(1).sum(1)
    assert torch.equal(counts, frame.dimension[band])
    torch.testing.assert_close((coefficients * anything).sum(), (images * made).sum())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BANDS)
def test_the_answer_does_not_depend_on_how_the_pairs_are_split_or_ordered(kind, name):
    frame = Frame(bands(kind, basis(name, (12, 12))), channels=2)
    images, band = pairs(frame, (12, 12), count=30)
    coefficients = frame.analyse(images, band)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(frame.analyse(images[order], band[order]), coefficients[order])
    alone = torch.cat([frame.analyse(images[i : i + 1], band[i : i + 1]) for i in range(30)])
    torch.testing.assert_close(alone, coefficients)
    made = frame.synthesise(coefficients, band)
    torch.testing.assert_close(frame.synthesise(coefficients[order], band[order]), made[order])
    assert frame.analyse(images[:0], band[:0]).shape == (0, *frame.shape)
    assert frame.synthesise(coefficients[:0], band[:0]).shape == (0, 2, 12, 12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BANDS)
def test_single_precision_follows_double(kind, name):
    frame = Frame(bands(kind, basis(name, (28, 28))), channels=1)
    images, band = pairs(frame, (28, 28))
    coefficients = frame.analyse(images, band)
    single = frame.analyse(images.float(), band)
    assert single.dtype == frame.synthesise(single, band).dtype == torch.float32
    torch.testing.assert_close(single.double(), coefficients, atol=1e-5, rtol=1e-5)


def test_inputs_are_left_alone_and_strided_views_are_welcome():
    frame = Frame(rings(basis("dct", (8, 8))), channels=3)
    images, band = pairs(frame, (8, 8))
    flipped = images.permute(0, 1, 3, 2)
    shared = images[:1].expand(20, -1, -1, -1)
    before = images.clone()
    for view in (flipped, shared):
        coefficients = frame.analyse(view, band)
        torch.testing.assert_close(coefficients, frame.analyse(view.contiguous(), band))
        kept = coefficients.clone()
        frame.synthesise(coefficients, band)
        assert torch.equal(coefficients, kept)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BANDS)
def test_gradients_pass_even_after_inference_mode(kind, name):
    frame = Frame(bands(kind, basis(name, (8, 8))), channels=1)
    images, band = pairs(frame, (8, 8), count=6)
    with torch.inference_mode():
        frame.synthesise(frame.analyse(images.float(), band), band)
    coefficients = frame.analyse(images.float(), band).requires_grad_()
    weights = images.float()
    (gradient,) = torch.autograd.grad((frame.synthesise(coefficients, band) * weights).sum(), coefficients)
    torch.testing.assert_close(gradient, frame.analyse(weights, band))


def test_boxes_follow_any_mask():
    built = basis("dct", (9, 7))
    generator = torch.Generator().manual_seed(0)
    corner = torch.zeros(9, 7, dtype=torch.bool)
    corner[8, 6] = True
    scattered = torch.zeros(9, 7, dtype=torch.bool)
    scattered[2:6, 1:4] = torch.rand(4, 3, generator=generator) < 0.5
    scattered[2, 1] = scattered[5, 3] = True
    frame = Frame([Subspace(built, mask, "any", 0.0, (0.0, 0.0)) for mask in (corner, scattered)], channels=1)
    assert frame.shape == (1, 4, 3)
    images, band = pairs(frame, (9, 7))
    expected = torch.stack([frame.subspaces[b].project(x) for x, b in zip(images, band.tolist(), strict=True)])
    torch.testing.assert_close(frame.synthesise(frame.analyse(images, band), band), expected)


def test_other_devices_are_reached():
    frame = Frame(blocks(basis("dct", (8, 8)), 3, 2), channels=2)
    images, band = pairs(frame, (8, 8))
    away = frame.analyse(images.to("meta"), band.to("meta"))
    assert away.device.type == "meta"
    assert frame.synthesise(away, band.to("meta")).shape == (20, 2, 8, 8)


def test_what_inference_mode_moves_to_a_device_still_carries_gradients():
    frame = Frame(rings(basis("dct", (8, 8))), channels=1)
    images, band = torch.rand(2, 1, 8, 8, device="meta"), torch.zeros(2, dtype=torch.int64, device="meta")
    with torch.inference_mode():
        frame.analyse(images, band)
    frame.analyse(images.requires_grad_(), band).sum().backward()
    assert images.grad is not None


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BANDS)
def test_cuda_gives_the_numbers_of_the_cpu(kind, name):
    frame = Frame(bands(kind, basis(name, (28, 28))), channels=2)
    images, band = pairs(frame, (28, 28))
    coefficients = frame.analyse(images.cuda(), band.cuda())
    torch.testing.assert_close(coefficients.cpu(), frame.analyse(images, band))
    torch.testing.assert_close(
        frame.synthesise(coefficients, band.cuda()).cpu(), frame.synthesise(coefficients.cpu(), band)
    )


def test_the_whole_space_has_the_same_interface():
    whole: Coordinates = WholeSpace((3, 4, 5))
    images = torch.rand(2, 3, 4, 5)
    band = torch.zeros(2, dtype=torch.int64)
    assert len(whole) == 1
    assert whole.dimension.tolist() == [60]
    assert whole.analyse(images, band) is images
    assert whole.synthesise(images, band) is images


def tensors(thing, seen=None):
    """Yield every tensor that an object holds, however deep."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        yield thing
    elif isinstance(thing, dict):
        yield from (t for value in thing.values() for t in tensors(value, seen))
    elif isinstance(thing, (list, tuple)):
        yield from (t for value in thing for t in tensors(value, seen))
    elif hasattr(thing, "__dict__"):
        yield from tensors(vars(thing), seen)


@pytest.mark.parametrize("kind", ["blocks", "diagonal"])
def test_nothing_larger_than_a_megabyte_at_224(kind):
    frame = Frame(bands(kind, basis("dct", (224, 224))), channels=3)
    images = torch.rand(3, 3, 224, 224)
    band = torch.tensor([0, 5, 13])
    coefficients = frame.analyse(images, band)
    assert coefficients.shape == (3, 3, 16, 16)
    made = frame.synthesise(coefficients, band)
    torch.testing.assert_close(made[1], frame.subspaces[5].project(images[1]))
    sizes = [tensor.nbytes for tensor in tensors(frame)]
    assert len(sizes) > 10
    assert max(sizes) <= 1_000_000


@pytest.mark.benchmark
@pytest.mark.parametrize(("count", "channels", "side"), [(4200, 1, 28), (2000, 3, 32)])
def test_a_pass_over_thousands_of_pairs_takes_milliseconds(count, channels, side):
    frame = Frame(blocks(basis("dct", (side, side))), channels)
    images = torch.rand(count, channels, side, side)
    band = torch.arange(count) % len(frame)
    coefficients = frame.analyse(images, band)
    for turn in (lambda: frame.analyse(images, band), lambda: frame.synthesise(coefficients, band)):
        assert min(timeit.repeat(turn, number=1, repeat=20)) < 0.010


@pytest.mark.parametrize("images", [torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 9)])
def test_images_of_another_shape_are_refused(images):
    frame = Frame(blocks(basis("dct", (8, 8)), 3, 2), channels=1)
    with pytest.raises(UsageError, match=r"images must be shaped \(P, 1, 8, 8\); got"):
        frame.analyse(images, torch.tensor([0, 1]))
    with pytest.raises(UsageError, match=r"coefficients must be shaped \(P, 1, 3, 3\); got"):
        frame.synthesise(images, torch.tensor([0, 1]))


def test_what_is_no_frame_is_told_in_one_sentence():
    some = blocks(basis("dct", (8, 8)), 3, 2)
    empty = Subspace(some[0].basis, torch.zeros(8, 8, dtype=torch.bool), "void", 0.0, (0.0, 0.0))
    for subspaces, channels, said in [
        ([], 1, "subspaces must hold at least one; got none"),
        (some, 0, "channels must be at least 1; got 0"),
        ([*some, *blocks(basis("dct", (8, 8)), 3, 2)], 1, "subspaces must share one basis"),
        ([*some, empty], 1, "at least one coefficient; got none in void"),
    ]:
        with pytest.raises(UsageError, match=said):
            Frame(subspaces, channels)
