"""`geomrob boundary`: how near the decision boundary is for a decision-based attack."""

from typing import Any, Literal

from geomrob.analysis.named_attacks import walk_options
from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session


def boundary(
    *,
    options: Common = Common(),
    attack: Literal["boundary", "foolbox-boundary", "hop-skip-jump"] = "boundary",
    budget: int = 5000,
    smoothness: float | None = None,
    repeats: int = 1,
) -> int:
    """Measure how far images are from the decision boundary for a decision-based attack.

    Writes boundary.json with boundary.npz (the perturbed images and everything, for geomrob.load), boundary.csv (a line
    an image and repeat) and boundary.png. The exit status is 3 where some image has no start or was not fooled.

    Args:
        attack: Our walk along the boundary, foolbox's BoundaryAttack, or foolbox's HopSkipJump.
        budget: Most queries per image; foolbox's attacks take as many steps as they can about afford.
        smoothness: Of the proposals of our walk: the default, 1, prefers low frequencies, which comes nearer with few
            queries; 0 is white noise.
        repeats: How often it is done with other draws, with the seeds after the first; the score is the mean over them.
    """
    walk: dict[str, Any] = walk_options(attack, smoothness=smoothness)
    session = Session.open("boundary", options)
    from geomrob.analysis.decision_based import decision_distances
    from geomrob.interop.foolbox_decisions import foolbox_within
    from geomrob.plot.decision_based import plot_decision_distances

    peer = None if attack == "boundary" else foolbox_within(attack, budget)
    results = session.measure(
        "boundary",
        lambda name, model, progress: decision_distances(
            model,
            session.images,
            attack=peer,
            attack_name=attack,
            budget=budget,
            repeats=repeats,
            **walk,
            labels=session.samples.labels,
            indices=session.samples.indices,
            name=name,
            data=session.samples.name,
            seed=options.seed,
            memory=session.memory,
            progress=progress,
            run=session.run,
        ),
    )
    found = [one.success for result in results for one in result.repeats]
    answer = Answer(
        "boundary",
        session.out,
        results,
        data_notes=session.samples.notes,
        trainings=session.trainings,
    )
    answer.save()
    answer.csv()
    fooled = any(bool(success.any()) for success in found)
    answer.picture(plot_decision_distances(results) if fooled else None, session.figure)
    return answer.finish(complete=all(bool(success.all()) for success in found))
