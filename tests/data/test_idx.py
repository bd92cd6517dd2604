import contextlib
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geomrob.data import idx, load_data
from geomrob.errors import UsageError


def by_hand(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def digits(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.arange(3 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28)
    (raw / "t10k-images-idx3-ubyte").write_bytes(by_hand(images))
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(by_hand(np.array([7, 0, 9], np.uint8))))
    return tmp_path, raw, images


def test_files_written_by_hand_are_read_plain_and_gzipped(digits):
    root, _, images = digits
    samples = load_data("mnist", data_dir=root)
    assert samples.images.shape == (3, 1, 28, 28)
    assert samples.labels.tolist() == [7, 0, 9]
    assert samples.indices.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(samples.images[:, 0].numpy(), images.astype(np.float32) / np.float32(255))


def test_the_data_folder_may_come_from_the_environment(digits, monkeypatch):
    monkeypatch.setenv("GEOMROB_DATA", str(digits[0]))
    assert len(load_data("mnist")) == 3


def test_a_draw_is_seeded_without_replacement_and_a_prefix_of_a_larger_one(digits):
    root = digits[0]
    three = load_data("mnist", data_dir=root, samples=3, seed=5)
    assert sorted(three.indices.tolist()) == [0, 1, 2]
    assert load_data("mnist", data_dir=root, samples=2, seed=5).indices.tolist() == three.indices[:2].tolist()
    assert three.labels.tolist() == [[7, 0, 9][i] for i in three.indices]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: (raw / "t10k-images-idx3-ubyte").unlink(), "put it into"),
        (lambda raw: (raw / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08"), "another header"),
        (lambda raw: (raw / "t10k-images-idx3-ubyte").write_bytes(b"nothing of the kind"), "another header"),
        (
            lambda raw: (raw / "t10k-images-idx3-ubyte").write_bytes(by_hand(np.zeros((3, 9, 9), np.uint8))[:-1]),
            "242 bytes",
        ),
        (lambda raw: (raw / "t10k-images-idx3-ubyte").write_bytes(by_hand(np.zeros((0, 9, 9), np.uint8))), "one label"),
        (lambda raw: (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(b"no gzip"), "fetch it again"),
        (lambda raw: (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"x" * 99)[:-9]), "fetch it again"),
        (
            lambda raw: (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(
                gzip.compress(by_hand(np.full(3, 10, np.uint8)))
            ),
            "must lie in 0 ... 9",
        ),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(digits, damage, words):
    root, raw, _ = digits
    damage(raw)
    with pytest.raises(UsageError, match=words):
        load_data("mnist", data_dir=root)


def test_missing_sets_say_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.delenv("GEOMROB_DATA", raising=False)
    with pytest.raises(
        UsageError, match="pass --data-dir or set GEOMROB_DATA to the folder that holds FashionMNIST/raw"
    ):
        load_data("fashion-mnist")
    with pytest.raises(UsageError, match=r"data_dir must hold FashionMNIST/raw.*put the files of fashion-mnist there"):
        load_data("fashion-mnist", data_dir=tmp_path)


def test_the_rank_is_checked(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(by_hand(np.zeros(4, np.uint8)))
    assert idx.read_idx(path, rank=1).shape == (4,)
    with pytest.raises(UsageError, match="3 dimensions"):
        idx.read_idx(path, rank=3)


def test_files_that_both_end_early_are_told_by_their_number(digits):
    notes = load_data("mnist", data_dir=digits[0]).notes
    assert any("10,000 images; 3 are here: it may be cut off" in text for text in notes)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 255), st.booleans())
def test_a_changed_or_missing_end_is_a_sentence_or_the_same_images(tmp_path_factory, at, change, cut):
    path = tmp_path_factory.mktemp("idx") / "images.gz"
    images = np.arange(3 * 25, dtype=np.uint8).reshape(3, 5, 5)
    content = bytearray(gzip.compress(by_hand(images)))
    at %= len(content)
    content[at] ^= change
    path.write_bytes(content[:at] if cut else content)
    with contextlib.suppress(UsageError):
        assert (idx.read_idx(path, rank=3) == images).all()


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
@pytest.mark.parametrize(("split", "start"), [("train", "train"), ("test", "t10k")])
def test_both_splits_of_both_sets_are_read(tmp_path, name, folder, split, start):
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    images = np.random.default_rng(len(name + split)).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    (raw / f"{start}-images-idx3-ubyte.gz").write_bytes(gzip.compress(by_hand(images)))
    (raw / f"{start}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(by_hand(np.array([3, 1, 4, 1], np.uint8))))
    samples = load_data(name, data_dir=tmp_path, split=split)
    np.testing.assert_array_equal((samples.images[:, 0] * 255).round().numpy(), images)
    assert samples.labels.tolist() == [3, 1, 4, 1]
