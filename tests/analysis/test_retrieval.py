"""Mean average precision with ties: against the mean over all orders of tied codes."""

from itertools import pairwise, permutations

import pytest
import torch

from geomrob.analysis.retrieval import average_precision, hamming, retrieval_map


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
