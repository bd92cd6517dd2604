import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from geomrob.errors import Note, UsageError
from geomrob.models import build, load_model
from geomrob.models.weights import load_weights


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture
def trained():
    return build("fmnist-lenet", seed=7)


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A module of the user in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "users_models.py").write_text(
        "import torch\n"
        "def tiny():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))\n"
        "def broken():\n    raise RuntimeError('no such luck')\n"
        "def text():\n    return 'model'\n"
    )
    return tmp_path


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
@pytest.mark.parametrize("below", [None, "state_dict", "model"])
def test_weights_of_every_kind_give_the_same_logits(tmp_path, trained, suffix, below):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(trained.state_dict(), path)
    else:
        torch.save(trained.state_dict() if below is None else {below: trained.state_dict(), "epoch": 3}, path)
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(load_model("fmnist-lenet", weights=path)(images), trained(images))


def test_weights_without_the_normalisation_keep_the_builders(tmp_path, trained):
    state = {key: value for key, value in trained.state_dict().items() if not key.startswith("norm.")}
    save_file(state, tmp_path / "w.safetensors")
    model = load_model("fmnist-lenet", weights=tmp_path / "w.safetensors")
    assert model.norm.mean.item() == pytest.approx(0.2860)
    assert torch.equal(model.fc3.weight, trained.fc3.weight)


def test_weights_bring_their_own_normalisation(tmp_path, trained):
    save_file(trained.state_dict() | {"norm.mean": torch.full((1, 1, 1, 1), 0.25)}, tmp_path / "w.safetensors")
    with pytest.warns(Note, match=r"norm.mean is \(0.25\) instead of \(0.286\)"):
        model = load_model("fmnist-lenet", weights=tmp_path / "w.safetensors")
    assert model.norm.mean.item() == 0.25


def changed(state, **tensors):
    return {key: value for key, value in (state | tensors).items() if value is not None}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fc3.weight": None}, "got no fc3.weight in"),
        ({"fc9.weight": torch.zeros(1)}, "got unknown fc9.weight in"),
        ({"fc3.weight": torch.zeros(3, 84)}, r"got fc3.weight \(3, 84\) instead of \(10, 84\) in"),
        ({"fc3.bias": torch.full((10,), torch.nan)}, "got NaN or infinity in fc3.bias"),
        (
            {"a": torch.zeros(1), "b": torch.zeros(1), "c": torch.zeros(1), "d": torch.zeros(1)},
            "got unknown a, b, c and 1 more in",
        ),
    ],
)
def test_weights_of_another_model_are_refused_and_change_nothing(tmp_path, trained, change, words):
    path = tmp_path / "w.safetensors"
    save_file({key: value.clone() for key, value in changed(trained.state_dict(), **change).items()}, path)
    model = build("fmnist-lenet", seed=1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UsageError, match=words) as error:
        load_weights(model, path)
    assert str(path) in str(error.value)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_damaged_and_missing_weights_are_refused(tmp_path, trained):
    for suffix in (".safetensors", ".pt"):
        path = tmp_path / f"w{suffix}"
        with pytest.raises(UsageError, match=r"No such file .* check the path"):
            load_model("fmnist-lenet", weights=path)
        for content in (b"", b"nothing of the kind", b"\xff" * 64):
            path.write_bytes(content)
            with pytest.raises(UsageError, match="fetch it again"):
                load_model("fmnist-lenet", weights=path)
        (save_file if suffix == ".safetensors" else torch.save)(trained.state_dict(), path)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(UsageError, match="fetch it again"):
            load_model("fmnist-lenet", weights=path)
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(UsageError, match=r"a file, or a folder with .*; got nothing in"):
        load_model("fmnist-lenet", weights=tmp_path / "folder.pt")


def test_content_that_is_no_state_dict_is_refused(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / "w.pt")
    with pytest.raises(UsageError, match=r"save model.state_dict\(\)"):
        load_model("fmnist-lenet", weights=tmp_path / "w.pt")


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_inside_weights_is_never_run(tmp_path, protocol):
    canary = {"fc1.weight": Malicious(tmp_path / "ran")}
    plain = pickle.dumps(canary, protocol=protocol)
    for legacy in (False, True):
        path = tmp_path / "w.pt"
        torch.save(canary, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(UsageError, match=r"got more than tensors \(.*pathlib") as error:
            load_model("fmnist-lenet", weights=path)
        assert "\x1b" not in str(error.value)
    (tmp_path / "old.pt").write_bytes(plain)
    with pytest.raises(UsageError, match="got a plain pickle"):
        load_model("fmnist-lenet", weights=tmp_path / "old.pt")
    assert not (tmp_path / "ran").exists()


def test_other_files_than_the_embedded_ones_fail_the_digest(trained, tmp_path):
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match="SHA-256 0000"):
        load_weights(trained, tmp_path / "w.safetensors", sha256="0" * 64)


@pytest.mark.usefixtures("code")
def test_a_factory_of_the_user_is_built_and_made_ready():
    model = load_model("users_models:tiny")
    assert model(torch.rand(2, 1, 4, 4)).shape == (2, 3)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_factory_takes_weights_too(code):
    state = {"1.weight": torch.ones(3, 16), "1.bias": torch.zeros(3)}
    save_file(state, code / "w.safetensors")
    model = load_model("users_models:tiny", weights=code / "w.safetensors")
    assert model(torch.ones(1, 1, 4, 4)).tolist() == [[16.0] * 3]


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module_here:tiny", "No module named"),
        ("users_models:huge", "no attribute 'huge'"),
        ("users_models:broken", "RuntimeError: no such luck"),
        ("users_models:text", "torch.nn.Module; got str"),
        ("users_models:", "name both sides"),
        (":tiny", "name both sides"),
    ],
)
def test_factories_that_fail_are_told_in_one_sentence(name, words):
    with pytest.raises(UsageError, match=words):
        load_model(name)
