"""Results compared: what is paired with what, what is refused, and what is counted; scipy is the twin of the tests."""

import dataclasses
import math

import pytest
import scipy.stats
import torch

from geomrob.analysis.comparison.compare import compare
from geomrob.analysis.comparison.measured import KINDS
from geomrob.analysis.comparison.statistics import (
    compared_accuracies,
    compared_medians,
    mcnemar_test,
    wilcoxon_test,
)
from geomrob.errors import UsageError
from geomrob.results import StrengthCurve
from tests import synthetic
from tests.results import examples

COUNT = 60


def curve(model="net", factor=1.0, *, noise=0.1, **facts):
    """Return a curve whose distances are those of `net` times a factor for each band, with noise of its own."""
    first = synthetic.margin_curve(images=COUNT, bands=6)
    draws = torch.randn(6, COUNT, generator=torch.Generator().manual_seed(len(model)), dtype=torch.float64)
    moved = first.distances * torch.as_tensor(factor).reshape(-1, 1) * (noise * draws).exp()
    return dataclasses.replace(first, model=model, distances=moved, **facts)


def table(correct, clean=None, **facts):
    """Return corruption errors of two models from what is correct (M, C, S, N)."""
    correct = correct[:, None]
    clean = torch.ones_like(correct[:, :, 0, 0]) if clean is None else clean
    known = {
        "images": correct.shape[-1],
        "errors": 1 - correct.double().mean(-1),
        "clean": 1 - clean.double().mean(-1),
        "correct": correct,
        "clean_correct": clean,
        "labels": torch.arange(correct.shape[-1]) % 3,
        "indices": torch.arange(correct.shape[-1]),
    }
    return synthetic.corruption_table(**(known | facts))


def test_a_known_factor_is_found_in_each_band_and_none_where_there_is_none():
    found = compare(curve(), curve("hah", [1, 1, 1, 1.5, 1.5, 1.5]))
    assert found.models == ("net", "hah")
    assert [row.partition(" (")[0] for row in found.rows[:2]] == ["low frequencies", "high frequencies"]
    assert found.rows[2:] == curve().bands
    assert found.seen[0, 0].tolist() == [False, True, False, False, False, True, True, True]
    assert found.direction[0, 0, [1, 5, 6, 7]].tolist() == [1, 1, 1, 1]
    for row in (1, 5, 6, 7):
        _, low, high = found.ratio[0, 0, row].tolist()
        assert 1.3 < low < 1.5 < high < 1.7
    medians = found.values[:, 0, 2:]
    assert torch.equal(medians[0], curve().distances.quantile(0.5, dim=1))
    assert torch.allclose(found.ratio[0, 0, 2:, 0], medians[1] / medians[0])
    assert torch.allclose(found.difference[0, 0, 2:, 0], medians[1] - medians[0])


def test_halves_are_the_middle_band_of_each_image():
    first = curve()
    found = compare(first, curve("hah"))
    below = first.frequency <= (first.frequency.min() + first.frequency.max()) / 2
    assert torch.equal(found.values[0, 0, 0], first.distances[below].median(0).values.quantile(0.5))


def test_images_are_paired_by_index_in_any_order():
    first, other = curve(), curve("hah", 1.2)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    fields = ("distances", "status", "targets", "predictions", "labels", "indices", "forwards", "backwards")
    shuffled = dataclasses.replace(other, **{name: getattr(other, name)[..., order] for name in fields})
    assert torch.equal(compare(first, shuffled).ratio, compare(first, other).ratio)


def test_several_models_are_compared_with_the_first_and_all_tests_corrected():
    found = compare(curve(), curve("hah", 1.5), curve("net"))
    assert found.models == ("net (1)", "hah", "net (2)")
    assert found.p.shape == (2, 1, 8)
    assert float(found.corrected.min()) == pytest.approx(16 * float(found.p.min()))


@pytest.mark.slow
def test_each_class_is_compared_on_request_and_fewer_than_ten_images_have_no_interval():
    found = compare(curve(), curve("hah", 2.0), by_class=True, classes=("shirt", "dress"))
    # No image of this curve has label 0.
    assert found.groups[:3] == ("all", "dress", "2")
    assert int(found.images[1:].sum()) == int(found.images[0]) == COUNT
    assert found.images.shape == (len(found.groups),)
    assert bool(torch.isnan(found.ratio[0, found.images < 10, :, 1]).all())
    assert bool(torch.isfinite(found.ratio[0, :, :, 0]).all())
    assert "tests of single classes" in found.summary()["statement"]


OTHER = {
    "indices": {"indices": torch.arange(COUNT) + 30},
    "data": {"data": "mnist"},
    "labels": {"labels": torch.arange(COUNT) % 3},
    "bands": {"bands": tuple("abcdef")},
    "attack": {"attack": "deepfool"},
    "norm": {"norm": 1.0},
    "basis": {"basis": "haar"},
}
SENTENCES = {
    "indices": "results must be of the same images; got 60 of net and 60 of hah, 30 in common: measure both with",
    "data": "results must have the same data; got fashion-mnist-1k of net and mnist of hah: measure both alike",
    "labels": r"results must have the same labels; got \d+ that differ between net and hah: measure",
    "bands": "results must have the same bands; got",
    "attack": "results must have the same attack; got tight of net and deepfool of hah: measure both alike",
    "norm": "results must have the same norm; got 2 of net and 1 of hah: measure both alike",
    "basis": "results must have the same basis; got dct of net and haar of hah: measure both alike",
}


@pytest.mark.parametrize("what", OTHER)
def test_what_is_not_alike_is_refused_in_one_sentence(what):
    with pytest.raises(UsageError, match=SENTENCES[what]):
        compare(curve(), curve("hah", **OTHER[what]))


def test_other_misuse_is_one_sentence():
    with pytest.raises(UsageError, match="results must be of two models at least; got net alone"):
        compare(curve())
    with pytest.raises(UsageError, match="results must be of one kind; got MarginCurve and Norms"):
        compare(curve(), synthetic.norms_result())
    with pytest.raises(UsageError, match=r"results must have a value of every image: MarginCurve, .*; got Layers"):
        compare(synthetic.layers_result(), synthetic.layers_result())
    with pytest.raises(UsageError, match="results must say which images are classified correctly"):
        compare(synthetic.corruption_table())
    with pytest.raises(UsageError, match="results must have each image once; got one twice in net"):
        compare(curve(indices=torch.zeros(COUNT, dtype=torch.int64)), curve("hah"))
    with pytest.raises(UsageError, match="by_class must go with results that have labels"):
        compare(synthetic.norms_result(), by_class=True)


def test_predicted_classes_in_place_of_labels_are_no_labels():
    unlabelled = [
        curve(name, labels=values, predictions=values)
        for name, values in (("net", torch.zeros(COUNT).long()), ("hah", torch.ones(COUNT).long()))
    ]
    assert compare(*unlabelled).images.tolist() == [COUNT]


@pytest.mark.parametrize(
    "result", [one for one in examples.EVERY if type(one).__name__ in KINDS], ids=lambda one: type(one).__name__
)
def test_every_kind_of_the_table_is_compared_and_equal_models_do_not_differ(result):
    if type(result).__name__ == "CorruptionTable":
        correct = torch.rand(1, 2, 2, 12, generator=torch.Generator().manual_seed(0)) < 0.7
        result = table(correct.expand(2, 2, 2, 12))
    elif type(result).__name__ == "StrengthCurve":
        result = dataclasses.replace(result, correct=result.correct[:1].expand_as(result.correct))
    elif type(result).__name__ == "Norms":
        result = dataclasses.replace(result, values=result.values[:1].expand_as(result.values))
    several = len(getattr(result, "models", ())) > 1
    found = compare(*([result] if several else [result, result]))
    assert found.kind == type(result).__name__
    assert bool((found.p == 1).all())
    assert not bool(found.seen.any())
    assert found.tables()
    assert found.provenance.forwards == (result.provenance.forwards)


def test_images_under_a_corruption_count_once_for_the_model_that_is_right_more_often():
    correct = torch.ones(2, 2, 2, 40, dtype=torch.bool)
    correct[0, 0, 0, :12] = False  # one severity of fog, twelve images: the second model is right more often
    correct[1, 1, :, :1] = False  # both severities of snow, one image
    found = compare(table(correct))
    assert found.rows == ("clean images", "all corruptions", "fog", "snow")
    fog, snow = 2, 3
    assert found.difference[0, 0, fog, 0] == pytest.approx(12 / 80)
    assert found.difference[0, 0, snow, 0] == pytest.approx(-1 / 40)
    assert found.p[0, 0].tolist() == pytest.approx(
        [1.0, scipy.stats.binomtest(11, 12).pvalue, scipy.stats.binomtest(12, 12).pvalue, 1.0]
    )
    assert bool(torch.isnan(found.ratio).all())
    assert found.direction[0, 0].tolist() == [0, 1, 1, -1]


def test_with_one_trial_it_is_mcnemars_test_and_the_interval_of_bonett_and_price():
    first, second = torch.zeros(50), torch.zeros(50)
    first[:20], second[4:30] = 1, 1  # 4 the first alone, 10 the second alone
    assert mcnemar_test(first, second) == (pytest.approx(scipy.stats.binomtest(4, 14).pvalue), 1)
    found = compared_accuracies(first, second)
    low, high = (4 + 1) / 52, (10 + 1) / 52
    error = 1.959964 * math.sqrt((low + high - (high - low) ** 2) / 52)
    assert found == pytest.approx((0.12, high - low - error, high - low + error))


def test_wilcoxon_is_scipys_of_log_ratios_and_an_infinite_distance_is_the_largest():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 30, generator=generator, dtype=torch.float64).add(0.1).unbind()
    expected = scipy.stats.wilcoxon((second / first).log().numpy()).pvalue
    assert wilcoxon_test(first, second).p == pytest.approx(expected)
    larger = second.clone()
    larger[:15], second[:15] = torch.inf, 1e9 * torch.arange(1.0, 16).double()
    assert wilcoxon_test(first, larger).direction == 1
    assert wilcoxon_test(first, larger).p < 1e-3
    assert wilcoxon_test(larger, larger) == (1.0, 0)


def test_a_median_that_may_be_infinite_has_an_interval_without_end():
    first = torch.linspace(1, 2, 50).double()[None]
    some, most = first.clone(), first.clone()
    some[0, -22:], most[0, -30:] = torch.inf, torch.inf
    (ratio,), (difference,) = compared_medians(first, some)
    assert math.isfinite(ratio.value)
    assert 0 < ratio.low < 1 < ratio.high == math.inf == difference.high
    (ratio,), _ = compared_medians(first, most)
    assert ratio.value == ratio.high == math.inf
    assert 1 < ratio.low < math.inf
    (ratio,), (difference,) = compared_medians(most, most)
    assert math.isnan(ratio.value)
    assert (ratio.low, ratio.high, difference.low, difference.high) == (0, math.inf, -math.inf, math.inf)


def test_images_that_were_not_found_are_counted_for_each_model_and_said():
    first, other = curve(), curve("hah")
    first.distances[0, :3], other.distances[0, 2:4] = torch.inf, torch.inf
    found = compare(first, other)
    assert found.not_found[0, 0, 2].tolist() == [2, 1, 1]
    assert "2 pairs of image and band for net alone, in 1 for hah alone, in 1 for both" in found.caveats()[1]


def test_the_same_seed_gives_the_same_intervals():
    pair = curve(), curve("hah", 1.1)
    assert torch.equal(compare(*pair).ratio, compare(*pair).ratio)
    assert not torch.equal(compare(*pair).ratio, compare(*pair, seed=1).ratio)


def test_strengths_are_rows():
    result = next(one for one in examples.EVERY if isinstance(one, StrengthCurve))
    assert len(compare(result, result).rows) == len(result.strengths)
