"""A training of the sweeps is made once, found again, and never taken for another one."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import geomrob
from experiments import trainings
from experiments.trainings import changed, errors_of, folder_of, trained
from geomrob.data import Samples

RECIPE = changed("fmnist-standard", samples=40, data="fashion-mnist-1k", epochs=1, batch=20)
OTHERS = {
    "images": replace(RECIPE, samples=41),
    "data": replace(RECIPE, data="mnist"),
    "transform": replace(RECIPE, transform="lowpass:4"),
    "epochs": replace(RECIPE, options=replace(RECIPE.options, epochs=2)),
    "decay": replace(RECIPE, options=replace(RECIPE.options, weight_decay=1e-3)),
    "a part": changed("fmnist-similarity", samples=40, data="fashion-mnist-1k", epochs=1, batch=20),
}


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def weights(model):
    return torch.cat([values.flatten() for values in model.state_dict().values()])


def test_a_training_is_made_once_and_found_again_with_the_same_weights(tmp_path):
    first = trained(RECIPE, 0, tmp_path, make=linear, name="linear")
    (folder,) = tmp_path.iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = trained(RECIPE, 0, tmp_path, make=linear, name="linear")
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(linear())), "it was trained"
    assert not again.training
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "model.safetensors").stat().st_mtime_ns == before["model.safetensors"]


def test_what_is_found_is_not_trained(tmp_path, monkeypatch):
    trained(RECIPE, 0, tmp_path, make=linear, name="linear")

    def refuse(*_, **__):
        raise AssertionError("a step was taken")

    monkeypatch.setattr(torch.optim.SGD, "step", refuse)
    trained(RECIPE, 0, tmp_path, make=linear, name="linear")
    with pytest.raises(AssertionError, match="a step was taken"):
        trained(RECIPE, 1, tmp_path, make=linear, name="linear")


@pytest.mark.parametrize("what", OTHERS)
def test_another_recipe_has_another_folder(tmp_path, what):
    assert folder_of(OTHERS[what], 0, tmp_path) != folder_of(RECIPE, 0, tmp_path)


def test_another_seed_or_name_has_another_folder(tmp_path):
    folders = {folder_of(RECIPE, seed, tmp_path, name) for seed in (0, 1) for name in ("", "blur")}
    assert len(folders) == 4
    assert folder_of(
        changed("fmnist-standard", samples=40, data="fashion-mnist-1k", epochs=1, batch=20), 0, tmp_path
    ) == folder_of(RECIPE, 0, tmp_path)


def test_errors_are_means_over_severities_and_corruptions():
    """A model that reads the label off the first pixel, on images whose first pixel says it or not."""
    labels = torch.arange(4) % 2

    def samples(right):
        images = torch.zeros(4, 1, 4, 4)
        images[:, 0, 0, 0] = torch.where(torch.arange(4) < right, labels, 1 - labels).float()
        return Samples(images, labels, ("0", "1"), torch.arange(4), "mine")

    class First(nn.Module):
        def forward(self, images):
            return torch.stack([1 - images[:, 0, 0, 0], images[:, 0, 0, 0]], 1) * 4 - 2

    under = {"fog": [samples(4), samples(2)], "frost": [samples(1), samples(2)]}
    errors = errors_of(First(), samples(3), under)
    assert errors == {"clean": 25.0, "corruptions": {"fog": 25.0, "frost": 62.5}, "mean": 43.75}


def test_corruptions_are_those_of_the_library():
    test = geomrob.load_data("fashion-mnist-1k", samples=3, seed=0)
    under = trainings.corrupted(test, ["fog", "contrast"], (1, 5))
    assert list(under) == ["fog", "contrast"]
    expected = geomrob.corrupt(test.images, "fog", 5, indices=test.indices)
    assert torch.equal(under["fog"][1].images, expected)
    assert torch.equal(under["fog"][1].labels, test.labels)
