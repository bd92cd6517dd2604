"""Peers: verified as ours is, seeded without a trace, and skipped in one sentence where they are not installed."""

import sys

import numpy as np
import pytest
import torch

from experiments import peers
from experiments.peers import PEERS, SPARSE_PEERS, STAND_INS, PeerEntry, run_peer
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.errors import UsageError
from geomrob.interop.counted import Counted
from geomrob.results import Status
from tests.attacks.zoo import images, net


@pytest.fixture
def task():
    model, inputs = net(), images()
    return model, inputs, model(inputs).argmax(1).detach()


def of(monkeypatch, attack):
    monkeypatch.setitem(PEERS, "fake", PeerEntry("fake", attack))
    return "fake"


def test_evaluations_are_counted():
    counted, inputs = Counted(net()), images(5).requires_grad_()
    with torch.no_grad():
        counted(inputs)
    logits = counted(inputs)
    for k in range(3):
        torch.autograd.grad(logits[:, k].sum(), inputs, retain_graph=True)
    assert (counted.forwards, counted.backwards) == (10, 15)


@pytest.mark.parametrize(
    "attack",
    [lambda model, x, y: x, lambda model, x, y: x + 5, lambda model, x, y: x * torch.nan],
    ids=["stays", "leaves the box", "no number"],
)
def test_what_is_not_adversarial_in_the_box_is_a_failure(monkeypatch, task, attack):
    result = run_peer(of(monkeypatch, attack), *task)
    assert result.success_rate == 0
    assert result.status.tolist() == [Status.STEP_LIMIT] * len(result.labels)
    assert torch.isinf(result.pixels).all()


def test_an_adversarial_image_counts_also_where_others_fail(monkeypatch, task):
    model, inputs, _ = task
    some = inputs.clone()
    some[:4] = sparsefool(model, inputs[:4]).perturbed
    result = run_peer(of(monkeypatch, lambda model, x, y: some), *task)
    assert result.success.tolist() == [True] * 4 + [False] * 5
    assert torch.isfinite(result.pixels).tolist() == [True] * 4 + [False] * 5


def test_draws_are_seeded_and_leave_no_trace(monkeypatch, task):
    def noisy(model, x, y):
        return (x + 0.5 * torch.randn_like(x) + torch.from_numpy(np.random.randn(*x.shape)).to(x)).clamp(0, 1)  # noqa: NPY002

    def state():
        return np.random.get_state()[1]  # noqa: NPY002

    name, before = of(monkeypatch, noisy), (torch.get_rng_state(), state().copy())
    one, two = run_peer(name, *task), run_peer(name, *task)
    assert torch.equal(one.perturbed, two.perturbed)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(state(), before[1])


def test_a_missing_library_says_what_to_install(monkeypatch, task):
    def absent(name):
        raise ImportError(f"No module named {name}")

    monkeypatch.setattr(peers.importlib, "import_module", absent)
    for name, package in (("torchattacks JSMA", "torchattacks"), ("foolbox EAD, 5 x 100 steps", "foolbox")):
        with pytest.raises(UsageError, match=f"needs {package}; .*: pip install --no-deps {package}"):
            run_peer(name, *task)


def test_an_unknown_peer_names_the_nearest(task):
    with pytest.raises(UsageError, match="did you mean adv-lib VFGA"):
        run_peer("adv-lib VGFA", *task)


def test_modules_that_are_stood_in_for_are_missing_again_afterwards(monkeypatch, task):
    """adv-lib imports torchvision and visdom to plot: an empty module left behind would pass for the real one."""
    for name in STAND_INS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(peers, "_installed", lambda name: False)
    seen = []

    def imported(name):
        seen.extend(sys.modules[one] for one in STAND_INS)
        raise ImportError(f"No module named {name}")

    monkeypatch.setattr(peers.importlib, "import_module", imported)
    with pytest.raises(UsageError, match="needs adv_lib"):
        run_peer("adv-lib VFGA", *task)
    assert [module.__name__ for module in seen] == list(STAND_INS)
    assert not set(STAND_INS) & set(sys.modules)


def test_modules_that_are_there_are_not_stood_in_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", peers)
    with peers._stand_ins():
        assert sys.modules["torchvision"] is peers
    assert sys.modules["torchvision"] is peers


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PEERS, *SPARSE_PEERS])
def test_every_installed_peer_runs(task, name):
    model, inputs, labels = task
    try:
        result = run_peer(name, model, inputs[:3], labels[:3])
    except UsageError as error:
        pytest.skip(str(error))
    again = (model(result.perturbed).argmax(1) != labels[:3]) & ((result.perturbed - 0.5).abs() <= 0.5).flatten(1).all(
        1
    )
    assert torch.equal(result.success, again)
    assert int(result.forwards[0]) > 0
