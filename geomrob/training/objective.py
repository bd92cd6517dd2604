"""What a step of training minimises: cross-entropy, and the robust parts that the recipe names."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.training.adversarial import adversarial_images
from geomrob.training.hebbian import HebbianTerm
from geomrob.training.recipe import Options


class Objective(nn.Module):
    """The loss of a batch. It is a module because a part may train weights of its own and keep running means.

    Args:
        options: The parts are its tables `adversarial` and `hebbian`.

    Raises:
        UsageError: A part does not fit the model, see there.

    Differences:
        From the released code of Hebbian/anti-Hebbian learning: one forward pass serves both losses, so that running
        statistics are updated once a step; with adversarial training, both see the adversarial images.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.adversarial = options.adversarial
        self.hebbian = options.hebbian

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of one batch, to be minimised; whatever is drawn comes from `generator`."""
        if self.adversarial is not None:
            images = adversarial_images(model, images, labels, self.adversarial, generator)
        with self._watch(model) as reward:
            loss = F.cross_entropy(model(images), labels)
        if reward is not None:
            loss = loss - reward.value()
        return loss

    def _watch(self, model: nn.Module) -> "HebbianTerm | nullcontext[None]":
        """Return what listens to the HaH blocks of a forward pass, or nothing."""
        if self.hebbian is None:
            return nullcontext()
        how = self.hebbian
        return HebbianTerm(model, how.weights, share=how.share, balance=how.balance, gradients=how.gradients)
