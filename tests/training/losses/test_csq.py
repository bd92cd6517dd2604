"""Central similarity: codes far from each other, the loss written out, a head that learns its codes."""

import math

import pytest
import torch
from torch import nn

from geomrob.analysis.corruptions.retrieval import hamming, retrieval_map
from geomrob.data.entry import Samples
from geomrob.errors import UsageError
from geomrob.training import Adversarial, Augment, Options, fit
from geomrob.training.losses.csq import HashingObjective, csq_loss, hash_head, hash_targets


@pytest.mark.parametrize(("classes", "bits"), [(10, 64), (64, 64), (100, 64), (128, 64), (4, 2)])
def test_codes_of_two_classes_differ_in_half_the_bits_or_in_all(classes, bits):
    codes = hash_targets(classes, bits)
    assert codes.shape == (classes, bits)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    apart = hamming(codes, codes)[~torch.eye(classes, dtype=torch.bool)]
    assert set(apart.tolist()) <= {bits // 2, bits}


@pytest.mark.parametrize(("classes", "bits"), [(200, 64), (10, 48)])
def test_other_numbers_take_fair_bits_by_seed(classes, bits):
    codes = hash_targets(classes, bits, seed=1)
    assert torch.equal(codes, hash_targets(classes, bits, seed=1))
    assert not torch.equal(codes, hash_targets(classes, bits, seed=2))
    assert codes.mean().abs() < 5 / math.sqrt(codes.numel())


@pytest.mark.parametrize(("classes", "bits"), [(1, 64), (10, 0)])
def test_too_few_are_refused(classes, bits):
    with pytest.raises(UsageError, match="classes must be at least 2 and bits at least 1"):
        hash_targets(classes, bits)


@pytest.mark.parametrize("weight", [0.0, 1e-4, 10.0])
def test_loss_is_the_formula_written_out(weight):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    labels, targets = torch.tensor([0, 2, 1, 1, 0]), hash_targets(3, 8)
    wanted = 0.0
    for row, label in zip(outputs.tolist(), labels.tolist(), strict=True):
        for y, code in zip(row, targets[label].tolist(), strict=True):
            p = (1 + math.tanh(y)) / 2
            wanted -= math.log(p if code > 0 else 1 - p)
            wanted += weight * (abs(math.tanh(y)) - 1) ** 2
    assert csq_loss(outputs, labels, targets, quantisation=weight).item() == pytest.approx(wanted / 40)


def test_a_saturated_wrong_bit_has_a_finite_loss_and_gradient():
    outputs = torch.full((1, 2), 60.0, requires_grad=True)
    loss = csq_loss(outputs, torch.tensor([0]), -torch.ones(1, 2))
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert loss.item() == pytest.approx(120.0)
    assert gradient.tolist() == [[1.0, 1.0]]


def small(classes=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, classes))


def test_head_replaces_the_last_linear_layer_alone_and_leaves_the_global_generator():
    model = small()
    first, state = model[1], torch.get_rng_state()
    assert hash_head(model, 32, seed=1) is model
    assert model[1] is first
    assert model[3].out_features == 32
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(hash_head(small(), 32, seed=1)[3].weight, model[3].weight)
    assert not torch.equal(hash_head(small(), 32, seed=2)[3].weight, model[3].weight)
    for other in (nn.Flatten(), nn.Linear(4, 2)):
        with pytest.raises(UsageError, match="must end in a linear layer"):
            hash_head(other)


def test_trained_codes_retrieve_their_class():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    images = torch.rand(3, 1, 4, 4, generator=generator)[labels]
    images = (images + 0.1 * torch.randn(60, 1, 4, 4, generator=generator)).clamp(0, 1)
    model = hash_head(small(), 16)
    before = retrieval_map(model(images[:20]).detach(), labels[:20], model(images[20:]).detach(), labels[20:], top=10)
    samples = Samples(images, labels, ("a", "b", "c"), torch.arange(60), "blobs")
    options = Options(epochs=15, batch=30, optimizer="adam", max_rate=0.03)
    fit(model, samples, options, objective=HashingObjective(3, 16))
    after = retrieval_map(model(images[:20]).detach(), labels[:20], model(images[20:]).detach(), labels[20:], top=10)
    assert before < 0.99 < after
    assert hamming(model(images).detach(), hash_targets(3, 16)).argmin(1).equal(labels)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (Options(held_out=10), "held_out"),
        (Options(adversarial=Adversarial()), "adversarial"),
        (Options(augment=Augment(jsd=12.0)), "augment.jsd"),
    ],
)
def test_parts_of_the_recipe_do_not_go_with_an_objective(options, told):
    samples = Samples(torch.zeros(20, 1, 4, 4), torch.arange(20) % 3, ("a", "b", "c"), torch.arange(20), "dark")
    with pytest.raises(UsageError, match=f"next to an objective; got {told}: leave them out"):
        fit(hash_head(small(), 16), samples, options, objective=HashingObjective(3, 16))


class CrossEntropy(nn.Module):
    """Another loss."""

    def forward(self, model, images, labels, _generator=None):
        return nn.functional.cross_entropy(model(images), labels)


def test_a_training_is_not_gone_on_with_by_another_objective(tmp_path):
    samples = Samples(torch.zeros(20, 1, 4, 4), torch.arange(20) % 3, ("a", "b", "c"), torch.arange(20), "dark")
    fit(hash_head(small(), 16), samples, Options(epochs=1), objective=HashingObjective(3, 16), out=tmp_path)
    for other in (None, HashingObjective(3, 16, quantisation=1.0), HashingObjective(3, 16, seed=1), CrossEntropy()):
        with pytest.raises(UsageError, match="got another one in"):
            fit(hash_head(small(), 16), samples, Options(epochs=1), objective=other, out=tmp_path)
    again = fit(hash_head(small(), 16), samples, Options(epochs=1), objective=HashingObjective(3, 16), out=tmp_path)
    assert len(again.history) == 1
