"""Checkpoints as others write them: each is read as torch reads it or rejected in one sentence that fits."""

import argparse
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from geomrob.errors import Note, UsageError
from geomrob.models import build
from geomrob.models.layers.normalize import Normalize
from geomrob.models.weights import KEYS, PREFIXES, load_weights


def net(seed=0, classes=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(108, classes))


@pytest.fixture
def state():
    return net(seed=7).state_dict()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.pt"


def load(path, model=None):
    """The model with the weights of the file, and the notes, which were warned of too."""
    model = model or net()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        notes = load_weights(model, path)
    assert [str(each.message) for each in caught if each.category is Note] == list(notes)
    return model, notes


def same(model, state, root="", prefix=""):
    """Whether each tensor of the model is that of the state."""
    own = model.state_dict()
    return all(torch.equal(own[root + key.removeprefix(prefix)], value) for key, value in state.items())


def rejected(path, pattern, model=None):
    """The sentence of the rejection: one line, without escape codes, about this file; the model is unchanged."""
    model = model or net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UsageError, match=pattern) as error:
        load_weights(model, path)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert "\x1b" not in sentence
    assert "weights_only" not in sentence
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    return sentence


@pytest.mark.parametrize("ending", ["pt", "PT", "pth", "ckpt", "bin", "pth.tar", "safetensors", "best", "SafeTensors"])
def test_the_content_decides_not_the_ending(tmp_path, state, ending):
    path = tmp_path / f"w.{ending}"
    (save_file if "safe" in ending.lower() else torch.save)(state, path)
    model, notes = load(path)
    assert same(model, state)
    assert not notes


def test_files_of_older_versions_of_torch_are_read(path, state):
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=False)
    assert same(load(path)[0], state)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickle_protocols_that_torch_does_not_read_without_code_are_named(path, state, legacy):
    torch.save(state, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=4)
    rejected(path, "got another pickle protocol than 2 in .*save it with torch.save and its defaults")


@pytest.mark.parametrize("key", [*KEYS, "my_own_key"])
@pytest.mark.parametrize("above", [None, "checkpoint", "state"])
def test_a_state_dict_below_any_key_is_found(path, state, key, above):
    content = {"epoch": 3, key: state, "best_acc": 0.91, "optimizer": {"state": {0: {"m": torch.ones(2)}}}}
    torch.save(content if above is None else {above: content, "arch": "net"}, path)
    model, notes = load(path)
    assert same(model, state)
    assert not notes


def test_of_two_state_dicts_the_plain_one_is_taken_and_the_other_named(path, state):
    torch.save({"state_dict_ema": net(seed=1).state_dict(), "state_dict": state}, path)
    model, notes = load(path)
    assert same(model, state)
    assert notes == ("w.pt holds several sets of weights: state_dict was taken, not state_dict_ema",)
    torch.save({"ema": state, "model": {"other.weight": torch.ones(3)}}, path)
    assert same(load(path)[0], state)


@pytest.mark.parametrize(
    "prefix", [*(f"{part}." for part in PREFIXES), "module._orig_mod.", "_orig_mod.module.model.", "my.wrapper."]
)
def test_a_prefix_is_taken_off_and_said(path, state, prefix):
    torch.save({"state_dict": {prefix + key: value for key, value in state.items()}}, path)
    model, notes = load(path)
    assert same(model, state)
    assert notes == (f"the prefix {prefix} was taken off the names of the weights in w.pt",)


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = Normalize([0.5], [0.25])
        self.model = net()


@pytest.mark.parametrize("prefix", ["", "module.", "net.backbone."])
@pytest.mark.parametrize(
    ("model", "root"), [(Wrapped, "model."), (lambda: nn.Sequential(Normalize([0.5], [0.25]), net()), "1.")]
)
def test_a_prefix_of_our_wrapper_is_added_and_said(path, state, prefix, model, root):
    torch.save({prefix + key: value for key, value in state.items()}, path)
    model, notes = load(path, model())
    assert same(model, state, root)
    assert any(f"prefix {root} was added" in note for note in notes)
    assert any(f"prefix {prefix} was taken off" in note for note in notes) == bool(prefix)


def test_what_stands_beside_the_network_is_left_out_and_said(path, state):
    lightning = {f"model.{key}": value for key, value in state.items()} | {"criterion.weight": torch.ones(4)}
    torch.save({"state_dict": lightning, "hyper_parameters": {"lr": 0.1}, "pytorch-lightning_version": "2.0"}, path)
    model, notes = load(path)
    assert same(model, state)
    assert notes[1] == "criterion.weight in w.pt was left out: no weights of the model"


def test_counters_of_averages_and_profilers_are_left_out_and_said(path, state):
    average = torch.optim.swa_utils.AveragedModel(net(seed=7))
    torch.save(average.state_dict() | {"module.0.total_ops": torch.zeros(1), "epoch": 3}, path)
    model, notes = load(path)
    assert same(model, state)
    assert "n_averaged, module.0.total_ops, epoch in w.pt were left out: no weights of the model" in notes


@pytest.mark.parametrize("build_model", [net, Wrapped])
@pytest.mark.parametrize("name", ["normalize.mean", "module.normalizer.new_mean", "mu"])
def test_a_normalisation_that_the_model_does_not_take_is_said_with_its_numbers(path, state, build_model, name):
    torch.save(state | {name: torch.tensor([0.4])}, path)
    notes = load(path, build_model())[1]
    own = "norm.mean (0.5), norm.std (0.25)" if build_model is Wrapped else "none"
    assert f"{name} (0.4) in w.pt was left out: the model's own normalisation is {own}" in notes


def test_num_batches_tracked_is_optional_as_in_torch(path):
    state = {key: value for key, value in build("fmnist-resnet8", seed=3).state_dict().items() if "num_b" not in key}
    torch.save(state, path)
    model, notes = load(path, build("fmnist-resnet8", seed=0))
    assert same(model, state)
    assert not notes


def test_shared_weights_may_stand_once(tmp_path):
    def tied(seed):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        model[1].weight = model[0].weight
        return model

    state = {key: value for key, value in tied(4).state_dict().items() if key != "1.weight"}
    save_file(state, tmp_path / "w.safetensors")
    assert same(load(tmp_path / "w.safetensors", tied(5))[0], tied(4).state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_cast_and_said(path, state, dtype):
    cast = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    torch.save(cast, path)
    model, notes = load(path)
    assert same(model, {key: value.to(state[key].dtype) for key, value in cast.items()})
    assert notes == (f"the weights in w.pt were cast from {str(dtype)[6:]} to float32",)


def test_numbers_that_become_infinite_are_rejected(path, state):
    torch.save(state | {"3.bias": torch.full((4,), 1e300, dtype=torch.float64)}, path)
    rejected(path, r"got NaN or infinity in 3\.bias in")


def shards(folder, state, name, save):
    keys = list(state)
    parts = {f"{name}-00001-of-00002": keys[:3], f"{name}-00002-of-00002": keys[3:]}
    ending = "safetensors" if save is save_file else "bin"
    for part, mine in parts.items():
        save({key: state[key] for key in mine}, folder / f"{part}.{ending}")
    weight_map = {key: f"{part}.{ending}" for part, mine in parts.items() for key in mine}
    index = folder / f"{name}.{ending}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


@pytest.mark.parametrize(("name", "save"), [("model", save_file), ("pytorch_model", torch.save)])
def test_shards_are_read_by_their_index_or_folder(tmp_path, state, name, save):
    index = shards(tmp_path, state, name, save)
    for given in (index, tmp_path):
        model, notes = load(given)
        assert same(model, state)
        assert not notes
    next(tmp_path.glob("*-00002-*")).unlink()
    rejected(index, "must have all 2 shards of .*; got no .*00002-of-00002")


def test_an_index_that_is_none_or_leaves_its_folder_is_rejected(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    for text in ("{", "[]", "{}", '{"weight_map": 3}', "[" * 100_000):
        index.write_text(text)
        rejected(index, "got JSON that is no index of shards")
    index.write_text(json.dumps({"weight_map": {"a": "../secret.bin"}}))
    rejected(index, r"got an index that leaves its folder \(\.\./secret\.bin\)")


def test_folders_of_other_kinds_are_named(tmp_path):
    rejected(tmp_path, "got nothing in")
    (tmp_path / "config.json").write_text("{}")
    rejected(tmp_path, "folder with model.safetensors or pytorch_model.bin; got config.json in")
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    rejected(tmp_path, "got a TensorFlow SavedModel")
    (tmp_path / ".metadata").write_bytes(b"")
    rejected(tmp_path, "got a distributed checkpoint")


def test_a_single_file_in_a_folder_of_hugging_face_is_read(tmp_path, state):
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert same(load(tmp_path)[0], state)
    save_file(net(seed=8).state_dict(), tmp_path / "model.safetensors")
    assert same(load(tmp_path)[0], net(seed=8).state_dict())


class Net(nn.Sequential):
    """A class of the user, pickled whole."""


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("extra", "pattern"),
    [
        (
            {"args": argparse.Namespace(lr=0.1)},
            r"got more than tensors \(argparse\.Namespace\) in .*\(\) alone",
        ),
        ({"best": np.float64(91.2)}, r"got more than tensors \(numpy\S*\.multiarray\.scalar, numpy\.dtype"),
        ({"net": Net(nn.Linear(2, 2))}, r"got a whole pickled model \(\S*Net.*\) in .*where its code is"),
    ],
)
def test_more_than_tensors_is_named_with_how_to_save_it(path, state, extra, pattern, protocol, legacy):
    content = {"state_dict": state} | extra
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    assert "fetch" not in rejected(path, pattern)


def test_content_without_tensors_by_name_is_named(path):
    optimizer = torch.optim.SGD(net().parameters(), lr=0.1, momentum=0.9)
    for content, pattern in [
        (optimizer.state_dict(), "got the state of an optimizer"),
        ({}, "got nothing in"),
        ({0: torch.zeros(2), 1: torch.zeros(2)}, "got the keys 0, 1 in"),
        ({"epoch": 3, "lr": 0.1}, "got the keys epoch, lr in"),
        ([torch.zeros(2)], "got a list"),
        (torch.zeros(2), "got one tensor"),
        ({"shadow_params": [torch.zeros(2)], "decay": 0.9}, "got the keys shadow_params, decay"),
    ]:
        torch.save(content, path)
        rejected(path, f"weights must be tensors by name; {pattern}.*save model.state_dict")


def test_a_state_dict_of_another_model_lists_the_keys_of_the_file(path):
    torch.save({"epoch": 1, "generator": {"conv9.weight": torch.zeros(2)}, "meta": {"fc": 1}}, path)
    sentence = rejected(path, r"got no 0\.weight, 0\.bias, 1\.weight and 5 more, unknown conv9\.weight")
    assert "under generator" in sentence
    assert "keys epoch, generator, meta" in sentence


@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrong_shapes_are_named_with_advice_on_the_classes(path, prefix):
    torch.save({prefix + key: value for key, value in net(classes=10).state_dict().items()}, path)
    rejected(path, r"got 3\.weight \(10, 108\) instead of \(4, 108\), 3\.bias .* number of classes", net(classes=4))


@pytest.mark.parametrize(
    ("tensor", "pattern"),
    [
        (torch.zeros(4, dtype=torch.int8), r"3\.bias of type int8 instead of float32"),
        (torch.zeros(4, dtype=torch.complex64), r"3\.bias of type complex64"),
        (torch.zeros(4, device="meta"), r"3\.bias \(without values\)"),
        (torch.zeros(4).to_sparse(), r"3\.bias \(sparse or nested\)"),
        (torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.qint8), r"3\.bias \(quantised\)"),
        (torch.zeros(1).expand(10**13), r"3\.bias \(10000000000000,\) instead of \(4,\)"),
        (torch.tensor([0.0, 0.0, torch.nan, 0.0]), r"NaN or infinity in 3\.bias"),
    ],
)
def test_tensors_of_other_kinds_are_rejected(path, state, tensor, pattern):
    torch.save(state | {"3.bias": tensor}, path)
    rejected(path, pattern)


def test_a_part_of_another_network_is_not_taken_for_the_model(path, state):
    torch.save({"3.weight": torch.zeros(4, 108), "3.bias": torch.zeros(4), "9.weight": torch.zeros(3)}, path)
    rejected(path, r"unknown 9\.weight", nn.Sequential(nn.Linear(108, 4)))
    rejected(path, r"got no 0\.weight, .* and \d more, unknown 9\.weight")
    # Names that fit and nothing to load: only what the model may lack is there.
    torch.save({"norm.mean": torch.full((1, 1, 1, 1), 0.5), "1.num_batches_tracked": torch.tensor(3)}, path)
    rejected(path, "got no ", Wrapped())
    torch.save(state, path)
    rejected(path, "must go with a model that has some; Flatten has none", nn.Flatten())


def zipped(**members):
    page = io.BytesIO()
    with zipfile.ZipFile(page, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return page.getvalue()


def tarred():
    page = io.BytesIO()
    with tarfile.open(fileobj=page, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("w.pt"))
    return page.getvalue()


def array(save):
    page = io.BytesIO()
    save(page, np.zeros(3))
    return page.getvalue()


FILES = {
    "an empty file": b"",
    "a Git-LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "a web page": b"\n <!DOCTYPE html><html><title>404</title></html>",
    r"a web page in .*by a direct link": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "JSON that is no index": b'{"error": "Repository not found"}',
    r"text \('Not found'\)": b"Not found",
    r"a zip archive of readme\.txt": zipped(**{"readme.txt": "hello"}),
    "a zip archive of nothing": zipped(),
    r"a zip archive of a/w\.pt": zipped(**{"a/w.pt": b"PK"}),
    "a zip archive that is cut off": zipped(**{"readme.txt": "hello"})[:-30],
    r"an \.npz archive of NumPy": array(np.savez),
    "a NumPy array": array(np.save),
    "a Keras model": zipped(**{"config.json": "{}", "model.weights.h5": b"\x89HDF"}),
    "a tar archive": tarred(),
    "a gzip archive": gzip.compress(b"weights"),
    "a bzip2 archive": bz2.compress(b"weights"),
    "an xz archive": lzma.compress(b"weights"),
    "a zstd archive": b"\x28\xb5\x2f\xfd" + bytes(32),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(32),
    "a rar archive": b"Rar!\x1a\x07\x00" + bytes(32),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "an ONNX model": b"\x08\x08\x12\x07pytorch\x1a\x052.1.0" + bytes(64),
    "a TensorFlow SavedModel": b"\x08\x01\x12\xf0" + bytes(64),
    "a TensorFlow Lite model": b"\x1c\0\0\0TFL3" + bytes(64),
    "a msgpack file": b"\x82\xa6params\x81",
    "a MATLAB file": b"MATLAB 5.0 MAT-file, Platform: GLNXA64",
    "a picture": b"\x89PNG\r\n\x1a\n",
    "a plain pickle": pickle.dumps({"a": [1, 2]}),
    "a file of an unknown kind .first bytes ff ff": b"\xff" * 64,
    "a safetensors file that is cut off": (500).to_bytes(8, "little") + b'{"a":',
    "a damaged file": (2).to_bytes(8, "little") + b"{!" + bytes(64),
}


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
@pytest.mark.parametrize("kind", FILES)
def test_files_of_other_kinds_are_recognised_by_their_first_bytes(tmp_path, kind, ending):
    path = tmp_path / f"w.{ending}"
    path.write_bytes(FILES[kind])
    rejected(path, f"got {kind}")


def test_torchscript_and_exported_programs_say_how_to_save_them(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(net().eval(), torch.zeros(1, 1, 8, 8)), path)
    rejected(path, r"got a TorchScript archive in .*: save torch\.jit\.load\(FILE\)\.state_dict\(\)")
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), path)
    rejected(path, r"got an exported program in .*torch\.export\.load")


@pytest.mark.parametrize("legacy", [False, True])
def test_truncated_files_are_never_read(path, state, legacy):
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for size in (1, 60, 200, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:size])
        rejected(path, "fetch it again")


def test_claims_of_more_memory_than_the_file_holds_are_rejected(path, state):
    class Bomb:
        def __reduce__(self):
            return bytearray, (10**12,)

    torch.save({"a": Bomb()}, path, _use_new_zipfile_serialization=False)
    rejected(path, r"got tensors of 1,000,000,000,000 elements where there are \d+ bytes")
    torch.save({"a": torch.zeros(70_000)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace((70_000).to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little")))
    rejected(path, "got tensors of 2,147,483,647 elements")
    torch.save({"a": torch.zeros(10**6)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    rejected(path, "got a compressed archive that unpacks to 4 MiB")


def test_what_is_no_regular_file_is_rejected_without_reading(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    rejected(tmp_path / "pipe.pt", "got no regular file")
    rejected(tmp_path / "missing.pt", "No such file or directory for .*check the path")


def test_a_pickle_that_names_modules_of_torch_alone_is_a_whole_model(path):
    torch.save(net(), path)
    rejected(path, r"got a whole pickled model \(torch\.nn\.modules")


def test_a_normalisation_that_was_rounded_with_the_weights_is_the_models_own(path):
    model = nn.Sequential(Normalize([0.286], [0.353]), *net())
    before = model[0].mean.clone()
    torch.save(
        {key: value.bfloat16() if value.is_floating_point() else value for key, value in model.state_dict().items()},
        path,
    )
    _, notes = load(path, model)
    assert torch.equal(model[0].mean, before)
    assert [text for text in notes if "normalisation" in text] == []


def test_other_types_and_missing_values_have_an_advice_of_their_own(path):
    torch.save({key: (100 * value).to(torch.int8) for key, value in net().state_dict().items()}, path)
    rejected(path, "save model.state_dict\\(\\) of plain float tensors")
