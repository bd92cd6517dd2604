"""What the pictures of strength and of the acceptance plane contain."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from geomrob.analysis.strength_curve import acceptance
from geomrob.errors import UsageError
from geomrob.plot.accuracy.strength_curve import STRENGTHS, TITLES, plot_acceptance, plot_strength
from geomrob.plot.style import blank
from geomrob.results import Acceptance, StrengthCurve
from tests.synthetic import provenance


def curve(networks=3, repeats=1, models=("base", "regular"), attack="gaussian"):
    generator = torch.Generator().manual_seed(0)
    limits = torch.linspace(0.95, 0.3, 4)[:, None] - 0.1 * torch.arange(len(models)).reshape(-1, 1, 1, 1, 1)
    return StrengthCurve(
        models=models,
        data="fashion-mnist-1k",
        attack=attack,
        source="base" if attack == "fgsm-transfer" else "",
        strengths=torch.tensor([0.0, 0.1, 0.2, 0.3], dtype=torch.float64),
        correct=torch.rand(len(models), networks, repeats, 4, 50, generator=generator) < limits,
        labels=torch.zeros(50, dtype=torch.int64),
        indices=torch.arange(50),
        provenance=provenance(),
    )


def words(ax):
    return " ".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)]).replace("\n", " ")


def test_lines_are_means_and_shades_are_errors():
    found = curve()
    ax = plot_strength(found)
    assert len(ax.lines) == 2
    for index, line in enumerate(ax.lines):
        np.testing.assert_allclose(line.get_xdata(), found.strengths)
        np.testing.assert_allclose(line.get_ydata(), found.mean[index])
        corners = ax.collections[index].get_paths()[0].vertices
        at = corners[np.isclose(corners[:, 0], 0.2), 1]
        mean, error = float(found.mean[index, 2]), float(found.error[index, 2])
        np.testing.assert_allclose([at.min(), at.max()], [mean - error, mean + error])
    assert "standard error over 3 networks" in words(ax)
    assert "50 images of fashion-mnist-1k" in words(ax)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names[0].startswith("base (")
    assert "standard deviation" in ax.get_xlabel()


def test_the_shade_is_explained_whatever_it_is():
    assert "over 4 repeats" in words(plot_strength(curve(1, 4)))
    assert "no error is known" in words(plot_strength(curve(1, 1)))
    assert "crafted on base" in words(plot_strength(curve(attack="fgsm-transfer")))


@pytest.mark.parametrize("attack", STRENGTHS)
def test_every_attack_has_a_title_and_a_unit(attack):
    ax = plot_strength(curve(attack=attack), ax=blank().add_subplot())
    assert TITLES[attack] in words(ax)
    assert ax.get_xlabel() == STRENGTHS[attack]


def test_the_plane_has_a_mark_for_each_model_and_the_region():
    one = acceptance(curve(models=("base", "a", "b")), "base")
    two = dataclasses.replace(one, attack="fgsm-transfer", strength=0.1)
    ax = plot_acceptance([one, two])
    marks = [scatter.get_offsets() for scatter in ax.collections if len(scatter.get_offsets()) == 2]
    assert len(marks) == 2
    np.testing.assert_allclose(marks[0][:, 0], one.clean)
    np.testing.assert_allclose(marks[0][:, 1], one.distorted)
    text = words(ax)
    assert "a" in text.split()
    assert "90%" in text
    (region,) = ax.patches
    corner = region.get_path().vertices
    assert corner[:, 0].min() == pytest.approx(0.9) or region.get_x() == pytest.approx(0.9)
    labels = [entry.get_text() for entry in ax.get_legend().get_texts()]
    assert any("transferred FGSM, strength 0.1" in label for label in labels)


def test_ratios_that_are_no_numbers_stand_on_the_edge():
    plane = acceptance(curve(models=("base", "a", "b")), "base")
    broken = dataclasses.replace(plane, distorted=torch.tensor([math.inf, 1.2], dtype=torch.float64))
    ax = plot_acceptance(broken)
    top = ax.get_ylim()[1]
    edges = [float(s.get_offsets()[0, 1]) for s in ax.collections if len(s.get_offsets()) == 1]
    assert top in edges


def test_a_ratio_of_zeros_is_left_out_and_its_models_are_named():
    plane = acceptance(curve(models=("base", "a", "b", "c")), "base")
    broken = dataclasses.replace(plane, distorted=torch.tensor([math.nan, 1.2, math.inf], dtype=torch.float64))
    ax = plot_acceptance(broken)
    drawn = np.concatenate([np.asarray(scatter.get_offsets()) for scatter in ax.collections])
    assert np.isfinite(drawn).all()
    assert [mark[1] for mark in drawn].count(ax.get_ylim()[1]) == 1
    assert "not drawn, 0 / 0: a" in [entry.get_text() for entry in ax.get_legend().get_texts()]
    assert {text.get_text() for text in ax.texts} >= {"b", "c"}
    assert "a" not in {text.get_text() for text in ax.texts}


def test_planes_of_several_baselines_are_refused():
    plane = acceptance(curve(), "base")
    with pytest.raises(UsageError, match="planes must share one baseline and one minimum; got 2"):
        plot_acceptance([plane, dataclasses.replace(plane, minimum=0.5)])
    with pytest.raises(UsageError, match="got 0"):
        plot_acceptance([])


def test_marks_that_lie_together_are_named_below_one_another_and_infinite_ratios_are_explained():
    infinite = torch.tensor([torch.inf, torch.inf, 1.1], dtype=torch.float64)
    clean = torch.tensor([1.0, 1.001, 0.7], dtype=torch.float64)
    plane = Acceptance(("one", "other", "third"), "base", "dark", "fgsm", 0.1, 0.9, clean, infinite)
    ax = plot_acceptance(plane)
    texts = [text.get_text() for text in ax.texts]
    assert {"one\nother", "third"} <= set(texts)
    assert "an infinite ratio" in " ".join(" ".join(texts).split())
