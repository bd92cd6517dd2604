"""Bisection to the boundary: it ends just beyond it, and leaves failures alone."""

import pytest
import torch

from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.linearize import linearize
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.attacks.minimal.deepfool import deepfool, deepfool_search
from geomrob.inference import Prepared
from tests.attacks.zoo import images, net
from tests.oracles import LinearModel


def test_refinement_ends_just_behind_the_boundary():
    model, inputs = net(dtype=torch.float64), images(9, dtype=torch.float64)
    found = deepfool(model, inputs, overshoot=0.7)
    search = Search(Prepared(model, inputs), inputs, reference=found.labels)
    linearize(search)
    start = SearchResult(found.perturbation, found.status, found.steps)
    before = search.spent.forwards.clone()
    for tolerance in (1e-2, 1e-5, 1e-8):
        fine = refine(search, start, tolerance=tolerance)
        assert bool(search.is_adversarial(fine.coefficients, search.pairs).all())
        assert not bool(search.is_adversarial(fine.coefficients * (1 - tolerance), search.pairs).any())
        cosine = torch.cosine_similarity(fine.coefficients.flatten(1), start.coefficients.flatten(1))
        torch.testing.assert_close(cosine, torch.ones_like(cosine))
    assert float((search.spent.forwards - before).max()) < 3 * 12


def test_refinement_leaves_failures_alone():
    model, inputs = net(), images(4)
    search = Search(Prepared(model, inputs), inputs, reference=model(inputs).argmax(1))
    failed = SearchResult(torch.ones_like(inputs), torch.ones(4, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))
    assert refine(search, failed) is failed
    assert float(search.spent.forwards.sum()) == 0


def test_a_search_that_knows_the_gap_and_its_slope_saves_evaluations_and_ends_at_the_same_boundary():
    model, inputs = net(dtype=torch.float64), images(9, dtype=torch.float64)

    def refined(known):
        search = Search(Prepared(model, inputs), inputs, reference=model(inputs).argmax(1))
        reached = deepfool_search(search, linearize(search))
        assert bool(reached.success.all())
        assert torch.equal(
            reached.gap, search.logit_gap(search.logits(reached.coefficients, search.pairs), search.pairs)
        )
        before = search.spent.forwards.clone()
        result = reached if known else SearchResult(reached.coefficients, reached.status, reached.steps)
        return refine(search, result, tolerance=1e-8).coefficients, search.spent.forwards - before

    (ours, few), (plain, many) = refined(known=True), refined(known=False)
    torch.testing.assert_close(ours, plain, rtol=1e-7, atol=0)
    assert bool((few < many).all())


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5])
def test_on_a_plane_one_evaluation_finds_the_boundary(tolerance):
    model = LinearModel(shape=(1, 8, 8), classes=2)
    inputs = images(5, dtype=torch.float64)
    search = Search(Prepared(model, inputs), inputs, reference=model(inputs).argmax(1))
    reached = deepfool_search(search, linearize(search))
    before = search.spent.forwards.clone()
    lengths = refine(search, reached, tolerance=tolerance).coefficients.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, model.margins(inputs), rtol=tolerance / 2, atol=0)
    assert bool((search.spent.forwards - before == 1).all())
