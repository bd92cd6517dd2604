"""Networks of timm, torchvision and the Hugging Face hub, the libraries being the real ones."""

import json
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from geomrob import load_data
from geomrob.cli import main
from geomrob.errors import Note, UsageError
from geomrob.models import load_model
from geomrob.models.schemes import hub

timm = pytest.importorskip("timm")
models = pytest.importorskip("torchvision.models")
hugging_face = pytest.importorskip("huggingface_hub")

pytestmark = pytest.mark.filterwarnings("ignore::geomrob.errors.Note")
SMALL = ["--threads", "1", "--image-size", "32"]
TIMM, TORCHVISION = "timm:test_efficientnet?num_classes=2", "torchvision:shufflenet_v2_x0_5?num_classes=2"
MEASURED = [
    (TIMM, "margin", ["--bands", "diagonal", "--size", "16", "--budget", "20", "--samples", "2"]),
    (TIMM, "sparsefool", ["--samples", "2"]),
    (TIMM, "corruptions", ["--corruptions", "gaussian_noise", "--severities", "3", "--samples", "2"]),
    (TIMM, "audit", ["--budget", "20", "--source", "timm:test_resnet?num_classes=2", "--samples", "1"]),
    (TORCHVISION, "margin", ["--bands", "diagonal", "--size", "16", "--attack", "deepfool", "--samples", "2"]),
    (TORCHVISION, "corruptions", ["--corruptions", "gaussian_noise", "--severities", "3", "--samples", "2"]),
]


def run(capsys, *words):
    status = main([*words, "--json"])
    told = capsys.readouterr()
    assert status in (0, 3), told.err
    return json.loads(told.out), told.err


@pytest.mark.parametrize(("network", "command", "options"), MEASURED)
def test_commands_measure_networks_of_libraries(pictures, capsys, network, command, options):
    answer, told = run(capsys, command, "--model", network, "--data", str(pictures), *SMALL, *options)
    assert answer["results"]
    notes = " ".join(answer["notes"])
    assert f"{network} has random weights (seed 0)" in notes
    assert "cropped to 32x32" in notes
    assert "normalised with mean 0.485, 0.456, 0.406" in notes or "normalised with mean 0.5, 0.5, 0.5" in notes
    assert "note: " in told


def first_picture(pictures) -> tuple[Path, Image.Image]:
    path = pictures / "cat" / "0.png"
    return path, Image.open(path).convert("RGB")


def read_as(model, pictures):
    own = model.preprocessing
    return load_data(pictures, image_size=own.size, crop=own.crop, interpolation=own.interpolation).images[:1]


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_vit", "resnet18.a1_in1k", "mobilenetv3_small_050", "tf_efficientnet_lite0"]
)
def test_timm_networks_get_what_the_transform_of_timm_gives(pictures, name):
    architecture = name.partition(".")[0]
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False).eval()
    model = load_model(f"timm:{architecture}") if architecture == name else load_model(network)
    network.load_state_dict(model.network.state_dict())
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    expected = transform(first_picture(pictures)[1])[None]
    images = read_as(model, pictures)
    # Both resize with Pillow, 8 bits a channel; 255ths differ where one rounds once more.
    assert float((model.normalize(images) - expected).abs().max()) < 0.05
    torch.testing.assert_close(model(images), network(model.normalize(images)))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_torchvision_networks_get_what_the_transforms_of_their_weights_give(pictures, name):
    model = load_model(f"torchvision:{name}")
    expected = models.get_model_weights(name).DEFAULT.transforms()(first_picture(pictures)[1])[None]
    images = read_as(model, pictures)
    assert float((model.normalize(images) - expected).abs().max()) < 0.05
    assert model(images).shape == (1, 1000)


def test_a_transformer_is_built_for_the_size_that_is_given(pictures):
    model = load_model("timm:test_vit", image_size=32)
    assert model.preprocessing.size == (32, 32)
    assert model(torch.rand(1, 3, 32, 32)).shape == (1, 1000)


def test_weights_of_a_file_replace_the_pretrained_ones_and_nothing_is_downloaded(tmp_path):
    network = timm.create_model("test_resnet", pretrained=False)
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, tmp_path / "w.pth"
    )
    model = load_model("timm:test_resnet.r160_in1k", weights=tmp_path / "w.pth")
    assert torch.equal(model.network.fc.weight, network.fc.weight)
    torchvision = models.get_model("squeezenet1_1", weights=None)
    torch.save(torchvision.state_dict(), tmp_path / "s.pth")
    again = load_model("torchvision:squeezenet1_1@IMAGENET1K_V1", weights=tmp_path / "s.pth")
    assert torch.equal(again.network.classifier[1].weight, torchvision.classifier[1].weight)


def test_models_of_different_sizes_are_refused_in_one_sentence(pictures, capsys):
    words = ["transfer", "--model", "timm:test_resnet", "--model", "torchvision:squeezenet1_1", "--data", str(pictures)]
    assert main(words) == 2
    told = capsys.readouterr().err.splitlines()
    (error,) = [line for line in told if line.startswith("error: ")]
    assert "take images of one size; got 160x160 for timm:test_resnet, 224x224 for torchvision:squeezenet1_1: " in error
    assert "give --image-size" in error


@pytest.fixture
def offline(monkeypatch):
    """No connection: every request of the hub's session fails at once."""

    class Session:
        @staticmethod
        def head(*_, **__):
            raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.utils.get_session", lambda: Session)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "name", ["timm:test_resnet.r160_in1k", "hf-hub:timm/test_resnet.r160_in1k", "hf-hub:org/name@v1"]
)
def test_offline_is_one_sentence_in_seconds(name):
    start = time.monotonic()
    with pytest.raises(
        UsageError, match=r"must be downloaded from https://.*, which cannot be reached, and is not stored in"
    ):
        load_model(name)
    assert time.monotonic() - start < 10
    assert not hugging_face.constants.HF_HUB_OFFLINE


def stored(folder: Path, name: str, files: dict[str, str], state=None) -> None:
    """Lay a model out as the hub's cache has it."""
    from safetensors.torch import save_file

    repository = folder / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    for file, text in files.items():
        (snapshot / file).write_text(text)
    if state is not None:
        save_file(state, snapshot / "model.safetensors")


@pytest.mark.usefixtures("offline")
def test_a_stored_network_of_timm_is_opened_offline_with_its_own_preprocessing(stores):
    network = timm.create_model("test_resnet", num_classes=5)
    own = {
        "input_size": [3, 64, 64],
        "mean": [0.1, 0.2, 0.3],
        "std": [0.5, 0.6, 0.7],
        "crop_pct": 0.9,
        "interpolation": "bicubic",
    }
    config = {"architecture": "test_resnet", "num_classes": 5, "pretrained_cfg": own | {"num_classes": 5}}
    stored(stores, "org/net", {"config.json": json.dumps(config)}, network.state_dict())
    with pytest.warns(Note, match="normalised with mean 0.1, 0.2, 0.3 and std 0.5, 0.6, 0.7"):
        model = load_model("hf-hub:org/net")
    assert torch.equal(model.network.fc.weight, network.fc.weight)
    assert (model.preprocessing.size, model.preprocessing.crop, model.preprocessing.interpolation) == (
        (64, 64),
        0.9,
        "bicubic",
    )


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config.json": "{}"}, "names neither architecture nor model_type"),
        ({"config.json": "no json"}, "must have a config.json in JSON"),
        ({"config.json": "[]"}, "must have a config.json with entries"),
        ({"README.md": ""}, "must have a config.json in JSON"),
    ],
)
def test_what_the_hub_holds_besides_classifiers_is_refused(stores, files, words):
    stored(stores, "org/other", files)
    with pytest.raises(UsageError, match=words):
        load_model("hf-hub:org/other")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:resnt18", "did you mean resnet18"),
        ("timm:qqqq", "timm.list_models"),
        ("timm:resnet18.a4_in1k", "did you mean a3_in1k or a2_in1k or a1_in1k"),
        ("timm:resnet18.", "tag of timm:resnet18 must be one of"),
        ("timm:org/resnet18", "write hf-hub:ORG/NAME"),
        ("timm:resnet18?wings=2", "check the arguments wings"),
        ("timm:test_resnet?num_classes=2&num_classes=3", "got num_classes twice"),
        ("torchvision:resnt18", "did you mean resnet18"),
        ("torchvision:fcn_resnet50", "must name a classifier of torchvision"),
        ("torchvision:resnet18@V1", "weights of torchvision:resnet18 must be one of IMAGENET1K_V1"),
        ("torchvision:resnet18?wings=2", "check the arguments wings"),
        ("torchvision:resnet18@DEFAULT?num_classes=2", "num_classes must be left out with @DEFAULT"),
        ("hf-hub:org/name/more", "must read hf-hub:ORG/NAME"),
        ("robustbench:imagenet/Linf/Salman2020Do_R18", "must have its checkpoint in robustbench's layout"),
    ],
)
def test_names_that_the_libraries_do_not_know_are_refused(name, words):
    with pytest.raises(UsageError, match=words) as error:
        load_model(name)
    assert "\n" not in str(error.value)


def test_torchvision_weights_that_cannot_be_fetched_are_one_sentence(monkeypatch):
    def failing(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", failing)
    with pytest.raises(UsageError, match=r"OSError: no route to host: check the connection, or leave @WEIGHTS out"):
        load_model("torchvision:squeezenet1_1@IMAGENET1K_V1")


def test_a_robust_network_of_imagenet_is_read_from_a_folder_in_robustbench_layout(stores):
    network = models.get_model("resnet18", weights=None)
    file = stores / "models" / "imagenet" / "Linf" / "Salman2020Do_R18.pt"
    file.parent.mkdir(parents=True)
    torch.save({"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, file)
    model = load_model("robustbench:imagenet/Linf/Salman2020Do_R18")
    images = torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(model(images), network.eval()((images - mean) / std))
    assert model.preprocessing.size == (224, 224)
    assert model.preprocessing.shorter_side == 256


def test_a_connection_is_known_by_any_response(monkeypatch):
    class Session:
        @staticmethod
        def head(*_, **__):
            raise ValueError("a response of 500")

    monkeypatch.setattr("huggingface_hub.utils.get_session", lambda: Session)
    assert hub._reachable("https://huggingface.co")
