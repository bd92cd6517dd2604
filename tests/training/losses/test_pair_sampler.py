import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geomrob.errors import UsageError
from geomrob.training.losses.pair_sampler import RULES, PairTargets, centred, pair, thresholded

HIGH, LOW = 0.3, 0.1


def some(count=12, *, channels=2, seed=0):
    return torch.rand(count, channels, 3, 4, generator=torch.Generator().manual_seed(seed))


def by_hand(images, *, gray=False) -> dict[tuple[int, int], float]:
    """S^pixel of every pair, one number at a time."""
    flat = [[value.item() for value in (image.mean(0) if gray else image).flatten().double()] for image in images]
    mean = [sum(column) / len(flat) for column in zip(*flat, strict=True)]
    rows = [[a - b for a, b in zip(row, mean, strict=True)] for row in flat]

    def dot(one, other):
        return sum(a * b for a, b in zip(one, other, strict=True))

    return {
        (i, j): dot(rows[i], rows[j]) / (dot(rows[i], rows[i]) * dot(rows[j], rows[j])) ** 0.5
        for i, j in itertools.combinations(range(len(rows)), 2)
    }


def sign(value: float) -> int:
    return 1 if value > HIGH else -1 if value < -HIGH else 0


BY_HAND = {
    "pixel": lambda s: s,
    "threshold": sign,
    "double": lambda s: sign(s) if abs(s) > HIGH or abs(s) <= LOW else None,
    "negative": lambda s: sign(s) if s < -HIGH or abs(s) <= HIGH else None,
    "positive": lambda s: sign(s) if s > HIGH or abs(s) <= HIGH else None,
    "low": lambda s: 0 if abs(s) <= HIGH else None,
    "high": lambda s: sign(s) if abs(s) > HIGH else None,
}


@pytest.mark.parametrize("count", [2, 3, 4, 17, 60])
def test_numbers_list_every_pair_once(count):
    first, second = pair(torch.arange(count * (count - 1) // 2), count)
    found = list(zip(first.tolist(), second.tolist(), strict=True))
    assert sorted(found) == list(itertools.combinations(range(count), 2))


@given(st.integers(2, 1_000_000), st.data())
def test_pairs_of_a_million_images_are_exact(count, data):
    number = data.draw(st.integers(0, count * (count - 1) // 2 - 1))
    first, second = (int(index[0]) for index in pair(torch.tensor([number]), count))
    assert 0 <= first < second < count
    assert second * (second - 1) // 2 + first == number


def test_both_ends_of_each_row_are_exact_where_the_root_is_rounded():
    second = torch.arange(999_000, 1_000_000)
    start = second * (second - 1) // 2
    for number, first in ((start, torch.zeros_like(second)), (start + second - 1, second - 1)):
        found = pair(number, 1_000_000)
        assert torch.equal(found[0], first)
        assert torch.equal(found[1], second)


@pytest.mark.parametrize("number", [-1, 6])
def test_a_number_of_no_pair_is_refused(number):
    with pytest.raises(UsageError, match=rf"number must lie in 0 ... 5 for 4 images; got \[{number}"):
        pair(torch.tensor([number]), 4)


@pytest.mark.parametrize("gray", [False, True])
def test_similarity_of_pixels_is_the_cosine_to_the_mean_image(gray):
    images = some()
    targets = PairTargets(images, "pixel", gray=gray)
    expected = by_hand(images, gray=gray)
    first, second = (torch.tensor(side) for side in zip(*expected, strict=True))
    assert targets.similarity(first, second).tolist() == pytest.approx(list(expected.values()), abs=1e-5)
    rows = centred(images, gray=gray)
    assert torch.allclose(rows.norm(dim=1), torch.ones(12))


def test_the_mean_image_is_like_no_other():
    images = torch.cat([some(2), some(2).mean(0, keepdim=True)])
    rows = centred(images)
    assert float((rows @ rows[2]).abs().max()) < 0.1
    assert torch.allclose(rows[0], -rows[1], atol=1e-5)


@pytest.mark.parametrize("target", RULES)
def test_every_target_is_that_of_plain_python(target):
    images = some(20)
    expected = {key: BY_HAND[target](value) for key, value in by_hand(images).items()}
    assert len({*expected.values()}) > 1 or target == "low"
    first, second, wanted = PairTargets(images, target, threshold=HIGH, second=LOW).draw(
        400, torch.Generator().manual_seed(1)
    )
    drawn = list(zip(first.tolist(), second.tolist(), strict=True))
    assert [expected[key] for key in drawn] == pytest.approx(wanted.tolist(), abs=1e-5)
    used = {key for key, value in expected.items() if value is not None}
    assert set(drawn) <= used
    assert len(set(drawn)) > 0.8 * min(len(used), 400)


def test_eq_5_holds_at_the_threshold():
    values = torch.tensor([-1, -0.51, -0.5, 0, 0.5, 0.51, 1])
    assert thresholded(values, 0.5).tolist() == [-1, -1, 0, 0, 0, 1, 1]


def test_pairs_are_uniform():
    targets = PairTargets(some(8))
    first, second, _ = targets.draw(28_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(second * (second - 1) // 2 + first, minlength=28).double()
    assert float(((counts - 1000) ** 2 / 1000).sum()) < 55  # chi-squared, 27 degrees of freedom: 0.999 lies below 56


@pytest.mark.parametrize("target", ["threshold", "double", "high"])
def test_draws_come_from_the_generator_alone(target):
    targets = PairTargets(some(), target, threshold=HIGH)
    torch.manual_seed(0)
    one = targets.draw(30, torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    other = targets.draw(30, torch.Generator().manual_seed(5))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    third = targets.draw(30, torch.Generator().manual_seed(6))
    assert not torch.equal(one[0], third[0])


def test_a_subset_without_pairs_is_told_in_time():
    orthogonal = torch.eye(16).reshape(16, 1, 4, 4)
    with pytest.raises(UsageError, match=r"target 'high' must have pairs; got 0 in .* threshold 0.9: lower it"):
        PairTargets(orthogonal, "high", threshold=0.9).draw(2, torch.Generator().manual_seed(0))


def matrix(count=12) -> np.ndarray:
    half = np.random.default_rng(0).uniform(-1, 1, (count, count)).astype(np.float32)
    return (half + half.T) / 2


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_matrix_of_neural_similarities_is_the_target(tmp_path, suffix):
    values = matrix()
    path = tmp_path / f"cortex{suffix}"
    np.save(path, values) if suffix == ".npy" else np.savez(path, values)
    targets = PairTargets(some(), str(path))
    first, second, wanted = targets.draw(100, torch.Generator().manual_seed(0))
    assert wanted.tolist() == [values[i, j] for i, j in zip(first.tolist(), second.tolist(), strict=True)]
    assert isinstance(targets.matrix, np.memmap) == (suffix == ".npy")


def skewed():
    values = matrix()
    values[3, 4] += 0.01
    return values


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (matrix(11), "must hold 12 x 12 floating-point similarities; got float32 (11, 11)"),
        (matrix().astype(np.int64), "got int64 (12, 12)"),
        (matrix() * 3, "must lie in [-1, 1]; got a value of size"),
        (np.full((12, 12), np.nan), "must lie in [-1, 1]; got a value of size nan"),
        (skewed(), "must be symmetric"),
    ],
)
def test_a_matrix_that_is_none_is_refused(tmp_path, content, words):
    np.save(tmp_path / "cortex.npy", content)
    with pytest.raises(UsageError, match=re.escape(words)):
        PairTargets(some(), str(tmp_path / "cortex.npy"))


def test_a_file_that_is_none_is_refused(tmp_path):
    np.savez(tmp_path / "two.npz", one=matrix(), other=matrix())
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "text.npz").write_text("no archive")
    for name, words in (("two.npz", "one array; got 2"), ("text.npy", "readable"), ("text.npz", "readable")):
        with pytest.raises(UsageError, match=words):
            PairTargets(some(), str(tmp_path / name))
    with pytest.raises(UsageError, match="readable"):
        PairTargets(some(), str(tmp_path / "missing.npy"))


def test_an_unknown_target_names_the_nearest():
    with pytest.raises(UsageError, match=r"target must be one of pixel, .*got 'treshold': did you mean threshold"):
        PairTargets(some(), "treshold")
    with pytest.raises(UsageError, match="at least two"):
        PairTargets(some(1))


MEMORY = """
import resource, sys, torch
torch.set_num_threads(1)
from geomrob.training.losses.pair_sampler import PairTargets
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
images = torch.rand(5000, 3, 32, 32, generator=torch.Generator().manual_seed(0))
targets, generator = PairTargets(images), torch.Generator().manual_seed(0)
for _ in range(20):
    targets.draw(16, generator)
print(peak() - before)
"""


def test_five_thousand_images_are_paired_in_less_than_500_mb():
    """12.5 million pairs as a list of tuples would be more than a gigabyte, their similarities 100 MB."""
    pytest.importorskip("resource")
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 500e6
