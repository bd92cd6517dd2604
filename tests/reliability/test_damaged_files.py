"""Damaged files of every kind that geomrob reads: refused in a sentence or read, never another exception or a hang."""

import pickle
import random
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from geomrob.data import load_data
from geomrob.data.cifar import read10
from geomrob.data.class_names import class_order
from geomrob.data.corruptions.precomputed import read_manifest
from geomrob.data.idx import read_idx
from geomrob.errors import UsageError
from geomrob.files import pack, unpack
from geomrob.models.weight_files import read_weights
from geomrob.results import load, save
from geomrob.spectral.bases_dense import read_matrices
from geomrob.training.losses.pair_sampler import _matrix
from geomrob.training.recipe_files import read_recipe
from tests.reliability.spoiled import CANARY, RECIPE, images, make
from tests.synthetic import margin_curve

SECONDS = 20
DAMAGES = 25
"""Damaged copies of each file in the ordinary suite; 40 times as many with `-m slow`."""


def sound(folder: Path) -> dict:
    """Return a sound file for each reader, and what reads it."""
    files = make(folder / "sandbox") / "files"
    np.savez(files / "basis.npz", np.eye(4))
    np.save(files / "basis.npy", np.eye(4))
    save_file({"rows": torch.eye(2), "columns": torch.eye(2)}, files / "basis.safetensors")
    np.savez_compressed(files / "similarity.npz", np.eye(6))
    np.save(files / "similarity.npy", np.eye(6))
    (files / "pack.npz").write_bytes(pack({"a": torch.rand(3, 4), "b": torch.arange(5)}))
    save_file({"x": torch.rand(4, 1, 8, 8), "y": torch.arange(4)}, files / "images.safetensors")
    torch.save({"x": torch.rand(4, 1, 8, 8), "y": torch.arange(4)}, files / "images.pt")
    torch.save((torch.rand(4, 1, 8, 8), torch.arange(4)), files / "pair.pt", _use_new_zipfile_serialization=False)
    (files / "classes.json").write_text('{"0": ["n01", "cat"], "1": ["n02", "dog"]}')
    (files / "set").mkdir()
    (files / "set" / "geomrob-corrupt.json").write_text('{"data": "x", "seed": 0, "finished": ["fog"], "left_out": []}')
    save(margin_curve(), files / "result.json")
    batch = pickle.dumps({b"data": np.zeros((6, 3072), np.uint8), b"labels": [0, 1, 2, 3, 4, 5]}, protocol=2)
    (files / "batch" / "cifar-10-batches-py").mkdir(parents=True)
    (files / "batch" / "cifar-10-batches-py" / "test_batch").write_bytes(batch)
    raw = files / "idx-labels-cut" / "FashionMNIST" / "raw"
    zipped = files / "idx-gz-cut-100" / "FashionMNIST" / "raw"
    import gzip

    whole = (raw / "t10k-images-idx3-ubyte").read_bytes()
    (zipped / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(whole))
    readers = {
        **{name: lambda path: load_data(path).images[:] for name in ("eight.npz", "packed.npz", "images.safetensors")},
        **{name: lambda path: load_data(path).images[:] for name in ("images.pt", "pair.pt", "sound.tar", "x.npy")},
        "pictures-sound/cat/0.png": lambda path: load_data(path.parents[1]).images[:],
        "basis.npz": lambda path: read_matrices(path, (2, 2)),
        "basis.npy": lambda path: read_matrices(path, (2, 2)),
        "basis.safetensors": lambda path: read_matrices(path, (2, 2)),
        "similarity.npz": lambda path: np.asarray(_matrix(path, 6)),
        "similarity.npy": lambda path: np.asarray(_matrix(path, 6)),
        "pack.npz": lambda path: unpack(path.read_bytes()),
        "sound.pt": read_weights,
        "sound-legacy.pt": read_weights,
        "sound.safetensors": read_weights,
        "sound.toml": read_recipe,
        "classes.txt": class_order,
        "classes.json": class_order,
        "set/geomrob-corrupt.json": lambda path: read_manifest(path.parent),
        "result.json": load,
        "result.npz": load,
        "batch/cifar-10-batches-py/test_batch": lambda path: read10(path.parent, "test"),
        "idx-labels-cut/FashionMNIST/raw/t10k-images-idx3-ubyte": lambda path: read_idx(path, 3),
        "idx-gz-cut-100/FashionMNIST/raw/t10k-images-idx3-ubyte.gz": lambda path: read_idx(path, 3),
    }
    return {name: (files / name, read) for name, read in readers.items()}


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    return sound(tmp_path_factory.mktemp("damaged"))


NAMES = (
    *("eight.npz", "packed.npz", "images.safetensors", "images.pt", "pair.pt", "sound.tar", "x.npy"),
    *("pictures-sound/cat/0.png", "basis.npz", "basis.npy", "basis.safetensors", "similarity.npz", "similarity.npy"),
    *("pack.npz", "sound.pt", "sound-legacy.pt", "sound.safetensors", "sound.toml", "classes.txt", "classes.json"),
    *("set/geomrob-corrupt.json", "result.json", "result.npz", "batch/cifar-10-batches-py/test_batch"),
    "idx-labels-cut/FashionMNIST/raw/t10k-images-idx3-ubyte",
    "idx-gz-cut-100/FashionMNIST/raw/t10k-images-idx3-ubyte.gz",
)


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return a file with some bytes changed, cut off, doubled or put elsewhere."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8, 30))):
        at = draw.randrange(max(1, len(data)))
        kind = draw.randrange(6)
        if kind == 0:
            data[at:] = b""
        elif kind == 1:
            data[at:at] = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 9)))
        elif kind == 2 and data:
            data[at] = draw.choice((0, 1, 127, 128, 255, draw.randrange(256)))
        elif kind == 3:
            del data[at : at + draw.randrange(1, 40)]
        elif kind == 4:
            data[at : at + 8] = draw.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7))
        elif data:
            data[at] ^= 1 << draw.randrange(8)
    return bytes(data)


def attempt(path: Path, read) -> None:
    """Read a file; only a sentence may come of it."""

    def stop(*_: object) -> None:
        raise TimeoutError

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except UsageError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than a line: {error}") from error
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def damage(name: str, readers: dict, seeds: range) -> None:
    path, read = readers[name]
    content = path.read_bytes()
    attempt(path, read)
    try:
        for seed in seeds:
            path.write_bytes(damaged(content, random.Random(f"{name} {seed}")))
            try:
                attempt(path, read)
            except BaseException as error:
                raise AssertionError(f"{name}, seed {seed}: {type(error).__name__}: {error}") from error
    finally:
        path.write_bytes(content)
    assert not (path.parents[1] / CANARY).exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_refused_in_a_sentence_or_read(name, readers):
    damage(name, readers, range(DAMAGES))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_damaged_files_are_refused_in_a_sentence_or_read(name, readers):
    damage(name, readers, range(DAMAGES, 40 * DAMAGES))


def test_every_reader_is_damaged(readers):
    assert set(readers) == set(NAMES)


MANY = settings(max_examples=40, suppress_health_check=list(HealthCheck))
HEADERS = st.tuples(
    st.sampled_from(("'|u1'", "'<f4'", "'<i8'", "'|O'", "'<U9'", "[('a','<f8')]", "'<M8[s]'", "'|V4'", "3", "None")),
    st.lists(st.integers(-3, 2**66), max_size=5).map(tuple),
    st.booleans(),
    st.binary(max_size=600),
)


@MANY
@given(HEADERS)
def test_no_header_of_an_array_is_believed(header):
    import tempfile

    from tests.reliability.spoiled import header as head

    dtype, shape, fortran, body = header
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        text = head(shape, dtype).replace(b"'fortran_order': False", f"'fortran_order': {fortran!s:5}".encode())
        path.write_bytes(text + body)
        np.save(Path(folder) / "labels.npy", images()["y"])
        attempt(path, lambda path: load_data(path).images[:])
        attempt(path, lambda path: read_matrices(path, (2, 2)))


VALUES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=3)),
)
ENTRIES = ("model", "data", "split", "samples", "epochs", "batch", "max_rate", "schedule", "milestones", "crop", "ema")


@MANY
@given(st.dictionaries(st.sampled_from(ENTRIES) | st.text("abc", min_size=1), VALUES, max_size=4))
def test_no_entry_of_a_recipe_is_believed(entries):
    import json
    import tempfile

    lines = [
        f"{key} = {json.dumps(value).replace('Infinity', 'inf').replace('NaN', 'nan')}"
        for key, value in entries.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.toml"
        path.write_text("\n".join(lines) + "\n" + RECIPE)
        attempt(path, read_recipe)


@MANY
@given(
    st.recursive(
        VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    )
)
def test_no_json_is_believed(content):
    import json
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "geomrob-corrupt.json"
        path.write_text(json.dumps(content))
        attempt(path, class_order)
        attempt(path, read_weights)
        attempt(path, lambda path: read_manifest(path.parent))
        path.with_suffix(".npz").write_bytes(pack({}))
        attempt(path, load)
