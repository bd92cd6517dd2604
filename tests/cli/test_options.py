"""The options of all commands, as their help shows them: each shared one in one place, in one set of words."""

import inspect
import re
from dataclasses import fields
from importlib import import_module
from itertools import combinations

import pytest

from geomrob.cli import COMMANDS, function_of, main
from geomrob.cli.options import Common, Compute, Data, Edit, Inputs, Models, Output, Settings, Shown

PARTS = (Models, Data, Inputs, Edit, Compute, Shown, Output)
OWN = {part: [field.name for field in fields(part) if field.name in part.__annotations__] for part in PARTS}
SHARED = {name.replace("_", "-"): part for part, names in OWN.items() for name in names}
OTHERS = ("models", "data", "corrupt", "augment", "train", "kernels", "merge", "reproduce")
MEASURING = tuple(name for name in COMMANDS if name not in OTHERS)
OWN_WORDS = {
    ("audit", "model"): "it takes names without --model",
    ("compare", "model"): "it takes names without --model, and saved results",
    ("compare", "weights"): "its trainings are compared with each other",
    ("compare", "samples"): "another default",
    ("transfer", "model"): "it needs two, and the data set suggests them",
    ("transfer", "weights"): "its trainings are compared with each other",
    ("report", "model"): "it takes names without --model",
    ("report", "weights"): "its trainings stand side by side",
    ("report", "samples"): "the budget chooses",
    ("report", "out"): "it is a page",
    ("corruptions", "data-dir"): "distributed sets are read, too",
    ("augment", "samples"): "they are rows of a picture",
    ("corruptions", "samples"): "another default",
    ("curve", "samples"): "another default",
    ("robust", "samples"): "another default",
    ("layers", "samples"): "another default",
}
"""Shared options that a command describes itself, and why."""
REPEATED = [("audit", "weights")]
"""Described again in the same words, as it goes with a model that is described itself."""


def documented(part):
    """Return the words of each attribute in the docstring of a class."""
    entries = re.split(r"\n    (?=\w+: )", inspect.getdoc(part).split("Attributes:")[1])[1:]
    return {name: " ".join(words.split()) for name, words in (entry.split(":", 1) for entry in entries)}


def said(line, words):
    """Return whether a line of the help has these words, then the default alone."""
    return re.fullmatch(re.escape(words) + r"(?: \[choices: .*\])?(?: \[default: .*\])?", line) is not None


WORDS = {name.replace("_", "-"): words for part in PARTS for name, words in documented(part).items()}


@pytest.fixture
def options(capsys, monkeypatch):
    """Return a function that gives the options of a command, each with its help in one line."""
    monkeypatch.setenv("COLUMNS", "500")

    def read(command):
        assert main([command, "--help"]) == 0
        page = capsys.readouterr().out.split("╰")[0]
        entries = re.split(r"^│ \*? *(?:[A-Z]+ )?--", page, flags=re.MULTILINE)[1:]
        lines = (" ".join(entry.replace("│", " ").split()) for entry in entries)
        return dict(re.fullmatch(r"([\w-]+)(?: [A-Z]+(?:\.\.\.)?)? (.*)", line).groups() for line in lines)

    return read


def test_each_shared_option_is_documented_once_where_it_is_defined():
    for part in PARTS:
        assert set(documented(part)) == set(OWN[part])
    assert len(WORDS) == sum(map(len, OWN.values())) == len(fields(Common))
    assert {field.name for field in fields(Settings)} == {field.name for field in fields(Common)} - {"model", "weights"}


@pytest.mark.parametrize("command", MEASURING)
def test_a_measuring_command_takes_every_shared_option(options, command):
    assert set(SHARED) <= set(options(command))


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("models", "data", "corrupt", "train")])
def test_shared_options_have_the_same_words_in_every_help(options, command):
    own = {name for name, line in options(command).items() if name in WORDS and not said(line, WORDS[name])}
    assert own == {name for owner, name in OWN_WORDS if owner == command}


@pytest.mark.parametrize("command", MEASURING)
def test_a_command_describes_a_shared_option_only_where_it_means_more(command):
    module = import_module(function_of(command).__module__)
    own = {
        name
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and "Attributes:" in (value.__doc__ or "")
        for name in documented(value)
    }
    own |= set(re.findall(r"^    (\w+): ", inspect.getdoc(getattr(module, command)), re.MULTILINE))
    repeated = {name.replace("_", "-") for name in own} & set(SHARED)
    assert repeated == {name for owner, name in [*OWN_WORDS, *REPEATED] if owner == command}


def test_one_choice_has_one_name_in_all_commands(options):
    named = {}
    for command in COMMANDS:
        for name, line in options(command).items():
            for choices in re.findall(r"\[choices: ([^]]*)\]", line):
                named.setdefault(name, set()).update(choices.split(", "))
    assert {"deepfool", "pgd-l2", "hop-skip-jump", "sparsefool"} < named["attack"]
    assert named["method"] == {"difference", "hessian"}
    alike = {pair for pair in combinations(sorted(named), 2) if len(named[pair[0]] & named[pair[1]]) > 1}
    # Constants of corruptions and of PRIME are both named after the size of the images.
    assert alike == {("preset", "table")}


@pytest.mark.parametrize(
    ("words", "named"),
    [(["margin", "--norm", "linf", "--bands", "rings", "--count", "1"], "inf"), (["robust", "--norm", "1"], "l1")],
)
def test_a_norm_is_named_by_its_order_or_its_letter_in_every_command(words, named, tmp_path, capsys):
    tables = []
    for norm in (words[2], named):
        call = [words[0], "--norm", norm, *words[3:], "--samples", "1", "--format", "csv", "--quiet"]
        assert main([*call, "--out", str(tmp_path / norm)]) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]
