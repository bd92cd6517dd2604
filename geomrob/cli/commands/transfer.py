"""`geomrob transfer`: whether images that were perturbed to fool one model fool another."""

from dataclasses import dataclass
from typing import Any, Literal

from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session, trained_for
from geomrob.errors import UsageError

RADII = {2.0: 1.0, float("inf"): 0.1}
"""Strength of PGD and FGSM where none is given, for each norm: most images of a small network then change class."""


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Two models or more.

    Attributes:
        model: Name of a model, or package.module:factory, which runs that code; twice or more. The default is the
            first two of the table that were trained for the data set, or, for data of your own, that take its images.
    """

    model: tuple[str, ...] = ()


def transfer(
    *,
    options: Options = Options(),
    attack: Literal[
        "sparsefool", "deepfool", "superdeepfool", "tight", "ddn", "pgd", "fgsm", "boundary"
    ] = "sparsefool",
    epsilon: float | None = None,
    norm: float | None = None,
) -> int:
    """Measure which share of the images made to fool one model fool each of the others; show and write the matrix.

    Writes transfer.json with transfer.npz (everything, for geomrob.load), transfer.csv and transfer.png. The exit
    status is 3 where the attack failed on some image of its own model; no other model counts as fooled by that image.

    Args:
        attack: What makes the images, all within [0, 1].
        epsilon: With pgd or fgsm, largest change; default 0.1 of an element, or 1 of the l2 norm.
        norm: With pgd 2 or inf, the default; with deepfool 1, 2, the default, or inf.
    """
    strength, name = _strength(attack, epsilon, norm)
    if options.model and len(set(options.model)) < 2:
        raise UsageError(f"model must be given for two models at least; got {options.model[0]} alone: add --model")
    session = Session.open("transfer", options, default_models=lambda samples: trained_for(samples, 2))
    from geomrob.analysis.named_attacks import BOX, named_attack
    from geomrob.analysis.transfer import transfer_matrix
    from geomrob.plot.transfer import plot_transfer

    session.set_threads()
    samples = session.samples
    keyed = {"seed": options.seed, "indices": samples.indices, "memory": session.memory, "bounds": BOX}
    with session.progress(f"transfer of {attack}") as progress:
        result = transfer_matrix(
            session.models,
            session.images,
            attack=named_attack(attack, **strength, **keyed),
            attack_name=name,
            labels=session.labels,
            data=samples.name,
            seed=options.seed,
            progress=progress,
        )
    answer = Answer("transfer", session.out, [result], as_json=session.json)
    answer.save()
    answer.csv()
    answer.picture(plot_transfer(result), session.figure)
    return answer.finish(complete=bool(result.found.all()))


def _strength(attack: str, epsilon: float | None, norm: float | None) -> tuple[dict[str, Any], str]:
    """Return the options of the attack and its name with them, refusing those that it does not have."""
    if epsilon is not None and attack not in ("pgd", "fgsm"):
        raise UsageError(f"epsilon must go with pgd or fgsm; got {attack}: it looks for the smallest change")
    if epsilon is not None and not 0 < epsilon < float("inf"):
        raise UsageError(f"epsilon must be a finite number above 0; got {epsilon:g}: 0.1 is the default")
    if norm is not None and attack not in ("pgd", "deepfool"):
        raise UsageError(f"norm must go with pgd or deepfool; got {attack}: leave --norm out")
    if attack == "deepfool" and norm is not None:
        if norm not in (1, 2, float("inf")):
            raise UsageError(f"norm must be 1, 2 or inf; got {norm}: choose one of these")
        return {"norm": norm}, f"deepfool (l{norm:g})"
    if attack not in ("fgsm", "pgd"):
        return {}, attack
    radius = float("inf") if norm is None else norm
    if radius not in RADII:
        raise UsageError(f"norm must be 2 or inf with pgd; got {radius:g}: leave --norm out for inf")
    strength = RADII[radius] if epsilon is None else epsilon
    told = f"{attack} (l{radius:g}, epsilon {strength:g})"
    return {"epsilon": strength} | ({"norm": radius} if attack == "pgd" else {}), told
