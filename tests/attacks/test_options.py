"""Options of any type: each odd one works or is refused in one sentence, in attacks and in margins alike."""

import subprocess
import sys

SCRIPT = """
import math
import numpy as np
import torch
from geomrob.analysis.margins import margin_curve
from geomrob.analysis.robust_accuracy import robust_accuracy
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.attacks.fixed_budget.fgsm import fgsm
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.attacks.minimal.tight import tight
from geomrob.errors import UsageError
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks

model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
good = torch.rand(2, 1, 4, 4)
bands = blocks(basis("dct", (4, 4)), size=2, step=2)


def margins(model, inputs, attack="deepfool", **options):
    return margin_curve(model, inputs, subspaces=bands, attack=attack, **options)


def robust(model, inputs, **options):
    return robust_accuracy(model, inputs, model(inputs).argmax(1), **options)


nan, zero = math.nan, np.zeros((2, 1, 4, 4), np.float32)
for attack, options in (%s):
    try:
        attack(model, good, **options)
        print("ran")
    except UsageError as error:
        print(error)
"""


def told(calls: str) -> list[str]:
    """Return what each call says, in a process of its own, without the run-time type checks of the test run."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT % calls], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_odd_types_of_good_values_work():
    calls = """
    (margins, {"steps": 60.0}), (margins, {"steps": np.int64(60)}), (margins, {"attack": "tight", "budget": 20.0}),
    (tight, {"budget": torch.tensor(20)}), (tight, {"bounds": (zero, zero + 1)}), (deepfool, {"norm": np.float64(2)}),
    (pgd, {"epsilon": np.float32(0.1), "seed": np.int64(3)}), (pgd, {"epsilon": 0.1, "starts": zero}),
    (fgsm, {"epsilon": np.array(0.1)}), (sparsefool, {"lam": torch.tensor(3.0)}), (tight, {"memory": 1e9}),
    (robust, {"epsilons": [0.1], "steps": 2.0, "targets": np.int64(1)}),
    """
    assert told(calls) == ["ran"] * 12


def test_what_is_out_of_range_or_no_number_is_a_sentence():
    calls = """
    (margins, {"overshoot": nan}), (margins, {"steps": -1}), (margins, {"attack": "ddn", "gamma": 2.0}),
    (margins, {"attack": "ddn", "steps": 2**31}), (margins, {"attack": "tight", "budget": "60"}),
    (margins, {"tolerance": nan}), (margins, {"examples": 2.5}), (margins, {"nearest": 0}),
    (tight, {"bounds": (zero[:1, :, :3], 1.0)}), (tight, {"bounds": np.array(3)}), (tight, {"bounds": (1, 0)}),
    (robust, {"steps": 2.5}), (robust, {"targets": nan}), (robust, {"epsilons": ["8/255"]}),
    (sparsefool, {"lam": "3"}), (boundary, {"adaptation": "2"}), (boundary, {"spherical_step": None}),
    (boundary, {"smoothness": "1"}), (deepfool, {"overshoot": b"3"}), (deepfool, {"overshoot": 2**31}),
    (pgd, {"epsilon": 0.1, "seed": "3"}), (pgd, {"epsilon": "0.1"}), (fgsm, {"epsilon": None}),
    (pgd, {"epsilon": 0.1, "step_size": "1"}), (pgd, {"epsilon": 0.1, "loss": 3}), (tight, {"norm": "inf"}),
    (tight, {"memory": nan}), (robust, {"seed": -1}), (pgd, {"epsilon": 0.1, "indices": [0.5]}),
    """
    assert told(calls) == [
        "overshoot must be above -1 and below 1e+06; got nan: 0.02 is usual",
        "steps must be at least 0; got -1: 50 is usual",
        "gamma must be at least 0 and below 1; got 2.0: 0.05 is usual",
        "steps must be at most 1000000; got 2147483648: give a smaller one",
        "budget must be a whole number of backward evaluations; got '60': give at least 20, without a fraction",
        "tolerance must be above 0 and below 1; got nan: 1e-5 is usual",
        "examples must be a whole number; got 2.5: give at least 0, without a fraction",
        "nearest must be at least 1; got 0: choose how many rivals get gradients",
        (
            "bounds must be numbers or shaped as the inputs (2, 1, 4, 4); got (1, 1, 3, 4) and (): pass one value for "
            "all elements or one for each"
        ),
        "bounds must be two numbers or tensors, low and high; got array(3): (0, 1) is usual",
        "bounds must have low <= high; got low 1 above high 0: swap them",
        "steps must be a whole number; got 2.5: give at least 0, without a fraction",
        "targets must be a whole number; got nan: give at least 0, without a fraction",
        "epsilons must be above 0 and below 1e+06; got '8/255': the clean accuracy is shown in any case",
        "lam must be at least 1 and below 1e+06; got '3': 1 aims at the boundary itself, 3 is usual",
        "adaptation must be above 1 and below 1e+06; got '2': 1.15 is usual",
        "spherical_step must lie in (0, 0.7]; got None: 0.3 is usual",
        "smoothness must lie in [0, 10]; got '1': 1 is usual, 0 is white noise",
        "overshoot must be above -1 and below 1e+06; got b'3': 0.02 is usual",
        "overshoot must be above -1 and below 1e+06; got 2147483648: 0.02 is usual",
        "seed must be a whole number; got '3': 0 is the default",
        "epsilon must be one number or one an image; got '0.1': give one",
        "epsilon must be at least 0 and below 1e+06; got None: 8/255 is usual in linf",
        "step_size must be one number or one an image; got '1': give one",
        "loss must be one of cross-entropy, margin; got 3: choose one of those",
        "norm must be 1, 2 or inf; got 'inf': pass one of these numbers",
        "memory must be a whole number of bytes; got nan: give at least 1, without a fraction",
        "seed must be from 0 to 2**63 - 1; got -1: 0 is the default",
        "indices must be whole numbers; got torch.float64: give one for each image",
    ]
