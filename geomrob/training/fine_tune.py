"""Fine-tuning a model on a few samples that were moved across its own decision boundary."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from geomrob.arrays import Images, Labels
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.data.entry import Samples
from geomrob.errors import UsageError
from geomrob.results import AttackResult
from geomrob.training.loop import Epoch, Progress, fit
from geomrob.training.recipe import Options


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned copy of a model, and the samples it was shown moved.

    `positions` are places in the training samples, `moved` what the attack returned for them, on the model before.
    """

    model: nn.Module
    positions: Labels
    moved: AttackResult
    history: tuple[Epoch, ...]


def fine_tune(
    model: nn.Module,
    train: Samples,
    options: Options | None = None,
    *,
    attack: Callable[[nn.Module, Images], AttackResult] = deepfool,
    samples: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> FineTuned:
    """Return a copy of the model, trained on with a few samples replaced by adversarial ones of the same label.

    A random set P of training samples (x, y) becomes (x + delta(x), y), with delta the perturbation of the model as it
    was given; all others stay.

    Args:
        model: Trained; left as it is.
        train: The samples it was trained on.
        options: How; None for 5 epochs at a rate of at most 0.05. Nothing may be held out.
        attack: Called with the model and the images of P.
        samples: How many samples P holds.
        seed: Of P and of the training.
        progress: As in `fit`.

    Returns:
        The copy, in eval mode. A sample that the attack failed on stays where it was: see `moved.success`.

    Raises:
        UsageError: More samples than there are, held-out images, and what `fit` raises.

    References:
        Modas, Robustness and invariance properties of image classifiers (EPFL, 2022), section 4.4.2, Fig. 4.13: 100
        DeepFool samples.

    Differences:
        The thesis does not say how long and at what rate it fine-tunes.

    Example:
        >>> from geomrob.data import load_data
        >>> from geomrob.models import load_model
        >>> clothes = load_data("fashion-mnist-1k", samples=60)
        >>> tuned = fine_tune(load_model("fmnist-lenet"), clothes, Options(epochs=1), samples=5)
        >>> tuned.moved.inputs.shape
        torch.Size([5, 1, 28, 28])
    """
    how = options or Options(epochs=5, max_rate=0.05)
    if not 1 <= samples <= len(train):
        raise UsageError(f"samples must lie in 1 ... {len(train)}; got {samples}: lower it")
    if how.held_out:
        raise UsageError(f"held_out must be 0 for fine-tuning; got {how.held_out}: moved samples could be held out")
    device = next(model.parameters()).device
    positions = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:samples].sort().values
    moved = attack(model, train.images[positions].to(device))
    images = train.images.clone()
    images[positions] = torch.where(moved.success.reshape(-1, 1, 1, 1), moved.perturbed, moved.inputs).to(images)
    tuned = copy.deepcopy(model).requires_grad_(True)
    fitted = fit(tuned, replace(train, images=images), how, seed=seed, progress=progress)
    return FineTuned(tuned.requires_grad_(False), positions, moved, fitted.history)
