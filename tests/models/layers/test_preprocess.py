import torch

from geomrob.analysis.margins import margin_curve
from geomrob.models.architectures.lenet import lenet
from geomrob.models.layers.normalize import Normalize
from geomrob.models.layers.preprocess import NormalizeFlipped, Preprocess, for_flipped, with_preprocessing
from geomrob.spectral.bases import basis
from geomrob.spectral.frequency_filters import flip, low_pass
from geomrob.spectral.subspaces import blocks

FACTS = {"shape": (1, 28, 28), "classes": 10, "mean": (0.3,), "std": (0.2,)}


def test_normalising_flipped_images_is_flipping_normalised_ones():
    x = torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    torch.testing.assert_close(NormalizeFlipped(mean, std, (6, 8))(flip(x)), flip(Normalize(mean, std)(x)))


def test_for_flipped_replaces_the_normalisation_of_a_builder():
    model = for_flipped(lenet, **FACTS)
    assert not any(isinstance(module, Normalize) for module in model.modules())
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.norm(flip(x)), flip((x - 0.3) / 0.2), atol=1e-5, rtol=1e-5)


def test_a_model_behind_a_low_pass_sees_nothing_else():
    model = with_preprocessing(lenet, "lowpass:14", **FACTS).eval()
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(x), model(low_pass(x, 14)), atol=1e-5, rtol=1e-5)
    assert "lowpass:14" in repr(model)
    low, high = margin_curve(model, x, subspaces=blocks(basis("dct", (28, 28)), 8, 20), attack="deepfool").distances
    assert bool(torch.isfinite(low).all())
    assert bool(torch.isinf(high).all() or (high > 100 * low).all())


def test_margins_of_a_flipped_model_are_those_of_the_plain_one_in_flipped_bands():
    generator = torch.Generator().manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).double()
    flipped = torch.nn.Sequential(Preprocess("flip"), plain)
    x = torch.rand(3, 1, 8, 8, generator=generator, dtype=torch.float64)
    bands = blocks(basis("dct", (8, 8)), 4, 4)
    one = margin_curve(plain, x, subspaces=bands).distances
    other = margin_curve(flipped, flip(x), subspaces=bands, allowed=None).distances
    torch.testing.assert_close(other.flip(0), one, rtol=1e-3, atol=0)
