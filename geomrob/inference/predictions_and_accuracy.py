"""What a model predicts: which images are adversarial, and how many are classified as labelled."""

from typing import cast

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from geomrob.arrays import Images, Labels, Model
from geomrob.inference.classes import checked_classes, logit_gap, predicted_classes
from geomrob.inference.prepared import Prepared


def is_adversarial(
    model: Model, images: Images, labels: Labels, targets: Labels | None = None, *, memory: int | None = None
) -> Bool[Tensor, " n"]:
    """Return where the model classifies the images as another class than `labels` (as that of `targets`, where given).

    One forward evaluation an image, in calls of the same shape as those of the attacks: what they call a success is
    one here. Ties and NaN logits count as not adversarial.

    Args:
        model: Images (N, C, H, W) to logits (N, K).
        images: Any number of images, also none.
        labels: The class that each should not be classified as.
        targets: The class that each should be classified as; None if any other will do.
        memory: Bytes for activations; 1 GiB by default.

    Raises:
        UsageError: Labels or targets that are no classes of the model.
    """
    if not len(images):
        return torch.zeros(0, dtype=torch.bool, device=images.device)
    outputs = Prepared(model, images, memory=memory).logits(images)
    checked_classes("labels", labels, outputs)
    if targets is not None:
        checked_classes("targets", targets, outputs)
    return logit_gap(outputs, labels, targets) < 0


def accuracy(model: Model, images: Images, labels: Labels, *, block: int | None = None) -> float:
    """Return the share of images that the model classifies as labelled, in eval mode; its modes are restored.

    Args:
        model: Images to logits.
        images, labels: At least one, on the CPU or on the model's device, to which they are moved call by call.
        block: Images a call; by default as many as attacks use that need no gradients.
    """
    tensors = cast("dict[str, Tensor]", model.state_dict()) if isinstance(model, nn.Module) else {}
    device = next((tensor.device for tensor in tensors.values()), images.device)
    size = None if block is None else min(block, len(images))
    with Prepared(model, images[:1].to(device), forward_only=True, block=size) as ready, torch.no_grad():
        predicted = [predicted_classes(ready.logits(part.to(device))).cpu() for part in images.split(ready.block)]
    return int((torch.cat(predicted) == labels.cpu()).sum()) / len(images)
