"""What cannot be found is said so, pair by pair; what is misuse is refused in one sentence."""

import math
import subprocess
import sys

import pytest
import torch

from geomrob.analysis.margins import margin_curve
from geomrob.attacks.table import ATTACKS
from geomrob.errors import UsageError
from geomrob.results import Status
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks, grid
from tests.attacks.rows import attack, every, rows, taken
from tests.attacks.zoo import Flat, Greedy, LowPass, NaNFar, NaNFor, images, net

OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried ..."),
)


def nothing_found(result, status):
    assert result.success_rate == 0
    assert result.status.tolist() == [status] * len(result.inputs)
    assert bool(torch.isinf(result.distances()).all())
    assert torch.equal(result.perturbed, result.inputs)


@pytest.mark.parametrize("name", ["deepfool", "superdeepfool"])
def test_the_step_limit_is_a_status(name):
    model, inputs = net(), images()
    result = attack(name, model, inputs, steps=1, overshoot=0, minimum_step=0) if name == "deepfool" else None
    result = result or attack(name, model, inputs, steps=1, overshoot=-0.5)
    lost = ~result.success
    assert bool(lost.any())
    assert bool((result.status[lost] == Status.STEP_LIMIT).all())
    assert bool(torch.isinf(result.distances()[lost]).all())


@every("minimal")
def test_a_flat_model_is_invariant(name):
    nothing_found(attack(name, Flat(net()), images()), Status.INVARIANT)


@every(takes=("subspace",), search=True)
def test_a_model_blind_to_a_band_is_invariant(name):
    low, high = (band for index, band in enumerate(blocks(basis("dct", (8, 8)), 4, 4)) if index in (0, 1))
    model, inputs = LowPass(net(), low), images()
    nothing_found(attack(name, model, inputs, subspace=high), Status.INVARIANT)
    assert attack(name, model, inputs, subspace=low).success_rate == 1
    curve = margin_curve(model, inputs, subspaces=[low, high], attack=name, **ATTACKS[name].quick)
    assert curve.reached.tolist() == [1, 0]
    assert curve.status[1].tolist() == [Status.INVARIANT] * 9
    assert curve.targets[1].tolist() == [-1] * 9
    assert bool(torch.isinf(curve.quantiles(0.5)[1]).all())


@every("minimal")
def test_one_image_of_nan_spoils_no_other(name):
    model, inputs = net(), images(9)
    inputs[4] = 0.9 + 0.1 * inputs[4]
    spoilt = NaNFor(model, 0.8)
    rest = torch.tensor([0, 1, 2, 3, 5, 6, 7, 8])
    box = taken(name, bounds=(inputs - 0.5, inputs + 0.5))  # so that the search of no other gets there
    expected, result = attack(name, model, inputs, **box), attack(name, spoilt, inputs, **box)
    assert int(result.status[4]) == Status.NON_FINITE
    assert float(result.distances()[4]) == math.inf
    assert torch.equal(result.perturbed[4], inputs[4])
    torch.testing.assert_close(result.perturbed[rest], expected.perturbed[rest], atol=1e-6, rtol=0)
    tiny = attack(name, spoilt, inputs, **box, **taken(name, memory=1))
    assert torch.equal(tiny.status, result.status)


@every("minimal")
def test_nan_on_the_way_is_a_status(name):
    model, inputs = net(), images(1)
    near = float(attack(name, model, inputs).distances())
    result = attack(name, NaNFar(model, inputs, near / 50), inputs)
    assert not bool(result.success)
    assert int(result.status) == Status.NON_FINITE
    assert bool(torch.isfinite(result.perturbed).all())


@every()
def test_nan_everywhere_is_refused(name):
    with pytest.raises(UsageError, match=r"model must return finite logits; got NaN .*: check its weights"):
        attack(name, NaNFor(net(), -1), images())


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@every()
def test_calls_that_run_out_of_memory_are_halved(name, error):
    model, inputs = net(), images(20)
    greedy = Greedy(model, 8, error)
    result, expected = attack(name, greedy, inputs), attack(name, model, inputs)
    assert max(greedy.sizes) == 8
    torch.testing.assert_close(result.perturbed, expected.perturbed, atol=1e-4, rtol=0)
    assert torch.equal(result.forwards, expected.forwards)
    with pytest.raises(RuntimeError, match="memory"):
        attack(name, Greedy(model, 0, error), inputs)


def test_other_errors_of_the_model_pass_through():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        attack("deepfool", net(shape=(1, 4, 4)), images())


WRONG = {
    "shape": (lambda x: x, r"model must return logits shaped \(N, K\) with K >= 1; got \(2, 1, 8, 8\)"),
    "two tensors": (lambda x: (x, x), "model must return a tensor of float logits; got tuple: "),
    "classes": (lambda x: x.flatten(1).long(), "model must return a tensor of float logits; got torch.int64: "),
    "no slope": (lambda x: x.detach().flatten(1), "model must be differentiable in its inputs; got .*: remove no_grad"),
    "another": (lambda x: torch.eye(4, requires_grad=True)[:1].expand(len(x), 4), "model must be differentiable"),
}


@pytest.mark.parametrize("wrong", WRONG)
@every("minimal", "budget")
def test_a_wrong_model_is_refused(name, wrong):
    model, sentence = WRONG[wrong]
    with pytest.raises(UsageError, match=sentence):
        attack(name, model, images())
    if name in rows(search=True):
        with pytest.raises(UsageError):
            margin_curve(model, images(), subspaces=blocks(basis("dct", (8, 8)), 4, 4), attack=name)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (images() * 3 - 1, r"inputs must lie in bounds \(0, 1\); got \[-.*\]: pass images before normalisation"),
        (images().masked_fill(images() > 0.99, torch.nan), r"inputs must be finite; got NaN"),
        (images()[:0], "inputs must hold at least one image"),
    ],
)
@every()
def test_wrong_images_are_refused(name, inputs, sentence):
    with pytest.raises(UsageError, match=sentence):
        attack(name, net(), inputs)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"labels": torch.full((9,), 4)}, "labels must be classes from 0 to 3; got 4 to 4: the model has 4 outputs"),
        ({"targets": torch.full((9,), -1)}, "targets must be classes from 0 to 3; got -1 to -1"),
        (
            {"targets": net()(images()).argmax(1)},
            r"targets must differ from the current class; got class \d for image 0",
        ),
        ({"candidates": 1}, "candidates must be at least 2; got 1"),
    ],
)
@every(takes=("candidates",))
def test_wrong_arguments_are_refused(name, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        attack(name, net(), images(), **options)


class Overflow(torch.nn.Module):
    """Of two classes the second wins only where its logit is infinite."""

    def forward(self, inputs):
        u = inputs.flatten(1)[:, 0]
        return torch.stack([0 * u + 50, -torch.log(torch.relu(0.6 - u))], 1)


@every("minimal")
def test_an_infinite_logit_makes_nothing_adversarial(name):
    inputs = torch.full((1, 1, 2, 2), 0.3)
    assert not bool(attack(name, Overflow(), inputs).success.any())


def test_wrong_arguments_of_one_attack_are_refused():
    with pytest.raises(UsageError, match="nearest must be at least 1; got 0"):
        attack("deepfool", net(), images(), nearest=0)
    with pytest.raises(UsageError, match="norm must be 1, 2 or inf; got 3"):
        attack("deepfool", net(), images(), norm=3)
    with pytest.raises(UsageError, match=r"budget must be at least [0-9]+ backward evaluations; got 3"):
        attack("tight", net(), images(), budget=3)


@pytest.mark.parametrize(("name", "norm"), [("fourier", 1), ("random", 2), ("random", math.inf)])
def test_tight_misses_nothing_that_deepfool_finds(name, norm):
    """In half of a basis and in the box the way along the nearest rival alone is often closed."""
    shape = (3, 8, 8)
    model, inputs = net(shape, classes=6, seed=3), images(16, shape)
    how = {"norm": norm, "subspace": grid(basis(name, shape[1:]), 4)[1], "bounds": (0.0, 1.0)}
    there, here = attack("deepfool", model, inputs, **how), attack("tight", model, inputs, budget=20, **how)
    assert bool(there.success.any())
    assert not bool((there.success & ~here.success).any())


def test_what_is_no_float_batch_is_refused_outside_of_tests_too():
    """In a process of its own, without the run-time type checks of the test run."""
    script = """
import numpy as np
import torch
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.attacks.minimal.ddn import ddn
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.attacks.minimal.superdeepfool import superdeepfool
from geomrob.attacks.minimal.tight import tight
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
good = torch.rand(2, 1, 2, 2)
for inputs, labels in ((good[0], None), ((good * 255).long(), None), (good, torch.zeros(3).long()),
                       (good, torch.zeros(2))):
    try:
        deepfool(model, inputs, labels)
    except ValueError as error:
        print(error)
nan = float("nan")
for attack, options in ((tight, {"budget": 20.5}), (tight, {"budget": nan}), (tight, {"candidates": 2.5}),
                        (sparsefool, {"prune": True, "budget": nan}), (sparsefool, {"steps": float("inf")}),
                        (deepfool, {"steps": 1.5}), (ddn, {"steps": 1.5}),
                        (sparsefool, {"overshoot": nan}), (deepfool, {"overshoot": nan}), (deepfool, {"overshoot": -1}),
                        (superdeepfool, {"overshoot": float("inf")}), (deepfool, {"minimum_step": "small"}),
                        (ddn, {"initial": 0}), (ddn, {"gamma": 1.0}), (boundary, {"adaptation": nan}),
                        (boundary, {"convergence": nan}),
                        (tight, {"bounds": (0,)}), (tight, {"bounds": "01"}), (tight, {"bounds": (nan, 1)}),
                        (sparsefool, {"bounds": None}), (sparsefool, {"steps": 5.0, "budget": 30.0, "prune": True}),
                        (tight, {"bounds": np.array([0.0, 1.0])}), (deepfool, {"bounds": torch.tensor([0.0, 1.0])})):
    try:
        attack(model, good, **options)
    except ValueError as error:
        print(error)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [
        "inputs must be shaped (N, C, H, W); got (1, 2, 2): add the missing axes",
        "inputs must be floats in [0, 1]; got torch.int64: divide 8-bit images by 255",
        "labels must be shaped (2,) of torch.int64; got (3,) of torch.int64: give one class an image",
        "labels must be whole numbers; got torch.float32: give one for each image",
        "budget must be a whole number of backward evaluations; got 20.5: give at least 20, without a fraction",
        "budget must be a whole number of backward evaluations; got nan: give at least 20, without a fraction",
        "candidates must be a whole number; got 2.5: give at least 2, without a fraction",
        "budget must be a whole number of evaluations; got nan: give at least 1, without a fraction",
        "steps must be a whole number; got inf: give at least 1, without a fraction",
        "steps must be a whole number; got 1.5: give at least 0, without a fraction",
        "steps must be a whole number; got 1.5: give at least 0, without a fraction",
        "overshoot must be at least 0 and below 1e+06; got nan: 0.02 is usual",
        "overshoot must be above -1 and below 1e+06; got nan: 0.02 is usual",
        "overshoot must be above -1 and below 1e+06; got -1: 0.02 is usual",
        "overshoot must be above -1 and below 1e+06; got inf: 0.02 is usual",
        "minimum_step must be at least 0 and below 1e+06; got 'small': 1e-4 is usual",
        "initial must be above 0 and below 1e+06; got 0: 1 is usual",
        "gamma must be at least 0 and below 1; got 1.0: 0.05 is usual",
        "adaptation must be above 1 and below 1e+06; got nan: 1.15 is usual",
        "convergence must be at least 0 and below 1e+06; got nan: 1e-7 is usual",
        "bounds must be two numbers or tensors, low and high; got (0,): (0, 1) is usual",
        "bounds must be two numbers or tensors, low and high; got '01': (0, 1) is usual",
        "bounds must be numbers; got NaN: check how they were computed",
        "bounds must be two numbers or tensors, low and high; got None: (0, 1) is usual",
    ]


def test_a_box_without_room_is_infeasible():
    inputs = images()
    result = attack("deepfool", net(), inputs, bounds=(inputs, inputs))
    nothing_found(result, Status.INFEASIBLE)
    assert result.steps.tolist() == [1] * 9
