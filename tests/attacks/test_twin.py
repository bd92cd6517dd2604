"""Many pairs at once, in coordinates and with shared slopes, find what a plain loop over images and bands finds."""

import pytest
import torch

from geomrob import data, models
from geomrob.analysis.margins import margin_curve
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks
from tests.attacks import twin
from tests.spectral.dense import dense_projector

BANDS = (0, 3, 7, 11, 15, 20)


@pytest.fixture(scope="module")
def measured():
    """Return the LeNet, images, bands, and the twin's distances (bands x images)."""
    model, images = models.load_model("fmnist-lenet"), data.load_data("fashion-mnist-1k", samples=16).images
    every = blocks(basis("dct", (28, 28)))
    bands = [every[index] for index in BANDS]
    rows = []
    for band in bands:
        projector = dense_projector(band, 1).float()
        found = [twin.deepfool(model, image, projector) for image in images]
        rows.append([float(move.norm()) if crossed else torch.inf for move, crossed in found])
    return model, images, bands, torch.tensor(rows)


@pytest.mark.parametrize("nearest", [9, None])
def test_band_medians_equal_those_of_the_plain_loop(measured, nearest):
    model, images, bands, expected = measured
    options = {} if nearest is None else {"nearest": nearest}
    ours = torch.stack([deepfool(model, images, subspace=band, **options).distances() for band in bands])
    middle = expected.quantile(0.5, dim=1)
    assert bool(torch.isfinite(middle).all())
    assert bool((ours.quantile(0.5, dim=1) / middle - 1).abs().max() < 0.01)
    # Where the boundary is bent, one rounding error more or less can send single pairs elsewhere.
    assert float((ours / expected - 1).abs().lt(0.01).double().mean()) > (0.9 if nearest else 0.8)


def test_far_rivals_need_no_gradients_whatever_the_split(measured, monkeypatch):
    model, images, bands, _ = measured

    def measure(some=images):
        return margin_curve(model, some, subspaces=bands, attack="deepfool")

    ours = measure()
    assert torch.equal(torch.cat([measure(some).distances for some in images.split([5, 11])], 1), ours.distances)
    monkeypatch.setattr("geomrob.attacks.minimal.deepfool.FAR", torch.inf)
    every = measure()
    assert float(ours.backwards.mean()) < 0.9 * float(every.backwards.mean())
    assert float((ours.distances / every.distances - 1).abs().lt(1e-4).double().mean()) > 0.98
