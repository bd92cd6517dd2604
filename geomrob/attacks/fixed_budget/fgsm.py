"""FGSM: one step along the sign of the gradient, crafted on the model itself or on another one."""

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Images, ImagesLike, Labels, LabelsLike, Logits, Model, check_images
from geomrob.attacks.engine.run import check_strength, run_attack
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.errors import UsageError
from geomrob.inference import Objective, Prepared, checked_classes
from geomrob.results import AttackResult, Status


def fgsm(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    epsilon: float,
    source: Model | None = None,
    targets: LabelsLike | None = None,
    bounds: Bounds = (0.0, 1.0),
    memory: int | None = None,
) -> AttackResult:
    """Return x + epsilon sign(gradient of the cross-entropy at x), clamped, and whether that is adversarial.

    With `source` the gradient is that of another model: transferred FGSM. For many strengths, `sign_direction` computes
    the direction once.

    Args:
        model, inputs, labels, targets, memory: As in `deepfool`; labels default to the predictions of `model`.
        epsilon: Strength in [0, 1] units, the largest change of an element.
        source: Model whose gradient is taken; `model` itself by default. Its evaluations are counted too.
        bounds: The box that the images are clamped to.

    Returns:
        One entry an input: `perturbed` is the stepped image whether or not it is adversarial. Where it is not,
        `success` is False and the status STEP_LIMIT, or INVARIANT where the gradient is exactly zero everywhere.

    Raises:
        UsageError: As `deepfool`; a negative strength.

    References:
        Goodfellow, Shlens, Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015; Attias et al.,
        regularising with pixel similarities, 2024, equation 1, for the transfer from an unregularised model.

    Differences:
        The released transfer scales epsilon by the range of the batch and clamps to it; here both are [0, 1].

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> images = torch.full((4, 1, 4, 4), 0.5)
        >>> round(float(fgsm(model, images, epsilon=0.1).distances(torch.inf).nan_to_num(0, 0, 0).max()), 3) <= 0.1
        True
    """
    epsilon = check_strength(epsilon)

    def run(search: Search, _: slice) -> SearchResult:
        crafted_on = search if source is None else _on(Prepared(source, search.images, memory=memory), search)
        with crafted_on.ready:
            sign = _signs(crafted_on)
        flat = (sign == 0).flatten(1).all(1) & (search.logit_gap(search.clean, search.pairs) >= 0)
        status = torch.where(flat, int(Status.INVARIANT), int(Status.FOUND))
        return SearchResult(epsilon * sign, status, torch.ones_like(status))

    return run_attack(model, inputs, labels, run, targets=targets, bounds=bounds, on_boundary=False, memory=memory)


def sign_direction(
    source: Model, inputs: ImagesLike, labels: LabelsLike | None = None, *, memory: int | None = None
) -> Images:
    """Return the sign of the gradient of the cross-entropy at each input: the direction of FGSM for every strength.

    Args:
        source, inputs, labels, memory: As in `deepfool`; labels default to the predictions of `source`.

    Returns:
        -1, 0 or 1 for each element; 0 too where the gradient is not finite.

    Raises:
        UsageError: As `deepfool`.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> sign_direction(model, torch.rand(4, 1, 4, 4)).abs().unique().tolist()
        [1.0]
    """
    inputs = check_images(inputs)
    with Prepared(source, inputs, memory=memory) as ready:
        reference = ready.predictions if labels is None else checked_classes("labels", labels, ready.clean)
        return _signs(Search(ready, ready.images, reference=reference))


def cross_entropy(search: Search) -> Objective:
    """Return the objective that rises towards the boundary: the cross-entropy, or minus that of the target."""

    def rise(logits: Logits, pairs: Labels) -> Tensor:
        held = search.reference if search.target is None else search.target
        if int(held.max()) >= logits.shape[1]:
            have = f"{logits.shape[1]} classes and label {int(held.max())}"
            raise UsageError(f"source must have a class for each label; got {have}: craft on a model of the same task")
        away = torch.nn.functional.cross_entropy(logits, held[pairs], reduction="none")[:, None]
        return away if search.target is None else -away

    return rise


def _signs(search: Search) -> Images:
    """Return the sign of the gradient at each image, one forward and one backward evaluation each."""
    return search.gradients(search.zeros(), search.pairs, cross_entropy(search))[2][:, 0].sign().nan_to_num(0)


def _on(source: Prepared, search: Search) -> Search:
    """Return the same search on another model; what that costs is counted together."""
    return Search(source, search.images, reference=search.reference, target=search.target, spent=search.spent)
