"""Scores against numbers worked by hand; what is missing or does not fit is refused by name."""

import dataclasses
import math

import pytest
import torch

from geomrob.analysis.corruptions.scores import BENCHMARK, SPLITS, alexnet_errors, grouped, net_reduction
from geomrob.analysis.corruptions.summary import corruption_scores, over_networks
from geomrob.errors import UsageError
from geomrob.results.accuracy.corruptions import mean_and_error
from tests.synthetic import corruption_table as table

NAMES = ("fog", "snow")


def test_scores_worked_by_hand():
    """The baseline has CE (0.25, 0.5) and clean error 0.1, the model CE (0.2, 0.6) and clean error 0.2."""
    scores = {
        name: values[1, 0].item() for name, values in corruption_scores(table(), baseline="base", names=NAMES).items()
    }
    wanted = {
        "clean": 0.2,
        "mCE": 0.4,
        "severity 1": 0.3,
        "severity 3": 0.5,
        "mrCE": (0.2 / 0.25 + 0.6 / 0.5) / 2,
        "relative mCE": (0.0 / 0.15 + 0.4 / 0.4) / 2,
        "R_E": -1.0,
        "R_mCE": -0.025 / 0.375,
        "R_net": (-1 + 3.75 * (-0.025 / 0.375)) / 2,
        "R_net (beta 1)": (-1 - 0.025 / 0.375) / 2,
    }
    assert scores == pytest.approx(wanted, abs=1e-12)


def test_published_number_of_beta():
    zero = torch.tensor(0.0, dtype=torch.float64)
    clean, mce = torch.tensor(0.207, dtype=torch.float64), torch.tensor(0.5812, dtype=torch.float64)
    assert net_reduction(clean, zero, clean, mce).item() * 2 == pytest.approx(2.81, abs=0.005)


def test_missing_corruptions_are_named():
    with pytest.raises(UsageError, match=r"no gaussian_noise, shot_noise.*jpeg_compression: measure them"):
        corruption_scores(table())
    with pytest.raises(UsageError, match="got no frost"):
        table().mce(("fog", "frost"))
    with pytest.raises(UsageError, match="got no jpeg_compression"):
        grouped(torch.zeros(14), BENCHMARK[:-1], "push_pull")


def test_splits_are_partitions_of_the_fifteen():
    for groups in SPLITS.values():
        members = [name for group in groups.values() for name in group]
        assert sorted(members) == sorted(BENCHMARK)
    assert set(SPLITS["push_pull"]["low"]) == {"frost", "fog", "brightness", "contrast"}
    assert set(SPLITS["push_pull"]["mid"]) == {"glass_blur", "motion_blur", "zoom_blur", "snow", "elastic_transform"}
    assert set(SPLITS["pixel_similarity"]["low"]) == {"snow", "frost", "fog", "brightness", "contrast"}
    assert set(SPLITS["pixel_similarity"]["high"]) == {"gaussian_noise", "shot_noise", "impulse_noise"}


def test_published_groups_are_the_means_of_published_corruptions():
    prime = [80.6, 80.0, 80.1, 57.2, 66.3, 66.2, 68.2, 61.5, 68.2, 57.2, 81.2, 68.3, 73.7, 82.9, 81.9]
    means = grouped(torch.tensor(prime), BENCHMARK, "category")
    assert [means[name].item() for name in means] == pytest.approx([80.2, 64.5, 67.0, 76.7], abs=0.051)
    avg3 = [0.86, 0.86, 1.01, 1.00, 1.00, 0.97, 1.01, 0.98, 0.90, 1.07, 1.01, 1.03, 0.99, 0.94, 0.90]
    means = grouped(torch.tensor(avg3), BENCHMARK, "push_pull")
    assert [means[name].item() for name in means] == pytest.approx([1.00, 0.99, 0.93], abs=0.0051)


def test_published_ratio_of_retrieval_is_that_of_its_published_errors():
    """Of ResNet-18 and its push-pull stem with the 3 x 3 average: supplement, Table 8, and mCE in Tables 5 and 8."""
    base = [0.47, 0.36, 0.39, 0.19, 0.47, 0.25, 0.24, 0.20, 0.22, 0.14, 0.09, 0.27, 0.18, 0.26, 0.20]
    avg3 = [0.44, 0.33, 0.42, 0.19, 0.48, 0.24, 0.22, 0.20, 0.22, 0.15, 0.09, 0.30, 0.18, 0.23, 0.18]
    errors = torch.tensor([base, avg3], dtype=torch.float64)[:, None, :, None].expand(2, 1, 15, 5)
    found = full(models=("base", "net"), errors=errors, clean=torch.full((2, 1), 0.071, dtype=torch.float64))
    scores = corruption_scores(found, baseline="base")
    assert scores["mCE"].flatten().tolist() == pytest.approx([0.264, 0.258], abs=0.005)
    assert scores["mrCE"][1].item() == pytest.approx(0.981, abs=0.01)


def test_the_two_categories_differ_in_brightness_alone():
    place = {split: {one: group for group, ones in SPLITS[split].items() for one in ones} for split in SPLITS}
    differ = {one for one in BENCHMARK if place["category"][one] != place["push_pull_category"][one]}
    assert differ == {"brightness"}
    assert place["push_pull_category"]["brightness"] == "digital"


def test_alexnet_is_its_own_unit_and_wants_five_severities():
    assert alexnet_errors(BENCHMARK, (1, 2, 3, 4, 5)).mean().item() == pytest.approx(0.7888, abs=2e-4)
    with pytest.raises(UsageError, match=r"must be 1 \.\.\. 5"):
        alexnet_errors(["fog"], (1, 3))
    with pytest.raises(UsageError, match="got spatter"):
        alexnet_errors(["fog", "spatter"], (1, 2, 3, 4, 5))


def test_made_is_not_set_against_ready_made():
    one = table(models=("base",), errors=table().errors[:1], clean=table().clean[:1])
    other = dataclasses.replace(one, sources=("ready-made", "ready-made"))
    assert corruption_scores(table(), baseline=one, names=NAMES)["mrCE"][1].item() == pytest.approx(1.0)
    with pytest.raises(UsageError, match="same source"):
        corruption_scores(table(), baseline=other, names=NAMES)
    assert table(sources=("made", "ready-made")).source == "mixed"


def test_standard_error_over_networks():
    mean, error = mean_and_error(torch.tensor([[0.1, 0.2, 0.6]], dtype=torch.float64))
    assert mean.item() == pytest.approx(0.3)
    assert error.item() == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2 / 3))
    assert mean_and_error(torch.tensor([[0.1]]))[1].isnan().all()


def full(**facts):
    """Return one model that errs on half of all 15 at all severities, read from a distributed folder of images."""
    errors = torch.full((1, 1, 15, 5), 0.5, dtype=torch.float64)
    how = {"models": ("net",), "corruptions": BENCHMARK, "severities": (1, 2, 3, 4, 5), "errors": errors}
    how |= {"sources": ("ready-made",) * 15, "clean": errors[:, :, 0, 0]}
    return table(**{**how, **facts})


def test_alexnet_is_for_imagenet_c_alone():
    scores = corruption_scores(full(data="val"), baseline="alexnet")
    wanted = (0.5 / alexnet_errors(BENCHMARK, (1, 2, 3, 4, 5))).mean().item()
    assert scores["mCE/alexnet"].item() == pytest.approx(wanted)
    assert "mrCE" not in scores
    with pytest.raises(UsageError, match=r"ImageNet-C.*got a distributed set on cifar10: measure a standard model"):
        corruption_scores(full(data="cifar10"), baseline="alexnet")
    with pytest.raises(UsageError, match="got corruptions made by geomrob on val"):
        corruption_scores(full(data="val", sources=("made",) * 15), baseline="alexnet")
    with pytest.raises(UsageError, match="measure must be error for AlexNet; got 1 - mAP@200"):
        corruption_scores(full(data="val", measure="1 - mAP@200"), baseline="alexnet")
    with pytest.raises(UsageError, match="got corruptions some of which geomrob made"):
        corruption_scores(full(data="val", sources=("ready-made",) * 14 + ("made",)), baseline="alexnet")


def drawn_by(seed, one):
    """Return the table as if its images and corruptions had been drawn by that seed."""
    return dataclasses.replace(one, provenance=dataclasses.replace(one.provenance, seed=seed))


def test_tables_of_several_seeds_give_a_standard_error():
    seeds = [table(clean=table().clean + shift) for shift in (0.0, 0.1, 0.5)]
    whole = over_networks(seeds)
    assert whole.errors.shape == (2, 3, 2, 2)
    mean, error = mean_and_error(corruption_scores(whole, names=NAMES)["clean"])
    assert mean.tolist() == pytest.approx([0.3, 0.4])
    assert error.tolist() == pytest.approx([math.sqrt((0.04 + 0.01 + 0.09) / 2 / 3)] * 2)
    assert whole.provenance.forwards == 3 * seeds[0].provenance.forwards
    for facts in ({"sources": ("made", "ready-made")}, {"models": ("base", "other")}, {"adapt": "full"}):
        with pytest.raises(UsageError, match=f"same {next(iter(facts))}"):
            over_networks([seeds[0], table(**facts)])
    with pytest.raises(UsageError, match="same seed; got 0 and 1"):
        over_networks([seeds[0], drawn_by(1, seeds[1])])
    with pytest.raises(UsageError, match="at least one"):
        over_networks([])


@pytest.mark.parametrize("beta", [-1.0, math.nan, math.inf])
def test_beta_is_a_finite_number(beta):
    with pytest.raises(UsageError, match="beta must be a finite number"):
        corruption_scores(table(), baseline="base", names=NAMES, beta=beta)
    assert corruption_scores(table(), baseline="base", names=NAMES, beta=0.0)["R_net"][1].item() == pytest.approx(-0.5)


def test_a_baseline_is_a_model_of_the_table_or_one_measured_alike():
    with pytest.raises(UsageError, match="did you mean base"):
        corruption_scores(table(), baseline="bas", names=NAMES)
    one = {"models": ("base",), "errors": table().errors[:1], "clean": table().clean[:1]}
    for facts in ({"severities": (1, 5)}, {"data": "light"}, {"measure": "1 - mAP@200"}, {"images": 9}):
        other = dataclasses.replace(table(), **one, **facts)
        with pytest.raises(UsageError, match=f"same {next(iter(facts))}"):
            corruption_scores(table(), baseline=other, names=NAMES)
    with pytest.raises(UsageError, match="same seed; got 1 for 0"):
        corruption_scores(table(), baseline=drawn_by(1, dataclasses.replace(table(), **one)), names=NAMES)
    with pytest.raises(UsageError, match="must hold one model; got base, net"):
        corruption_scores(table(), baseline=table(), names=NAMES)


def test_a_baseline_without_errors_gives_no_number_but_no_failure():
    errors = table().errors.clone()
    errors[0] = 0
    scores = corruption_scores(table(errors=errors, clean=torch.zeros(2, 1).double()), baseline="base", names=NAMES)
    assert scores["mrCE"][1].isinf()
    assert scores["R_E"].isnan().all()
