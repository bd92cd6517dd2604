import torch
import torch.nn.functional as F

from geomrob.augment.registry import crop_and_flip


def drawn(images, seed=0, **options):
    return crop_and_flip(images, generator=torch.Generator().manual_seed(seed), **options)


def test_every_result_is_one_of_the_shifts_and_mirrors_of_its_own_image():
    images = torch.rand(40, 2, 6, 5, generator=torch.Generator().manual_seed(1))
    out = drawn(images, crop=2, flip=True)
    padded = F.pad(images, [2] * 4)
    kinds = set()
    for i in range(40):
        found = [
            (down, right, flipped)
            for down in range(5)
            for right in range(5)
            for flipped in (False, True)
            for crop in [padded[i, :, down : down + 6, right : right + 5]]
            if torch.equal(out[i], crop.flip(-1) if flipped else crop)
        ]
        assert len(found) == 1
        kinds.add(found[0])
    assert len(kinds) > 20


def test_nothing_asked_is_nothing_done():
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(drawn(images, crop=0, flip=False), images)


def test_half_of_many_are_mirrored():
    images = torch.arange(2.0).expand(2000, 1, 1, 2)
    mirrored = (drawn(images, crop=0, flip=True)[:, 0, 0, 0] == 1).float().mean()
    assert 0.45 < mirrored < 0.55


def test_the_memory_layout_may_be_anything():
    images = torch.rand(5, 3, 4, 4)
    other = images.to(memory_format=torch.channels_last)
    assert torch.equal(drawn(images, crop=1, flip=True), drawn(other, crop=1, flip=True))


def test_the_border_may_be_a_reflection():
    images = torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(1)) + 0.1
    assert bool((drawn(images, crop=2, flip=False, padding="reflect") > 0).all())
    assert not bool((drawn(images, crop=2, flip=False) > 0).all())
