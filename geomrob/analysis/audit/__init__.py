"""Whether the robustness that attacks report of a model can be trusted."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch

from geomrob.analysis.audit.checks import causes, judge
from geomrob.analysis.audit.measurements import gather
from geomrob.arrays import ImagesLike, Labels, LabelsLike, Model, as_labels, check_images
from geomrob.attacks.decision_based.boundary import check_smoothness
from geomrob.errors import UsageError
from geomrob.results import Audit
from geomrob.runs import Clock, Run

Progress = Callable[[int, int], object]

LEAST = 20
"""Fewest queries that the decision-based attack can begin with."""

SOURCES = 2
"""How many other models are the sources where none is named."""


def audit(
    model: Model,
    inputs: ImagesLike,
    *,
    labels: LabelsLike | None = None,
    indices: Labels | None = None,
    sources: Mapping[str, Model] | None = None,
    epsilons: Sequence[float] = (0.02, 0.05, 0.1, 0.2),
    steps: Sequence[int] = (1, 10, 40),
    budget: int = 1000,
    smoothness: float = 1.0,
    name: str = "model",
    data: str = "images",
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> Audit:
    """Return what fifteen checks say about a model: whether gradient-based attacks measure it or fail on it.

    A robust model and one with masked gradients both resist gradient-based attacks. The checks tell them apart: is the
    model deterministic, are its gradients present and correct, do black-box attacks come no closer, do more steps and
    a larger epsilon help, does an unbounded attack always succeed.

    Args:
        model: Images (N, C, H, W) in [0, 1] to logits (N, K). A module is held in eval mode meanwhile.
        inputs: Images in [0, 1], on the model's device; 30 to 100 are enough.
        labels: True classes, for the accuracy only.
        indices: Position of each image in its source; they key the random draws and name images in the checks.
        sources: Other models by name, whose perturbations are tried on this one (transfer). None are tried without.
        epsilons: Largest changes of an element (l-infinity) for PGD, in (0, 1], rising.
        steps: Numbers of steps of PGD, rising; the first should be 1.
        budget: Most queries of the decision-based attack per image; 0 leaves it out.
        smoothness: Of its proposals: 1, or 0 for white ones; see `boundary`.
        name, data: How the result calls model and data.
        seed: Of everything drawn.
        memory: Budget in bytes, as in `deepfool`.
        progress: Called with (evaluations done, evaluations expected), once more for what the attacks are followed by.
        run: Folder that keeps finished parts, to resume from; the result is the same. Of shards, what follows the
            attacks (profiles, longer searches) is measured when they are merged.

    Returns:
        Every check with its number, the images concerned, what it means and what to do; the causes that the failed
        ones point to; distances, robust shares and profiles behind them.

    Raises:
        UsageError: Images outside [0, 1], epsilons or steps that do not rise, a budget of 1 to 19 queries or a negative
            one, labels that the model has no output for.

    References:
        Carlini et al., "On evaluating adversarial robustness", 2019; Athalye, Carlini, Wagner, "Obfuscated gradients
        give a false sense of security", 2018; Pintor et al., "Indicators of attack failure", 2022.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = audit(net, torch.rand(4, 1, 4, 4), budget=50, epsilons=(0.1, 0.5))
        >>> result.checks[0].name, result.checks[0].verdict
        ('repeats itself', 'passed')
    """
    inputs = check_images(inputs)
    labels = as_labels(labels)
    _check_rising("epsilons", epsilons)
    _check_rising("steps", steps)
    if not 0 < epsilons[0] <= epsilons[-1] <= 1:
        raise UsageError(f"epsilons must lie in (0, 1]; got {tuple(epsilons)}: they are shares of the range of a pixel")
    if steps[0] < 1:
        raise UsageError(f"steps must be at least 1; got {tuple(steps)}: PGD takes whole steps")
    check_budget(budget)
    check_smoothness(smoothness)
    inputs, others = inputs.detach(), sources or {}
    where = torch.arange(len(inputs)) if indices is None else indices.cpu()
    clock = Clock(seed=seed, device=inputs.device)
    evidence = gather(
        model,
        inputs,
        sources=others,
        labels=labels,
        indices=where,
        epsilons=epsilons,
        steps=steps,
        budget=budget,
        smoothness=smoothness,
        seed=seed,
        memory=memory,
        name=name,
        progress=progress,
        run=run,
    )
    checks = judge(evidence, where)
    predictions = evidence.predictions.cpu()
    return Audit(
        model=name,
        data=data,
        checks=checks,
        causes=causes(evidence, checks),
        predictions=predictions,
        labels=predictions if labels is None else labels.cpu(),
        indices=where,
        white=evidence.white.cpu(),
        transferred=evidence.transferred.cpu(),
        decision=evidence.decision.cpu(),
        epsilons=torch.tensor(list(epsilons), dtype=torch.float64),
        steps=torch.tensor(list(steps)),
        robust=evidence.robust.double().mean(2).cpu(),
        profile=evidence.profile.cpu(),
        provenance=clock.provenance(forwards=evidence.forwards, backwards=evidence.backwards),
    )


def check_budget(budget: int) -> None:
    """Refuse a budget in which the decision-based attack cannot begin.

    Raises:
        UsageError: Fewer than 20 queries, but not 0.
    """
    if budget != 0 and budget < LEAST:
        raise UsageError(f"budget must be 0 or at least {LEAST} queries; got {budget}: a start alone takes about ten")


def default_sources(models: Mapping[str, Model], name: str) -> dict[str, Model]:
    """Return the first models that are not the one of that name: the sources where none is named."""
    return dict([pair for pair in models.items() if pair[0] != name][:SOURCES])


def _check_rising(name: str, values: Sequence[float]) -> None:
    """Refuse what is empty or does not rise."""
    if not values or any(not before < after for before, after in pairwise(values)):
        raise UsageError(f"{name} must rise and hold at least one number; got {tuple(values)}: sort them")
