"""The accuracy of a model on samples."""

import torch
from torch import nn

from geomrob.data.entry import Samples


def accuracy(model: nn.Module, samples: Samples, *, batch: int = 1_000) -> float:
    """Return the share of the samples that the model classifies as labelled, in eval mode, on the model's device.

    Args:
        model: Takes images in [0, 1]; its mode is put back.
        samples: At least one.
        batch: Images a forward pass.

    Example:
        >>> from geomrob.data import load_data
        >>> from geomrob.models import load_model
        >>> accuracy(load_model("fmnist-lenet"), load_data("fashion-mnist-1k", samples=200)) > 0.8
        True
    """
    was_training = model.training
    device = next((tensor.device for tensor in model.state_dict().values()), torch.device("cpu"))
    right = 0
    model.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(samples), batch):
                logits = model(samples.images[start : start + batch].to(device))
                right += int((logits.argmax(1).cpu() == samples.labels[start : start + batch]).sum())
    finally:
        model.train(was_training)
    return right / len(samples)
