"""AutoAttack as one of ours: its absence is one line; where it is installed, what it returns is verified."""

import importlib.util
import sys

import numpy as np
import pytest
import torch

from geomrob.arrays import norms
from geomrob.errors import UsageError
from geomrob.interop.autoattack import autoattack
from tests.attacks.zoo import images, net

INSTALLED = importlib.util.find_spec("pyautoattack") is not None


class Stand:
    """Moves every image up by epsilon, half of them too far; spoils the global generators as the real one does."""

    def __init__(self, model, *, norm, eps, seed, version, device):
        self.model, self.eps, self.seed = model, eps, seed

    def run_standard_evaluation(self, inputs, labels, bs=250):
        torch.manual_seed(self.seed)
        np.random.seed(self.seed)  # noqa: NPY002
        moved = (inputs + self.eps).clamp(0, 1)
        moved[::2] += 3 * self.eps
        self.model(moved)
        return moved


def test_absence_is_one_line_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(UsageError, match=r"geomrob\[autoattack\]"):
        autoattack(net(), images(3), epsilon=0.1)


def test_a_clone_of_the_repository_is_run_verified_counted_and_leaves_no_trace(tmp_path, monkeypatch):
    folder = tmp_path / "autoattack"
    folder.mkdir()
    (folder / "__init__.py").write_text("from tests.interop.test_autoattack import Stand as AutoAttack\n")
    monkeypatch.delitem(sys.modules, "autoattack", raising=False)
    model, inputs = net().train(), images(8)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    result = autoattack(model, inputs, epsilon=0.1, path=tmp_path)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert model.training
    assert not result.success[::2].any()
    model.eval()
    changed = model(result.perturbed).argmax(1) != model(inputs).argmax(1)
    assert result.success[1::2].tolist() == changed[1::2].tolist()
    assert result.forwards.tolist() == [1] * 8


@pytest.mark.skipif(not INSTALLED, reason="needs pyautoattack")
@pytest.mark.slow
@pytest.mark.parametrize("norm", [2, float("inf")])
def test_the_real_one_finds_what_it_must_and_nothing_outside_the_ball(norm):
    model, inputs = net(), images(6)
    result = autoattack(model, inputs, epsilon=0.5 if norm == 2 else 0.1, norm=norm, version="rand")
    assert bool((norms(result.perturbation, norm)[result.success] <= 0.5 * (1 + 1e-4)).all())
    assert result.success_rate > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epsilon": 0.0}, "epsilon must be above 0"),
        ({"epsilon": 0.1, "norm": 3}, "norm must be"),
        ({"epsilon": 0.1, "version": "best"}, "version must be"),
    ],
)
def test_misuse_is_refused_in_a_sentence(options, words):
    with pytest.raises(UsageError, match=words):
        autoattack(net(), images(2), **options)


def test_a_path_without_the_code_is_refused(tmp_path):
    with pytest.raises(UsageError, match="must hold the folder autoattack"):
        autoattack(net(), images(2), epsilon=0.1, path=tmp_path)
