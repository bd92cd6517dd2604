"""Margins by band: what a curve holds, and that it does not depend on how the work was done."""

import math

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from geomrob import data, models
from geomrob.analysis.margins import margin_curve, median_interval, tile_size
from geomrob.errors import UsageError
from geomrob.results import Status, load, save
from geomrob.runs import Run
from geomrob.spectral.bases import basis
from geomrob.spectral.frames import Frame
from geomrob.spectral.subspaces import blocks, grid, rings
from tests.attacks.zoo import LowPass, NaNFor, images, net

pytestmark = pytest.mark.usefixtures("small_blocks")

DCT = basis("dct", (8, 8))
BANDS = blocks(DCT, 4, 2)
TENSORS = ("distances", "status", "targets", "predictions", "interval", "forwards", "backwards")


def equal(one, two, fields=TENSORS):
    return all(torch.equal(getattr(one, field), getattr(two, field)) for field in fields)


@pytest.fixture(scope="module")
def lenet():
    return models.load_model("fmnist-lenet"), data.load_data("fashion-mnist-1k", samples=9).images


def test_what_a_curve_holds(tmp_path):
    model, inputs = net(), images(7)
    labels, indices = torch.tensor([0, 1, 2, 3, 0, 1, 2]), torch.arange(7) * 3
    curve = margin_curve(
        model, inputs, subspaces=BANDS, labels=labels, indices=indices, name="net", data="noise", band_kind="blocks"
    )
    assert (curve.model, curve.data, curve.basis, curve.band_kind) == ("net", "noise", "dct", "blocks")
    assert (curve.attack, curve.norm) == ("tight", 2)
    assert curve.bands == ("block 0:4", "block 2:6", "block 4:8")
    assert curve.frequency.tolist() == [0.75, 1.75, 2.75]
    assert curve.frequencies.shape == (3, 2)
    assert curve.dimensions.tolist() == [16, 16, 16]
    assert curve.distances.shape == curve.status.shape == curve.targets.shape == (3, 7)
    assert curve.distances.dtype == inputs.dtype
    assert torch.equal(curve.predictions, model(inputs).argmax(1))
    assert torch.equal(curve.labels, labels)
    assert torch.equal(curve.indices, indices)
    assert curve.accuracy == float((curve.predictions == labels).double().mean())
    assert curve.reached.tolist() == [1, 1, 1]
    assert bool((curve.status == Status.FOUND).all())
    assert bool((curve.targets != curve.predictions).all())
    assert curve.interval.shape == (3, 2)
    middle = curve.quantiles(0.5)[:, 0]
    assert bool((curve.interval[:, 0] <= middle).all())
    assert bool((middle <= curve.interval[:, 1]).all())
    torch.testing.assert_close(
        curve.quantiles(0.05, 0.5).double(),
        curve.distances.double().quantile(torch.tensor([0.05, 0.5], dtype=torch.float64), dim=1).T,
    )
    assert curve.provenance.forwards == round(float(curve.forwards.sum()))
    assert curve.provenance.backwards == round(float(curve.backwards.sum()))
    again = load(save(curve, tmp_path / "curve"))
    assert equal(again, curve)


def test_labels_default_to_the_predicted_ones():
    curve = margin_curve(net(), images(3), subspaces=BANDS[:1], attack="deepfool")
    assert curve.accuracy == 1
    assert curve.indices.tolist() == [0, 1, 2]


def test_median_interval_is_that_of_a_plain_bootstrap():
    generator = torch.Generator().manual_seed(3)
    distances = torch.rand(4, 25, generator=generator).exp()
    distances[3, :12] = math.inf
    fast = median_interval(distances, seed=7)
    drawn = torch.randint(25, (2000, 25), generator=torch.Generator().manual_seed(7))
    for row, interval in zip(distances, fast, strict=True):
        medians = row[drawn].sort(1).values[:, 12].sort().values
        # Resampling ranks or images is the same in law; the seeds act on other things, so only nearly in number.
        ranks = row.sort().values
        for end, found in zip((0.025, 0.975), interval.tolist(), strict=True):
            plain = float(medians[round(end * 1999)])
            position, expected = (int((ranks == value).nonzero()[0]) for value in (found, plain))
            assert abs(position - expected) <= 1
    assert fast[3, 1] == math.inf
    assert torch.equal(median_interval(distances, seed=7), fast)
    assert not torch.equal(median_interval(distances[:, :1].repeat(1, 2), seed=7), fast)
    assert median_interval(torch.ones(2, 1)).tolist() == [[1, 1], [1, 1]]


def test_not_found_is_infinite_and_says_why():
    low, high = blocks(DCT, 4, 4)
    curve = margin_curve(LowPass(net(), low), images(5), subspaces=[low, high], attack="superdeepfool")
    assert curve.reached.tolist() == [1, 0]
    assert bool(torch.isinf(curve.distances[1]).all())
    assert curve.status[1].tolist() == [Status.INVARIANT] * 5
    assert curve.interval[1].tolist() == [math.inf, math.inf]


def test_an_image_of_nan_is_infinite_in_all_bands_however_small_the_parts():
    inputs = images(5)
    inputs[2] = 0.95
    for memory in (None, 1):
        curve = margin_curve(NaNFor(net(), 0.94), inputs, subspaces=BANDS, attack="deepfool", memory=memory)
        assert curve.status[:, 2].tolist() == [Status.NON_FINITE] * 3
        assert bool(torch.isinf(curve.distances[:, 2]).all())
        assert bool(torch.isfinite(curve.distances[:, [0, 1, 3, 4]]).all())


@pytest.mark.parametrize("method", ["deepfool", "tight"])
def test_batches_of_any_size_and_order_give_the_same_numbers(lenet, method):
    model, inputs = lenet[0], lenet[1][:5]
    bands = blocks(basis("dct", (28, 28)))[::10]
    options = {"budget": 20} if method == "tight" else {}
    whole = margin_curve(model, inputs, subspaces=bands, attack=method, **options)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(0))
    for size in (1, 3, 256):
        parts = [margin_curve(model, inputs[o], subspaces=bands, attack=method, **options) for o in order.split(size)]
        for field in ("distances", "status", "targets", "forwards", "backwards"):
            found = torch.cat([getattr(part, field) for part in parts], 1)
            assert torch.equal(found, getattr(whole, field)[:, order]), field
    backwards = margin_curve(model, inputs, subspaces=bands[::-1], attack=method, **options)
    torch.testing.assert_close(backwards.distances.flip(0), whole.distances, rtol=1e-5, atol=0)


def test_a_small_budget_only_splits_the_work():
    model, inputs, bands = net(), images(9), grid(DCT, 4)
    frame = Frame(bands, 1)
    whole = margin_curve(model, inputs, subspaces=bands, attack="tight", budget=20)
    for memory in (1, 100_000):
        tile = tile_size(frame, inputs, memory)
        assert tile.images * tile.bands < 9 * len(bands)
        curve = margin_curve(model, inputs, subspaces=bands, attack="tight", budget=20, memory=memory)
        torch.testing.assert_close(curve.distances, whole.distances, rtol=1e-5, atol=0)
        assert torch.equal(curve.status, whole.status)


def test_a_run_resumes_and_gives_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("geomrob.analysis.margins.PAIRS", 6)
    model, inputs = net(), images(9)
    plain = margin_curve(model, inputs, subspaces=BANDS, attack="deepfool", memory=60_000)
    told = []

    def measure():
        told.clear()
        return margin_curve(
            model,
            inputs,
            subspaces=BANDS,
            attack="deepfool",
            memory=60_000,
            run=Run(tmp_path),
            progress=lambda done, total: told.append((done, total)),
        )

    assert equal(measure(), plain)
    parts = sorted((tmp_path / "parts").glob("*/*"))
    assert 2 < len(parts) < len(told)
    assert told == sorted(told)
    assert len({done for done, _ in told if done < 9}) > 1
    assert told[-1] == (27, 27)
    times = {part.name: part.stat().st_mtime_ns for part in parts}
    parts[1].unlink()
    assert equal(measure(), plain)
    assert {part.name for part in parts if part.stat().st_mtime_ns != times[part.name]} == {parts[1].name}


BUDGET = 256 << 20


def peak(model, inputs, bands):
    """Return the most bytes that tensors took at one time during a measurement."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        margin_curve(model, inputs, subspaces=bands, attack="deepfool", steps=2, memory=BUDGET)
    changes = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    total = torch.tensor([event.nbytes() for event in sorted(changes, key=lambda event: event.start_ns())]).cumsum(0)
    return int(total.max())


def test_memory_does_not_grow_with_the_number_of_bands():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 8, 8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 5),
    ).eval()
    inputs, space = images(8, (3, 224, 224)), basis("dct", (224, 224))
    bands = blocks(space)
    assert (len(bands), tuple(bands[0].mask.nonzero()[-1].tolist())) == (14, (15, 15))
    assert all(matrix.nbytes <= 1 << 20 for matrix in space.matrices)
    few, more = peak(model, inputs, bands[:2]), peak(model, inputs, bands)
    assert more < 1.05 * few
    assert more < BUDGET


class Noisy(torch.nn.Module):
    """Dropout that does not know about eval mode."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs):
        return self.model(torch.nn.functional.dropout(inputs, 0.5))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": Noisy(net())}, "model must be deterministic; got two different outputs .*: switch its random"),
        ({"model": NaNFor(net(), -1)}, "model must return finite logits; got NaN"),
        ({"inputs": images() + 1}, r"inputs must lie in bounds \(0, 1\); got \[1.*: pass images before"),
        ({"inputs": images()[:0]}, "inputs must hold at least one image"),
        ({"inputs": images(9, (1, 9, 8))}, "subspaces must be made for 9x8 images; got a basis of 8x8: build"),
        ({"subspaces": []}, "subspaces must hold at least one; got none"),
        ({"subspaces": [BANDS[0], rings(basis("haar", (8, 8)), 2)[0]]}, "subspaces must share one basis"),
        ({"attack": "depfool"}, "attack must be one of .*; got 'depfool': did you mean deepfool"),
        ({"norm": 1, "attack": "ddn"}, "norm must be 2 for ddn; got 1: use the attack tight"),
        ({"norm": 3}, "norm must be 1, 2 or inf; got 3"),
        ({"budgte": 30}, "option of tight must be one of budget; got 'budgte': did you mean budget?"),
        ({"budget": 3}, "budget must be at least [0-9]+ backward"),
    ],
)
def test_misuse_is_one_sentence(change, sentence):
    arguments = {"model": net(), "inputs": images(), "subspaces": BANDS, **change}
    with pytest.raises(UsageError, match=sentence) as caught:
        margin_curve(arguments.pop("model"), arguments.pop("inputs"), **arguments)
    assert "\n" not in str(caught.value)
