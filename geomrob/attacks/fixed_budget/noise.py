"""Additive noise of a given strength: Gaussian, uniform, salt-and-pepper."""

from collections.abc import Callable

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Images, ImagesLike, Labels, LabelsLike, Model, check_images
from geomrob.attacks.engine.run import check_strength, run_attack
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.errors import UsageError, unknown
from geomrob.randomness import Keys, checked_indices, normal, sample, uniform
from geomrob.results import AttackResult, Status

Draw = Callable[[Keys, int], Tensor]


def _gaussian(draws: Tensor, epsilon: float) -> Tensor:
    return epsilon * draws


def _within(draws: Tensor, epsilon: float) -> Tensor:
    return epsilon * (2 * draws - 1)


def _salt_pepper(draws: Tensor, epsilon: float) -> Tensor:
    return (draws < epsilon / 2).to(draws) - (draws > 1 - epsilon / 2).to(draws)


KINDS: dict[str, tuple[Draw, Callable[[Tensor, float], Tensor]]] = {
    "gaussian": (normal, _gaussian),
    "uniform": (uniform, _within),
    "salt-pepper": (uniform, _salt_pepper),
}
"""How each kind is drawn at unit strength, and what a strength makes of the draw."""

CLAMPS = ("global", "image")


def noise(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    kind: str = "gaussian",
    epsilon: float,
    seed: int = 0,
    indices: Labels | None = None,
    clamp: str = "global",
    memory: int | None = None,
) -> AttackResult:
    """Return the inputs with noise of one strength, and whether that is adversarial.

    Args:
        model, inputs, labels, memory: As in `deepfool`; the model need not be differentiable.
        kind, epsilon, seed, indices, clamp: As in `noisy`.

    Returns:
        One entry an input: `perturbed` is the noisy image whether or not it is adversarial; where it is not,
        `success` is False and the status STEP_LIMIT.

    Raises:
        UsageError: As `noisy`; labels that the model has no class for, a model without finite (N, K) logits.

    References:
        Attias et al., regularising with pixel similarities, 2024, section 7.1: Gaussian, uniform and salt-and-pepper.

    Differences:
        The draws belong to the image, not to the batch, and the clamp is to [0, 1]; `clamp="image"` is the released
        code's clamp to each image's own range.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> noise(model, torch.rand(4, 1, 4, 4), epsilon=0.1).perturbed.shape
        torch.Size([4, 1, 4, 4])
    """
    epsilon = _check(kind, epsilon, clamp)
    inputs = check_images(inputs)
    keys = checked_indices(indices, len(inputs))
    box = _box(inputs.detach(), clamp)

    def run(search: Search, piece: slice) -> SearchResult:
        added = _added(search.images, kind, epsilon, seed, keys[piece])
        one = torch.ones_like(search.image)
        return SearchResult(added, one * int(Status.FOUND), one)

    return run_attack(model, inputs, labels, run, bounds=box, on_boundary=False, forward_only=True, memory=memory)


def noisy(
    inputs: ImagesLike,
    *,
    kind: str = "gaussian",
    epsilon: float,
    seed: int = 0,
    indices: Labels | None = None,
    clamp: str = "global",
) -> Images:
    """Return the images with noise added and clamped.

    The same unit draw serves every strength, so that curves against strength compare like with like: N(0, epsilon^2),
    U(-epsilon, epsilon), or, with probability epsilon for each element, one added or taken away (half each).

    Args:
        inputs: Images in [0, 1].
        kind: gaussian, uniform or salt-pepper.
        epsilon: Strength, at least 0; a probability, so at most 1, for salt-pepper.
        seed: Of the draws, together with each image's index.
        indices: Position of each image in its source, 0, 1, ... by default.
        clamp: `global` to [0, 1], `image` to each image's own lowest and highest value.

    Raises:
        UsageError: Images outside [0, 1], an unknown kind or clamp, a strength out of range.

    Example:
        >>> noisy(torch.zeros(1, 1, 2, 2), kind="salt-pepper", epsilon=1.0).max() <= 1
        tensor(True)
    """
    epsilon = _check(kind, epsilon, clamp)
    inputs = check_images(inputs).detach()
    low, high = _box(inputs, clamp)
    added = _added(inputs, kind, epsilon, seed, checked_indices(indices, len(inputs)))
    return (inputs + added).clamp(torch.as_tensor(low).to(inputs), torch.as_tensor(high).to(inputs))


def _check(kind: str, epsilon: float, clamp: str) -> float:
    """Return the strength; refuse a kind, a clamp or a strength that there is not."""
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if clamp not in CLAMPS:
        raise unknown("clamp", clamp, CLAMPS)
    epsilon = check_strength(epsilon, usual="0.1 is usual")
    if kind == "salt-pepper" and epsilon > 1:
        raise UsageError(f"epsilon must be a probability for salt-pepper; got {epsilon}: choose at most 1")
    return epsilon


def _added(inputs: Images, kind: str, epsilon: float, seed: int, keys: Labels) -> Images:
    """Return what is added before the clamp."""
    draw, scale = KINDS[kind]
    return scale(sample(draw, f"noise {kind}", seed, keys, inputs), epsilon)


def _box(inputs: Images, clamp: str) -> Bounds:
    if clamp == "global":
        return 0.0, 1.0
    return inputs.amin((1, 2, 3), keepdim=True), inputs.amax((1, 2, 3), keepdim=True)
