"""Transfer: which images that were perturbed for one model fool another one too."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from geomrob.analysis.named_attacks import BOX, named_attack
from geomrob.arrays import Images, ImagesLike, LabelsLike, Logits, Model, as_labels, check_images, check_norm
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.attacks.table import entry, names
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared, checked_classes, evaluate, is_adversarial, out_of_memory, predicted_classes
from geomrob.results import AttackResult, TransferMatrix
from geomrob.runs import Clock, Run, work

Progress = Callable[[int, int], object]

RADII = {2.0: 1.0, math.inf: 0.1}
"""Strength of PGD and FGSM where none is given, for each norm: most images of a small network then change class."""


def transfer_matrix(
    models: Mapping[str, Model],
    inputs: ImagesLike,
    *,
    attack: Callable[..., AttackResult] = sparsefool,
    attack_name: str = "sparsefool",
    labels: LabelsLike | None = None,
    data: str = "images",
    seed: int = 0,
    progress: Progress | None = None,
    run: Run | None = None,
    **options: object,
) -> TransferMatrix:
    r"""Return which images, perturbed on one model (row, source), change the prediction of another (column, target).

    Target t is fooled by image i of source s if F_t(x_i + delta_i^s) != F_t(x_i): its own predictions are compared,
    whatever the true class and whatever the source predicts (thesis, eq. 3.7). An image for which the attack on the
    source failed fools no target, so that the diagonal is the fooling rate of the attack. All targets get the same
    images.

    Args:
        models: Name and model, all for images of the size of `inputs` and for the same classes.
        inputs: Images in [0, 1], on the device of all models.
        attack: Any function of the form of the attacks: `attack(model, inputs, labels, **options)`.
        attack_name: How the result calls it.
        labels: True classes, for the accuracies only.
        data: How the result calls the images.
        seed: Written to the provenance; an attack that draws takes its own among `options`.
        progress: Called with (images perturbed, images to perturb on all models in all) after each model.
        run: Folder that keeps what was found on each model, to resume from; the result is the same.
        options: Passed to the attack as they are. One that has `targets` among them must reach those on the source.

    Returns:
        `fooled[source, target, image]`; accuracies are NaN without labels.

    Raises:
        UsageError: No models, models of different numbers of classes or of another image size, an option that the
            attack has not, and what the attack refuses.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, sec. 3.4.1, Table 3.3.

    Example:
        >>> nets = {name: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)) for name in "ab"}
        >>> transfer_matrix(nets, torch.rand(5, 1, 8, 8)).rates.shape
        torch.Size([2, 2])
    """
    inputs = check_images(inputs)
    labels = as_labels(labels)
    if not models:
        raise UsageError("models must hold at least one model; got none: name some")
    _check_options(attack, attack_name, options)
    clock, count = Clock(seed=seed, device=inputs.device), len(inputs)
    inputs = inputs.detach()
    ready = {name: _prepared(name, model, inputs) for name, model in models.items()}
    clean = {name: model.clean for name, model in ready.items()}
    _check_classes(clean)
    predicted = {name: predicted_classes(logits).clamp_min(0) for name, logits in clean.items()}
    # Logits that are no numbers are no prediction, so that there is none to change.
    decided = torch.stack([torch.isfinite(logits).all(1) for logits in clean.values()])
    accuracy = torch.full((len(models),), torch.nan, dtype=torch.float64)
    if labels is not None:
        truth = checked_classes("labels", labels, next(iter(clean.values())))
        right = torch.stack([seen == truth for seen in predicted.values()]) & decided
        accuracy = right.double().mean(1).cpu()
    parts = work(
        run,
        f"{attack_name} between {', '.join(models)}",
        partial(_part, list(ready.values()), partial(attack, **options)),
        {f"source-{number}": number for number in range(len(models))},
        units=lambda _: count,
        progress=progress,
    )
    fooled = torch.stack([part["fooled"] for part in parts]) & decided.cpu()
    forwards, backwards = torch.stack([part["spent"] for part in parts]).sum(0).tolist()
    return TransferMatrix(
        models=tuple(models),
        data=data,
        attack=attack_name,
        fooled=fooled,
        found=torch.stack([part["found"] for part in parts]),
        accuracy=accuracy,
        provenance=clock.provenance(
            forwards=forwards + len(models) * count,
            backwards=backwards,
            notes=[text for model in ready.values() for text in model.notes],
        ),
    )


def _part(models: Sequence[Prepared], attack: Callable[..., AttackResult], number: int) -> dict[str, Tensor]:
    """Return which models the images that are made on one of them fool, on which the attack succeeds, and the cost.

    Args:
        models: All of them, prepared for the clean images.
        attack: With its options.
        number: Of the one that is attacked.
    """
    images = models[number].images
    result = attack(models[number].model, images)
    shown = [
        is_adversarial(target, result.perturbed, predicted_classes(target.clean).clamp_min(0)) for target in models
    ]
    spent = torch.stack((result.forwards.sum() + len(models) * len(images), result.backwards.sum()))
    return {"fooled": (torch.stack(shown) & result.success).cpu(), "found": result.success.cpu(), "spent": spent.cpu()}


def boxed_attack(
    name: str, *, epsilon: float | None = None, norm: float | None = None, **options: object
) -> tuple[Callable[..., AttackResult], str]:
    """Return the attack of that name whose images stay in [0, 1], set up, and what a result calls it.

    Args:
        name: A row of `ATTACKS`.
        epsilon: Strength of pgd and fgsm; 0.1 (l-infinity) or 1 (l2) by default.
        norm: Of pgd, 2 or infinity, the default; of deepfool, 1, 2, the default, or infinity.
        options: Further options, such as `seed`; those that this attack does not have are left out.

    Raises:
        UsageError: No such attack; an epsilon or norm that it does not have or that is out of range.

    Example:
        >>> boxed_attack("pgd", norm=2)[1]
        'pgd (l2, epsilon 1)'
    """
    row = entry(name, names("minimal", "budget", "decision"))
    if epsilon is not None and row.kind != "budget":
        budget = " or ".join(names("budget"))
        raise UsageError(f"epsilon must go with {budget}; got {name}, which minimises the change: leave it out")
    if epsilon is not None and not 0 < epsilon < math.inf:
        raise UsageError(f"epsilon must be a finite number above 0; got {epsilon:g}: 0.1 is the default")
    if norm is not None and not row.takes("norm"):
        able = " or ".join(one for one in names("minimal", "budget", "decision") if entry(one).takes("norm"))
        raise UsageError(f"norm must go with {able}; got {name}: leave it out")
    title, chosen = name, dict[str, object]()
    if row.kind == "budget":
        norm = row.norm if norm is None else norm
        if norm not in RADII:
            raise UsageError(f"norm must be 2 or inf with pgd; got {norm:g}: leave it out for inf")
        epsilon = RADII[norm] if epsilon is None else epsilon
        title, chosen = f"{name} (l{norm:g}, epsilon {epsilon:g})", {"epsilon": epsilon, "norm": norm}
    elif norm is not None:
        title, chosen = f"{name} (l{norm:g})", {"norm": check_norm(norm)}
    return named_attack(name, **{**options, **chosen, "bounds": BOX}), title


def _check_options(attack: Callable[..., AttackResult], name: str, options: Mapping[str, object]) -> None:
    """Refuse an option that the attack does not know by name."""
    parameters = inspect.signature(attack).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters][3:]
    for option in options:
        if option not in known:
            raise unknown(f"option of {name}", option, known)


def _prepared(name: str, model: Model, inputs: Images) -> Prepared:
    """Return the model prepared for the clean images, refusing one that cannot take them."""
    shape = "x".join(map(str, inputs.shape[1:]))
    with Prepared(model, inputs) as ready:
        try:
            with torch.no_grad():
                evaluate(ready.model, inputs[:1])
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            reason = str(error).strip().splitlines()[0]
            raise UsageError(
                f"models must take images of {shape}; got {name}, which does not ({reason}): choose models of one size"
            ) from error
        ready.check_deterministic()
    return ready


def _check_classes(clean: Mapping[str, Logits]) -> None:
    """Refuse models that do not decide between the same number of classes."""
    counts = {name: logits.shape[1] for name, logits in clean.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UsageError(f"models must have one number of classes; got {told}: compare models of one data set")
