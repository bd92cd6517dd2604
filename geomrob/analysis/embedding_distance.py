"""How near augmented images come to corrupted ones, in the embedding of any network."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.inference import evaluating, scores


def embedding_distance(
    embedding: Callable[[Tensor], Tensor],
    corrupted: Float[Tensor, "n a c h w"],
    augmented: Float[Tensor, "n t c h w"],
    *,
    batch: int = 256,
) -> Float[Tensor, "n a"]:
    """Return the smallest cosine distance from each corrupted image to the augmented versions of the same image.

        min over t of 1 - phi(corrupted) . phi(augmented_t) / (|phi(corrupted)| |phi(augmented_t)|)

    Its mean over images and corruptions is the measure of fitness of eq. 5.8, which the thesis reports with the median.

    Args:
        embedding: phi, images (N, C, H, W) to features (N, ...), such as `features(model)`.
        corrupted: For each image its corrupted versions (75 in the thesis: 15 corruptions at 5 severities).
        augmented: For each image its augmented versions (100 in the thesis), or the image itself.
        batch: Images a call.

    Returns:
        Distances from 0 (same direction) to 2. A zero embedding has distance 1 from everything.

    Raises:
        UsageError: No augmented version.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, section 5.4.2, eq. 5.8 and Table
        5.6 (ResNet-50 of SimCLRv2).

    Example:
        >>> versions = torch.rand(2, 3, 1, 4, 4)
        >>> bool(embedding_distance(torch.nn.Flatten(), versions[:, :1], versions).max() < 1e-6)
        True
    """
    if not augmented.shape[1]:
        raise UsageError("augmented must hold at least one version of each image; got none: draw some")
    with torch.no_grad(), evaluating(embedding):
        one, other = (_directions(embedding, versions, batch) for versions in (corrupted, augmented))
    return (1 - one @ other.mT).amin(2).clamp(0, 2)


def features(model: nn.Module, layer: str | None = None) -> Callable[[Tensor], Tensor]:
    """Return a function from images to what enters a layer of a model, by default its last linear one.

    Args:
        model: Images to logits; it is held in eval mode while it is called.
        layer: Name of a module of it (`model.named_modules()`).

    Raises:
        UsageError: No such layer; or, when the function is called, one that the model does not call.

    Example:
        >>> from geomrob.models import load_model
        >>> features(load_model("fmnist-lenet"))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 84])
    """
    modules = dict(model.named_modules())
    linear = [name for name, module in modules.items() if isinstance(module, nn.Linear)]
    name = layer if layer is not None else (linear or [""])[-1]
    if not name or name not in modules:
        raise UsageError(f"layer must be a module of the model; got {layer!r}: choose one of {', '.join(linear)}")

    def call(images: Tensor) -> Tensor:
        """Return what enters the layer when the images pass."""
        seen: list[Tensor] = []
        handle = modules[name].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            with evaluating(model):
                scores(model, images)
        finally:
            handle.remove()
        if not seen:
            raise UsageError(f"layer must be one that the model calls; got {name!r}, which it does not: choose another")
        return seen[-1].flatten(1)

    return call


def _directions(embedding: Callable[[Tensor], Tensor], versions: Tensor, batch: int) -> Tensor:
    """Return the unit vectors (N, V, D) of versions (N, V, C, H, W)."""
    parts = [embedding(part).flatten(1) for part in versions.flatten(0, 1).split(batch)]
    return F.normalize(torch.cat(parts), dim=1).unflatten(0, versions.shape[:2])
