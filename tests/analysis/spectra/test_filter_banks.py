"""Filters, inhibition and spectra of push-pull layers: what is in the model is in the result."""

import math

import pytest
import torch
from torch import nn

from geomrob.analysis.spectra.filter_banks import filter_banks
from geomrob.analysis.spectra.spectra import kernel_spectrum
from geomrob.errors import UsageError
from geomrob.models.architectures.resnet import resnet
from geomrob.models.layers.push_pull import PushPullConv2d
from geomrob.models.layers.push_pull_2020 import UpsampledPushPullConv2d, upsampled
from geomrob.models.push_pull_stem import replace_first_conv
from geomrob.spectral.push_pull_kernel import pull_kernel, push_pull_kernel


def test_a_push_pull_layer_has_three_spectra_and_its_own_strengths():
    model = replace_first_conv(resnet(widths=(6, 8), depths=(1, 1)), average=3, seed=1)
    with torch.no_grad():
        model.stem.inhibition.copy_(torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 3.0]))
    (bank,) = filter_banks(model, name="net", size=16)
    weights, strength = model.stem.weight.detach().double(), model.stem.inhibition.detach().double()
    assert (bank.model, bank.layer, bank.kind, bank.trained, bank.average) == ("net", "stem", "push-pull", True, 3)
    assert torch.equal(bank.weights, weights)
    assert torch.equal(bank.inhibition, strength)
    parts = [weights, pull_kernel(weights), push_pull_kernel(weights, strength, box=3)]
    for spectrum, part in zip(bank.spectra, parts, strict=True):
        torch.testing.assert_close(spectrum.values, kernel_spectrum(part, size=16).values)
    assert bank.spectra[2].method == "push-pull, trained alpha, average 3 x 3"
    facts = bank.summary()
    assert facts["mean"] == pytest.approx(0.5)
    assert facts["deviation"] == pytest.approx(math.sqrt((1 + 0.25 + 0 + 0.25 + 1 + 9) / 6 - 0.25))
    assert (facts["negative"], facts["least"], facts["most"]) == (pytest.approx(1 / 3), -1, 3)


def test_with_one_strength_the_spectrum_is_that_of_the_command_spectrum():
    model = replace_first_conv(nn.Sequential(nn.Conv2d(3, 4, 3)), average=5, inhibition=0.7)
    (bank,) = filter_banks(model, kind="power", channels="average")
    expected = kernel_spectrum(
        model[0].weight.detach().double(), alpha=float(model[0].inhibition[0]), box=5, kind="power", channels="average"
    )
    torch.testing.assert_close(bank.spectra[2].values, expected.values)
    assert not bank.trained


def test_a_network_without_inhibition_shows_its_first_convolution():
    model = resnet(widths=(6, 8), depths=(1, 1))
    (bank,) = filter_banks(model)
    assert (bank.layer, bank.kind, len(bank.inhibition)) == ("stem", "convolution", 0)
    assert [spectrum.method for spectrum in bank.spectra] == ["filters"]
    row = bank.summary()
    assert all(math.isnan(row[name]) for name in ("mean", "deviation", "negative", "least", "most"))
    assert (row["model"], row["filters"]) == (bank.model, len(bank.weights))


def test_the_older_layer_is_the_kernel_that_convolves_as_it_does_without_rectifiers():
    layer = UpsampledPushPullConv2d(2, 3, 3, padding=1, inhibition="trainable").double()
    with torch.no_grad():
        layer.inhibition.copy_(torch.tensor([0.5, 2.0, -1.0]))
    (bank,) = filter_banks(nn.Sequential(layer))
    assert bank.kind == "older push-pull"
    assert bank.inhibition.tolist() == [0.5, 2, 0], "a trained strength is rectified"
    inputs = torch.randn(1, 2, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    push = nn.functional.conv2d(inputs, layer.weight, padding=1)
    pull = nn.functional.conv2d(inputs, -upsampled(layer.weight), padding=3)
    expected = push - layer.strength[:, None, None] * pull
    torch.testing.assert_close(nn.functional.conv2d(inputs, layer.linear_kernel(), padding=3), expected)
    torch.testing.assert_close(bank.spectra[2].values, kernel_spectrum(layer.linear_kernel()).values)


def test_every_push_pull_layer_is_told():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), PushPullConv2d(2, 3, 3), UpsampledPushPullConv2d(3, 2, 3))
    assert [(bank.layer, bank.kind) for bank in filter_banks(model)] == [("1", "push-pull"), ("2", "older push-pull")]


def test_a_model_without_convolution_is_refused():
    with pytest.raises(UsageError, match="must have a convolution; got flat"):
        filter_banks(nn.Linear(2, 2), name="flat")
