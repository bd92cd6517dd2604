"""Transfer: rates that can be counted by hand, plain loops over models, any attack, what is refused."""

import dataclasses

import pytest
import torch

from geomrob import data, models
from geomrob.analysis.transfer import transfer_matrix
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Status, equal, load, save
from tests.attacks.zoo import NaNFor, images, net

pytestmark = pytest.mark.usefixtures("small_blocks")


class Above(torch.nn.Module):
    """Class 1 where the first element is above an edge, class 0 below it."""

    def __init__(self, edge):
        super().__init__()
        self.edge = edge

    def forward(self, inputs):
        first = inputs.flatten(1)[:, 0]
        return torch.stack((self.edge - first, first - self.edge), 1)


def across(model, inputs, labels=None, *, reach=0.01, fail=()):
    """Move the first element just beyond the edge of the model, on the images that are not to fail."""
    seen = model(inputs).argmax(1)
    perturbed = inputs.clone()
    side = 1 - 2 * seen.to(inputs.dtype)
    perturbed[:, 0, 0, 0] = model.edge + reach * side
    success = torch.ones(len(inputs), dtype=torch.bool)
    success[list(fail)] = False
    status = torch.where(success, int(Status.FOUND), int(Status.STEP_LIMIT))
    ones = torch.ones_like(seen)
    return AttackResult(inputs, seen, perturbed, success, status, ones, 3 * ones, 2 * ones)


def row(values):
    """Return images of four elements, the first as given."""
    inputs = torch.full((len(values), 1, 2, 2), 0.5)
    inputs[:, 0, 0, 0] = torch.tensor(values)
    return inputs


def test_a_matrix_by_hand(tmp_path):
    inputs = row([0.1, 0.2, 0.9])
    nets, told = {"low": Above(0.3), "middle": Above(0.5), "high": Above(0.95)}, []
    found = transfer_matrix(
        nets,
        inputs,
        attack=across,
        attack_name="across",
        labels=torch.tensor([0, 0, 1]),
        data="row",
        seed=3,
        progress=lambda *done: told.append(done),
    )
    # Images perturbed on each source, as seen by each target: 1 where it decides otherwise than on the clean one.
    expected = [
        [[1, 1, 1], [0, 0, 1], [0, 0, 0]],  # 0.31, 0.31, 0.29
        [[1, 1, 0], [1, 1, 1], [0, 0, 0]],  # 0.51, 0.51, 0.49
        [[1, 1, 0], [1, 1, 0], [1, 1, 1]],  # 0.96, 0.96, 0.96
    ]
    assert found.fooled.int().tolist() == expected
    assert bool(found.found.all())
    assert found.accuracy.tolist() == pytest.approx([1, 1, 2 / 3])
    torch.testing.assert_close(found.rates, torch.tensor(expected, dtype=torch.float64).mean(2))
    assert (found.models, found.data, found.attack) == (("low", "middle", "high"), "row", "across")
    assert (found.provenance.seed, found.provenance.backwards) == (3, 3 * 3 * 2)
    assert found.provenance.forwards == 3 * 3 + 3 * 3 * 3 + 9 * 3
    assert told == sorted(told)
    assert {(3, 9), (6, 9), (9, 9)} <= set(told)
    assert equal(load(save(found, tmp_path / "x")), found)


def test_an_image_whose_attack_failed_fools_nobody():
    inputs = row([0.1, 0.2, 0.9])
    found = transfer_matrix({"a": Above(0.3), "b": Above(0.5)}, inputs, attack=across, fail=(0,))
    # The attack moved image 0 across all the same.
    assert found.found.tolist() == [[False, True, True]] * 2
    assert found.fooled[:, :, 0].tolist() == [[False, False]] * 2
    assert found.fooled[0, 0].tolist() == [False, True, True]
    assert bool(torch.isnan(found.accuracy).all())


def test_a_target_is_compared_with_itself_not_with_the_source_or_the_truth():
    # The target sees class 1 before and after: that is not what the source saw, but nothing has changed.
    found = transfer_matrix({"a": Above(0.3), "b": Above(0.05)}, row([0.1]), attack=across, labels=torch.tensor([0]))
    assert found.fooled[0].tolist() == [[True], [False]]


@pytest.mark.parametrize(
    ("attack", "options"), [(sparsefool, {"lam": 2.0}), (deepfool, {"steps": 30, "bounds": (0, 1)})]
)
def test_the_matrix_is_that_of_a_plain_loop(attack, options):
    nets, inputs = {str(seed): net(seed=seed) for seed in range(3)}, images(25)
    found = transfer_matrix(nets, inputs, attack=attack, attack_name=attack.__name__, **options)
    for s, source in enumerate(nets.values()):
        result = attack(source, inputs, **options)
        assert torch.equal(found.found[s], result.success)
        for t, target in enumerate(nets.values()):
            for n in range(25):
                before, after = target(inputs[[n]]).argmax(), target(result.perturbed[[n]]).argmax()
                assert bool(found.fooled[s, t, n]) == bool(result.success[n] and before != after)
    assert torch.equal(found.rates.diagonal(), found.found.double().mean(1))


def test_order_and_batch_change_nothing():
    nets, inputs = {str(seed): net(seed=seed) for seed in range(2)}, images(20)
    whole = transfer_matrix(nets, inputs)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    parts = [transfer_matrix(nets, inputs[rows]) for rows in order.split(7)]
    assert torch.equal(torch.cat([part.fooled for part in parts], 2), whole.fooled[:, :, order])
    turned = transfer_matrix(dict(reversed(nets.items())), inputs)
    assert torch.equal(turned.fooled, whole.fooled.flip(0, 1))


def test_an_answer_that_is_no_number_is_not_fooled():
    inputs = images(9)
    nets = {"a": net(), "b": NaNFor(net(seed=1), float(inputs.flatten(1).mean(1).max()) - 1e-6)}
    found = transfer_matrix(nets, inputs)
    silent = inputs.flatten(1).mean(1).argmax()
    assert not bool(found.fooled[:, 1, silent].any())
    assert not bool(found.found[1, silent])
    assert int(found.fooled[:, 1].sum()) >= 8


def test_on_real_images_a_model_is_fooled_by_its_own_images_most():
    clothes = data.load_data("fashion-mnist-1k", samples=12)
    nets = {name: models.load_model(name) for name in ("fmnist-lenet", "fmnist-resnet8")}
    found = transfer_matrix(nets, clothes.images, labels=clothes.labels)
    assert found.rates.diagonal().tolist() == [1, 1]
    assert float(found.rates[0, 1]) < 0.7
    assert float(found.rates[1, 0]) < 0.7
    assert bool((found.accuracy > 0.7).all())
    again = transfer_matrix(nets, clothes.images, labels=clothes.labels)
    birth = dataclasses.replace(again.provenance, seconds=found.provenance.seconds, created=found.provenance.created)
    assert equal(dataclasses.replace(again, provenance=birth), found)


def wrong_labels(value):
    return torch.full((9,), value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"models": {}}, "models must hold at least one model; got none"),
        (
            {"models": {"a": net(), "b": net((1, 9, 9))}},
            r"models must take images of 1x8x8; got b, .*\(mat1 and mat2.*\)",
        ),
        (
            {"models": {"a": net(), "b": net(classes=5)}},
            "models must have one number of classes; got a 4, b 5: compare",
        ),
        ({"models": {"a": NaNFor(net(), -1)}}, "model must return finite logits; got NaN"),
        ({"inputs": images() + 1}, r"inputs must lie in bounds \(0, 1\)"),
        ({"inputs": images()[:0]}, "inputs must hold at least one image"),
        ({"lamda": 2}, "option of sparsefool must be one of .*; got 'lamda': did you mean lam"),
        ({"lam": 0.5}, r"lam must be at least 1 and below 1e\+06; got 0.5"),
        ({"labels": wrong_labels(4)}, "labels must be classes from 0 to 3; got 4"),
    ],
)
def test_misuse_is_one_sentence(change, sentence):
    arguments = {"models": {"a": net(), "b": net(seed=1)}, "inputs": images(), **change}
    with pytest.raises(UsageError, match=sentence) as caught:
        transfer_matrix(arguments.pop("models"), arguments.pop("inputs"), **arguments)
    assert "\n" not in str(caught.value)
