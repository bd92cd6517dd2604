import numpy as np
import pytest
from PIL import Image

from geomrob.data import load_data
from geomrob.errors import Note, UsageError


def picture(path, value, *, mode="RGB", size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    Image.fromarray(np.full(shape, value, np.uint8), mode).save(path)


@pytest.fixture
def pets(tmp_path):
    for i in range(3):
        picture(tmp_path / "pets" / "dog" / f"{i}.png", 10 + i)
        picture(tmp_path / "pets" / "cat" / f"{i}.png", 20 + i)
    return tmp_path / "pets"


def test_sub_folders_are_classes_in_alphabetical_order(pets):
    samples = load_data(pets)
    assert samples.classes == ("cat", "dog")
    assert samples.images.shape == (6, 3, 4, 6)
    assert (samples.images[:, 0, 0, 0] * 255).round().tolist() == [20, 21, 22, 10, 11, 12]
    assert samples.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.skipped == ()


def test_the_split_may_be_one_level_up(pets, tmp_path):
    pets.rename(tmp_path / "val")
    assert load_data(tmp_path).classes == ("cat", "dog")
    with pytest.raises(UsageError, match=r"train/class/image\.png; got only val"):
        load_data(tmp_path, split="train")


def test_grey_folders_have_one_channel_and_mixed_ones_three(tmp_path):
    picture(tmp_path / "a" / "x.png", 51, mode="L")
    assert load_data(tmp_path).images.shape == (1, 1, 4, 6)
    picture(tmp_path / "b" / "y.jpg", 102)
    with pytest.warns(Note, match=r"1 of 2 images of .* grey: repeated to three channels"):
        samples = load_data(tmp_path)
    assert samples.images.shape == (2, 3, 4, 6)
    assert samples.images[0].unique().tolist() == [pytest.approx(0.2)]


def test_all_truncated_is_a_misuse_that_names_the_first(pets):
    for file in pets.rglob("*.png"):
        picture(file, 7, size=(200, 200))
        file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(UsageError, match=r"must hold a readable image; got 6 unreadable ones: cat/0\.png: .*truncated"):
        load_data(pets)


def test_an_unreadable_image_is_skipped_named_and_replaced_in_a_draw(pets):
    broken = pets / "cat" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.warns(Note, match=r"left out 1 unreadable file of .*; the first: cat/1.png: "):
        samples = load_data(pets)
    assert samples.indices.tolist() == [0, 2, 3, 4, 5]
    assert len(samples.skipped) == 1
    assert samples.skipped[0].startswith("cat/1.png: ")
    with pytest.warns(Note, match="unreadable"):
        five, six = load_data(pets, samples=5), load_data(pets, samples=6)
    assert (len(five), len(six)) == (5, 5)
    assert 1 not in five.indices.tolist()


def test_all_unreadable_is_a_misuse(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="must hold a readable image; got 1 unreadable one"):
        load_data(tmp_path)


def test_differing_sizes_are_one_sentence(pets):
    picture(pets / "dog" / "9.png", 1, size=(7, 4))
    with pytest.raises(UsageError, match=r"one size; got 6x4 in cat/0.png and 7x4 in dog/9.png: resize"):
        load_data(pets)


def test_a_folder_without_images_says_what_it_should_hold(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"class/image.png or test/class/image.png; got no images"):
        load_data(tmp_path)
