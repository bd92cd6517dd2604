"""Adapted batch normalisation against eq. 5.7 written out, and what it may depend on."""

import pytest
import torch
from torch import nn

from geomrob.analysis.corruptions.batchnorm_adaptation import (
    ADAPTATIONS,
    Adaptation,
    adapted,
    adapting,
    adaptive_logits,
)
from geomrob.errors import UsageError


def network():
    """Return a small network whose statistics are not those of its weights, float64."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5), nn.BatchNorm1d(5)]
    model = nn.Sequential(*layers).double().eval()
    for layer in (model[1], model[5]):
        layer.running_mean.copy_(torch.randn(layer.num_features, generator=generator))
        layer.running_var.copy_(0.5 + torch.rand(layer.num_features, generator=generator))
        nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
    return model.requires_grad_(False)


def images(count=13):
    return torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_statistics_follow_the_formula_layer_by_layer():
    model, batch = network(), images(8)
    found = adapted(model, batch, prior=16)
    before = model[0](batch)
    mean = 16 / 24 * model[1].running_mean + 8 / 24 * before.mean((0, 2, 3))
    variance = 16 / 24 * model[1].running_var + 8 / 24 * before.var((0, 2, 3), correction=0)
    torch.testing.assert_close(found[1].running_mean, mean)
    torch.testing.assert_close(found[1].running_var, variance)
    hidden = model[4](torch.relu(found[1](before)).flatten(1))
    torch.testing.assert_close(found[5].running_mean, 16 / 24 * model[5].running_mean + 8 / 24 * hidden.mean(0))
    with adapting(model, size=8, prior=16):
        torch.testing.assert_close(model(batch), found(batch))


def test_no_prior_is_training_mode_and_a_large_one_changes_nothing():
    model, batch = network(), images()
    torch.testing.assert_close(adapted(model, batch, prior=1e12)(batch), model(batch))
    fresh = adapted(model, batch, prior=0)
    torch.testing.assert_close(fresh(batch), adapted(model, batch, prior=0).train()(batch))


@pytest.mark.parametrize("how", ["single", "partial", "full"])
def test_order_and_calls_do_not_count(how):
    model, batch = network(), images()
    turned = torch.randperm(13, generator=torch.Generator().manual_seed(2))
    found = adaptive_logits(model, batch, how)
    torch.testing.assert_close(adaptive_logits(model, batch[turned], how, indices=turned), found[turned])
    torch.testing.assert_close(adaptive_logits(model, batch, how, memory=1), found)
    same = adaptive_logits(model, batch[4:5], how, indices=torch.tensor([4]))[0]
    assert torch.allclose(same, found[4]) == (how == "single")


def test_single_is_a_model_for_each_image_and_full_one_for_all():
    model, batch = network(), images()
    alone = torch.cat([adapted(model, one[None], prior=16)(one[None]) for one in batch])
    torch.testing.assert_close(adaptive_logits(model, batch, "single"), alone)
    torch.testing.assert_close(adaptive_logits(model, batch, "full"), adapted(model, batch)(batch))
    assert ADAPTATIONS["full"] == Adaptation(400, 0)


def test_nothing_is_left_behind_and_other_networks_are_refused():
    model = network().train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    adaptive_logits(model, images(), "partial")
    assert model.training
    assert not model[1]._forward_hooks
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    with pytest.raises(UsageError, match="batch normalisation to adapt"):
        adapted(nn.Flatten(), images())
    with pytest.raises(UsageError, match="images must"):
        adaptive_logits(model, images()[:0])


def test_nothing_is_left_behind_after_an_error():
    model = network().train()
    state = {name: value.clone() for name, value in model.state_dict().items()}

    class FaultError(Exception):
        pass

    def fail(*_):
        raise FaultError

    model[5].register_forward_hook(fail)
    with pytest.raises(FaultError):
        adaptive_logits(model, images(), "partial")
    assert model.training
    assert all(parameter.requires_grad is False for parameter in model.parameters())
    assert (len(model[1]._forward_hooks), len(model[5]._forward_hooks)) == (0, 1)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_other_batch_normalisations_than_of_pictures_and_without_weights():
    generator = torch.Generator().manual_seed(3)
    clips = torch.rand(4, 2, 5, 5, generator=generator, dtype=torch.float64)
    model = nn.Sequential(nn.Unflatten(1, (1, 2)), nn.BatchNorm3d(1, affine=False)).double().eval()
    found = adapted(model, clips, prior=2)
    torch.testing.assert_close(found[1].running_mean, 4 / 6 * clips.mean()[None])
    torch.testing.assert_close(found[1].running_var, 2 / 6 + 4 / 6 * clips.var(correction=0)[None])
    with adapting(model, size=4, prior=2):
        torch.testing.assert_close(model(clips), found(clips))
