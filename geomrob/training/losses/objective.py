"""What a step of training minimises: cross-entropy, and the robust parts that the recipe names."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.training.losses.adversarial import adversarial_images
from geomrob.training.losses.hebbian import HebbianTerm
from geomrob.training.losses.jsd import jsd
from geomrob.training.losses.pixel_similarity import SimilarityTerm, default_layers
from geomrob.training.recipe import Options


class Objective(nn.Module):
    """The loss of a batch. It is a module because a part may train weights of its own and keep running means.

    Args:
        model: The model that will be trained.
        options: The parts are its tables `adversarial`, `hebbian`, `similarity` and the loss of `augment`.
        images: (N, C, H, W) in [0, 1], from which the similarity part draws its pairs: the first of them.

    Raises:
        UsageError: A part does not fit the model, see there.

    Differences:
        From the released code of Hebbian/anti-Hebbian learning: one forward pass serves both losses, so that running
        statistics are updated once a step; with adversarial training, both see the adversarial images.
    """

    def __init__(self, model: nn.Module, options: Options, images: Tensor) -> None:
        super().__init__()
        self.adversarial = options.adversarial
        self.hebbian = options.hebbian
        self.consistency = options.augment.jsd if options.augment is not None else 0.0
        self.strength = 0.0
        self.similarity: SimilarityTerm | None = None
        if options.similarity is not None:
            how = options.similarity
            self.strength = how.strength
            self.similarity = SimilarityTerm(
                images[: how.images],
                how.layers or default_layers(model),
                target=how.target,
                threshold=how.threshold,
                second=how.second,
                pairs=how.pairs,
                scale=how.scale,
                gray=how.gray,
                forwards=how.forwards,
            )

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of one batch, to be minimised; whatever is drawn comes from `generator`.

        With the consistency loss, `images` are three versions of each (`augment.registry.views`).
        """
        if self.adversarial is not None:
            images = adversarial_images(model, images, labels, self.adversarial, generator)
        with self._hebbian_term(model) as reward:
            loss = self._of_predictions(model(images), labels)
        if reward is not None:
            loss = loss - reward.value()
        if self.similarity is not None and self.strength:
            loss = loss + self.strength * self.similarity(model, generator)
        return loss

    def _of_predictions(self, logits: object, labels: Tensor) -> Tensor:
        """Return the cross-entropy, with the consistency of three versions of each image if they are there."""
        if not isinstance(logits, Tensor):
            raise UsageError(
                f"model must return a tensor of logits in train mode; got {type(logits).__name__}: switch its "
                "auxiliary outputs off"
            )
        if not self.consistency:
            return F.cross_entropy(logits, labels)
        clean, one, other = logits.chunk(3)
        return F.cross_entropy(clean, labels) + self.consistency * jsd(clean, one, other)

    def _hebbian_term(self, model: nn.Module) -> "HebbianTerm | nullcontext[None]":
        """Return what collects the costs of the HaH blocks in a forward pass, or nothing."""
        if self.hebbian is None:
            return nullcontext()
        how = self.hebbian
        return HebbianTerm(model, how.weights, share=how.share, balance=how.balance, gradients=how.gradients)
