"""`geomrob robust`: the accuracy that is left under the strongest perturbations of every size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from geomrob.analysis.named_attacks import NormName
from geomrob.cli.answer import Answer
from geomrob.cli.commands.measure.audit import audited
from geomrob.cli.options import Common
from geomrob.cli.session import Gradients, Progress, Session
from geomrob.errors import UsageError

if TYPE_CHECKING:
    from geomrob.inference import Prepared
    from geomrob.results import RobustAccuracy


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """The defaults of this command.

    Attributes:
        samples: How many images; default 100, or all of a smaller set.
    """

    default_samples: ClassVar[int] = 100
    samples: int | None = None


def robust(
    *,
    options: Options = Options(),
    norm: NormName = "linf",
    epsilon: tuple[str, ...] = (),
    autoattack: bool = False,
    audit: bool = False,
    gradients: Gradients = "own",
) -> int:
    """Measure the accuracy under the strongest perturbations of each size, all sizes from one search an image.

    Writes robust.json with robust.npz (everything, for geomrob.load), robust.csv and robust.png; of several models, one
    JSON and npz each, robust-MODEL; with --audit also audit.json with audit.npz of each model. The exit status is 3
    where an image is undecided (no search changed its class at any size: it is not counted as robust) or an audit
    failed.

    Args:
        norm: What the size of a perturbation is: its largest change of an element, its l2 or its l1 norm.
        epsilon: Sizes in [0, 1] pixel units, numbers or fractions such as 8/255; repeat it or put commas between. The
            default follows the norm: 1/255 to 16/255, 0.1 to 2, 1 to 24.
        autoattack: Run AutoAttack at each epsilon, too, for comparison (extra autoattack); it takes about a hundred
            times as long.
        audit: Audit each model, too: whether gradient attacks can be trusted on it.
        gradients: Which gradients searches follow: the model's own, those of smooth surrogates of its HaH blocks, or
            means over noisy images; the predictions are the model's in any case.
    """
    sizes = _sizes(epsilon)
    if audit and gradients != "own":
        raise UsageError(
            f"audit must go with --gradients own; got --gradients {gradients}: leave --audit out, and let "
            "`geomrob audit` judge the gradients of the model itself"
        )
    if autoattack:
        from geomrob.interop.autoattack import check_installed

        check_installed()
    session = Session.open("robust", options).with_gradients(gradients)
    from geomrob.analysis.robust_accuracy import NORMS, robust_accuracy
    from geomrob.interop.autoattack import autoattack as ensemble
    from geomrob.plot.accuracy.robust_accuracy import plot_robust_accuracy

    def measure(name: str, model: "Prepared", progress: Progress) -> "RobustAccuracy":
        return robust_accuracy(
            model,
            session.images,
            session.labels,
            norm=NORMS[norm],
            epsilons=sizes,
            reference=ensemble if autoattack else None,
            indices=session.samples.indices,
            name=name,
            data=session.samples.name,
            seed=options.seed,
            memory=session.memory,
            progress=progress,
            run=session.run,
        )

    results = session.measure("robust accuracy", measure)
    audits = audited(session, options.seed) if audit else []
    if audits:
        results = [result.with_audit(found) for result, found in zip(results, audits, strict=True)]
    answer = Answer(
        "robust",
        session.out,
        results,
        data_notes=session.samples.notes,
        trainings=session.trainings,
    )
    answer.save()
    answer.csv()
    answer.picture(plot_robust_accuracy(results), session.figure)
    answer.save(audits, "audit")
    complete = not any(bool(result.undecided.any()) for result in results)
    return answer.finish(complete=complete and all(found.verdict != "failed" for found in audits))


def _sizes(words: Sequence[str]) -> list[float] | None:
    """Return the sizes that were written, fractions divided; None for none."""
    sizes: list[float] = []
    for word in (part for given in words for part in given.split(",")):
        above, slash, below = word.partition("/")
        try:
            sizes.append(float(above) / float(below) if slash else float(word))
        except (ValueError, ZeroDivisionError):
            raise UsageError(
                f"epsilon must be a number or a fraction; got {word!r}: write 0.1 or 8/255, several with commas"
            ) from None
    return sizes or None
