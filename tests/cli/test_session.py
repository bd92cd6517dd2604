"""What a command opens before its work, and what it refuses."""

import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields, replace

import pytest
import torch
from torch import nn

from geomrob.analysis import preparation
from geomrob.analysis.preparation import _threads_at_start, check_fit, match_labels, set_threads
from geomrob.cli import COMMANDS, function_of, main
from geomrob.cli.console import notes_on_stderr, printed_notes
from geomrob.cli.loading import load_networks, load_samples, trained_for
from geomrob.cli.options import Common, Data, Output
from geomrob.cli.session import Session, check_resources, places
from geomrob.data import load_data
from geomrob.data.entry import Samples
from geomrob.errors import Note, UsageError
from geomrob.inference import prepared
from geomrob.models import load_model
from geomrob.results import load

CPU = torch.device("cpu")
SHARED = {field.name for field in fields(Common)}


def drawn(*shape, **said):
    count = torch.arange(2)
    return Samples(torch.zeros(2, *shape), count, ("a", "b"), count, "some", **said)


def signature(command):
    function = function_of(command)
    return inspect.signature(function).parameters


def test_networks_are_loaded_by_name():
    with pytest.warns(Note, match="model fmnist-lenet is named 2 times: it is measured once"):
        networks = load_networks(["fmnist-lenet", "fmnist-resnet8", "fmnist-lenet"], (), CPU)
    assert list(networks) == ["fmnist-lenet", "fmnist-resnet8"]
    assert not any(network.training for group in networks.values() for network in group)


def test_weights_go_with_one_model(tmp_path):
    with pytest.raises(UsageError, match="weights must go with one model; got 2 models"):
        load_networks(["fmnist-lenet", "mnist-lenet"], [tmp_path / "some.pt"], CPU)


@pytest.mark.parametrize(
    "command", [name for name in COMMANDS if "weights" in signature(name) or "options" in signature(name)]
)
def test_weights_of_several_models_are_refused_by_every_command(run, tmp_path, command):
    if command in ("augment", "corrupt", "transfer", "models", "data", "train", "merge", "reproduce"):
        pytest.skip("takes no weights, or has its own sentence")
    models = ["fmnist-lenet", "mnist-lenet"]
    words = (
        models
        if command in ("audit", "compare", "report")
        else [word for model in models for word in ("--model", model)]
    )
    status, out, err = run(command, *words, "--weights", "w.safetensors")
    assert (status, out) == (2, "")
    advice = "measure them one by one, or give each its weights in a function, file.py:function"
    assert err == f"error: weights must go with one model; got 2 models: {advice}\n"
    assert not list(tmp_path.iterdir())


def test_images_that_were_left_out_and_notes_of_the_data_are_reported_once(monkeypatch, capsys):
    said = {"notes": ("left out 2 files of folder", "sorted as\nnumbers")}
    monkeypatch.setattr("geomrob.data.load_data", lambda *_, **__: drawn(1, 8, 8, **said))
    with notes_on_stderr():
        for _ in range(2):
            load_samples(Data(data="folder", samples=2))
        notes = ["left out 2 files of folder", "sorted as numbers"]
        assert list(printed_notes()) == notes
    assert capsys.readouterr().err == "".join(f"note: {text}\n" for text in notes)
    assert printed_notes() == ()


def test_what_is_noted_of_data_and_models_is_in_the_json_and_in_the_saved_provenance(run, tmp_path, monkeypatch):
    noted_model = load_model("fmnist-lenet")
    noted_model.notes = ("prefix taken off",)
    monkeypatch.setattr("geomrob.data.load_data", lambda *a, **b: replace(load_data(*a, **b), notes=("grey",)))
    monkeypatch.setattr("geomrob.models.load_model", lambda *_, **__: noted_model)
    words = ("--samples", "2", "--size", "14", "--attack", "deepfool", "--json")
    _, out, err = run("margin", *words)
    assert err == "note: prefix taken off\nnote: grey\n"
    told = json.loads(out)
    assert told["notes"] == ["prefix taken off", "grey"]
    assert told["results"][0]["provenance"]["notes"] == ["prefix taken off", "grey"]
    assert load(tmp_path / "out/margin.json").provenance.notes == ("prefix taken off", "grey")


def test_a_default_takes_what_there_is_and_an_explicit_number_does_not(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    for index in range(12):
        file = tmp_path / "pets" / ("cat", "dog")[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), index).save(file)
    with pytest.warns(Note, match="all 12 images of pets are taken: fewer than the 50 of the default"):
        samples = load_samples(Data(data="pets"))
    assert len(samples) == 12
    assert samples.notes == ("all 12 images of pets are taken: fewer than the 50 of the default",)
    assert load_samples(Data(data="pets", samples=12)).indices.tolist() == samples.indices.tolist()
    with pytest.raises(UsageError, match=r"samples must lie in 1 ... 12; got 13"):
        load_samples(Data(data="pets", samples=13))
    assert len(load_samples(Data())) == 50


def test_labels_are_matched_to_the_outputs_of_all_models():
    samples = replace(drawn(1, 8, 8), classes=("n02102040", "n01440764"))
    with pytest.warns(Note, match="mapped to the 1000 outputs"):
        assert match_labels(samples, {"a": 1000, "b": 1000}).labels.tolist() == [217, 0]
    with pytest.raises(UsageError, match="alike; got 1000 of a and 2 of b: measure them apart"):
        match_labels(samples, {"a": 1000, "b": 2})
    with pytest.raises(UsageError, match="must have an output for each class; got 1 for the 2 of some"):
        match_labels(samples, {"a": 1})
    assert match_labels(samples, {}) is samples


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("fmnist-lenet", (1, 32, 32), "data must hold images of 1x28x28 for fmnist-lenet; got 1x32x32 in some"),
        ("fmnist-resnet8", (3, 28, 28), "data must hold images of 1x28x28 for fmnist-resnet8; got 3x28x28 in some"),
    ],
)
def test_a_model_that_fails_on_the_images_is_refused(name, shape, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        check_fit({name: load_model(name)}, drawn(*shape).images, "some")


def test_a_model_of_ones_own_that_fails_is_refused_with_its_reason():
    mine = {"m:net": nn.Sequential(nn.Flatten(), nn.Linear(16, 3))}
    with pytest.raises(UsageError, match=r"m:net does not \(mat1 and mat2 shapes cannot be multiplied"):
        check_fit(mine, torch.zeros(2, 1, 8, 8), "some")
    check_fit(mine, torch.zeros(2, 1, 4, 4), "some")


def test_grey_images_are_not_for_a_model_of_colour_that_would_take_them():
    models = {"cifar10-resnet20": load_model("cifar10-resnet20")}
    with pytest.raises(UsageError, match="3x32x32 for cifar10-resnet20; got 1x32x32"):
        check_fit(models, torch.zeros(2, 1, 32, 32), "some")


def test_models_for_a_data_set_are_those_trained_for_it_or_else_those_of_its_shape():
    found = trained_for(drawn(1, 28, 28))
    assert {"fmnist-lenet", "fmnist-resnet8", "fmnist-standard", "mnist-lenet"} <= set(found)
    assert not {"cifar10-resnet20", "mnist-resnet18"} & set(found)
    assert trained_for(replace(drawn(1, 28, 28), name="mnist")) == ("mnist-lenet",)
    assert trained_for(drawn(1, 5, 5)) == ()
    with pytest.raises(UsageError, match="model must name 2 models for mnist; the table has mnist-lenet alone"):
        trained_for(replace(drawn(1, 28, 28), name="mnist"), 2)


def test_the_images_of_a_session_are_one_tensor(tmp_path):
    session = Session.open("margin", Common(out=tmp_path, samples=2))
    assert session.images is session.images
    (ready,) = [ready for _, ready, _ in session.each("work")]
    assert ready.images.data_ptr() == session.images.data_ptr()


def test_memory_is_gib():
    assert check_resources(None, None) is None
    assert check_resources(1, 0.5) == 2**29


WITH_SEED = [name for name in COMMANDS if name not in ("kernels", "models", "data", "merge", "reproduce")]


@pytest.mark.parametrize("seed", ["-1", "9223372036854775808"])
@pytest.mark.parametrize("command", WITH_SEED)
def test_a_seed_that_no_generator_takes_is_refused_by_every_command(run, tmp_path, command, seed):
    first = {"corrupt": ("fashion-mnist-1k", str(tmp_path / "new")), "train": ("smoke",)}.get(command, ())
    status, out, err = run(command, *first, f"--seed={seed}")
    assert (status, out) == (2, "")
    assert err == f"error: seed must be from 0 to 2**63 - 1; got {seed}: 0 is the default\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("memory", [0.0, -1.0, float("nan"), float("inf")])
def test_memory_that_cannot_be_is_refused(memory):
    with pytest.raises(UsageError, match="memory must be above 0 GiB"):
        check_resources(None, memory)


def test_threads_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="threads must be at least 1, at most 1024; got 0"):
        check_resources(0, None)


def test_a_picture_ends_as_pictures_do(tmp_path):
    assert places("margin", Output(out=tmp_path)) == (tmp_path, tmp_path / "margin.png")
    with pytest.raises(UsageError, match=r"figure must end in .png, .pdf, .svg; got"):
        places("margin", Output(out=tmp_path, figure=tmp_path / "margin.jpeg"))


OTHER_PICTURES = [
    ("margin", "examples.png"),
    ("margin", "examples-fmnist-lenet.png"),
    ("spectrum", "radial.png"),
    ("spectrum", "energy.png"),
    ("kernels", "inhibition.png"),
    ("curve", "plane.png"),
]


@pytest.mark.parametrize(("command", "name"), OTHER_PICTURES)
def test_a_figure_is_not_another_picture_of_the_command(run, tmp_path, command, name):
    status, out, err = run(command, "--figure", f"out/../out/{name}")
    assert (status, out) == (2, "")
    assert err == f"error: figure must not be another file of {command}; got out/../out/{name}: rename it\n"
    assert places(command, Output(out=tmp_path, figure=tmp_path / "elsewhere" / name), others=(name,))


def test_a_figure_that_is_a_folder_or_below_a_file_is_refused_by_its_name(run, tmp_path):
    (tmp_path / "some.png").mkdir()
    (tmp_path / "file").touch()
    assert run("margin", "--figure", "some.png")[::2] == (
        2,
        "error: figure must be a file; got the folder some.png: name a file in it\n",
    )
    status, _, err = run("margin", "--figure", "file/x.png")
    assert status == 2
    assert err.startswith("error: figure must be in a folder to write to; got file (")


def test_no_command_names_a_shared_choice_again_but_those_that_have_no_other():
    own = {
        "audit": {"model", "weights"},
        "compare": {"model", "weights"},
        "report": {"model", "weights"},
        "transfer": {"model", "weights"},
        "models": {"data"},
        "data": {"data_dir"},
        "merge": {"out", "overwrite"},
        "reproduce": {"data_dir", "out", "overwrite"},
    }
    bare = {"corrupt", "train"}
    for command in COMMANDS:
        assert set(signature(command)) & SHARED == own.get(command, set()) or command in bare, command
        assert not {"method", "gallery", "factor", "memory_bytes"} & set(signature(command)) or command == "geometry"


def test_a_large_model_after_a_small_one_gets_all_threads_back(monkeypatch):
    for module in (prepared, preparation):  # A model is small where a whole block of 64 fits.
        monkeypatch.setattr(module, "CPU_BLOCK", 64)
    before = torch.get_num_threads()
    _threads_at_start.cache_clear()
    small = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    large = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    try:
        torch.set_num_threads(2)
        set_threads(small, torch.rand(2, 1, 4, 4), None)
        assert torch.get_num_threads() == 1
        set_threads(large, torch.rand(2, 3, 512, 512), None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        _threads_at_start.cache_clear()


INTERRUPTED_WHILE_NUMPY_STARTS = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy._core.multiarray":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from geomrob.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["margin", "spectrum", "audit"])
def test_an_interruption_while_the_libraries_start_is_not_lost(command, tmp_path):
    words = [sys.executable, "-c", INTERRUPTED_WHILE_NUMPY_STARTS, command, "--samples", "2", "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith(f"interrupted; run it again with: geomrob {command} ")


def test_a_wrong_model_in_the_folder_of_another_run_is_told_as_a_wrong_model(tmp_path, capsys):
    quick = ["margin", "--attack", "deepfool", "--bands", "rings", "--count", "1", "--out", str(tmp_path / "out")]
    assert main([*quick, "--samples", "1"]) == 0
    for words, sentence in (
        (["--model", "fmnist-lenett"], "did you mean fmnist-lenet"),
        (["--data", "fashion-mnist-1kk"], "data"),
        ([], "out must hold a run of the same settings"),
    ):
        capsys.readouterr()
        assert main([*quick, "--samples", "2", *words]) == 2
        err = capsys.readouterr().err
        assert sentence in err
        assert ("out must" in err) == (not words)
