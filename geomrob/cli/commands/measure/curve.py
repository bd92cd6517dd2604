"""`geomrob curve`: how the accuracy falls with the strength of noise, of FGSM and of PGD."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from geomrob.analysis.named_attacks import Strength
from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session
from geomrob.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """The defaults of this command.

    Attributes:
        samples: How many images; default 200, or all of a smaller set.
    """

    default_samples: ClassVar[int] = 200
    samples: int | None = None


def curve(
    *,
    options: Options = Options(),
    attack: Strength = "gaussian",
    strengths: str | None = None,
    source: str | None = None,
    steps: int | None = None,
    repeats: int | None = None,
    baseline: str | None = None,
    minimum: float | None = None,
    per_class: bool = False,
) -> int:
    """Measure how the accuracy falls with the strength of noise, of FGSM or of PGD; show and write the curves.

    Writes curve.json with curve.npz (everything, for geomrob.load), curve.csv and curve.png; with --baseline also
    plane.json with plane.npz, plane.csv and plane.png: which models keep their clean accuracy and gain at the largest
    strength.

    Args:
        attack: Noise of three kinds; one step along the sign of the model's own gradient, or of the source's; the best
            of many steps in an l-infinity or an l2 ball.
        strengths: Rising numbers with commas between, in [0, 1] pixel units: standard deviation, half width, share of
            the elements, or radius; the default follows the attack.
        source: With --attack fgsm-transfer, the model on which the images are made.
        steps: Of PGD; default 40.
        repeats: How often what is drawn is drawn anew, for the standard error; default 5 of noise, else 1.
        baseline: Which of the models the others are compared with on the plane.
        minimum: With --baseline, the share of its clean accuracy that an acceptable model keeps; default 0.9.
        per_class: Show them of the images of each class, too, and write curve-classes.csv.
    """
    if steps is not None and not attack.startswith("pgd"):
        raise UsageError(f"steps must go with PGD; got {steps} with {attack}: leave --steps out")
    if (source is not None) != (attack == "fgsm-transfer"):
        given, advice = (f"{source} with {attack}", "leave it out") if source else ("none", "name a model")
        raise UsageError(f"source must go with --attack fgsm-transfer; got {given}: {advice}")
    if minimum is not None and baseline is None:
        raise UsageError(f"minimum must go with --baseline; got {minimum:g} without: name the baseline")
    chosen = _numbers(strengths)
    kept = 0.9 if minimum is None else minimum
    session = Session.open("curve", options, others=("plane.png",))
    from geomrob.analysis.strength_curve import acceptance, check_baseline, strength_curve
    from geomrob.plot.accuracy.strength_curve import plot_acceptance, plot_strength

    if baseline is not None:
        check_baseline(baseline, options.model, kept)
    samples = session.samples
    session.set_threads()
    with session.progress(f"accuracy under {attack}") as progress:
        measured = strength_curve(
            session.networks,
            session.images,
            samples.labels,
            attack=attack,
            strengths=chosen,
            repeats=repeats,
            source=None if source is None else session.load([source])[source],
            source_name=source or "",
            steps=40 if steps is None else steps,
            data=samples.name,
            indices=samples.indices,
            seed=options.seed,
            memory=session.memory,
            progress=progress,
            run=session.run,
        )
    answer = Answer("curve", session.out, [measured], data_notes=samples.notes)
    plane = None if baseline is None else acceptance(measured, baseline, minimum=kept)
    answer.save()
    answer.csv()
    if per_class:
        answer.by_class([measured], samples.classes)
    answer.picture(plot_strength(measured), session.figure)
    if plane is not None:
        answer.results.append(plane)
        answer.save([plane], "plane")
        answer.csv(plane.records(), "plane")
        answer.picture(plot_acceptance(plane), session.out / "plane.png")
    return answer.finish()


def _numbers(words: str | None) -> Sequence[float] | None:
    """Return the strengths that were written with commas between."""
    try:
        numbers = None if words is None else [float(word) for word in words.split(",")]
    except ValueError:
        raise UsageError(f"strengths must be numbers with commas between; got {words!r}: write 0.05,0.1") from None
    if any(not 0 <= strength < 1e6 for strength in numbers or ()):
        raise UsageError(f"strengths must be finite and at least 0, below 1e+06; got {words!r}: write 0.05,0.1")
    return numbers
