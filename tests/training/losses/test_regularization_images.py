import re

import numpy as np
import pytest
import torch
from PIL import Image

from geomrob.cli import main
from geomrob.data import load_data
from geomrob.errors import UsageError
from geomrob.models.architectures.resnet import resnet
from geomrob.training import Options, Recipe, Similarity, fit, layer_weights, regularization_images

CLOTHES = load_data("fashion-mnist-1k", samples=30)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder as that of Tiny-ImageNet: val/class/image, 64 x 64, in colour."""
    root = tmp_path_factory.mktemp("photographs")
    generator = np.random.default_rng(0)
    for label in ("n01", "n02", "n03"):
        (root / "val" / label).mkdir(parents=True)
        for index in range(4):
            pixels = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "val" / label / f"{index}.png")
    return root


def recipe(data="", images=9, **options) -> Recipe:
    part = Similarity(data=str(data), images=images, pairs=4, threshold=0.02)
    return Recipe("smoke", "fashion-mnist-1k", "test", options=Options(similarity=part), **options)


def test_no_data_of_their_own_means_the_training_images():
    assert regularization_images(recipe(), CLOTHES) is None
    assert regularization_images(Recipe("smoke", "fashion-mnist-1k"), CLOTHES) is None


def test_photographs_take_the_shape_of_the_training_images(photographs):
    found = regularization_images(recipe(photographs), CLOTHES)
    assert found.images.shape == (9, 1, 28, 28)
    assert len({*found.labels.tolist()}) == 3
    assert len(found) == 9
    raw = load_data(photographs, samples=9)
    assert torch.equal(found.indices, raw.indices)
    assert torch.allclose(found.images.mean((1, 2, 3)), raw.images.mean((1, 2, 3)), atol=0.01)


def test_a_data_set_gives_its_first_images():
    found = regularization_images(recipe("fashion-mnist-1k", 7), CLOTHES)
    assert torch.equal(found.images, load_data("fashion-mnist-1k").images[:7])


def test_the_edit_of_the_recipe_is_applied_last(photographs):
    edited = regularization_images(recipe(photographs, transform="lowpass:4"), CLOTHES).images
    assert torch.linalg.matrix_rank(edited[0, 0], atol=1e-4) == 4


def test_more_images_than_there_are_is_told(photographs):
    with pytest.raises(UsageError, match=re.escape("samples must lie in 1 ... 12; got 13")):
        regularization_images(recipe(photographs, 13), CLOTHES)


def small():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return resnet(shape=(1, 28, 28), mean=[0.3], std=[0.3], widths=(2, 3), depths=(1, 1), stem_stride=2)


def test_a_training_tells_the_weights_of_its_layers(photographs, tmp_path):
    plan = recipe(photographs)
    pool = regularization_images(plan, CLOTHES)
    options = Options(epochs=2, batch=10, max_rate=0.05, similarity=plan.options.similarity)
    fit(small(), CLOTHES, options, out=tmp_path / "default", regularization=pool)
    weights = layer_weights(tmp_path / "default")
    assert list(weights) == ["bn", "stages.0", "stages.1"]
    assert sum(weights.values()) == pytest.approx(1)
    assert len({*weights.values()}) == 3
    named = Options(epochs=1, batch=30, similarity=Similarity(pairs=2, layers=("stem", "fc")))
    fit(small(), CLOTHES, named, out=tmp_path / "named")
    assert list(layer_weights(tmp_path / "named")) == ["stem", "fc"]


def test_a_folder_without_such_a_training_is_refused(tmp_path):
    with pytest.raises(UsageError, match="must hold a training with"):
        layer_weights(tmp_path)
    (tmp_path / "objective.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="must hold a training with"):
        layer_weights(tmp_path)


TOML = """
model = "fmnist-resnet8"
data = "fashion-mnist-1k"
split = "test"
samples = 32
epochs = 1
batch = 16
[similarity]
pairs = 2
images = 9
threshold = 0.05
"""


def test_the_command_takes_photographs_for_the_pairs(photographs, tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(TOML + f"data = '{photographs}'\n")
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "sha256" in told
    names = told.splitlines()[-1].removeprefix("written: ").split(", ")
    assert sorted(names) == sorted(map(str, (tmp_path / "run").iterdir()))
    assert len(layer_weights(tmp_path / "run")) == 4
    (tmp_path / "mine.toml").write_text(TOML)
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 2
    assert "got another one" in capsys.readouterr().err
