"""Files are whole or absent, and arrays come back as they were."""

import pytest
import torch

from geomrob.errors import UsageError
from geomrob.files import pack, unpack, write_atomic


def test_write_replaces_and_leaves_no_scratch(tmp_path):
    path = tmp_path / "a.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


def test_interrupted_write_keeps_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    write_atomic(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


def test_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="must be a folder to write to"):
        write_atomic(tmp_path / "no" / "a.bin", b"")


def test_pack_is_exact_for_every_kind_of_number():
    arrays = {
        "float": torch.tensor([float("inf"), -float("inf"), float("nan"), 1 / 3], dtype=torch.float64),
        "half": torch.tensor([0.5], dtype=torch.float16),
        "bool": torch.tensor([[True], [False]]),
        "int": torch.tensor(2**60),
        "empty": torch.zeros(0, 3),
        "nested.name": torch.arange(6).reshape(2, 3).T,
    }
    back = unpack(pack(arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert torch.equal(back[name].nan_to_num(7.0), array.nan_to_num(7.0))


def test_packing_twice_gives_the_same_bytes():
    arrays = {"a": torch.arange(4)}
    assert pack(arrays) == pack(arrays)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04K\x01."])
def test_damage_is_one_sentence(content):
    with pytest.raises(UsageError, match="npz file of numbers"):
        unpack(content)


def test_a_file_is_readable_as_the_umask_says(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    write_atomic(tmp_path / "whole", b"content")
    assert (tmp_path / "whole").stat().st_mode == plain.stat().st_mode
