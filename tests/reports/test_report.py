"""The report as a whole: what it was made of, that nothing is lost, that it is the same again."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import geomrob
from geomrob import UsageError, report, report_from
from geomrob.reports import page as pages
from geomrob.reports.analyses import ANALYSES, BUDGETS
from geomrob.reports.content import Grid
from geomrob.reports.measure import Plan, expected_seconds, most_images
from geomrob.reports.page import page_of, to_html
from geomrob.results import MarginCurve
from geomrob.results.result import file_names
from tests.reports.conftest import MARKUP, NoGradient, small


def test_every_analysis_is_made_in_a_folder_of_its_name(shared):
    made, folder = shared
    assert made.missing == ()
    assert {each.name for each in (folder / "run").iterdir() if each.is_dir()} == {*ANALYSES, "models"}


def test_every_analysis_of_named_models_is_in_the_page_with_the_command_that_makes_it(shared, tmp_path):
    plan = Plan(
        models={"a": small(), "b": small()},
        samples=geomrob.load_data("fashion-mnist-1k", samples=3),
        device=torch.device("cpu"),
        folder=tmp_path / "run",
        named=("a", "b"),
        inputs=("--transform", "gray"),
    )
    page = to_html(page_of(shared[0].results, commands=plan.commands()))
    for name, analysis in ANALYSES.items():
        ending = rf"--out \S*/run/{name} --transform gray"
        assert re.search(rf"geomrob {analysis.command.split()[0]}\b.*a.* b.*{ending}", page), name


def test_the_folders_give_the_same_page_and_the_same_bytes_each_time(shared):
    made, folder = shared
    again, other = (report_from([folder / "run"]) for _ in range(2))
    assert again.html == other.html
    assert again.models == made.models
    assert (again.rows, again.sentences) == (made.rows, made.sentences)


def test_no_command_is_named_for_modules_that_none_can_name(shared):
    assert "--model plain" not in shared[0].html


def test_the_summary_is_what_the_results_say(shared):
    made, folder = shared
    curve = geomrob.load(folder / "run" / "margin" / "margin-plain.json", MarginCurve)
    lowest = float(curve.quantiles(0.5)[int(curve.frequency.argmin()), 0])
    rows = dict(made.rows)
    assert rows["median margin, lowest band (l2), 95 % interval"]["plain"].startswith(f"{lowest:.3g} (")
    assert rows["audit"].keys() == {"plain", MARKUP}
    assert [row["number"] for row in made.records()] == list(rows)


def test_a_name_that_is_markup_is_text_everywhere(shared):
    made, _ = shared
    assert "<script" not in made.html
    assert "&lt;script&gt;" in made.html
    assert made.models == ("plain", MARKUP)


@pytest.mark.slow
def test_what_cannot_be_measured_of_a_model_is_a_sentence_and_the_others_are_measured(small_blocks):
    models = {"plain": small(), "stubborn": NoGradient()}
    made = report(models, budget="quick", samples=2, only=["margin-deepfool", "curve", "audit"])
    told = "stubborn: model must be differentiable in its inputs"
    assert made.missing[0].startswith(f"margin-deepfool: {told}")
    assert len(made.missing) == 1
    assert f"Missing: {told}" in made.html
    assert "plain" in dict(made.rows)["audit"]


def test_whatever_a_model_raises_is_the_reason(small_blocks):
    class Fragile(torch.nn.Module):
        def forward(self, images):
            if images.requires_grad:
                raise KeyError("gradient & co")
            return images.flatten(1)[:, :10]

    made = report({"fragile": Fragile()}, budget="quick", samples=2, only=["curve", "margin-deepfool"])
    assert made.missing
    assert "KeyError" in made.missing[0]
    assert "gradient &amp; co" in made.html


def test_a_folder_of_another_report_is_refused_and_not_a_sentence(tmp_path, small_blocks):
    report({"net": small()}, budget="quick", samples=2, only=["curve"], folder=tmp_path)
    with pytest.raises(UsageError, match="out must hold a run of the same settings"):
        report({"net": small()}, budget="quick", samples=2, only=["curve"], folder=tmp_path)


def test_wrong_calls_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="budget"):
        report("fmnist-lenet", budget="thorogh")
    with pytest.raises(UsageError, match="only"):
        report("fmnist-lenet", only=["margins"])
    with pytest.raises(UsageError, match="models must name one"):
        report([])
    with pytest.raises(UsageError, match="from must name folders with saved results"):
        report_from([tmp_path])
    monkeypatch.setattr(pages, "import_module", _missing)
    with pytest.raises(UsageError, match=r"pip install 'geomrob\[report\]'"):
        report("fmnist-lenet")


def _missing(name):
    raise ImportError(name)


def test_every_budget_takes_more_images_than_the_one_before():
    assert [most_images(budget) for budget in BUDGETS] == [100, 200, 1000]
    for analysis in ANALYSES.values():
        counts = [analysis.images[budget] for budget in BUDGETS]
        assert counts == sorted(set(counts))


def test_the_expected_time_grows_with_models_and_budget():
    samples = geomrob.load_data("fashion-mnist-1k", samples=1000)
    net = small()
    one = Plan(models={"a": net}, samples=samples, device=torch.device("cpu"), threads=1)
    longer = replace(one, budget="thorough")
    assert 0 < expected_seconds(one) < expected_seconds(longer)


def test_files_of_several_models_are_told_apart():
    assert file_names([SimpleNamespace(model="net")]) == [""]
    ends = file_names([SimpleNamespace(model=name) for name in ("a/b", "a b", "a-b-1", MARKUP)])
    assert len(set(ends)) == 4
    assert not any("/" in end for end in ends)


def test_cells_are_text_and_verdicts_are_marked():
    grid = Grid("checks <b>", ("", "a<b"), (("row & co", "failed (<i>)"),), (True, False), marks=("failed",))
    section = pages.Section("audit", "Audit", grids=(grid,))
    text = to_html(pages.Page("t", "", "", (), (), ("a<b",), (section,)))
    assert "<b>" not in text
    assert '<td class=" failed">failed (&lt;i&gt;)</td>' in text


def test_no_result_makes_no_page():
    with pytest.raises(UsageError, match="results must hold one of a model"):
        page_of([])
