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


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


X = np.linspace(0, 1, 2 * 3 * 5 * 4).reshape(2, 3, 5, 4)
Y = np.array([1, 0])


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


@pytest.mark.parametrize("kind", ["NCHW", "NHWC", "NHW", "uint8"])
def test_npz_of_every_layout(tmp_path, kind):
    x = {"NCHW": X, "NHWC": X.transpose(0, 2, 3, 1), "NHW": X[:, 0], "uint8": (X * 255).round().astype(np.uint8)}[kind]
    samples = load_data(save(tmp_path / "set.npz", x=x, y=Y))
    wanted = X[:, :1] if kind == "NHW" else X
    np.testing.assert_allclose(samples.images.numpy(), wanted, atol=1 / 255 if kind == "uint8" else 1e-7)
    assert samples.labels.tolist() == [1, 0]
    assert samples.classes == ("0", "1")


def test_npz_may_name_its_classes(tmp_path):
    assert load_data(save(tmp_path / "set.npz", x=X, y=Y, classes=np.array(["no", "yes"]))).classes == ("no", "yes")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.where(X > 0.99, np.nan, X), "y": Y}, "got NaN or infinity in 1 images"),
        ({"x": X * 255, "y": Y}, r"\[0, 255\]: divide"),
        ({"x": X - 1, "y": Y}, r"must lie in \[0, 1\]"),
        ({"x": X.astype(np.int32), "y": Y}, "got int32"),
        ({"x": X[:, :2], "y": Y}, "are neither"),
        ({"x": X[..., :3], "y": Y}, "could be either"),
        ({"x": X[0, 0], "y": Y}, r"got \(5, 4\)"),
        ({"x": X, "y": Y[:1]}, "one label an image; got 1 for 2"),
        ({"x": X, "y": -Y}, r"got -1 ... 0"),
        ({"x": X, "y": Y.astype(float)}, "must be integers"),
        ({"x": X, "y": Y, "classes": np.array(["only"])}, "must lie in 0 ... 0"),
        ({"x": X}, r"got \['x'\]"),
        ({"z": X}, "got neither"),
        ({"x": X[:0], "y": Y[:0]}, "at least one image"),
        ({"x": np.array([{}]), "y": Y}, "plain arrays"),
    ],
)
def test_bad_npz_is_refused_in_one_sentence(tmp_path, arrays, words):
    with pytest.raises(UsageError, match=words):
        load_data(save(tmp_path / "set.npz", **arrays))


def test_damaged_and_missing_npz(tmp_path):
    path = save(tmp_path / "set.npz", x=X, y=Y)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UsageError, match=r"readable \.npz"):
        load_data(path)
    path.write_bytes(b"")
    with pytest.raises(UsageError, match=r"readable \.npz"):
        load_data(path)
    with pytest.raises(UsageError, match="neither: check the path"):
        load_data(tmp_path / "none.npz")
    with pytest.raises(UsageError, match="split must be test"):
        load_data(path, split="train")
