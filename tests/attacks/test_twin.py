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
    model, images = models.load_model("fmnist-lenet"), data.load_data("fashion-mnist-1k", samples=24).images
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


def test_far_rivals_need_no_gradients_and_longer_steps_need_fewer(measured):
    model, images, bands, expected = measured

    def measure(some=images, **options):
        return margin_curve(model, some, subspaces=bands, attack="deepfool", **options)

    low = {"apart": 1.5, "stretch": 0.005, "tolerance": 2e-3}
    every, ours, longer = measure(), measure(apart=1.5), measure(**low)
    middle = {name: curve.quantiles(0.5) for name, curve in (("every", every), ("ours", ours), ("longer", longer))}
    assert bool((middle["ours"] / middle["every"] - 1).abs().max() < 0.005)
    assert bool((middle["longer"] / middle["ours"] - 1).abs().max() < 0.05)
    # The plain loop reports the point that it tried last, here it is the boundary.
    assert bool((middle["ours"].squeeze(1) <= 1.01 * expected.quantile(0.5, dim=1)).all())
    assert float(longer.backwards.mean()) < float(ours.backwards.mean()) < 0.8 * float(every.backwards.mean())
    assert float(longer.forwards.mean()) < float(ours.forwards.mean()) < 8
    parts = [measure(some, **low).distances for some in images.split([5, 19])]
    assert torch.equal(torch.cat(parts, 1), longer.distances)


def test_where_longer_steps_fail_the_classic_ones_are_taken(measured):
    model, images, bands, _ = measured
    options = {"subspace": bands[3], "steps": 2}
    classic, longer = deepfool(model, images, **options), deepfool(model, images, stretch=3.0, **options)
    few = deepfool(model, images, **options | {"steps": 1})
    assert 0 < int(few.success.sum()) < int(classic.success.sum()) < len(images)
    assert bool(longer.success[classic.success].all())
    again = longer.steps > 2
    assert bool(again.any())
    assert torch.equal(longer.perturbed[again], classic.perturbed[again])
