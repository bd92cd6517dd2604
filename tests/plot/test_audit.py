"""What the picture of an audit contains: every check with its verdict, and the numbers behind them."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from geomrob.plot.audit import FILLS, MARKS, plot_audit, plot_verdicts
from geomrob.plot.style import blank
from geomrob.results import Audit, Check
from tests.synthetic import provenance

COUNT = 10


def check(name, verdict, value=0.25, unit="of the images"):
    return Check(name, verdict, value, 0.0, 0.05, unit, torch.tensor([3]), "What it means.", "What to do.")


def audit(**changes):
    """Return an audit of ten images: distances 1 ... 10, half as far by transfer, no decision for the last one."""
    generator = torch.Generator().manual_seed(0)
    white = torch.arange(1.0, COUNT + 1)
    decision = torch.cat([1.2 * white[:-1], torch.tensor([math.inf])])
    found = Audit(
        model="net",
        data="clothes",
        checks=(
            check("repeats itself", "passed", 0.0),
            check("gradients", "failed", 0.5),
            check("smooth", "warned", 1.5, "times"),
            check("black-box attack", "skipped", math.nan),
        ),
        causes=("detached gradient: none arrives",),
        predictions=torch.zeros(COUNT, dtype=torch.int64),
        labels=torch.tensor([0] * 8 + [1] * 2),
        indices=torch.arange(COUNT),
        white=white,
        transferred=white / 2,
        decision=decision,
        epsilons=torch.tensor([0.05, 0.1, 0.2], dtype=torch.float64),
        steps=torch.tensor([1, 10]),
        robust=torch.tensor([[0.9, 0.8], [0.6, 0.4], [0.2, 0.0]], dtype=torch.float64),
        profile=1 + torch.rand(2, COUNT, 21, generator=generator),
        provenance=provenance(),
    )
    return dataclasses.replace(found, **changes)


def words(figure):
    texts = [text.get_text() for text in figure.texts]
    texts += [text.get_text() for ax in figure.axes for text in (*ax.texts, ax.title, ax._left_title)]
    return " ".join(texts).replace("\n", " ")


def test_every_check_has_its_mark_its_number_and_its_verdict():
    listed = plot_audit(audit()).axes[0]
    told = [text.get_text() for text in listed.texts]
    assert told == [
        MARKS["passed"][0], "repeats itself", "0.0%", "passed",
        MARKS["failed"][0], "gradients", "50.0%", "failed",
        MARKS["warned"][0], "smooth", "1.50", "warned",
        MARKS["skipped"][0], "black-box attack", "-", "skipped",
    ]  # fmt: skip
    heights = [text.get_position()[1] for text in listed.texts[::4]]
    assert heights == sorted(heights, reverse=True)


def test_the_headline_says_the_verdict_the_cause_and_how_good_the_model_is():
    told = words(plot_audit(audit()))
    assert "net: gradient-based attacks cannot be trusted as they stand" in told
    assert "Cause: detached gradient: none arrives." in told
    assert "10 images of clothes, clean accuracy 80.0%" in told
    passed = audit(checks=(check("gradients", "passed"),), causes=())
    assert "can be trusted: no check found masked gradients" in words(plot_audit(passed))
    warned = audit(checks=(check("gradients", "warned"),), causes=())
    assert "can be trusted with the reservations below" in words(plot_audit(warned))


def test_distances_stand_at_their_place_and_failures_on_the_edge():
    found = audit()
    ax = plot_audit(found).axes[1]
    transferred, decision = (scatter.get_offsets() for scatter in ax.collections if len(scatter.get_offsets()) == COUNT)
    np.testing.assert_allclose(transferred, np.stack([found.white, found.transferred], 1))
    np.testing.assert_allclose(decision[:-1], np.stack([found.white, found.decision], 1)[:-1])
    low, high = ax.get_ylim()
    assert float(decision[:-1, 1].max()) < decision[-1, 1] < high
    assert decision[-1, 0] == 10
    assert low < 0.5
    assert "\\ell_2" in ax.get_xlabel()


def test_an_attack_that_was_not_run_is_not_drawn():
    ax = plot_audit(audit(decision=torch.full((COUNT,), torch.nan))).axes[1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["transferred"]
    neither = audit(decision=torch.full((COUNT,), torch.nan), transferred=torch.full((COUNT,), torch.nan))
    assert plot_audit(neither).axes[1].get_legend() is None


def test_robust_shares_are_drawn_over_epsilon_a_line_for_each_number_of_steps():
    found = audit()
    ax = plot_audit(found).axes[2]
    assert [line.get_label() for line in ax.lines] == ["1 step", "10 steps"]
    for index, line in enumerate(ax.lines):
        np.testing.assert_allclose(line.get_xdata(), found.epsilons)
        np.testing.assert_allclose(line.get_ydata(), 100 * found.robust[:, index])


def test_profiles_are_medians_against_the_gap_at_the_image():
    found = audit()
    ax = plot_audit(found).axes[3]
    median = next(line for line in ax.lines if line.get_label() == "towards the boundary (median)")
    expected = (found.profile[0] / found.profile[0, :, :1]).clamp(-4, 4).median(0).values
    np.testing.assert_allclose(median.get_ydata(), expected, rtol=1e-6)
    np.testing.assert_allclose(median.get_xdata()[[0, -1]], [0, 2])


@pytest.mark.parametrize(("count", "told"), [(1, "1 single image)"), (5, "5 single images)"), (10, "8 single images)")])
def test_the_number_of_single_profiles_is_the_one_drawn(count, told):
    whole = audit()
    names = ("predictions", "labels", "indices", "white", "transferred", "decision")
    few = {name: getattr(whole, name)[:count] for name in names}
    ax = plot_audit(audit(profile=whole.profile[:, :count], **few)).axes[3]
    assert ax.get_title(loc="left").endswith(f"(thin: {told}")
    assert sum(line.get_linewidth() == 0.7 for line in ax.lines) == 2 * min(8, count)


@pytest.mark.parametrize(
    "changes",
    [
        {name: torch.full((COUNT,), torch.inf) for name in ("white", "transferred", "decision")},
        {name: torch.zeros(COUNT) for name in ("white", "transferred", "decision")},
        {"profile": torch.zeros(2, COUNT, 21)},
    ],
    ids=["nothing found", "no distance", "no gap"],
)
def test_what_is_wrong_throughout_can_still_be_drawn(changes):
    figure = plot_audit(audit(**changes))
    figure.canvas.draw()
    low, high = figure.axes[1].get_xlim()
    assert 0 < low < high


def test_draws_where_told_and_opens_no_window():
    from matplotlib import pyplot as plt

    figure = blank(14.0, 5.4)
    assert plot_audit(audit(), figure=figure) is figure
    assert plt.get_fignums() == []


def test_the_verdicts_of_many_models_show_each_mark_and_number_in_its_cell():
    verdicts = {
        "sound": {"gradients": ("passed", 0.0, "of images"), "smooth": ("skipped", math.nan, "roughness")},
        "planted": {"gradients": ("failed", 0.5, "of images"), "smooth": ("warned", 1.5, "roughness")},
    }
    ax = plot_verdicts(verdicts)
    told = {text.get_position(): text.get_text() for text in ax.texts}
    assert told == {(0, 0): "0.0%", (0, 1): "\u2013", (1, 0): "\u2717 50.0%", (1, 1): "! 1.50"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["sound", "planted"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gradients", "smooth"]
    shown = np.asarray(ax.images[0].get_array())
    assert shown.tolist() == [
        [list(FILLS).index(v) for v in row] for row in (("passed", "failed"), ("skipped", "warned"))
    ]
