import numpy as np
import pytest

from geomrob.data import load_data
from geomrob.errors import UsageError


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


X = np.linspace(0, 1, 2 * 3 * 5 * 4).reshape(2, 3, 5, 4)
Y = np.array([1, 0])


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
        ({"x": X * 255, "y": Y}, r"\[0, 255\]: they look like 8-bit values, divide them by 255"),
        ({"x": X - 1, "y": Y}, r"must lie in \[0, 1\]"),
        ({"x": (X - 0.45) / 0.22, "y": Y}, r"they look normalised, pass x \* std \+ mean"),
        ({"x": X[:, 0].reshape(2, 20), "y": Y}, "flat"),
        ({"x": X[:, :, None], "y": Y}, "got .*2, 3, 1, 5, 4"),
        ({"x": X.astype(np.int32), "y": Y}, "got int32"),
        ({"x": X[:, :2], "y": Y}, "are neither"),
        ({"x": X[..., :3], "y": Y}, "could be either"),
        ({"x": X[0, 0], "y": np.arange(5)}, r"got \(5, 4\), which is flat or a single image: reshape it"),
        ({"x": X, "y": Y[:1]}, "one label an image; got 1 for 2"),
        ({"x": X, "y": -Y}, r"got -1 ... 0"),
        ({"x": X, "y": Y + 0.5}, "whole numbers; got fractions"),
        ({"x": X, "y": Y, "classes": np.array(["only"])}, "must lie in 0 ... 0"),
        ({"x": X}, r"got x \(2, 3, 5, 4\): add the labels"),
        ({"z": X}, r"got z \(2, 3, 5, 4\): name them so"),
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
    with pytest.raises(UsageError, match=r"split must be in .*; got 'train' for x .*: pass another split"):
        load_data(save(path, x=X, y=Y), split="train")
