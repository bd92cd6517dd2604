"""Mean average precision with ties: against the mean over all orders of tied codes."""

import inspect
from itertools import pairwise, permutations

import pytest
import torch

from geomrob.analysis.corruptions.retrieval import Retrieval, average_precision, hamming, retrieval_map
from geomrob.errors import UsageError


def over_all_orders(distances, relevant, top):
    """Return the mean of AP over all orders that sort the distances."""
    orders = [
        order for order in permutations(range(len(distances))) if all(
            distances[one] <= distances[other] for one, other in pairwise(order)
        )
    ]  # fmt: skip
    ranked = torch.stack([relevant[list(order)] for order in orders])[:, :top]
    return average_precision(ranked.double()).mean().item()


@pytest.mark.parametrize("top", [1, 3, 4, 6, 9])
@pytest.mark.parametrize("seed", range(4))
def test_expected_precision_is_the_mean_over_orders(seed, top):
    generator = torch.Generator().manual_seed(seed)
    codes, query = torch.randn(6, 2, generator=generator), torch.randn(1, 2, generator=generator)
    labels = torch.randint(2, (6,), generator=generator)
    wanted = over_all_orders(hamming(query, codes)[0].tolist(), labels == 0, top)
    assert retrieval_map(query, torch.tensor([0]), codes, labels, top=top).item() == pytest.approx(wanted, abs=1e-12)


def test_without_ties_both_agree():
    codes = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [1, 1, -1], [1, -1, -1]])
    labels, query = torch.tensor([0, 0, 1, 0]), torch.ones(1, 3)
    for ties in ("expected", "stable"):
        found = retrieval_map(query, torch.tensor([0]), codes, labels, top=3, ties=ties)
        assert found.item() == pytest.approx((1 + 2 / 3) / 2)


def test_perfect_codes_retrieve_without_error_and_useless_ones_at_the_rate_of_chance():
    labels = torch.arange(40) % 2
    codes = 2.0 * labels[:, None].expand(40, 4) - 1
    assert retrieval_map(codes[:4], labels[:4], codes, labels, top=20).item() == pytest.approx(1)
    same = torch.ones(40, 4)
    sorted_first = labels.argsort(stable=True)
    stable = retrieval_map(same[:1], labels[:1], same[sorted_first], labels[sorted_first], top=20, ties="stable")
    assert stable.item() == pytest.approx(1)
    turned = [
        retrieval_map(same[:1], labels[:1], same, labels[turn], top=20) for turn in (sorted_first, labels.argsort())
    ]
    assert turned[0].item() == pytest.approx(turned[1].item())
    assert 0.5 < turned[0].item() < 0.65


def test_a_query_without_relevant_neighbours_counts_as_zero():
    codes, labels = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.tensor([0, 1])
    for ties in ("expected", "stable"):
        found = retrieval_map(codes, labels, codes, 1 - labels, top=1, ties=ties)
        assert found.item() == 0


@pytest.mark.parametrize("ties", ["expected", "stable"])
def test_outputs_that_are_no_number_are_no_codes(ties):
    labels, codes = torch.zeros(3, dtype=torch.int64), -torch.ones(3, 4)
    codes[0, 1] = torch.nan
    assert retrieval_map(codes, labels, -torch.ones(5, 4), torch.zeros(5).long(), ties=ties).item() == (
        pytest.approx(2 / 3)
    )
    # Of the database, one is lost: two relevant ones are found first, at a cut after two nothing is missed.
    assert retrieval_map(codes[1:], labels[1:], codes, labels, ties=ties).item() == pytest.approx(1)
    lost = torch.full((3, 4), torch.nan)
    assert retrieval_map(codes[1:], labels[1:], lost, labels, ties=ties).item() == 0
    mixed = torch.cat((codes[:1], torch.ones(1, 4)))
    found = retrieval_map(codes[1:2], labels[:1], mixed, torch.tensor([0, 0]), top=1, ties=ties)
    assert found.item() == 1


def test_error_of_a_network_is_one_minus_map_of_its_codes():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 8))
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(12, 1, 4, 4, generator=generator), torch.arange(12) % 3
    measure = Retrieval(images, labels, top=5)
    outputs = net(images[:3]).detach()
    wanted = 1 - retrieval_map(outputs, labels[:3], net(images).detach(), labels, top=5).item()
    assert measure(net, outputs, labels[:3]) == pytest.approx(wanted)
    assert measure.name == "1 - mAP@5"
    assert list(measure.codes) == [net]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"top": 0}, "top must be at least 1"),
        ({"ties": "random"}, "ties"),
        ({"database": torch.zeros(0, 4)}, "; got 2, 0"),
        ({"database": torch.zeros(3, 5)}, "codes of one length; got 4 and 5 bits"),
        ({"labels": torch.zeros(2, dtype=torch.int64)}, r"database_labels must be one a code; got \(2,\) for 3 codes"),
        ({"wanted": torch.zeros(1, dtype=torch.int64)}, r"query_labels must be one a code; got \(1,\) for 2 codes"),
    ],
)
def test_misuse_is_explained(facts, told):
    facts = dict(facts)
    database = facts.pop("database", torch.zeros(3, 4))
    labels = facts.pop("labels", torch.zeros(len(database), dtype=torch.int64))
    wanted = facts.pop("wanted", torch.zeros(2, dtype=torch.int64))
    # Without the shapes that are checked under pytest alone.
    bare = inspect.unwrap(retrieval_map)
    with pytest.raises(UsageError, match=told):
        bare(torch.zeros(2, 4), wanted, database, labels, **facts)
