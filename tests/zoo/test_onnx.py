"""ONNX files: exported here, opened through onnx2torch, compared with the network that they were exported from."""

import pytest
import torch
from torch import nn

from geomrob import deepfool
from geomrob.errors import UsageError
from geomrob.models import load_model

onnx = pytest.importorskip("onnx")
onnx2torch = pytest.importorskip("onnx2torch")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore::geomrob.errors.Note", "ignore::DeprecationWarning")
IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.Hardswish()]
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


def exported(net, path, images=IMAGES[:1], **options):
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
    torch.onnx.export(net, (images,), path, dynamo=False, opset_version=13, **(names | options))
    return path


def test_a_file_gives_the_logits_gradients_and_distances_of_the_network_it_was_exported_from(tmp_path):
    net = network()
    model = load_model(f"onnx:{exported(net, tmp_path / 'net.onnx')}")
    gradients = []
    for function in (net, model):
        images = IMAGES.clone().requires_grad_()
        logits = function(images)
        gradients += [logits, *torch.autograd.grad(logits[:, 2].sum(), images)]
    torch.testing.assert_close(gradients[2:], gradients[:2], rtol=1e-4, atol=1e-6)
    theirs, ours = (deepfool(function, IMAGES) for function in (net, model))
    torch.testing.assert_close(ours.distances(), theirs.distances(), rtol=1e-3, atol=1e-5)
    assert model.preprocessing.size == (16, 16)


class Rounds(nn.Module):
    """Its gradient is zero almost everywhere."""

    def __init__(self):
        super().__init__()
        self.inner = network()

    def forward(self, images):
        return self.inner(torch.floor(images * 8) / 8)


def test_a_file_whose_gradient_is_not_that_of_its_function_is_refused(tmp_path):
    file = exported(Rounds().eval(), tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="must have the derivatives of the file"):
        load_model(f"onnx:{file}")


def test_a_conversion_that_changes_the_logits_is_refused(tmp_path, monkeypatch):
    file = exported(network(), tmp_path / "net.onnx")
    convert = onnx2torch.convert
    monkeypatch.setattr(onnx2torch, "convert", lambda graph: nn.Sequential(convert(graph), nn.Hardtanh(0.0, 0.01)))
    with pytest.raises(UsageError, match="must give the logits of the file"):
        load_model(f"onnx:{file}")


def test_what_is_no_network_of_images_is_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("no such thing")
    last = nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 4)).eval()
    exported(last, tmp_path / "last.onnx", IMAGES[:1].permute(0, 2, 3, 1))
    file = exported(network(), tmp_path / "net.onnx")
    for name, words in (
        (f"onnx:{tmp_path}/text.onnx", "must be an ONNX file that onnx2torch converts"),
        (f"onnx:{tmp_path}/none.onnx", "got no file"),
        (f"onnx:{tmp_path}", "got no file"),
        (f"onnx:{tmp_path}/last.onnx", r"must take float images \(N, C, H, W\) alone"),
    ):
        with pytest.raises(UsageError, match=words) as error:
            load_model(name)
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="weights must be left out"):
        load_model(f"onnx:{file}", weights=file)
