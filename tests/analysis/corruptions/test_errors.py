"""Errors under corruptions: against plain loops; whose images they are; what they may depend on."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from geomrob.analysis.corruptions.batchnorm_adaptation import adaptive_logits
from geomrob.analysis.corruptions.errors import corruption_errors
from geomrob.data import DATASETS
from geomrob.data.corruptions import corrupt
from geomrob.data.corruptions.precomputed import Corrupted, load_corrupted
from geomrob.data.entry import Samples
from geomrob.errors import UsageError

NAMES = ("gaussian_noise", "fog")
COUNT = 40


def network(seed=0, channels=1, side=16, classes=4):
    """Return a small network with batch normalisation, in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(4 * (side - 2) ** 2, classes)
        return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), head)


@pytest.fixture(scope="module")
def drawn():
    """Return 13 images, their labels, and positions in their source that are not 0, 1, ..."""
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(13, 1, 16, 16, generator=generator), torch.randint(4, (13,), generator=generator)
    return images, labels, torch.randperm(50, generator=generator)[:13]


def shares(model, images, labels):
    """Return the share of errors of a model in eval mode."""
    with torch.no_grad():
        return (model.eval()(images).argmax(1) != labels).double().mean().item()


def test_errors_are_those_of_a_plain_loop(drawn):
    images, labels, indices = drawn
    nets = {"one": [network(0), network(1)], "other": [network(2), network(3)]}
    found = corruption_errors(
        nets, images, labels, corruptions=NAMES, severities=(2, 5), indices=indices, seed=3, data="noise"
    )
    assert (found.models, found.corruptions, found.severities) == (("one", "other"), NAMES, (2, 5))
    assert (found.data, found.images, found.sources, found.measure) == ("noise", 13, ("made", "made"), "error")
    assert all(net.training for group in nets.values() for net in group)
    for m, group in enumerate(nets.values()):
        for g, net in enumerate(group):
            assert found.clean[m, g].item() == pytest.approx(shares(net, images, labels))
            for c, name in enumerate(NAMES):
                for s, level in enumerate((2, 5)):
                    changed = corrupt(images, name, level, seed=3, indices=indices)
                    assert found.errors[m, g, c, s].item() == pytest.approx(shares(net, changed, labels))
    assert found.provenance.forwards == 4 * 5 * 13


def test_neither_order_nor_split_nor_memory_counts(drawn):
    images, labels, indices = drawn
    how = {"corruptions": NAMES, "severities": (3,), "seed": 1}
    whole = corruption_errors({"net": network()}, images, labels, indices=indices, **how)
    turned = torch.randperm(13, generator=torch.Generator().manual_seed(5))
    again = corruption_errors(
        {"net": network()}, images[turned], labels[turned], indices=indices[turned], memory=1, **how
    )
    parts = [
        corruption_errors({"net": network()}, images[part], labels[part], indices=indices[part], **how)
        for part in (slice(0, 4), slice(4, 13))
    ]
    assert torch.equal(whole.errors, again.errors)
    torch.testing.assert_close(whole.errors, (4 * parts[0].errors + 9 * parts[1].errors) / 13)


@pytest.mark.parametrize("how", ["single", "partial", "full"])
def test_adapted_errors_are_those_of_adapted_networks_on_each_cell(drawn, how):
    images, labels, indices = drawn
    net = network()
    found = corruption_errors(
        {"net": net}, images, labels, corruptions=["fog"], severities=(5,), indices=indices, seed=2, adapt=how
    )
    changed = corrupt(images, "fog", 5, seed=2, indices=indices)
    for cell, value in ((images, found.clean), (changed, found.errors)):
        logits = adaptive_logits(net, cell, how, indices=indices, seed=2)
        assert value.item() == pytest.approx((logits.argmax(1) != labels).double().mean().item())
    assert found.adapt == how


def test_another_measure_is_asked_with_model_outputs_and_labels(drawn):
    images, labels, _ = drawn
    net = network()

    def top_two(model, outputs, truth):
        assert model is net
        return float((outputs.topk(2).indices != truth[:, None]).all(1).double().mean())

    found = corruption_errors(
        {"net": net}, images, labels, corruptions=["fog"], severities=(1,), measure=top_two, measured="top-2 error"
    )
    assert found.measure == "top-2 error"
    assert found.clean.item() <= shares(net, images, labels)


def test_outputs_that_are_no_number_are_errors(drawn):
    images, labels, _ = drawn

    def broken(batch):
        scores = torch.zeros(len(batch), 4)
        scores[batch.mean((1, 2, 3)) > 0.5] = torch.nan
        scores[:, 0] += 1
        return scores

    found = corruption_errors({"broken": broken}, images, torch.zeros_like(labels), corruptions=["fog"], severities=[1])
    assert found.clean.item() == pytest.approx((images.mean((1, 2, 3)) > 0.5).double().mean().item())


def test_a_network_that_breaks_down_under_a_corruption_errs_on_all_of_it(drawn):
    images, labels, _ = drawn

    def broken(batch):
        scores = torch.eye(4)[torch.zeros(len(batch), dtype=torch.int64)]
        scores[batch.amax((1, 2, 3)) - batch.amin((1, 2, 3)) < 0.5] = torch.nan
        return scores

    how = {"corruptions": ["contrast"], "severities": [5]}
    found = corruption_errors({"broken": broken}, images, torch.zeros_like(labels), **how)
    assert (found.clean.item(), found.errors.item()) == (0, 1)
    with pytest.raises(UsageError, match="finite logits; got NaN"):
        corruption_errors({"broken": broken}, images / 10, labels, **how)


def test_infinite_scores_are_errors(drawn):
    images, labels, _ = drawn
    images = images.clone()
    images[:, 0, 0, 0] = torch.arange(len(images)) % 2

    def broken(batch):
        scores = torch.full((len(batch), 4), torch.inf)
        scores[batch[:, 0, 0, 0] == 0] = torch.tensor([1.0, -torch.inf, 0.0, 0.0])
        return scores

    found = corruption_errors({"broken": broken}, images, torch.zeros_like(labels), corruptions=["fog"], severities=[1])
    assert found.clean.item() == pytest.approx(6 / 13)


@pytest.fixture
def distributed(tmp_path, monkeypatch):
    """Return a data folder with a CIFAR-10-C of few images, black under fog and white under frost."""
    monkeypatch.setitem(DATASETS, "cifar10", replace(DATASETS["cifar10"], splits={"test": COUNT}))
    root = tmp_path / "CIFAR-10-C"
    root.mkdir()
    for name, value in (("fog", 0), ("frost", 255)):
        np.save(root / f"{name}.npy", np.full((5 * COUNT, 32, 32, 3), value, np.uint8))
    np.save(root / "labels.npy", np.tile(np.arange(COUNT) % 4, 5).astype(np.uint8))
    return tmp_path


def reader(folder, samples=10, seed=4):
    """Return what reads the distributed set, and clean images with the labels and indices of the same draw."""
    read = partial(load_corrupted, "cifar10", data_dir=folder, samples=samples, seed=seed)
    same = read("fog", 1).samples
    return read, torch.full((samples, 3, 32, 32), 0.5), same.labels, same.indices


def test_a_distributed_set_wins_over_made_images(distributed):
    read, images, labels, indices = reader(distributed)
    net = network(channels=3, side=32)
    found = corruption_errors(
        {"net": net}, images, labels, corruptions=("frost", "fog"), ready_made=read, indices=indices
    )
    assert found.source == "ready-made"
    for column, value in ((0, 1.0), (1, 0.0)):
        wanted = shares(net, torch.full_like(images, value), labels)
        assert found.errors[0, 0, column].tolist() == pytest.approx([wanted] * 5)


def test_a_corruption_that_the_distributed_set_lacks_is_refused_by_name(distributed):
    read, images, labels, indices = reader(distributed)
    with pytest.raises(UsageError, match=r"hold snow.npy or snow/1; got frost, fog: add it"):
        corruption_errors(
            {"net": network(channels=3, side=32)},
            images,
            labels,
            corruptions=["snow"],
            ready_made=read,
            indices=indices,
        )


def test_labels_of_the_wrong_length_are_explained_in_one_sentence(distributed):
    read, images, labels, indices = reader(distributed)
    np.save(distributed / "CIFAR-10-C" / "labels.npy", np.zeros(COUNT, np.uint8))
    with pytest.raises(UsageError, match=r"labels.npy must hold 200 labels, .* 40 test images five times; got \(40,\)"):
        corruption_errors(
            {"net": network(channels=3, side=32)}, images, labels, corruptions=["fog"], ready_made=read, indices=indices
        )


def given(sources, images, labels, indices):
    """Return what gives the same images under the name of a source for each (name, severity)."""

    def read(name, severity):
        samples = Samples(images, labels, ("a", "b", "c", "d"), indices, "given")
        return Corrupted(samples, name, severity, sources[name, severity])

    return read


def test_a_column_holds_one_kind_and_a_table_says_which(drawn):
    images, labels, indices = drawn
    sources = {("fog", 1): "made", ("fog", 2): "ready-made", ("snow", 1): "made", ("snow", 2): "made"}
    how = {"severities": (1, 2), "indices": indices}
    with pytest.raises(UsageError, match="severities of fog must have one source; got made, ready-made"):
        corruption_errors(
            {"net": network()}, images, labels, corruptions=("fog", "snow"), ready_made=given(sources, *drawn), **how
        )
    sources["fog", 1] = "ready-made"
    found = corruption_errors(
        {"net": network()}, images, labels, corruptions=("fog", "snow"), ready_made=given(sources, *drawn), **how
    )
    assert (found.sources, found.source) == (("ready-made", "made"), "mixed")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda images, labels, indices: (images[1:], labels[1:], indices[1:]), "the 13 clean images in their order"),
        (lambda images, labels, indices: (images, labels, indices.flip(0)), "got others for fog 1: read both"),
        (lambda images, labels, indices: (images, (labels + 1) % 4, indices), "labels of the clean images"),
    ],
    ids=["fewer", "another order", "other labels"],
)
def test_other_images_than_the_clean_ones_are_refused(drawn, change, told):
    images, labels, indices = drawn
    read = given({("fog", 1): "made"}, *change(*drawn))
    with pytest.raises(UsageError, match=told):
        corruption_errors(
            {"net": network()}, images, labels, corruptions=["fog"], severities=[1], ready_made=read, indices=indices
        )


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"corruptions": ["fogg"]}, "did you mean fog"),
        ({"corruptions": []}, "at least one, each once"),
        ({"corruptions": ["fog", "fog"]}, "each once; got"),
        ({"severities": (2, 1)}, r"rise within 1 \.\.\. 5; got \[2, 1\]"),
        ({"severities": ()}, "severities must rise"),
        ({"severities": (0, 1)}, "severities must rise"),
        ({"adapt": "half"}, "adapt"),
        ({"models": {}}, "models"),
        ({"models": {"net": lambda images: images.flatten(1)}, "adapt": "full"}, "torch.nn.Module to adapt"),
        ({"models": {"net": nn.Flatten()}, "adapt": "full"}, "must have batch normalisation to adapt"),
        ({"labels": torch.full((13,), 4)}, "labels must be classes from 0 to 3"),
    ],
)
def test_misuse_is_one_sentence(drawn, facts, told):
    images, labels, _ = drawn
    how = {"models": {"net": network()}, "labels": labels, "corruptions": ["fog"], "severities": [1], **facts}
    with pytest.raises(UsageError, match=told) as error:
        corruption_errors(how.pop("models"), images, how.pop("labels"), **how)
    assert "\n" not in str(error.value)
