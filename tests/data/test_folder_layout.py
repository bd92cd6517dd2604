"""Which folders are classes, in which order, and what is said of the rest."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geomrob.data import load_data
from geomrob.data.folder_layout import list_folder
from geomrob.errors import Note, UsageError


def put(*paths, value=9):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3), value).save(path, "PNG")


def text(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no image")


def read(path, **options):
    """Return the samples; what is noted is in them, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Note)
        samples = load_data(path, **options)
    assert [str(one.message) for one in caught if issubclass(one.category, Note)] == list(samples.notes)
    return samples


@pytest.fixture
def pets(tmp_path):
    put(tmp_path / "cat" / "1.png", tmp_path / "dog" / "1.png")
    return tmp_path


@pytest.mark.parametrize(
    ("extra", "is_image"),
    [
        ("__MACOSX/cat/._1.png", False), ("__MACOSX/1.png", True), ("annotations/keep.csv", False),
        ("@eaDir/1.png", True),
        ("logs/run.txt", False), ("masks/readme", False), ("Cut/1.png", False), ("heic/1.heic", False),
        ("abc/deeper/1.png", True), ("$RECYCLE.BIN/1.png", True), ("lost+found/1.png", True), ("Empty/", False),
    ],
)  # fmt: skip
def test_folders_without_a_readable_image_are_no_classes_and_are_named(pets, extra, is_image):
    if extra.endswith("/"):
        (pets / extra).mkdir()
    elif is_image:
        put(pets / extra)
    else:
        text(pets / extra)
    samples = read(pets)
    assert (samples.classes, samples.labels.tolist()) == (("cat", "dog"), [0, 1])
    assert samples.notes == (f"no classes of {pets}, for want of a readable image: {extra.split('/')[0]}",)


@pytest.mark.parametrize(
    "hidden", [".thumbnails/1.png", ".ipynb_checkpoints/1.png", "cat/.1.png", "cat/.x/1.png", ".1.png"]
)
def test_hidden_files_and_folders_are_ignored_at_every_level(pets, hidden):
    put(pets / hidden)
    samples = read(pets)
    assert (samples.classes, len(samples), samples.notes) == (("cat", "dog"), 2, ())
    put(pets / "up" / "test" / "cat" / "1.png", pets / "up" / "test" / "dog" / "1.png", pets / "up" / hidden)
    assert read(pets / "up").classes == ("cat", "dog")


def test_ignored_files_are_counted_by_ending(pets):
    for name in ("cat/a.txt", "cat/b.TXT", "dog/c.heic", "dog/Thumbs.db", "README", "dog/.hidden"):
        text(pets / name)
    put(pets / "loose.png", pets / "cat" / "more" / "1.png")
    notes = read(pets).notes
    assert notes == (
        f"ignored files of {pets}: 2 .txt, 1 .db, 1 .heic, 1 without ending",
        f"left out 1 image of {pets} in no folder of a class",
        f"left out images of {pets} one folder deeper: cat/more",
    )


@pytest.mark.parametrize(
    ("names", "expected", "said"),
    [
        (map(str, range(12)), [str(i) for i in range(12)], "sorted as numbers, 2 before 10"),
        ([f"{i:03}" for i in range(12)], [f"{i:03}" for i in range(12)], ""),
        (["-1", "10", "2"], ["-1", "2", "10"], "sorted as numbers"),
        (["10", "9", "other"], ["10", "9", "other"], "sorted as text, 10 before 2: not all"),
        (["b", "a", "C"], ["C", "a", "b"], ""),
        (["cat", "Cat"], ["Cat", "cat"], "differ in their case alone: Cat, cat"),
        (["class10", "class9"], ["class10", "class9"], ""),
    ],
)
def test_the_order_of_the_classes(tmp_path, names, expected, said):
    put(*(tmp_path / name / "1.png" for name in names))
    samples = read(tmp_path)
    assert list(samples.classes) == expected
    assert len(samples.notes) == bool(said)
    assert said in " ".join(samples.notes)


def test_two_names_of_one_number_are_refused(tmp_path):
    put(*(tmp_path / name / "1.png" for name in ("1", "01", "2")))
    with pytest.raises(UsageError, match="different numbers; got 1 twice"):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["val/images/1.png", "val/images/2.png"], "holds the images of all classes, as in tiny-imagenet"),
        (["images/1.png"], "holds the images of all classes"),
        (["IMG/1.png"], "IMG/ alone"),
        (["train/1.png", "test/2.png"], "lie in test/, train/ itself, in no folders of classes"),
        (["images/1.png", "masks/1.png"], "images/, masks/ look like images and what goes with them"),
        (["1.png", "2.png"], "got 2 images in no folder of a class"),
        (["x/y/1.png", "x/z/1.png"], "got only x: sort them"),
        (["x/y/z/1.png"], "no images one or two folders down"),
    ],
)
def test_layouts_that_are_no_classes_are_refused_by_what_they_look_like(tmp_path, files, words):
    put(*(tmp_path / file for file in files))
    for path in (tmp_path, tmp_path / "val"):
        if path.is_dir():
            with pytest.raises(UsageError, match=words) as caught:
                load_data(path)
            assert "\n" not in str(caught.value)


def test_a_class_of_its_own_may_be_alone_and_any_may_by_name(tmp_path):
    put(tmp_path / "n01440764" / "1.png")
    assert read(tmp_path).classes == ("n01440764",)
    put(tmp_path / "up" / "images" / "1.png")
    assert read(tmp_path / "up", classes=["images", "others"]).classes == ("images", "others")


def test_a_split_has_the_classes_of_all_splits(tmp_path):
    put(
        *(tmp_path / "train" / name / "1.png" for name in "abc"), *(tmp_path / "test" / name / "1.png" for name in "bd")
    )
    test, train = read(tmp_path), read(tmp_path, split="train")
    assert test.classes == train.classes == ("a", "b", "c", "d")
    assert (test.labels.tolist(), train.labels.tolist()) == ([1, 3], [0, 1, 2])
    put(tmp_path / "preview" / "1.png")
    assert read(tmp_path).notes == (f"{tmp_path / 'test'} is read; not what lies beside it: preview",)


def test_classes_named_like_splits_are_classes_where_others_are(tmp_path):
    put(*(tmp_path / name / "1.png" for name in ("bus", "train", "tram")))
    assert read(tmp_path).classes == ("bus", "train", "tram")


@pytest.mark.parametrize(
    "lines", ["dog\ncat\nbird\n", "0 dog\n1 cat\n2 bird", "dog, Canis familiaris\ncat, Felis\nbird, Aves"]
)
def test_an_order_is_that_of_a_file_in_the_folder_or_of_the_caller(pets, lines):
    (pets / "classes.txt").write_text(lines)
    samples = read(pets)
    assert (samples.classes, samples.labels.tolist(), samples.ordered) == (("dog", "cat", "bird"), [0, 1], True)
    assert [text.partition(" have no folder")[0] for text in samples.notes] == [f"1 name of the classes of {pets}"]
    assert samples.notes[0].endswith("keep their numbers: bird")
    assert read(pets, classes=["bird", "cat", "dog"]).labels.tolist() == [1, 2]
    order = pets / "order.json"
    order.write_text(json.dumps({"cat": 4, "dog": 2}))
    assert read(pets, classes=order).labels.tolist() == [2, 4]
    with pytest.raises(UsageError, match=r"must name every folder of .* got none named dog: add it"):
        load_data(pets, classes=["cat", "bird"])
    with pytest.raises(UsageError, match="classes must go with an image folder; got fashion-mnist-1k"):
        load_data("fashion-mnist-1k", classes=["cat"])


def test_links_in_a_circle_and_broken_ones(pets):
    (pets / "loop").symlink_to(pets)
    (pets / "cat" / "self").symlink_to(pets / "cat")
    (pets / "gone").symlink_to(pets / "nowhere")
    (pets / "round").symlink_to(pets / "round")
    (pets / "cat" / "2.png").symlink_to(pets / "nowhere.png")
    (pets / "third").symlink_to(pets / "dog")
    samples = read(pets)
    assert samples.classes == ("cat", "dog", "third")
    assert samples.skipped == ("cat/2.png: No such file or directory",)


def test_a_folder_without_permission_is_one_sentence(pets, monkeypatch):
    scandir = os.scandir

    def refused(path):
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(
        UsageError, match=r"dog must be a readable folder; got Permission denied: change its permissions"
    ):
        load_data(pets)


def test_names_that_are_no_text_can_be_printed(pets):
    try:
        put(Path(os.fsdecode(os.fsencode(pets) + b"/\xff\xfe")) / "1.png")
    except OSError:
        pytest.skip("this file system takes text only")
    samples = read(pets)
    assert len(samples.classes) == 3
    "".join(samples.classes).encode()


def test_positions_are_those_of_the_sorted_files(pets):
    listing = list_folder(pets, "test")
    assert [file.parent.name for file in listing.files] == ["cat", "dog"]
    assert listing.read(1).shape == (1, 3, 4)
    np.testing.assert_array_equal(listing.read(1), read(pets).images[1].numpy())


def test_images_of_any_size_get_the_size_of_a_model(tmp_path):
    for name, size in (("a", (40, 30)), ("b", (30, 50))):
        (tmp_path / name).mkdir()
        Image.new("RGB", size, "red").save(tmp_path / name / "1.png")
    with pytest.raises(UsageError, match=r"must all have one size; got 40x30 in a/1.png and 30x50 .*--image-size"):
        load_data(tmp_path)
    samples = read(tmp_path, image_size=16, crop=0.875, interpolation="bicubic")
    assert samples.images.shape == (2, 3, 16, 16)
    assert samples.notes == (f"images of {tmp_path} are resized to 16x16 (bicubic, crop 0.875)",)
    (tmp_path / "b" / "1.png").unlink()
    put(tmp_path / "b" / "1.png")
    assert read(tmp_path / ".", samples=1, image_size=(30, 40), crop=0.5).images.shape == (1, 3, 30, 40)


@pytest.mark.parametrize(
    ("folder", "split"),
    [("test", "test"), ("val", "test"), ("validation", "test"), ("valid", "test"), ("train", "train"),
     ("training", "train")],
)  # fmt: skip
def test_every_name_of_a_split_is_read(tmp_path, folder, split):
    put(tmp_path / folder / "cat" / "1.png", tmp_path / folder / "dog" / "1.png")
    samples = read(tmp_path, split=split)
    assert (samples.classes, samples.labels.tolist(), samples.notes) == (("cat", "dog"), [0, 1], ())


def test_images_that_have_the_size_of_a_model_are_taken_as_they_are(tmp_path):
    put(tmp_path / "a" / "1.png", tmp_path / "b" / "1.png")
    assert torch.equal(read(tmp_path, image_size=(3, 4), crop=0.5).images, read(tmp_path).images)
    assert read(tmp_path, image_size=(3, 4), crop=0.5).notes == ()
