"""The names of classes, their order, and the outputs of a model that they are."""

import json
import warnings

import pytest
import torch

from geomrob.data import DATASETS
from geomrob.data.class_names import class_order, imagenet, mapped, tables
from geomrob.data.entry import Samples
from geomrob.errors import Note, UsageError

IMAGENETTE = [
    f"n{number:08}"
    for number in (1440764, 2102040, 2979186, 3000684, 3028079, 3394916, 3417042, 3425413, 3445777, 3888257)
]
# Published: the classes of Imagenette among the 1,000.
ITS_OUTPUTS = [0, 217, 482, 491, 497, 566, 569, 571, 574, 701]


def of(*classes, ordered=False):
    labels = torch.arange(len(classes))
    return Samples(torch.zeros(len(classes), 1, 2, 2), labels, classes, labels, "mine", ordered=ordered)


def labels(*classes, outputs, ordered=False):
    return mapped(of(*classes, ordered=ordered), outputs).labels.tolist()


def test_there_are_a_thousand_classes_of_imagenet_sorted_by_their_ids():
    table = imagenet()
    ids = [row[1] for row in table]
    assert len(table) == 1000
    assert ids == sorted(set(ids))
    assert all(len(one) == 9 and one[0] == "n" and one[1:].isdigit() for one in ids)
    # Three that everybody knows: the first, the last, and one in between.
    assert (table[0][0], table[281][0], table[999][0]) == ("tench", "tabby", "toilet tissue")


def test_tables_name_their_classes_as_the_data_sets_do():
    for data, name in (("cifar10", "CIFAR-10"), ("mnist", "MNIST"), ("fashion-mnist", "Fashion-MNIST")):
        assert DATASETS[data].classes == tuple(row[0] for row in tables(10)[name])
    assert DATASETS["cifar100"].classes == tuple(row[0] for row in tables(100)["CIFAR-100"])


def test_imagenette_gets_the_outputs_of_imagenet_whatever_its_order():
    samples = mapped(of(*IMAGENETTE), 1000)
    assert samples.labels.tolist() == ITS_OUTPUTS
    assert samples.classes[217] == "English springer"
    assert len(samples.classes) == 1000
    assert len(samples.notes) == 1
    assert "mapped to the 1000 outputs of the model by the names of ImageNet: n01440764 is 0" in samples.notes[0]
    assert labels(*IMAGENETTE[::-1], outputs=1000) == ITS_OUTPUTS[::-1]
    assert labels(*IMAGENETTE, outputs=1001) == [one + 1 for one in ITS_OUTPUTS]


@pytest.mark.parametrize(
    ("classes", "outputs", "expected"),
    [
        (("tench", "English_springer", "chain-saw", "GAS PUMP", "parachute"), 1000, [0, 217, 491, 571, 701]),
        (("crane", "crane bird", "maillot", "Cardigan", "cardigan"), 1000, [517, 134, 638, 264, 474]),
        (("great_white_shark", "sunglass", "sunglasses"), 1000, [2, 836, 837]),
        (("airplane", "car", "frog"), 10, [0, 1, 6]),
        (("3", "7", "11"), 1000, [3, 7, 11]),
        (("seven", "nine"), 10, [7, 9]),
        (("Ankle boot", "Bag", "T-shirt_top", "trousers"), 10, [9, 8, 0, 1]),
        (("worm", "apple", "maple tree"), 100, [99, 0, 47]),
    ],
)
def test_names_in_any_spelling_are_outputs(classes, outputs, expected):
    assert labels(*classes, outputs=outputs) == expected


def test_nothing_moves_and_nothing_is_said_where_the_numbers_are_the_outputs():
    for name in ("cifar10", "mnist", "fashion-mnist"):
        samples = of(*DATASETS[name].classes)
        assert mapped(samples, 10) is samples
    other = of("left", "right")
    assert mapped(other, 2) is other
    every = of(*map(str, range(1000)))
    assert mapped(every, 1000) is every


def test_as_many_names_from_the_caller_as_outputs_are_not_looked_up():
    clothes = tuple(sorted(DATASETS["fashion-mnist"].classes))
    assert labels(*clothes, outputs=10) == [9, 8, 4, 3, 2, 5, 6, 7, 0, 1]
    assert labels(*clothes, outputs=10, ordered=True) == list(range(10))
    assert labels(*IMAGENETTE, outputs=1000, ordered=True) == ITS_OUTPUTS


def test_more_outputs_than_classes_is_a_note_and_fewer_a_misuse():
    samples = mapped(of("left", "right", "n01440764"), 1000)
    assert samples.labels.tolist() == [0, 1, 2]
    assert "the model has 1000 outputs and mine 3 classes (left, right, n01440764)" in samples.notes[0]
    with pytest.raises(UsageError, match=r"an output for each class; got 2 for the 3 of mine \(a, b, c\)"):
        mapped(of("a", "b", "c"), 2)
    # Two names of one class are no mapping.
    assert labels("car", "automobile", outputs=10) == [0, 1]
    # Numbers beyond the outputs are none of them.
    assert labels("1", "12", outputs=10) == [0, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("﻿cat\r\ndog\r\n\r\n", ("cat", "dog")),
        # Numbers before or behind the names are those of the classes, whatever the order of the lines.
        ("1 dog\n0 cat\n", ("0 cat", "1 dog")),
        ("1 cat\n2 dog\n", ("1 cat", "2 dog")),
        ("dog\t1\ncat\t0\n", ("cat", "dog")),
        ("name,number\nhot dog,1\ncat,0\n", ("cat", "hot dog")),
        ("class 2\nclass 1\n", ("class 2", "class 1")),
        (json.dumps(["cat", "dog"]), ("cat", "dog")),
        (json.dumps({"1": "dog", "0": "cat"}), ("cat", "dog")),
        (json.dumps({"dog": 1, "cat": 0}), ("cat", "dog")),
        (json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}), ("n01440764", "n01443537")),
        (json.dumps({"dog": 2, "cat": 0}), ("cat", "class 1", "dog")),
    ],
)
def test_an_order_is_read_from_lines_and_from_json(tmp_path, text, expected):
    file = tmp_path / "order"
    file.write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        assert class_order(file) == expected
        assert class_order(str(file)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be names"),
        ("cat\n\ndog", "got ''"),
        ("cat\ncat", "'cat' twice"),
        ("0 cat\n7 dog", "numbered 0 to 1 or not at all; got 0 to 7"),
        ("cat,2\ndog,3", "numbered 0 to 1 or not at all; got 2 to 3"),
        ("{broken", "one name a line, or JSON"),
        ('{"a": "b"}', "got other keys"),
        ('{"a": 0, "b": 0}', "number from 0 on each"),
        ('{"a": -1}', "number from 0 on each"),
        ('{"a": 900000000}', "number from 0 on each"),
        ("[1, 2]", "got 1"),
        ("[" * 100_000, "one name a line, or JSON"),
        ("{}", "number from 0 on each"),
    ],
)
def test_a_bad_order_is_one_sentence(tmp_path, text, words):
    file = tmp_path / "order"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        class_order(file)


def test_an_order_that_is_no_text_or_no_file(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00c")
    for source in (tmp_path / "bytes", tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match="one name a line, or JSON"):
            class_order(source)
    with pytest.raises(UsageError, match="'cat' twice"):
        class_order(["cat", "cat"])


def test_numbers_that_start_at_1_are_noted(tmp_path):
    file = tmp_path / "order"
    file.write_text("2 cat\n1 dog\n")
    with pytest.warns(Note, match="counted from 1: taken as 0 to 1"):
        assert class_order(file) == ("1 dog", "2 cat")
