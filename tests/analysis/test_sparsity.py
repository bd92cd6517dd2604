"""Sparsity: counts against plain loops, the random baseline against known rates, no trace of how the work was split."""

import dataclasses
import math

import pytest
import torch

from geomrob import data, models
from geomrob.analysis.sparsity import random_pixels, sparse_attacks, sparsity, sparsity_sweep
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.attacks.quantization import eight_bit
from geomrob.errors import UsageError
from geomrob.results import Status, equal, load, save
from tests.attacks.zoo import NaNFar, NaNFor, images, net
from tests.oracles import LinearModel


def answers(result):
    """Return the result without the seconds it took."""
    birth = dataclasses.replace(result.provenance, seconds=0.0, created="")
    return dataclasses.replace(result, provenance=birth)


def test_what_a_sparsity_holds(tmp_path):
    model, inputs = net((3, 8, 8)), (images(30, (3, 8, 8)) * 255).round() / 255
    labels, indices = torch.arange(30) % 4, torch.arange(30) * 3
    names = tuple("abcd")
    found = sparsity(
        model, inputs, labels=labels, indices=indices, classes=names, name="net", data="noise", lam=2, radius=0.5
    )
    plain = sparsefool(model, inputs, lam=2, radius=0.5)
    assert equal(found.result, plain)
    assert (found.model, found.data, found.attack, found.classes) == ("net", "noise", "sparsefool", names)
    assert found.options == {
        "radius": 0.5,
        "lam": 2.0,
        "steps": 50.0,
        "overshoot": 0.02,
        "inner_overshoot": 0.1,
        "inner_steps": 0.0,
        "growth": 1.1,
        "candidates": 10.0,
        "nearest": 1.0,
        "published": 0.0,
        "prune": 0.0,
        "count": "pixels",
        "budget": 150.0,
    }
    assert torch.equal(found.labels, labels)
    assert torch.equal(found.indices, indices)
    assert found.accuracy == float((model(inputs).argmax(1) == labels).double().mean())
    seen = model(plain.perturbed).argmax(1)
    assert found.fooling_rate == float((seen != model(inputs).argmax(1)).double().mean()) > 0.9
    assert torch.equal(found.found, torch.where(plain.success, seen, -1))
    stored = model((plain.perturbed * 255).round() / 255).argmax(1) != plain.labels
    assert bool(found.survived[stored & plain.success].all())
    assert found.random.shape == (5,)
    assert bool((found.random < found.fooling_rate).all())
    assert equal(load(save(found, tmp_path / "x")), found)


def test_counts_are_those_of_a_plain_loop():
    found = sparsity(net((3, 8, 8)), images(12, (3, 8, 8)))
    for n in range(12):
        changed = found.result.perturbed[n] != found.result.inputs[n]
        pixels = sum(bool(changed[:, y, x].any()) for y in range(8) for x in range(8))
        assert found.values("pixels")[n] == pixels
        assert found.values("elements")[n] == int(changed.sum())
        torch.testing.assert_close(float(found.values("percent")[n]), 100 * pixels / 64)
    assert found.quantiles(0.0, 1.0).tolist() == [found.values("pixels").min(), found.values("pixels").max()]


def test_the_four_methods_are_the_attacks_that_they_name():
    # Dark images of a model whose boundary is far: without a box the step leaves [0, 1] and does not survive clipping.
    model, inputs = net(classes=10, dtype=torch.float64), images(40, dtype=torch.float64)
    free = sparsity(model, inputs, attack="l1-deepfool", repeats=1)
    assert equal(free.result, deepfool(model, inputs, norm=1))
    box = sparsity(model, inputs, attack="l1-deepfool-box", repeats=1, steps=20)
    assert equal(box.result, deepfool(model, inputs, norm=1, bounds=(0.0, 1.0), steps=20))
    clipped = sparsity(model, inputs, attack="l1-deepfool-clipped", repeats=1)
    after = free.result.perturbed.clamp(0, 1)
    assert torch.equal(clipped.result.perturbed, after)
    assert torch.equal(clipped.result.success, free.result.success & (model(after).argmax(1) != free.result.labels))
    assert 0 < clipped.fooling_rate < free.fooling_rate
    lost = free.result.success & ~clipped.result.success
    assert bool((clipped.result.status[lost] == Status.STEP_LIMIT).all())
    assert torch.equal(clipped.result.forwards, free.result.forwards + 1)
    assert bool(torch.isinf(clipped.result.pixels[lost]).all())
    assert torch.equal(clipped.found == -1, ~clipped.result.success)
    # A file holds no value outside [0, 1] either, so that what clipping loses, export loses.
    assert not bool((free.survived & lost).any())


def test_on_a_linear_model_free_l1_is_one_pixel_at_the_known_distance():
    model, inputs = LinearModel(), images(20, dtype=torch.float64)
    found = sparsity(model, inputs, attack="l1-deepfool", overshoot=1e-6)
    assert found.quantiles(0.0, 1.0).tolist() == [1, 1]
    torch.testing.assert_close(found.values("l1"), model.margins(inputs, p=1), rtol=1e-3, atol=1e-4)


class Bright(torch.nn.Module):
    """Class 1 where at least `least` elements of channel `channel` are 1."""

    def __init__(self, least, channel=0):
        super().__init__()
        self.least, self.channel = least, channel

    def forward(self, inputs):
        count = (inputs[:, self.channel] == 1).flatten(1).sum(1).to(inputs.dtype)
        return torch.stack((torch.full_like(count, self.least - 0.5), count), 1)


def test_random_pixels_have_the_rate_of_a_binomial():
    black, seen = torch.zeros(3000, 2, 4, 4), torch.zeros(3000, dtype=torch.int64)
    for least, channel, counts, trials in ((1, 0, [1, 0], 1), (3, 0, [5, 0], 5), (4, 1, [0, 6], 6)):
        rate = sum(math.comb(trials, k) for k in range(least, trials + 1)) / 2**trials
        found = random_pixels(Bright(least, channel), black, counts, labels=seen, repeats=2)
        spread = math.sqrt(rate * (1 - rate) / 3000)
        assert found.tolist() == pytest.approx([rate, rate], abs=4 * spread)
        assert found[0] != found[1]
    assert random_pixels(Bright(1, 1), black, [16, 0], labels=seen).tolist() == [0] * 5
    # All sixteen are drawn without being put back: each is 0 or 1 then, whatever it was.
    grey = torch.full_like(black, 0.5)
    both = random_pixels(
        lambda x: (x == 0.5).flatten(1).sum(1)[:, None] - torch.tensor([[16.5, 16.0]]), grey, [16, 0], labels=seen + 1
    )
    assert both.tolist() == [0] * 5


def test_random_pixels_are_an_image_s_own():
    model, inputs = net(), images(30)
    labels, keys = model(inputs).argmax(1), torch.arange(30) * 7

    def fooled(rows, seed=0):
        one = [random_pixels(model, inputs[[r]], [9], labels=labels[[r]], indices=keys[[r]], seed=seed) for r in rows]
        return torch.stack(one).mean(0)

    whole = random_pixels(model, inputs, [9], labels=labels, indices=keys)
    assert 0 < float(whole.mean()) < 1
    torch.testing.assert_close(fooled(range(30)), whole)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    again = random_pixels(model, inputs[order], [9], labels=labels[order], indices=keys[order])
    assert torch.equal(again, whole)
    assert not torch.equal(random_pixels(model, inputs, [9], labels=labels, indices=keys, seed=1), whole)
    assert not torch.equal(random_pixels(model, inputs, [9], labels=labels), whole)


def test_the_baseline_matches_the_median_of_each_channel():
    model, inputs = net((3, 8, 8)), images(21, (3, 8, 8))
    found = sparsity(model, inputs, repeats=3, seed=4)
    before, after = found.result.inputs, found.result.perturbed
    counts = [
        math.ceil(sorted(int((a != b).sum()) for a, b in zip(before[:, c], after[:, c], strict=True))[10])
        for c in range(3)
    ]
    expected = random_pixels(model, inputs, counts, labels=found.result.labels, seed=4, repeats=3)
    assert found.fooling_rate == 1
    assert torch.equal(found.random, expected)


def test_targets_are_what_counts():
    model, inputs = net(), images(12)
    targets = model(inputs).argsort(1, descending=True)[:, 2]
    found = sparsity(model, inputs, targets=targets, progress=lambda done, total: None)
    assert found.fooling_rate > 0.8
    assert torch.equal(found.found, torch.where(found.result.success, targets, -1))


def test_images_of_the_target_are_left_out_and_the_others_reach_it():
    inner, inputs, names = net(), images(12), tuple("abcd")
    offset = inner(inputs).mean(0).detach()

    def model(x):
        # Without its mean logits the network classifies these images as several classes.
        return inner(x) - offset

    seen = model(inputs).argmax(1)
    goal = int(seen[0])
    kept = (seen != goal).nonzero().squeeze(1)
    about = {"labels": torch.arange(12) % 4, "indices": torch.arange(12) * 5, "classes": names}
    found = sparsity(model, inputs, target=names[goal], **about)
    assert 0 < found.left_out == 12 - len(kept) < 12
    assert (found.target, found.indices.tolist()) == (names[goal], (kept * 5).tolist())
    assert found.labels.tolist() == (kept % 4).tolist()
    assert equal(found.result, sparsefool(model, inputs[kept], targets=torch.full_like(kept, goal)))
    assert set(found.found[found.result.success].tolist()) == {goal}
    assert f"left out {found.left_out} images" in " ".join(found.caveats())
    assert equal(sparsity(model, inputs, target=str(goal)).result, found.result)


def test_rounded_images_are_carried_with_what_they_do():
    model, inputs = net((3, 8, 8)), (images(30, (3, 8, 8)) * 255).round() / 255
    found = sparsity(model, inputs, lam=1, repeats=1)
    rounded = found.exported()
    plain = eight_bit(model, sparsefool(model, inputs, lam=1))
    assert equal(rounded.result, plain)
    assert torch.equal(rounded.found, torch.where(plain.success, model(plain.perturbed).argmax(1), -1))
    assert (found.eight_bit, rounded.eight_bit) == (False, True)


@pytest.mark.parametrize(
    "attack", [pytest.param(name, marks=pytest.mark.slow) if name.count("-") > 1 else name for name in sparse_attacks()]
)
def test_progress_and_memory_change_nothing(attack):
    model, inputs, told = net(classes=10), images(150), []
    # Two whole chunks for which the model has no answer still are entries, not a refusal.
    inputs[:128] = inputs[:128] * 0.02 + 0.97
    model = NaNFor(model, 0.9)
    whole = sparsity(model, inputs, attack=attack, repeats=2)
    parts = sparsity(model, inputs, attack=attack, repeats=2, progress=lambda *done: told.append(done))
    assert equal(answers(parts), answers(whole))
    assert told[-1] == (150, 150)
    assert whole.result.status[:128].tolist() == [Status.NON_FINITE] * 128
    plain = images(150, seed=5)
    parts = sparsity(net(), plain, attack=attack, repeats=2, progress=lambda *done: told.append(done))
    assert {(64, 150), (128, 150), (150, 150)} <= set(told)
    assert told[-1] == (150, 150)
    assert equal(answers(parts), answers(sparsity(net(), plain, attack=attack, repeats=2)))


def test_order_and_batch_change_nothing():
    model, inputs = net(classes=10), images(20)
    whole = sparsity(model, inputs)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    parts = [sparsity(model, inputs[rows], indices=rows) for rows in order.split(7)]
    for name in ("found", "labels", "indices", "survived"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)[order]), name
    for name in ("perturbed", "success", "status", "forwards", "backwards"):
        found = torch.cat([getattr(part.result, name) for part in parts])
        assert torch.equal(found, getattr(whole.result, name)[order]), name


def test_every_evaluation_is_counted(monkeypatch):
    # Looking for smaller calls of equal bits evaluates random images, which no result counts.
    monkeypatch.setattr("geomrob.inference.prepared.rows_of_call", lambda ready, count, block: block)
    seen = []

    class Counts(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, inputs):
            # The last row is repeated as padding: distinct images are at most what is counted.
            seen.append(len(inputs.flatten(1).unique(dim=0)))
            return self.model(inputs)

    found = sparsity(Counts(net()), images(10), repeats=2)
    # Sizing a block takes three samples each time that it is done, which no result counts.
    assert sum(seen) - 60 < found.provenance.forwards <= sum(seen)
    assert found.provenance.backwards == int(found.result.backwards.sum())


def test_where_nothing_is_fooled_nothing_is_random():
    inputs = images()
    found = sparsity(NaNFar(net(), inputs[:1], 1e-6), inputs[:1])
    assert found.fooling_rate == 0
    assert found.found.tolist() == [-1]
    assert bool(torch.isnan(found.random).all())
    assert found.quantiles(0.5).tolist() == [math.inf]


def test_a_sweep_is_one_measurement_after_another():
    model, inputs, told = net(), images(6), []
    curve = sparsity_sweep(
        model, inputs, "radius", [0.05, 0.4, None], repeats=1, lam=2, progress=lambda *done: told.append(done)
    )
    assert [found.options["radius"] for found in curve] == [0.05, 0.4, math.inf]
    assert [found.options["lam"] for found in curve] == [2.0] * 3
    for radius, found in zip((0.05, 0.4, None), curve, strict=True):
        assert equal(answers(found), answers(sparsity(model, inputs, radius=radius, lam=2, repeats=1)))
    assert {(6, 18), (12, 18), (18, 18)} <= set(told)
    assert told == sorted(told)
    pruned = sparsity_sweep(model, inputs, "prune", [False, True], repeats=1)
    assert [found.options["prune"] for found in pruned] == [0.0, 1.0]
    assert equal(pruned[1].result, sparsefool(model, inputs, prune=True))


def test_on_real_images_sparsefool_beats_what_the_thesis_compares_it_with():
    model, clothes = models.load_model("fmnist-lenet"), data.load_data("fashion-mnist-1k", samples=30)
    free, clipped, found = (
        sparsity(model, clothes.images, attack=attack, labels=clothes.labels, repeats=2)
        for attack in ("l1-deepfool", "l1-deepfool-clipped", "sparsefool")
    )
    assert free.fooling_rate == found.fooling_rate == 1
    assert clipped.fooling_rate < 0.5
    assert float(found.result.perturbed.min()) >= 0
    assert float(found.result.perturbed.max()) <= 1
    assert float(free.result.perturbed.max()) > 1
    assert float(found.random.max()) < 0.5
    assert float(found.survived.double().mean()) > 0.9
    assert found.quantiles(0.5)[0] < 30
    assert 0.7 < found.accuracy <= 1


class Noisy(torch.nn.Module):
    """Dropout that does not know about eval mode."""

    def forward(self, inputs):
        return net()(torch.nn.functional.dropout(inputs, 0.5))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": Noisy()}, "model must be deterministic; got two different outputs .*: switch its random"),
        ({"model": NaNFor(net(), -1)}, "model must return finite logits; got NaN"),
        ({"inputs": images() + 1}, r"inputs must lie in bounds \(0, 1\); got"),
        ({"inputs": images() * torch.nan}, "inputs must be finite; got NaN"),
        ({"inputs": images()[:0]}, "inputs must hold at least one image"),
        ({"attack": "sparsefol"}, "attack must be one of .*; got 'sparsefol': did you mean sparsefool"),
        ({"target": "9"}, "target must be a class from 0 to 3; got 9: the model has no more"),
        ({"target": "e"}, "target must be one of"),
        ({"target": "1", "targets": torch.zeros(9, dtype=torch.int64)}, "target must be given without targets"),
        ({"lambda_": 3}, "option of sparsefool must be one of radius, lam, .*; got 'lambda_'"),
        ({"attack": "l1-deepfool", "radius": 0.1}, "option of l1-deepfool must be one of steps, .*; got 'radius'"),
        ({"norm": 1}, "option of sparsefool must be one of .*; got 'norm'"),
        ({"lam": 0.5}, r"lam must be at least 1 and below 1e\+06; got 0.5"),
        ({"lam": None}, "lam must be a number; got None: leave it out for 3.0"),
        ({"radius": 0.0}, "radius must be above 0; got 0"),
        ({"steps": 2.5}, "steps must be a whole number; got 2.5: 50 is the default"),
        ({"steps": math.nan}, "steps must be a whole number; got nan"),
        ({"prune": 2}, "prune must be True or False; got 2: False is the default"),
        ({"repeats": 0}, "repeats must be at least 1; got 0"),
        ({"labels": torch.full((9,), 4)}, "labels must be classes from 0 to 3; got 4"),
        ({"targets": torch.full((9,), 4)}, "targets must be classes from 0 to 3; got 4"),
        ({"targets": net()(images()).argmax(1)}, "targets must differ from the current class"),
    ],
)
def test_misuse_is_one_sentence(change, sentence):
    arguments = {"model": net(), "inputs": images(), **change}
    with pytest.raises(UsageError, match=sentence) as caught:
        sparsity(arguments.pop("model"), arguments.pop("inputs"), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ([1, 2], "counts must be 1 numbers from 0 to 64; got .*1, 2.: give one for each channel"),
        ([65], "counts must be 1 numbers from 0 to 64; got .65."),
        ([-1], "counts must be 1 numbers from 0 to 64; got .-1."),
    ],
)
def test_counts_that_cannot_be_drawn_are_refused(counts, sentence):
    with pytest.raises(UsageError, match=sentence):
        random_pixels(net(), images(), counts, labels=torch.zeros(9, dtype=torch.int64))


def test_a_sweep_refuses_before_it_starts():
    model, inputs = net(), images()
    with pytest.raises(UsageError, match="values must hold at least one value of lam; got none"):
        sparsity_sweep(model, inputs, "lam", [])
    with pytest.raises(UsageError, match=r"lam must be set in one place; got values and 3: leave one out"):
        sparsity_sweep(model, inputs, "lam", [1, 2], lam=3)
    with pytest.raises(UsageError, match=r"option of sparsefool must be one of .*; got 'alpha'"):
        sparsity_sweep(model, inputs, "alpha", [1, 2])
