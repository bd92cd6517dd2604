"""Webdatasets: what is in the tar is what is read, and a tar that is not whole is one sentence."""

import contextlib
import io
import json
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geomrob.data import load_data
from geomrob.errors import UsageError

BYTES = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = [2, 0, 1, 1, 0, 2]


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def files(label=lambda number: ("cls", str(LABELS[number]).encode()), images=BYTES):
    pairs = []
    for number, array in enumerate(images):
        ending, content = label(number)
        pairs += [(f"./part/{number:04}.png", png(array)), (f"./part/{number:04}.{ending}", content)]
    return pairs


WANTED = torch.from_numpy(BYTES.transpose(0, 3, 1, 2).copy()).float() / 255


@pytest.mark.parametrize(
    "label",
    [
        lambda number: ("cls", f"{LABELS[number]}\n".encode()),
        lambda number: ("json", json.dumps({"caption": "x", "label": LABELS[number]}).encode()),
        lambda number: ("json", json.dumps({"cls": "abc"[LABELS[number]]}).encode()),
        lambda number: ("cls", "abc"[LABELS[number]].encode()),
        lambda number: ("JSON", json.dumps(LABELS[number]).encode()),
    ],
)
def test_images_and_labels_of_a_tar(tmp_path, label):
    path = tar(tmp_path / "set.tar", files(label))
    samples = load_data(path)
    assert torch.equal(samples.images, WANTED)
    assert samples.labels.tolist() == LABELS
    assert samples.classes in {("0", "1", "2"), ("a", "b", "c")}
    drawn = load_data(path, samples=3, seed=1)
    chosen = torch.randperm(6, generator=torch.Generator().manual_seed(1))[:3]
    assert torch.equal(drawn.indices, chosen)
    assert torch.equal(drawn.images, WANTED[chosen])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["set.tar"]


def test_what_is_ignored_is_counted_and_no_name_leaves_the_folder(tmp_path):
    more = [
        ("../../evil.png", png(BYTES[0])),
        ("/abs/1.png", png(BYTES[0])),
        ("part/0009.txt", b"a caption"),
        ("part/._0001.png", b"mac"),
        ("part/0000.seg.png", png(BYTES[0])),
    ]
    samples = load_data(tar(tmp_path / "set.tar", files() + more))
    assert len(samples) == 6
    assert [text.partition(": ")[2] for text in samples.notes if "ignored" in text] == [
        "1 .txt, 2 images without a label, 1 further images of a sample"
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["set.tar"]
    assert not (tmp_path.parent / "evil.png").exists()


def test_an_unreadable_image_is_skipped_and_sizes_may_be_fitted(tmp_path):
    damaged = files()
    damaged[2] = (damaged[2][0], damaged[2][1][:40])
    samples = load_data(tar(tmp_path / "set.tar", damaged))
    assert samples.indices.tolist() == [0, 2, 3, 4, 5]
    assert samples.skipped[0].startswith("./part/0001.png: ")
    wide = files(images=[*BYTES, np.zeros((9, 9, 3), np.uint8)][1:])
    with pytest.raises(UsageError, match=r"one size; got .* pass image_size"):
        load_data(tar(tmp_path / "wide.tar", wide))
    assert load_data(tmp_path / "wide.tar", image_size=4).images.shape == (6, 3, 4, 4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "images with labels, such as .*; got none"),
        ([("1.png", b"x")], "got 1 images without a label: make it again"),
        ([("1.png", b"x"), ("1.txt", b"3")], "1 .txt, 1 images without a label: rename the .txt to .cls if"),
        ([("1.txt", b"3")], "got 1 .txt: make it again"),
        ([("1.png", b"x"), ("1.cls", b"0")], "a readable image; got 1 unreadable"),
        ([("1.png", b"x"), ("1.json", b"{}")], "must hold a label; got nothing"),
        ([("1.png", b"x"), ("1.json", b"[" * 100_000)], "must be a whole tar"),
        ([("1.png", b"x"), ("1.cls", b"0" * 2_000_000)], "must be a label; got 2,000,000 bytes"),
        ([("1.png", b"x"), ("1.cls", b"\xff\xfe\xff")], "must be a whole tar"),
        ([("1.png", b"x"), ("1.png", b"x"), ("1.cls", b"0")], "each name once; got two 1.png"),
    ],
)
def test_a_tar_that_is_no_webdataset_is_one_sentence(tmp_path, content, words):
    with pytest.raises(UsageError, match=words):
        load_data(tar(tmp_path / "set.tar", content))


def test_a_tar_cut_off_anywhere_is_noticed(tmp_path):
    whole = tar(tmp_path / "set.tar", files()).read_bytes()
    end = len(whole.rstrip(b"\0"))
    for length in [0, 100, 512, *range(1024, end, 512), end]:
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        with pytest.raises(UsageError, match="must be a whole tar"):
            load_data(tmp_path / "cut.tar")


def test_a_negative_size_ends(tmp_path):
    content = bytearray(tar(tmp_path / "set.tar", files()).read_bytes())
    content[1024 + 124 : 1024 + 136] = b"\xff" * 12
    content[1024 + 148 : 1024 + 156] = b" " * 8
    content[1024 + 148 : 1024 + 156] = f"{sum(content[1024:1536]):06o}\0 ".encode()
    (tmp_path / "set.tar").write_bytes(content)
    with pytest.raises(UsageError, match="must be a whole tar"):
        load_data(tmp_path / "set.tar")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_a_sentence_or_an_image(tmp_path_factory, at, change):
    folder = tmp_path_factory.mktemp("tar")
    content = bytearray(tar(folder / "set.tar", files()).read_bytes())
    content[at % len(content)] ^= change
    (folder / "set.tar").write_bytes(content)
    with contextlib.suppress(UsageError):
        assert len(load_data(folder / "set.tar")) <= 6
