"""Robust accuracy against closed forms: never higher than the truth allows, never an image that was not found."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from geomrob import plot_robust_accuracy, robust_accuracy
from geomrob.analysis.comparison.compare import compare
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Status
from tests.oracles import LinearModel
from tests.synthetic import robust_accuracy_result

NORMS = (math.inf, 2, 1)


def images(count=40):
    """Return images in the middle of the box, so that no small perturbation leaves it."""
    generator = torch.Generator().manual_seed(3)
    return 0.45 + 0.1 * torch.rand(count, 1, 8, 8, generator=generator, dtype=torch.float64)


def margins_of(model, inputs, norm):
    """Return the distance to the boundary inside the box: in l1 the elements with the largest weights move first."""
    if norm != 1:
        return model.margins(inputs, p=norm)
    logits, margins = model(inputs), []
    for image, row in zip(inputs.flatten(1), logits, strict=True):
        own, best = int(row.argmax()), math.inf
        for rival in set(range(len(row))) - {own}:
            slope = (model.weight[rival] - model.weight[own]).flatten()
            room = torch.where(slope > 0, 1 - image, image)
            order, gap, moved = slope.abs().argsort(descending=True), float(row[own] - row[rival]), 0.0
            for element in order.tolist():
                step = min(float(room[element]), gap / abs(float(slope[element])))
                gap, moved = gap - step * abs(float(slope[element])), moved + step
            best = min(best, moved if gap < 1e-12 else math.inf)
        margins.append(best)
    return torch.tensor(margins, dtype=torch.float64)


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 4))


class Flat(nn.Module):
    """Return the logits of a model, whose gradient is exactly zero."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs):
        """Return logits that depend on the inputs and have no gradient."""
        return self.model(inputs).detach() + 0 * inputs.sum()


@pytest.mark.parametrize("norm", NORMS)
def test_of_a_linear_model_it_is_the_share_of_larger_margins(norm):
    model, inputs = LinearModel(), images()
    margins = margins_of(model, inputs, norm)
    labels = model(inputs).argmax(1)
    epsilons = [float(margins.quantile(q)) for q in (0.1, 0.4, 0.7)]
    found = robust_accuracy(model, inputs, labels, norm=norm, epsilons=epsilons[::-1], steps=10, targets=1, keep=True)
    assert found.epsilons.tolist() == sorted(epsilons)
    assert found.clean == 1
    # 1e-4 beyond the boundary is where points are handed out.
    torch.testing.assert_close(found.distances, margins, rtol=2e-3, atol=0)
    assert bool((found.distances >= margins * (1 - 1e-9)).all())
    least, most = (
        torch.stack([(margins * by > epsilon).double().mean() for epsilon in sorted(epsilons)]) for by in (1, 1.002)
    )
    assert bool(((least <= found.accuracy) & (found.accuracy <= most)).all())
    moved = found.perturbed - inputs
    assert bool((model(found.perturbed).argmax(1) != labels).all())
    torch.testing.assert_close(torch.linalg.vector_norm(moved.flatten(1), norm, dim=1), found.distances)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_returned_is_adversarial_on_the_bare_model_image_by_image(norm):
    model, inputs = net(), images(20).float()
    labels = model(inputs).argmax(1)
    labels[:3] = (labels[:3] + 1) % 4
    found = robust_accuracy(model, inputs, labels, norm=norm, epsilons=[0.02, 0.3], steps=8, keep=True)
    for image, label, distance in zip(found.perturbed, labels, found.distances, strict=True):
        assert int(model(image[None]).argmax(1)) != int(label)
        assert 0 <= float(image.min()) <= float(image.max()) <= 1
        assert math.isfinite(float(distance))
    assert found.distances[:3].tolist() == [0, 0, 0]
    assert torch.equal(found.perturbed[:3], inputs[:3])
    assert found.clean == pytest.approx(17 / 20)
    assert bool((found.accuracy <= found.clean).all())


def test_balls_find_what_the_search_missed():
    model, inputs = net(), images(30).float()
    labels, sizes = model(inputs).argmax(1), [0.01, 0.02, 0.04, 0.08, 0.16]

    def far(model, inputs, labels):
        return pgd(model, inputs, labels, epsilon=0.5, seed=1)

    alone = robust_accuracy(model, inputs, labels, epsilons=sizes, searches={"far": far}, steps=0)
    balls = robust_accuracy(model, inputs, labels, epsilons=sizes, searches={"far": far})
    usual = robust_accuracy(model, inputs, labels, epsilons=sizes)
    assert bool((balls.distances <= alone.distances).all())
    assert bool((balls.accuracy < alone.accuracy).any())
    assert bool((balls.accuracy - usual.accuracy <= 1 / 30 + 1e-9).all())
    single = torch.stack([~pgd(model, inputs, labels, epsilon=size, restarts=3).success for size in sizes])
    assert bool((usual.accuracy <= single.double().mean(1)).all()), "never above PGD at that epsilon alone"


class Valleys(nn.Module):
    """Two boundaries across one line through the image: near for the class of the lesser logit, far for the other."""

    def forward(self, inputs):
        """Return three logits: class 1 is reached at -0.2, class 2 already at 0.1, where its logit rises late."""
        along = (inputs - 0.5).flatten(1)[:, 0]
        return torch.stack((torch.full_like(along, 0.2), -along, 40 * (along - 0.095)), 1)


def test_searches_aimed_at_classes_go_below_an_epsilon_that_the_closest_misses():
    inputs = torch.full((3, 1, 2, 2), 0.5, dtype=torch.float64)
    labels = torch.zeros(3, dtype=torch.int64)

    def wrong_side(model, inputs, labels):
        options = {"targets": torch.ones_like(labels), "loss": "margin", "random_start": False}
        return pgd(model, inputs, labels, epsilon=0.3, **options)

    options = {"epsilons": [0.05, 0.19], "searches": {"wrong side": wrong_side}, "steps": 0}
    far = robust_accuracy(Valleys(), inputs, labels, targets=0, **options)
    torch.testing.assert_close(far.distances, torch.full((3,), 0.2, dtype=torch.float64), rtol=1e-3, atol=0)
    aimed = robust_accuracy(Valleys(), inputs, labels, targets=2, **options)
    torch.testing.assert_close(aimed.distances, torch.full((3,), 0.1, dtype=torch.float64), rtol=1e-3, atol=0)
    assert (far.accuracy.tolist(), aimed.accuracy.tolist()) == ([1, 1], [1, 0])
    assert {aimed.searches[number] for number in aimed.by.tolist()} == {"tight at classes"}
    beyond = robust_accuracy(Valleys(), inputs, labels, targets=2, **{**options, "epsilons": [0.05, 0.15]})
    assert torch.equal(beyond.distances, far.distances), "a third above an epsilon is not searched"


def test_an_image_whose_searches_failed_is_undecided_and_not_robust():
    model, inputs = Flat(net()), images(12).float()
    labels = model(inputs).argmax(1)
    labels[0] = (labels[0] + 1) % 4
    found = robust_accuracy(model, inputs, labels, epsilons=[1e-4, 0.1])
    assert found.undecided[0].tolist() == [False] + [True] * 11
    assert bool((found.undecided[1] == (found.distances > 0.1)).all())
    assert found.accuracy.tolist() == [0, 0], "what random starts find does not make the others robust"
    assert found.clean == pytest.approx(11 / 12)
    assert "11 of 12 images are undecided" in found.caveats()[1]


def test_a_search_that_reports_what_is_not_adversarial_is_not_believed():
    model, inputs = LinearModel(), images(6)
    labels = model(inputs).argmax(1)

    def liar(model, inputs, labels):
        done, none = torch.ones_like(labels, dtype=torch.bool), torch.zeros_like(labels)
        return AttackResult(inputs[:], labels, inputs[:] + 1e-6, done, none + int(Status.FOUND), none, none, none)

    found = robust_accuracy(model, inputs, labels, epsilons=[0.01], searches={"liar": liar}, steps=0)
    assert bool(found.undecided.all())


def test_the_result_does_not_depend_on_the_other_images(monkeypatch):
    model, inputs = net(), images(10).float()
    labels = model(inputs).argmax(1)
    monkeypatch.setattr("geomrob.inference.prepared.CPU_BLOCK", 4)
    whole = robust_accuracy(model, inputs, labels, epsilons=[0.02, 0.05])
    monkeypatch.setattr("geomrob.analysis.robust_accuracy.PART", 3)
    parts = robust_accuracy(model, inputs, labels, epsilons=[0.02, 0.05])
    assert torch.equal(whole.distances, parts.distances)
    assert torch.equal(whole.forwards, parts.forwards)


def test_the_reference_stands_next_to_it():
    model, inputs = net(), images(20).float()
    labels = model(inputs).argmax(1)

    def weak(model, inputs, labels, *, epsilon, norm):
        return pgd(model, inputs, labels, epsilon=epsilon, norm=norm, steps=1)

    found = robust_accuracy(model, inputs, labels, epsilons=[0.02, 0.05], reference=weak, reference_name="weak")
    rows = found.records()
    assert [row["epsilon"] for row in rows] == [0, 0.02, 0.05]
    assert all(row["accuracy"] <= row["reference_accuracy"] for row in rows[1:])
    assert [row["reference_fooled_by_it_alone"] for row in rows[1:]] == [0, 0]
    assert found.provenance.forwards > 20 * 2
    assert "weak" in found.to_markdown()


def test_wilsons_interval_and_the_rows_by_hand():
    found = robust_accuracy_result()
    assert found.accuracy.tolist() == pytest.approx([0.6, 0.4, 0.2])
    assert found.undecided.tolist() == [[False, False, False, False, True]] * 3
    assert found.interval[0].tolist() == pytest.approx([0.2307, 0.8824], abs=1e-4)
    assert found.interval[0, 0] < 0.6 < found.interval[0, 1]
    table = found.to_markdown()
    assert "| net | 8/255 | 40.0% |" in table
    assert "not audited" in found.caveats()[-1]
    failed = dataclasses.replace(found, verdict="failed", causes=("masked gradients",))
    assert "do not believe these accuracies: masked gradients" in failed.caveats()[-1]


def test_two_models_are_compared_at_each_epsilon():
    one = robust_accuracy_result()
    other = dataclasses.replace(one, model="hah", distances=one.distances * 3)
    compared = compare(one, other)
    assert compared.rows == ("clean images", "0.01", "8/255", "0.1")


def test_the_picture_has_each_epsilon_and_the_interval():
    found = robust_accuracy_result()
    ax = plot_robust_accuracy([found, dataclasses.replace(found, model="hah", verdict="failed")])
    (line,) = [line for line in ax.lines if line.get_label() == "net"]
    assert line.get_xdata().tolist() == pytest.approx([0, 0.01, 8 / 255, 0.1])
    assert line.get_ydata().tolist() == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["net", "hah (audit failed)"]
    assert "1 of net" in "".join(text.get_text() for text in ax.texts).replace("\n", " ")
    with pytest.raises(UsageError, match="results must share one norm"):
        plot_robust_accuracy([found, dataclasses.replace(found, norm=2.0)])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"norm": 3}, "norm must be 1, 2 or inf"),
        ({"epsilons": []}, "epsilons must hold one number at least"),
        ({"epsilons": [0.0]}, "epsilons must be above 0"),
        ({"epsilons": [math.nan]}, "epsilons must be above 0 and below 1e"),
        ({"steps": -1}, "steps must be at least 0"),
        ({"searches": {}}, "searches must hold one attack"),
        ({"labels": torch.full((4,), 9)}, "labels must be classes from 0 to 3"),
    ],
)
def test_misuse_is_one_sentence(options, sentence):
    inputs = images(4).float()
    given = {"labels": torch.zeros(4, dtype=torch.int64), **options}
    with pytest.raises(UsageError, match=sentence):
        robust_accuracy(net(), inputs, given.pop("labels"), **given)
