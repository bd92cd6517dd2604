"""The accuracy of a model on samples."""

from torch import nn

from geomrob import inference
from geomrob.data.entry import Samples


def accuracy(model: nn.Module, samples: Samples, *, batch: int = 1_000) -> float:
    """Return the share of the samples that the model classifies as labelled, in eval mode, on the model's device.

    Args:
        model: Takes images in [0, 1]; the modes of all its modules are restored.
        samples: At least one.
        batch: Images a forward pass.

    Example:
        >>> from geomrob.data import load_data
        >>> from geomrob.models import load_model
        >>> accuracy(load_model("fmnist-lenet"), load_data("fashion-mnist-1k", samples=200)) > 0.8
        True
    """
    return inference.accuracy(model, samples.images, samples.labels, block=batch)
