"""Bisection to the boundary: it ends just beyond it, and leaves failures alone."""

import torch

from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.linearize import linearize
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.inference import Prepared
from tests.attacks.zoo import images, net


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
