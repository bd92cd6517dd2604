import contextlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geomrob.data import DATASETS, cifar, load_data
from geomrob.errors import UsageError


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def write_ten(folder: Path, protocol: int = 2, key: type = bytes) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).integers(0, 256, (12, 3072), dtype=np.uint8)
    names = ["test_batch"] + [f"data_batch_{i}" for i in range(1, 6)]
    for i, name in enumerate(names):
        part = {b"data": data[2 * i : 2 * i + 2], b"labels": [i, 9 - i]}
        part = part if key is bytes else {k.decode(): v for k, v in part.items()}
        (folder / name).write_bytes(pickle.dumps(part, protocol=protocol))
    return data.reshape(12, 3, 32, 32)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("key", [bytes, str])
def test_batches_of_any_protocol_are_read_in_order(tmp_path, protocol, key):
    data = write_ten(tmp_path / "cifar-10-batches-py", protocol, key)
    test, train = load_data("cifar10", data_dir=tmp_path), load_data("cifar10", data_dir=tmp_path, split="train")
    np.testing.assert_array_equal((test.images * 255).round().numpy(), data[:2])
    np.testing.assert_array_equal((train.images * 255).round().numpy(), data[2:])
    assert test.labels.tolist() == [0, 9]
    assert train.labels.tolist() == [1, 8, 2, 7, 3, 6, 4, 5, 5, 4]
    assert train.indices.tolist() == list(range(10))


def test_the_opcodes_of_the_official_archive_are_read(tmp_path):
    """Python 2 and numpy 1 wrote the module as numpy.core.multiarray and text as byte strings."""
    path = tmp_path / "batch"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    state = b"(I1\n(I2\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x07\\x09'\ntb"
    path.write_bytes(b"(dS'data'\n" + array + state + b"s.")
    content = cifar.read_pickle(path)
    assert content[b"data"].tolist() == [7, 9]


def test_fine_labels_of_cifar100(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    labels = [np.int64(99), 0, 45]
    content = {b"data": np.zeros((3, 3072), np.uint8), b"fine_labels": labels, b"coarse_labels": [1, 2, 3]}
    (folder / "test").write_bytes(pickle.dumps(content, protocol=2))
    (folder / "train").write_bytes(pickle.dumps(content | {b"fine_labels": [3, 2, 1]}, protocol=2))
    assert load_data("cifar100", data_dir=tmp_path, split="train").labels.tolist() == [3, 2, 1]
    samples = load_data("cifar100", data_dir=tmp_path)
    assert samples.labels.tolist() == [99, 0, 45]
    assert [samples.classes[i] for i in (0, 45, 99)] == ["apple", "lobster", "worm"]
    assert len(set(DATASETS["cifar100"].classes)) == 100


def test_a_malicious_pickle_is_refused_and_never_run(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": Malicious(tmp_path / "ran")}))
    with pytest.raises(UsageError, match="do not trust it"):
        load_data("cifar10", data_dir=tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["builtins eval", "os system", "numpy load", "numpy.f2py compile", "_codecs decode"])
def test_no_other_function_can_be_named(tmp_path, name):
    module, function = name.split()
    (tmp_path / "batch").write_bytes(f"c{module}\n{function}\n.".encode())
    with pytest.raises(UsageError, match="do not trust it"):
        cifar.read_pickle(tmp_path / "batch")


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02}q\x00", b"plain text", pickle.dumps([1]), pickle.dumps({b"data": 1})]
)
def test_damaged_batches_are_refused(tmp_path, content):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(UsageError, match="fetch it again"):
        load_data("cifar10", data_dir=tmp_path)


def test_a_missing_batch_is_named(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(UsageError, match=r"data_dir must hold cifar-10-batches-py/test_batch; nothing there"):
        load_data("cifar10", data_dir=tmp_path)


IMAGES = np.zeros((3, 3072), np.uint8)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({b"data": [[0] * 3072, [0] * 9, [0]], b"labels": [0, 1, 2]}, "must hold data"),
        ({b"data": np.uint8(3), b"labels": [0]}, "must hold data"),
        ({b"data": IMAGES}, "must hold data"),
        ({b"data": IMAGES, b"labels": [0, [1, 2], 3]}, "of one kind; got int and list"),
        (
            {b"data": IMAGES, b"labels": ["cat", "dog", "cat"]},
            "must be among its classes; got 'dog'|integers as labels",
        ),
        ({b"data": IMAGES, b"labels": [0, None, 1]}, "class numbers or names; got NoneType"),
        ({b"data": IMAGES, b"labels": None}, "must hold data"),
        ({b"data": IMAGES, b"labels": [0.0, 1.0, 2.0]}, "must hold integers as labels; got others .*floats"),
        ({b"data": IMAGES, b"labels": np.array([0.5, 1, 2])}, "whole numbers; got fractions"),
        ({b"data": IMAGES, b"labels": [0, 2**63, 1]}, "must lie in 0 ... 9"),
        ({b"data": IMAGES, b"labels": [0, 2**70, 1]}, "class numbers or names|must lie in"),
        ({b"data": IMAGES, b"labels": np.array(3)}, "one label an image; got a single one for 3"),
        ({b"data": IMAGES, b"labels": [1, 2]}, "one label an image; got 2 for 3"),
        ({b"data": IMAGES, b"\xff\xfe": 1, b"labels": [1, 2, 10]}, "must lie in 0 ... 9; got 1 ... 10"),
        ({3: 4, b"data": IMAGES[:, :9], b"labels": [1, 2, 3]}, "must hold data"),
    ],
)
def test_bad_batches_are_refused_in_one_sentence(tmp_path, content, words):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(UsageError, match=words) as caught:
        load_data("cifar10", data_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_keys_that_are_no_text_and_integers_of_any_width_are_read(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    content = {b"\xff": 1, 3: 4, b"data": IMAGES, b"labels": np.array([1, 2, 9], ">u2")}
    (folder / "test_batch").write_bytes(pickle.dumps(content))
    samples = load_data("cifar10", data_dir=tmp_path)
    assert samples.labels.tolist() == [1, 2, 9]
    assert any("10,000 images; 3 are here" in text for text in samples.notes)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04N" + b"r" + (2**30).to_bytes(4, "little") + b".",  # room for 2**30 objects
        b"cnumpy\nndarray\n(L100000000000L\ntR.",  # an array of 100 GB
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L100000000000L\ntS'b'\ntR.",
        b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x",  # bytes of 4 EiB
    ],
)
def test_a_pickle_that_asks_for_memory_gets_none(tmp_path, content):
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(UsageError):
        cifar.read_pickle(tmp_path / "batch")


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_of_a_batch_is_a_sentence_or_a_batch(tmp_path_factory, at, change):
    folder = tmp_path_factory.mktemp("cifar") / "cifar-10-batches-py"
    folder.mkdir()
    content = bytearray(pickle.dumps({b"data": IMAGES[:1], b"labels": [3]}, protocol=2))
    # The pixels are skipped: what is changed there is an image.
    content[at % 200 if at % 2 else -1 - at % 60] ^= change
    (folder / "test_batch").write_bytes(content)
    with contextlib.suppress(UsageError):
        assert load_data("cifar10", data_dir=folder.parent).images.shape == (1, 3, 32, 32)
