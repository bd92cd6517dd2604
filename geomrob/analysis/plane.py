"""The plane of clean against perturbed accuracy, relative to a baseline: which models are worth having."""

from geomrob.arrays import UsageError, unknown
from geomrob.results import Acceptance, StrengthCurve


def acceptance(
    curve: StrengthCurve, baseline: str, *, strength: float | None = None, minimum: float = 0.9
) -> Acceptance:
    """Return where each other model stands against the baseline: R0 / U0 on clean images, RD / UD on perturbed ones.

    A model is acceptable if it keeps A0 of the clean accuracy, R0 / U0 >= A0, and gains under the perturbation,
    RD / UD > 1.

    Args:
        curve: Accuracies of the baseline and at least one other model; means over networks and repeats are compared.
        baseline: Name of the unregularised model.
        strength: Where D is taken, one of the curve's strengths; the largest by default.
        minimum: A0.

    Raises:
        UsageError: No such model or strength, no other model.

    References:
        Attias et al., regularising with pixel similarities, 2024, section 5.2 and Figure 4.
    """
    if baseline not in curve.models:
        raise unknown("baseline", baseline, curve.models)
    if len(curve.models) < 2:
        raise UsageError("curve must hold another model than the baseline; got one model: measure them together")
    strength = float(curve.strengths[-1]) if strength is None else strength
    at = (curve.strengths - strength).abs().argmin()
    if abs(float(curve.strengths[at]) - strength) > 1e-9:
        known = ", ".join(f"{value:g}" for value in curve.strengths.tolist())
        raise UsageError(f"strength must be one of the curve's; got {strength:g}: choose among {known}")
    own = curve.models.index(baseline)
    others = [index for index in range(len(curve.models)) if index != own]
    ratios = curve.mean[others] / curve.mean[own]
    return Acceptance(
        models=tuple(curve.models[index] for index in others),
        baseline=baseline,
        data=curve.data,
        attack=curve.attack,
        strength=strength,
        minimum=minimum,
        clean=ratios[:, 0],
        distorted=ratios[:, at],
    )
