"""The registry has every row of the papers, and `geomrob reproduce` runs, resumes and judges them."""

import importlib
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from docs.generate import reproduction
from experiments.registry import ENTRIES, PAPERS, schedule
from experiments.registry.card import card
from experiments.registry.criteria import every, holds, near, ordered
from experiments.registry.entry import DIFFERS, NOT_RUN, ORDERING, RAN, REPRODUCED, Entry, Run
from experiments.registry.runs import RUNS
from geomrob.cli import main
from geomrob.cli.commands import reproduce as command
from tests.experiments.test_experiments import NAMES

ROOT = Path(__file__).parents[2]
COVERAGE = {
    "pushpull": """
        eq 1 | eqs 2-4 | eq 5, Fig 2 | eqs 6-8 | eqs 9, 10 | eqs 11-13 | Fig 1 | Fig 3 | Fig 4 | Fig 5 | Fig 6 |
        Sec 4.2 (CIFAR) | Sec 4.2 (ImageNet) | Tab 1 CIFAR10 | Tab 1 IN-100/200/IN | Tab 2 CIFAR10 | Tab 2
        augmentation + PP3 | Tab 2 BlurConv2+PP3 | Tab 2 EfficientNet-b0 | Fig 7, Tab 3 | Fig 8 | Tab 4 | cost
    """,
    "supplement": """
        eqs 13-15 | Fig 10 | Fig 9 | eqs 16, 17 | Sec 7.2 | Tab 5, Tab 8 | Tabs 6, 7
    """,
    "hah": """
        eq 1 | eq 2 | eq 3 | eq 4 | eq 5 | eq 6 | Fig 1, Sec 2 | Sec 2 | Sec 3 training | Fig 2 | Fig 3 | Fig 4
        | Tab 1 | Fig 5 | Sec 3 claim | Tab 2 | Tab 3 | Fig 6
    """,
    "pixelreg": """
        eq 1 | eqs 2-4 | eq 5 | eq 6, 7.7 | Sec 7.1 S(M) | Sec 7.1 noise | Fig 1 | Fig 2, 12 | Fig 3, 13 | Sec
        5.2, Fig 4 | Fig 5, 16, 19 | Fig 6 | Fig 7 left | Fig 7 centre, right | Sec 5.6, Fig 8 | Fig 9 | Fig 10
        | Fig 11 | Fig 14, 17 | Fig 15, 18 | Fig 20-22 | Fig 23 | Fig 24 | Fig 25 | Tab 1 | Tabs 2, 3
    """,
    "thesis": """
        eqs 1.1, 1.2 | Fig 1.1 | 3.2.1 DeepFool lp | 3.2.1 clipping | eqs 3.2-3.5, Alg 1 | eq 3.6, Alg 2 | 3.2.3
        targeted | eq 3.7 | Fig 3.3 | Tab 3.1 SF | Tab 3.1 JSMA, 1-PA | Tab 3.2 | 3.3.1 random | Fig 3.4 | Fig
        3.5 | Fig 3.6 | Fig 3.7 | Tab 3.3 | Fig 3.8 | Fig 3.9 | 3.4.2 | Def 1, 2 | 4.3 DCT span | T1 | Tab 4.1 |
        Fig 4.1 | Fig 4.3a | Fig 4.3b | Fig 4.3c | Fig 4.3d-f | Fig 4.4 | Figs 4.5, 4.6 | Fig 4.7 scratch | Fig
        4.7 fine-tuned | 4.3.2 accuracies | 4.3.3, Fig 4.8 | T2 | Fig 4.9 | Fig 4.10 | 4.4.1 text | Fig 4.11 |
        Fig 4.12 | Fig 4.13 | 4.5, Fig 4.14 | Figs 4.15, 4.16 | Fig 4.17 | Fig 4.18 | 5.2.1 grey | Tab 5.1 | eq
        5.1 | eq 5.2, B.1 | eqs 5.3-5.6 | Alg 3 | Figs 5.1, 5.2 | Tab 5.2 C-10 | Tab 5.2 C-100 | Tab 5.2 IN-100,
        IN | Tab 5.3 | cost | eq 5.7, Tab 5.4 | Tab 5.5 | Fig 5.3 | eq 5.8, Tab 5.6 | Fig 5.4 | Fig 5.5 | eq 5.9
        | 5.5.2 parameters | Figs 5.6-5.8 | Tab 5.7, Fig 5.9 | Fig 5.10 | Fig 5.11 | Tab A.1 | Tab A.2 | Tab A.3
        | Tab A.4 | Tab A.5 | Tab A.6 | Fig A.1 | B.2-B.5 | B.2.2 | Figs B.1-B.3 | Tab B.1 | Tab B.3 | Tabs B.2,
        B.4
    """,
}
"""What each paper has of numbered figures and tables with measured content, equations and named experiments."""


def test_every_row_of_the_papers_is_there_once():
    for paper, text in COVERAGE.items():
        rows = [" ".join(row.split()) for row in text.split(" | ")]
        rows = [row for part in rows for row in re.split(r" \| |\| | \|$", part)]
        assert [entry.where for entry in ENTRIES.values() if entry.paper == paper] == rows, paper
    assert Counter(entry.paper for entry in ENTRIES.values()) == {
        "pushpull": 23,
        "supplement": 7,
        "hah": 18,
        "pixelreg": 26,
        "thesis": 84,
    }
    assert len(ENTRIES) == 158
    assert set(COVERAGE) == set(PAPERS)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_a_row_is_computed_with_a_criterion_or_says_why_not(entry):
    assert re.fullmatch(r"[a-z0-9.-]+", entry.id)
    assert entry.claim.endswith(".")
    assert entry.claim.count(". ") == 0
    if entry.run:
        assert entry.criterion is not None
        assert entry.criterion.words
        assert not entry.why_not
        assert RUNS[entry.run].module in NAMES
    else:
        assert entry.why_not
        assert entry.criterion is None
    assert bool(entry.tests) == bool(entry.function)
    if entry.function:
        module, name = entry.function.split(":")
        assert getattr(importlib.import_module(module), name) is not None
        for test in entry.tests:
            file, function = test.split("::")
            assert re.search(rf"^def {function}\(", (ROOT / file).read_text(), re.MULTILINE), test


def test_runs_are_those_that_rows_need_and_have_the_scales_of_their_experiments():
    assert set(RUNS) == {entry.run for entry in ENTRIES.values() if entry.run}
    for run in RUNS.values():
        scales = importlib.import_module(f"experiments.{run.module}").EXPERIMENT.scales
        assert set(run.minutes) == set(scales)
        assert run.minutes["cpu"] <= 40
    assert schedule.minutes(RUNS.values(), "smoke", 2) < 10


def test_the_page_is_that_of_the_registry_and_the_recorded_numbers():
    assert reproduction.PAGE.read_text() == reproduction.page()


def row(criterion, **how):
    return Entry(id="hah-x", where="X", claim="A.", published={}, run="equations", criterion=criterion, **how)


def test_a_status_is_never_better_than_its_criterion():
    ours = lambda page: page["ours"]  # noqa: E731
    close = near("ours", ours, 2.0, 0.1)
    assert row(close).judged({"ours": [2.1]}, "cpu")[0] == REPRODUCED
    assert row(close).judged({"ours": [2.3]}, "cpu")[0] == DIFFERS
    assert row(close).judged({"ours": [float("nan")]}, "cpu")[0] == DIFFERS
    assert row(close).judged({}, "smoke")[0] == RAN, "a smoke page lacks most of what is judged"
    assert row(close, stand_in="small").judged({"ours": [2.1]}, "cpu")[0] == ORDERING
    assert row(close, stand_in="small", same_at_paper=True).judged({"ours": [2.1]}, "paper")[0] == REPRODUCED
    above = ordered("two", ours, lambda page: page["other"], (3, 1))
    assert row(above).judged({"ours": [3], "other": [1]}, "cpu")[0] == REPRODUCED
    assert row(above).judged({"ours": [9], "other": [1]}, "cpu")[0] == ORDERING
    assert row(above).judged({"ours": [1], "other": [3]}, "cpu")[0] == DIFFERS
    assert row(above).judged({"ours": [2, 4], "other": [2, 3.5]}, "cpu")[0] == DIFFERS
    both = every(close, holds("never", lambda page: (False, "no")))
    assert row(both).judged({"ours": [2.0]}, "cpu") == (DIFFERS, "ours 2; no")


def fake(monkeypatch, tmp_path, **runs):
    """Rows hah-NAME, each by a run whose process is a script of this test."""
    good = holds("value is 1", lambda page: (page["value"] == 1, f"value {page['value']}"))
    entries = {
        f"hah-{name}": Entry(id=f"hah-{name}", where=name, claim="A.", published={"value": 1}, run=name, criterion=good)
        for name in runs
    }
    table = {name: Run(name, {"smoke": 1, "cpu": 2}, data) for name, data in runs.items()}
    monkeypatch.setattr(schedule, "ENTRIES", entries)
    monkeypatch.setattr(schedule, "RUNS", table)
    monkeypatch.setattr(sys.modules["experiments.registry.card"], "RUNS", table)
    folder = tmp_path / "root" / "experiments"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    for name in runs:
        (folder / f"{name}.py").write_text(SCRIPT)
    monkeypatch.setattr(schedule, "ROOT", tmp_path / "root")
    monkeypatch.setattr("experiments.harness.source", lambda _: "this")
    monkeypatch.chdir(tmp_path)
    return folder


SCRIPT = """
import json, pathlib, sys
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
name = pathlib.Path(__file__).stem
out = pathlib.Path(words["--figures"])
with (out / "calls").open("a") as calls:
    calls.write(f"{name} {words.get('--data-dir')}\\n")
if name == "bad":
    sys.exit("bad must be good; got bad")
facts = {"source": "this"}
(out / f"{name}.json").write_text(json.dumps({"scale": words["--scale"], "value": 1, "provenance": facts}))
FLAGS = {"--data-dir": None}
"""


def test_experiments_run_once_resume_and_are_judged(monkeypatch, tmp_path, capsys):
    fake(monkeypatch, tmp_path, one=(), two=("mnist",), bad=())
    words = ["reproduce", "all", "--out", "out", "--jobs", "2", "--json"]
    assert main(words) == 3
    found = {row["facts"]["id"]: row["facts"] for row in json.loads(capsys.readouterr().out)["results"]}
    assert found["hah-one"]["status"] == REPRODUCED
    assert found["hah-two"]["here"] == "needs mnist below --data-dir"
    assert found["hah-bad"]["status"] == NOT_RUN
    assert "bad must be good; got bad (see" in found["hah-bad"]["here"]
    assert sorted((tmp_path / "out" / "calls").read_text().split()) == ["None", "None", "bad", "one"]
    (tmp_path / "data" / "MNIST").mkdir(parents=True)
    assert main([*words, "--data-dir", "data"]) == 3
    said = capsys.readouterr()
    assert "3 rows, 3 experiments, 1 of them finished before: about 2 minutes" in said.err
    assert (tmp_path / "out" / "calls").read_text().split().count("one") == 1
    assert f"two {tmp_path / 'data'}" in (tmp_path / "out" / "calls").read_text()
    assert main(["reproduce", "hah-one", "--out", "out", "--overwrite", "--quiet"]) == 0
    assert (tmp_path / "out" / "calls").read_text().split().count("one") == 2
    assert "1 reproduced" in capsys.readouterr().out


def test_another_scale_or_other_code_is_run_again(monkeypatch, tmp_path, capsys):
    fake(monkeypatch, tmp_path, one=())
    assert main(["reproduce", "hah-one", "--out", "out", "--scale", "smoke"]) == 0
    assert "1 ran" in capsys.readouterr().out
    assert main(["reproduce", "hah-one", "--out", "out"]) == 0
    assert main(["reproduce", "hah-one", "--out", "out", "--scale", "paper"]) == 0
    assert "one has no scale paper" in capsys.readouterr().out
    monkeypatch.setattr("experiments.harness.source", lambda _: "changed")
    assert main(["reproduce", "hah-one", "--out", "out"]) == 0
    assert (tmp_path / "out" / "calls").read_text().split().count("one") == 3


def test_the_list_has_every_row(capsys):
    assert main(["reproduce", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["facts"]["id"] for row in listed["results"]] == list(ENTRIES)
    assert main(["reproduce", "list", "hah-tab-1", "--json"]) == 0
    assert [row["facts"]["id"] for row in json.loads(capsys.readouterr().out)["results"]] == ["hah-tab-1"]


def test_a_package_without_experiments_says_where_they_are(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "EXPERIMENTS", tmp_path / "experiments" / "registry" / "__init__.py")
    assert main(["reproduce", "list"]) == 2
    assert "reproduce must run from a checkout" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "ids must name rows; got none"),
        (["hah-tab-11"], "did you mean hah-tab-1"),
        (["hah-tab-1", "--jobs", "0"], "jobs must be at least 1"),
        (["hah-tab-1", "--data-dir", "nowhere"], "data_dir must be a folder; got 'nowhere'"),
        (["hah-tab-1", "--trained", "nowhere"], "trained must be a folder; got 'nowhere'"),
        (["hah-tab-1", "--scale", "huge"], "huge"),
    ],
)
def test_misuse_is_one_sentence(words, said, capsys):
    assert main(["reproduce", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_row_without_an_experiment_keeps_its_reason(tmp_path):
    found = card(ENTRIES["pixelreg-fig-1"], tmp_path, "cpu")
    assert (found.status, found.here) == (NOT_RUN, "needs recordings of neurons")
    assert card(ENTRIES["hah-tab-1"], tmp_path, "cpu").here == "no result of zoo_table yet"


@pytest.mark.slow
def test_every_row_runs_at_smoke(tmp_path, capsys):
    """Eight minutes on two cores."""
    assert main(["reproduce", "all", "--scale", "smoke", "--jobs", "2", "--out", str(tmp_path / "out")]) == 0
    assert "failed" not in capsys.readouterr().out
