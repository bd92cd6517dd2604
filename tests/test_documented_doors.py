"""The tables of docs/models-and-data.md: each row has tests of what it promises, and says what the package has."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from geomrob.data import DATASETS
from geomrob.data.arrays.named_arrays import CLASSES, IMAGES, LABELS
from geomrob.models import MODELS
from geomrob.models.schemes.table import SCHEMES
from geomrob.training import read_recipe
from tests.documented_data import DATA
from tests.documented_models import MODELS as OF_MODELS

DOORS = DATA | OF_MODELS
TESTS = Path(__file__).parent
NONE = "\N{EN DASH}"
PAGE = (TESTS.parent / "docs" / "models-and-data.md").read_text(encoding="utf-8")


def cells(line):
    return [cell.strip() for cell in re.split(r" \| ", f" {line.strip().strip('|').strip()} ")]


def tables():
    """Return the rows of each table of the page by the first two cells of its head."""
    read = {}
    for block in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        head, _, *rows = block.splitlines()
        read.setdefault(" | ".join(cells(head)[:2]), []).extend(cells(row) for row in rows)
    return read


@cache
def functions(file):
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_has_its_tests_and_every_test_a_row():
    documented = {head: [row[0][:60] for row in rows] for head, rows in tables().items()}
    assert {head: list(rows) for head, rows in DOORS.items()} == documented


@pytest.mark.parametrize("table", DOORS)
def test_the_tests_of_a_row_exist(table):
    for row, tests in DOORS[table].items():
        assert tests, row
        for file, name in (test.split("::") for test in tests):
            assert name in functions(file), f"{row}: {file}::{name}"


def test_the_table_of_data_sets_is_that_of_the_package():
    rows = tables()["name | required contents of `DATA` (the layout of torchvision)"]
    told = {name: row[2:] for row in rows for name in re.findall(r"`(.*?)`", row[0])}
    assert told == {
        name: [
            "x".join(map(str, entry.shape)),
            ", ".join(f"{entry.splits[split]:,}" if split in entry.splits else NONE for split in ("train", "test")),
        ]
        for name, entry in DATASETS.items()
    }
    for row in rows:
        for name in re.findall(r"`(.*?)`", row[0]):
            assert (DATASETS[name].folder or "") in row[1]


def test_the_table_of_models_is_that_of_the_package():
    for name, _, parameters, whole, embedded, command in tables()["name | architecture"]:
        entry = MODELS[name.split("`")[1]]
        assert parameters == f"{entry.parameters:,}"
        claims = {claim.data: f"{100 * claim.accuracy:.2f}" for claim in entry.claims}
        assert whole.split()[-2] in {text for data, text in claims.items() if data != "fashion-mnist-1k"}
        assert embedded == NONE or f"{float(embedded.split()[0]):.2f}" == claims["fashion-mnist-1k"]
        assert entry.command in command


def test_every_scheme_has_a_row():
    told = " ".join(row[0] for row in tables()["name | what it opens"])
    assert all(f"`{scheme}:" in told for scheme in SCHEMES)


def test_the_names_of_arrays_are_those_of_the_package():
    (row,) = (row for row in tables()["source | what happens"] if row[0] == "`.npz`")
    told = re.findall(r"`(\w+)`", row[1].partition("in any case")[0])
    assert told == [*IMAGES, *LABELS, *CLASSES]


NETWORKS = ("mnist-lenet", "mnist-resnet18", "cifar10-vgg19", "cifar10-resnet18", "cifar10-densenet121")
# The rows of the table of papers written out: models, and recipes that have no row of their own.
PAPERS = {
    "`mnist-lenet`,": (NETWORKS, ()),
    "the same with": ([f"{name}-flipped" for name in NETWORKS], ()),
    "recipes `cifar10-`": ((), [f"{name}-low-pass" for name in NETWORKS[2:]]),
    "the five": ([f"{name}{flip}-l2-adversarial" for name in NETWORKS for flip in ("", "-flipped")], ()),
    "`t1-mlp`": (("t1-mlp", "t1-logistic", "t2-mlp"), ()),
    "`cifar10-resnet18-pushpull": (
        [f"cifar10-resnet{n}-pushpull-{kind}" for n in (18, 50) for kind in ("baseline", "avg3", "avg5")],
        (),
    ),
    "`cifar10-resnet20-old": (("cifar10-resnet20-old-pushpull",), ()),
    "`cifar10-vgg16`": (("cifar10-vgg16", "cifar10-vgg16-hah"), ()),
    "`cifar10-resnet18-`,": (
        [
            f"{name}-{kind}"
            for name in ("cifar10-resnet18", "cifar100-resnet34", "mnist-resnet18", "fmnist-resnet18")
            for kind in ("unregularised", "similarity")
        ],
        (),
    ),
    "`cifar10-wrn40-2`": (("cifar10-wrn40-2",), ()),
    "`cifar100-resnet18`": (
        ("cifar100-resnet18",),
        [f"cifar{n}-resnet18-{kind}" for n in (10, 100) for kind in ("prime", "prime-no-jsd", "augmix")],
    ),
    "recipes `cifar10-resnet18-gray": ((), ("cifar10-resnet18-gray", "cifar10-resnet18-augmix-low-pass")),
}


def test_rows_and_recipes_of_the_papers_exist():
    rows = tables()["rows and recipes | of"]
    assert all(row[0].startswith(start) for row, start in zip(rows, PAPERS, strict=True))
    for models, recipes in PAPERS.values():
        assert set(models) <= set(MODELS)
        assert not set(recipes) & set(MODELS)
        for name in recipes:
            assert read_recipe(name).model in MODELS
