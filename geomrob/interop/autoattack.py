"""AutoAttack, the usual ensemble, as one of our attacks; an optional extra that nothing else here needs."""

import importlib
import inspect
import math
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geomrob.arrays import Images, ImagesLike, Labels, LabelsLike, Model, check_images, norms
from geomrob.errors import UsageError
from geomrob.inference import Prepared, checked_classes, is_adversarial
from geomrob.interop.counted import Counted
from geomrob.results import AttackResult, Status

NORMS = {1: "L1", 2: "L2", math.inf: "Linf"}

SLACK = 1e-5
"""Relative excess over epsilon that is rounding."""


def autoattack(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    epsilon: float,
    norm: float = math.inf,
    version: str = "standard",
    batch: int = 250,
    seed: int = 0,
    path: Path | None = None,
) -> AttackResult:
    """Return what AutoAttack finds inside a ball around each image, verified as our own attacks are.

    Args:
        model: Images in [0, 1] to logits.
        inputs: Images in [0, 1].
        labels: Classes to leave; the predicted ones by default.
        epsilon: Radius of the ball in [0, 1] units, above 0.
        norm: Of the ball: 1, 2 or infinity.
        version: standard, plus or rand, as AutoAttack calls them.
        batch: Images a call.
        seed: Of AutoAttack. The result for an image depends on its batch: AutoAttack draws for the batch as a whole.
        path: Folder of a clone of the authors' repository, whose code is then run instead of the installed package.

    Returns:
        One entry an input, inside box and ball. Evaluations are the mean over the inputs: AutoAttack reports none.

    Raises:
        UsageError: AutoAttack is not installed (the sentence names the extra), images outside [0, 1], an epsilon that
            is not above 0, another norm or version.

    References:
        Croce, Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks",
        ICML 2020.
    """
    inputs = check_images(inputs)
    if not 0 < epsilon < math.inf:
        raise UsageError(f"epsilon must be above 0 and finite; got {epsilon}: 8 / 255 is usual for l-infinity")
    if norm not in NORMS:
        raise UsageError(f"norm must be 1, 2 or inf; got {norm}: choose one of these")
    if version not in ("standard", "plus", "rand"):
        raise UsageError(f"version must be standard, plus or rand; got {version!r}: choose one of these")
    ensemble = _ensemble(path)
    inputs = inputs.detach()
    with Prepared(model, inputs) as ready:
        counted = Counted(ready)
        reference = ready.predictions.clamp_min(0) if labels is None else checked_classes("labels", labels, ready.clean)
        counted.eval()
        perturbed = _run(ensemble, counted, inputs, reference, NORMS[norm], epsilon, version, batch, seed)
        inside = norms(perturbed - inputs, norm) <= epsilon * (1 + SLACK)
        inside &= ((perturbed >= 0) & (perturbed <= 1)).flatten(1).all(1)
        success = is_adversarial(ready, perturbed, reference) & inside
    spent = [torch.full_like(reference, round(count / len(inputs))) for count in (counted.forwards, counted.backwards)]
    status = torch.where(success, int(Status.FOUND), int(Status.STEP_LIMIT))
    return AttackResult(inputs, reference, perturbed, success, status, torch.zeros_like(reference), *spent)


def check_installed() -> None:
    """Refuse, before the work, an installation without AutoAttack.

    Raises:
        UsageError: It is not installed; the sentence names the extra.
    """
    _ensemble(None)


def _run(
    ensemble: Any,
    model: Counted,
    inputs: Images,
    labels: Labels,
    norm: str,
    epsilon: float,
    version: str,
    batch: int,
    seed: int,
) -> Images:
    """Return AutoAttack's images; the global generators that it seeds are restored."""
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = [inputs.device] if inputs.is_cuda else []
    try:
        with torch.random.fork_rng(devices=devices):
            attack = ensemble(model, norm=norm, eps=epsilon, seed=seed, version=version, device=inputs.device)
            attack.verbose = False
            evaluate = attack.run_standard_evaluation
            size = "batch_size" if "batch_size" in inspect.signature(evaluate).parameters else "bs"
            found = evaluate(inputs, labels, **{size: batch})
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
    return (found[0] if isinstance(found, tuple) else found).detach()


def _ensemble(path: Path | None) -> Any:
    """Return the class AutoAttack, of the installed package or of a clone of the repository."""
    if path is not None:
        if not (path / "autoattack").is_dir():
            raise UsageError(f"path must hold the folder autoattack; got {path}: give the clone of the repository")
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
        return importlib.import_module("autoattack").AutoAttack
    try:
        return importlib.import_module("pyautoattack").AutoAttack
    except ImportError as error:
        raise UsageError(
            f"AutoAttack must be installed; got {error}: pip install 'geomrob[autoattack]', or give path="
        ) from error
