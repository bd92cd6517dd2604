"""Files of arrays of other hands: every name, type, order and layout is read, damaged and hostile files are refused."""

import contextlib
import io
import pickle
import resource
import struct
import zipfile
from itertools import zip_longest

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from geomrob.data import load_data
from geomrob.data.arrays import array_files, image_arrays
from geomrob.data.arrays.array_files import open_arrays
from geomrob.data.arrays.named_arrays import CLASSES as CLASS_NAMES
from geomrob.data.arrays.named_arrays import IMAGES as IMAGE_NAMES
from geomrob.data.arrays.named_arrays import LABELS as LABEL_NAMES
from geomrob.data.lazy import LazyImages
from geomrob.errors import UsageError

N = 6
BYTES = np.random.default_rng(0).integers(0, 256, (N, 3, 7, 5), dtype=np.uint8)
LABELS = np.array([2, 0, 1, 1, 0, 2])
WANTED = torch.from_numpy(BYTES).float() / 255
FLOATS = WANTED.numpy()


def npz(path, *, packed=False, **arrays):
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize(
    "keys",
    [
        ("x", "y"), ("images", "labels"), ("x_test", "y_test"), ("test_images", "test_labels"), ("data", "targets"),
        ("arr_0", "arr_1"), ("X", "Y"), ("image", "label"), ("X_test", "Y_test"), ("testX", "testY"), ("imgs", "label"),
        ("val_images", "val_labels"), ("inputs", "target"),
    ],
)  # fmt: skip
def test_common_names_of_arrays_are_known(tmp_path, keys):
    samples = load_data(npz(tmp_path / "set.npz", **dict(zip(keys, (BYTES, LABELS), strict=True))))
    torch.testing.assert_close(samples.images, WANTED, rtol=0, atol=1e-7)
    assert samples.labels.tolist() == LABELS.tolist()
    assert bool(samples.notes) is keys[0].startswith("val")


def test_the_split_is_in_the_name_as_in_medmnist(tmp_path):
    parts = {f"{split}_{what}": value for split, cut in (("train", 4), ("val", 1), ("test", 2)) for what, value in
             (("images", BYTES[:cut]), ("labels", LABELS[:cut, None].astype(np.uint8)))}  # fmt: skip
    path = npz(tmp_path / "set.npz", packed=True, **parts)
    assert (len(load_data(path)), len(load_data(path, split="train"))) == (2, 4)
    assert load_data(path).notes == ()
    with pytest.raises(UsageError, match="got 'extra' for train_images"):
        load_data(path, split="extra")


def test_what_was_taken_of_several_is_noted_and_otherwise_the_names_are_listed(tmp_path):
    samples = load_data(npz(tmp_path / "a.npz", x=BYTES, images=BYTES[::-1], y=LABELS, fine_labels=LABELS))
    assert any("read x and y, not images, fine_labels" in text for text in samples.notes)
    # What is flat, or has another number of labels, is not preferred.
    samples = load_data(npz(tmp_path / "b.npz", x=np.zeros((N, 9)), data=BYTES, y=LABELS[:3], labels=LABELS))
    assert torch.equal(samples.images, WANTED)
    with pytest.raises(UsageError, match=r"got features \(6, 3, 7, 5\), why \(6,\): name them so"):
        load_data(npz(tmp_path / "c.npz", features=BYTES, why=LABELS))


TYPES = {
    "float64": (FLOATS.astype(np.float64), ""),
    "float16": (FLOATS.astype(np.float16), ""),
    "big-endian": (FLOATS.astype(">f4"), ""),
    "Fortran": (np.asfortranarray(BYTES), ""),
    "Fortran big-endian": (np.asfortranarray(FLOATS.astype(">f8")), ""),
    "uint16": (BYTES.astype(np.uint16) * 257, "uint16: divided by 65535"),
    "uint16 of bytes": (BYTES.astype(">u2"), "divided by 255, as no value is above 255"),
    "int64": (BYTES.astype(np.int64), "int64: divided by 255"),
    "channels last": (BYTES.transpose(0, 2, 3, 1), ""),
    "rounding": (FLOATS * (1 + 1e-6), r"leaves [0, 1] by rounding"),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("ending", ["npz", "packed", "npy", "pt", "safetensors"])
def test_every_type_and_order_of_numbers(tmp_path, kind, ending):
    array, said = TYPES[kind]
    path = tmp_path / f"set.{ending}"
    if ending == "npy":
        np.save(path, array)
        np.save(tmp_path / "labels.npy", LABELS)
    elif ending in {"npz", "packed"}:
        path = npz(tmp_path / "set.npz", packed=ending == "packed", x=array, y=LABELS)
    else:
        tensors = {"x": torch.from_numpy(array.astype(array.dtype.newbyteorder("="))), "y": torch.from_numpy(LABELS)}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        torch.save(tensors, path) if ending == "pt" else save_file(tensors, path)
    samples = load_data(path)
    torch.testing.assert_close(samples.images, WANTED, rtol=0, atol=3e-4 if kind == "float16" else 2e-6)
    assert samples.images.is_contiguous()
    assert (said in " ".join(samples.notes)) if said else not samples.notes
    drawn = load_data(path, samples=3, seed=4)
    chosen = torch.randperm(N, generator=torch.Generator().manual_seed(4))[:3]
    assert torch.equal(drawn.images, samples.images[chosen])
    assert torch.equal(drawn.indices, chosen)


def test_masks_and_bfloat16(tmp_path):
    samples = load_data(npz(tmp_path / "a.npz", x=BYTES > 99, y=LABELS))
    assert torch.equal(samples.images, (torch.from_numpy(BYTES) > 99).float())
    assert any("true and false" in text for text in samples.notes)
    torch.save((WANTED.bfloat16(), torch.from_numpy(LABELS)), tmp_path / "b.pt")
    assert torch.equal(load_data(tmp_path / "b.pt").images, WANTED.bfloat16().float())
    nested = {"test": {"images": WANTED, "labels": torch.from_numpy(LABELS)}, "classes": ["a", "b", "c"]}
    torch.save(nested, tmp_path / "c.pth")
    assert load_data(tmp_path / "c.pth").classes == ("a", "b", "c")


LABEL_KINDS = {
    "uint8": (LABELS.astype(np.uint8), ""),
    "big-endian int16": (LABELS.astype(">i2"), ""),
    "a column": (LABELS[:, None], ""),
    "floats": (LABELS.astype(np.float32), "floats: taken as whole numbers"),
    "one-hot": (np.eye(3, dtype=np.uint8)[LABELS], "one-hot"),
    "one-hot floats": (np.eye(3)[LABELS], "one-hot"),
    "names": (np.array(["ant", "bee", "cow"])[LABELS], "alphabetical order, 0 is ant, 1 is bee, 2 is cow"),
    "bytes": (np.array([b"ant", b"bee", b"cow"])[LABELS], "alphabetical order"),
    "numbers as text": (np.array(["2", "10", "30"])[LABELS], "numerical order, 0 is 2, 1 is 10, 2 is 30"),
}


@pytest.mark.parametrize("kind", LABEL_KINDS)
def test_every_kind_of_label(tmp_path, kind):
    labels, said = LABEL_KINDS[kind]
    samples = load_data(npz(tmp_path / "set.npz", x=BYTES, y=labels))
    assert samples.labels.tolist() == LABELS.tolist()
    assert len(samples.classes) == 3
    assert (said in " ".join(samples.notes)) if said else not samples.notes


def test_labels_that_are_true_or_false_are_noted(tmp_path):
    samples = load_data(npz(tmp_path / "set.npz", x=BYTES, y=LABELS > 0))
    assert samples.labels.tolist() == (LABELS > 0).astype(int).tolist()
    assert any("true" in text for text in samples.notes)


def test_labels_from_one_are_noted_and_names_follow_the_classes(tmp_path):
    assert any(
        "no label of" in t and "subtract 1" in t
        for t in load_data(npz(tmp_path / "a.npz", x=BYTES, y=LABELS + 1)).notes
    )
    path = npz(tmp_path / "b.npz", x=BYTES, y=LABEL_KINDS["names"][0], classes=np.array(["cow", "bee", "ant", "dog"]))
    assert load_data(path).labels.tolist() == (2 - LABELS).tolist()
    assert load_data(path, classes=["bee", "ant", "cow"]).classes == ("bee", "ant", "cow")


def raw_npy(header, content=b""):
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def zipped(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (9999999, 1, 999, 999), }"
HEADERS = {
    "72 TiB": HUGE,
    "negative": "{'descr': '|u1', 'fortran_order': False, 'shape': (-6, 1, 2, 2), }",
    "overflow": "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4, 4), }",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "records": "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
    "no type": "{'descr': 'zz', 'fortran_order': False, 'shape': (1,), }",
    "nested": "(" * 100,
    "code": "__import__('os').system('true')",
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_headers_that_ask_for_anything_are_one_sentence(tmp_path, kind, ending):
    content = raw_npy(HEADERS[kind], b"x" * 24)
    path = tmp_path / f"set.{ending}"
    path.write_bytes(content)
    if ending == "npz":
        zipped(path, {"x.npy": content, "y.npy": content})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError) as caught:
        load_data(path)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_labels_of_a_billion_places_and_numbers_are_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="one label an image; got 3 for 6"):
        load_data(npz(tmp_path / "a.npz", x=BYTES, y=LABELS[:3]))
    with pytest.raises(UsageError, match=r"must lie in 0 \.\.\. 999,999"):
        load_data(npz(tmp_path / "b.npz", x=BYTES, y=LABELS * 10**17))
    for labels, words in (
        (np.ones((N, 3)), "one class an image"),
        (np.full((N, 3), 1 / 3), "not one-hot"),
        (np.zeros((N, 2, 2)), "flatten them"),
        (np.array(3), "must hold images"),
        (np.full(N, np.nan), "fractions or NaN"),
        (np.zeros(N, "M8[s]"), "class numbers or names"),
    ):
        with pytest.raises(UsageError, match=words):
            load_data(npz(tmp_path / "c.npz", x=BYTES, y=labels))


def test_a_zip_bomb_an_unknown_method_and_a_password_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(array_files, "BOMB_BYTES", 2**20)
    bomb = raw_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3000, 1, 1, 1024), }") + bytes(3000 * 1024)
    path = zipped(tmp_path / "bomb.npz", {"x.npy": bomb, "y.npy": bomb[:200]}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UsageError, match=r"0\.0 GiB in 0\.0 MiB, which no images pack into"):
        load_data(path)
    for at, value, words in ((8, 99, "compression"), (6, 1, "encrypted")):
        content = bytearray(npz(tmp_path / "set.npz", x=BYTES, y=LABELS).read_bytes())
        central = content.index(b"PK\x01\x02")
        for header in (0, central + 2):
            content[header + at] = value
        (tmp_path / "set.npz").write_bytes(content)
        with pytest.raises(UsageError, match=words):
            load_data(tmp_path / "set.npz")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npz", b"", "an empty file"),
        ("a.npz", raw_npy("{}"), "a .npy file: rename it"),
        ("a.npz", b"version https://git-lfs.github.com/spec/v1\n", "a Git-LFS pointer: fetch"),
        ("a.npz", b"<!DOCTYPE html>", "a web page: download"),
        ("a.npy", pickle.dumps([1]), "a pickle, which could run code"),
        ("a.pt", pickle.dumps({"x": print}), "a pickle, which could run code"),
        ("a.safetensors", b"\x89HDF\r\n", "an HDF5 file"),
        ("a.npz", b"\x1f\x8b\x08", "a gzip file: unpack it"),
        ("a.npy", b"PK\x03\x04", "a zip archive"),
        ("a.pt", b"nothing", "must be a readable .pt file"),
        ("a.dat", b"\x00\x01", "a file of another kind: save images and labels with numpy.savez"),
        ("a.dat", b"\x89HDF", "an HDF5 file: save the arrays"),
        ("a.parquet", b"<!DOCTYPE html>", "a web page: download"),
        ("a.h5", b"", "an empty file: fetch"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        load_data(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("h5", r"an HDF5 file: f = h5py\.File\(FILE\), then numpy\.savez"),
        ("HDF5", "an HDF5 file: f = h5py"),
        ("mat", r"a MATLAB file: scipy\.io\.loadmat\(FILE\)"),
        ("parquet", r"a Parquet file: load_data\(datasets\.Dataset\.from_parquet\(FILE\)\)"),
        ("arrow", r"an Arrow file: load_data\(datasets\.Dataset\.from_file\(FILE\)\)"),
        ("csv", r"a table as text: of pixels: numpy\.loadtxt"),
        ("tsv", "a table as text"),
        ("lmdb", "an LMDB data base: read it by a torch Dataset"),
        ("tfrecord", r"a TFRecord file: read it with tf\.data\.TFRecordDataset"),
        ("pkl", "a pickle, which could run code: open it in Python if you trust it"),
        ("zip", "an archive: unpack it"),
        ("tar.gz", "a compressed file: unpack it"),
    ],
)
def test_other_kinds_of_data_say_how_to_get_from_them(tmp_path, ending, words):
    path = tmp_path / f"set.{ending}"
    path.write_bytes(b"?" * 40)
    with pytest.raises(UsageError, match=words) as caught:
        load_data(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("data.mdb", "an LMDB data base: read it by a torch Dataset"),
        ("data-00000-of-00001.arrow", r"a folder of datasets\.save_to_disk: load_data\(datasets\.load_from_disk"),
    ],
)
def test_folders_of_other_kinds_say_how_to_get_from_them(tmp_path, file, words):
    (tmp_path / "more.json").write_bytes(b"{}")
    (tmp_path / file).write_bytes(b"?" * 40)
    with pytest.raises(UsageError, match=words):
        load_data(tmp_path)


def test_the_conversions_that_are_advised_give_the_images(tmp_path):
    from scipy.io import loadmat, savemat

    savemat(tmp_path / "set.mat", {"X": BYTES.transpose(2, 3, 1, 0), "y": LABELS})
    content = loadmat(tmp_path / "set.mat")
    path = npz(tmp_path / "a.npz", x=content["X"].transpose(3, 0, 1, 2), y=content["y"].T)
    assert torch.equal(load_data(path).images, WANTED)
    rows = np.concatenate([LABELS[:, None], BYTES[:, 0].reshape(N, -1)], 1)
    np.savetxt(tmp_path / "set.csv", rows, "%d", ",", header="label,pixel0", comments="")
    table = np.loadtxt(tmp_path / "set.csv", delimiter=",", skiprows=1)
    samples = load_data(npz(tmp_path / "b.npz", x=table[:, 1:].reshape(N, 7, 5) / 255, y=table[:, 0]))
    torch.testing.assert_close(samples.images, WANTED[:, :1])
    assert samples.labels.tolist() == LABELS.tolist()


def test_a_pt_file_of_objects_or_of_one_value_is_refused(tmp_path):
    torch.save({"x": WANTED, "args": print}, tmp_path / "a.pt")
    with pytest.raises(UsageError, match="Python objects, which could run code"):
        load_data(tmp_path / "a.pt")
    torch.save(
        (torch.zeros(1).expand(10**9, 1, 30, 30), torch.zeros(1, dtype=torch.int64).expand(10**9)), tmp_path / "b.pt"
    )
    with pytest.raises(UsageError, match=r"expanded: save \.contiguous"):
        load_data(tmp_path / "b.pt")


def test_npy_pairs_take_the_labels_beside_them(tmp_path):
    for images, labels in (
        ("x_test", "y_test"),
        ("test_images", "test_labels"),
        ("fog", "fog_labels"),
        ("a", "labels"),
    ):
        folder = tmp_path / images
        folder.mkdir()
        np.save(folder / f"{images}.npy", BYTES.transpose(0, 2, 3, 1))
        np.save(folder / f"{labels}.npy", LABELS)
        samples = load_data(folder / f"{images}.npy")
        assert torch.equal(samples.images, WANTED)
        assert samples.labels.tolist() == LABELS.tolist()
    np.save(tmp_path / "alone.npy", BYTES)
    with pytest.raises(UsageError, match=r"must have its labels beside it, in labels\.npy or y\.npy; got no other"):
        load_data(tmp_path / "alone.npy")


@pytest.mark.parametrize("repeated", [True, False])
def test_five_severities_are_read_whole_with_a_note_or_one_by_name(tmp_path, repeated):
    blocks = np.concatenate([BYTES // severity for severity in range(1, 6)]).transpose(0, 2, 3, 1)
    np.save(tmp_path / "fog.npy", blocks)
    np.save(tmp_path / "labels.npy", np.tile(LABELS, 5) if repeated else LABELS)
    whole = load_data(tmp_path / "fog.npy")
    assert len(whole) == 5 * N
    assert whole.labels.tolist() == LABELS.tolist() * 5
    assert any("6 images five times, severity after severity: all are read, fog.npy@3" in t for t in whole.notes)
    for severity in range(1, 6):
        one = load_data(f"{tmp_path}/fog.npy@{severity}")
        torch.testing.assert_close(one.images, torch.from_numpy(BYTES // severity).float() / 255)
        assert one.labels.tolist() == LABELS.tolist()
        assert one.indices.tolist() == list(range(N))
    with pytest.raises(UsageError, match=r"severity must lie in 1 \.\.\. 5; got fog.npy@6"):
        load_data(f"{tmp_path}/fog.npy@6")
    with pytest.raises(UsageError, match=r"got the folder: pass one of fog\.npy"):
        load_data(tmp_path)
    np.save(tmp_path / "fog.npy", blocks[:-1])
    np.save(tmp_path / "labels.npy", np.tile(LABELS, 5)[:-1])
    with pytest.raises(UsageError, match="same images five times for @2; got 29 others"):
        load_data(f"{tmp_path}/fog.npy@2")


def test_a_draw_of_a_large_file_does_not_load_it(tmp_path):
    count = 6_000
    images = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (count, 64, 64, 3))
    images[:, 0, 0, 0] = np.arange(count) % 251
    images.flush()
    np.save(tmp_path / "y.npy", np.arange(count) % 10)
    np.savez(tmp_path / "set.npz", x=images, y=np.arange(count) % 10)
    del images
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in (tmp_path / "x.npy", tmp_path / "set.npz"):
        samples = load_data(path, samples=50, seed=1)
        assert torch.equal((samples.images[:, 0, 0, 0] * 255).round().long(), samples.indices % 251)
        assert torch.equal(samples.labels, samples.indices % 10)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


def build(ending):
    file = io.BytesIO()
    tensors = {"x": torch.from_numpy(BYTES), "y": torch.from_numpy(LABELS)}
    if ending == "npz":
        np.savez(file, x=BYTES, y=LABELS)
    elif ending == "packed.npz":
        np.savez_compressed(file, x=BYTES, y=LABELS)
    elif ending == "npy":
        np.save(file, BYTES)
    else:
        torch.save(tensors, file)
    return file.getvalue()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(["npz", "packed.npz", "npy", "pt"]), st.integers(0, 10**6), st.integers(1, 255), st.booleans())
def test_a_changed_byte_or_a_cut_is_a_sentence_or_the_same_images(tmp_path_factory, ending, at, change, cut):
    folder = tmp_path_factory.mktemp("bytes")
    np.save(folder / "labels.npy", LABELS)
    content = bytearray(build(ending))
    # Of a file without a checksum of its own the pixels may change unnoticed: only the header is changed.
    at %= 128 if ending == "npy" and not cut else len(content)
    content[at] ^= change
    (folder / f"set.{ending}").write_bytes(content[:at] if cut else content)
    with contextlib.suppress(UsageError):
        samples = load_data(folder / f"set.{ending}")
        if ending in {"npz", "packed.npz"}:
            assert torch.equal(samples.images, WANTED)


def test_only_headers_are_read_to_open_a_file(tmp_path):
    rows = open_arrays(npz(tmp_path / "set.npz", x=BYTES, y=LABELS))
    assert (rows["x"].shape, rows["x"].dtype) == (BYTES.shape, np.uint8)
    assert (rows["x"].take(np.array([5, 0, 5])) == BYTES[[5, 0, 5]]).all()


@pytest.mark.parametrize("kind", ["uint8", "float64", "Fortran", "uint16"])
@pytest.mark.parametrize("ending", ["npz", "packed", "npy"])
def test_many_images_are_read_when_they_are_used(tmp_path, monkeypatch, kind, ending):
    array = BYTES if kind == "uint8" else TYPES[kind][0]
    whole = npz(tmp_path / "set.npz", packed=ending == "packed", x=array, y=LABELS)
    if ending == "npy":
        whole = tmp_path / "x.npy"
        np.save(whole, array)
        np.save(tmp_path / "y.npy", LABELS)
    held = load_data(whole, samples=5, seed=2)
    monkeypatch.setattr(image_arrays, "AT_ONCE", 100)
    lazy = load_data(whole, samples=5, seed=2)
    assert isinstance(lazy.images, LazyImages)
    assert not isinstance(held.images, LazyImages)
    assert torch.equal(lazy.images[:], held.images)
    assert lazy.notes == held.notes
    np.savez(tmp_path / "bad.npz", x=FLOATS * 255, y=LABELS)
    with pytest.raises(UsageError, match="divide them by 255"):
        load_data(tmp_path / "bad.npz")


def test_objects_beside_the_images_are_left_alone_and_masks_in_bytes_are_noted(tmp_path):
    np.savez(tmp_path / "a.npz", x=BYTES, y=LABELS, meta=np.array({"by": "me"}, object))
    assert torch.equal(load_data(tmp_path / "a.npz").images, WANTED)
    np.savez(tmp_path / "b.npz", x=BYTES, y=np.array([None] * N))
    with pytest.raises(UsageError, match=r"y of .* must hold plain arrays; got Python objects"):
        load_data(tmp_path / "b.npz")
    assert any("nearly black" in text for text in load_data(npz(tmp_path / "c.npz", x=BYTES % 2, y=LABELS)).notes)


@pytest.mark.parametrize(("images", "labels"), zip_longest(IMAGE_NAMES, LABEL_NAMES, fillvalue="y"))
def test_every_documented_name_of_an_array_is_known(tmp_path, images, labels):
    samples = load_data(npz(tmp_path / "set.npz", **{images: BYTES, labels: LABELS}))
    assert torch.equal(samples.images, WANTED)
    assert samples.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_every_documented_name_of_the_classes_is_known(tmp_path, name):
    path = npz(tmp_path / "set.npz", x=BYTES, y=LABELS, **{name: np.array(["a", "b", "c"])})
    assert load_data(path).classes == ("a", "b", "c")


def test_names_of_classes_lie_beside_an_array(tmp_path):
    np.save(tmp_path / "x.npy", BYTES)
    np.save(tmp_path / "y.npy", LABELS)
    np.save(tmp_path / "classes.npy", np.array(["ant", "bee", "cow"]))
    assert load_data(tmp_path / "x.npy").classes == ("ant", "bee", "cow")
