"""`geomrob boundary`: decision-based distance to the decision boundary."""

from typing import Literal

from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session
from geomrob.errors import UsageError

NAMES = {
    "boundary": "boundary attack",
    "foolbox-boundary": "foolbox BoundaryAttack",
    "hop-skip-jump": "foolbox HopSkipJump",
}
"""The attacks, and what tables and pictures call them."""

LEAST = {"boundary": 20, "foolbox-boundary": 200, "hop-skip-jump": 200}
"""Fewest queries in which each finds its start and takes a step."""


def boundary(
    *,
    options: Common = Common(),
    attack: Literal["boundary", "foolbox-boundary", "hop-skip-jump"] = "boundary",
    budget: int = 5000,
    repeats: int = 1,
) -> int:
    """Measure how far images are from the decision boundary for an attack that sees predicted classes alone.

    Writes boundary.json with boundary.npz (the changed images and everything, for geomrob.load), one pair a model,
    boundary.csv (a line an image) and boundary.png. The exit status is 3 where some image has no start or was not
    fooled.

    Args:
        attack: Our walk along the boundary, foolbox's BoundaryAttack, or foolbox's HopSkipJump.
        budget: Most queries per image; foolbox's attacks take as many steps as they can about afford.
        repeats: How often it is repeated with other random draws, the seeds after --seed; the score is the mean.
    """
    if budget < LEAST[attack]:
        raise UsageError(f"budget must be at least {LEAST[attack]} queries for {attack}; got {budget}: 5000 is usual")
    if repeats < 1:
        raise UsageError(f"repeats must be at least 1; got {repeats}: 1 is the default")
    session = Session.open("boundary", options)
    from geomrob.analysis.decision_based import decision_distances
    from geomrob.interop.foolbox_import import decision_attack
    from geomrob.plot.decision_based import plot_boundary

    peer = None if attack == "boundary" else decision_attack(attack, budget)
    results = [
        decision_distances(
            model,
            session.images,
            budget=budget,
            repeats=repeats,
            peer=peer,
            attack=NAMES[attack],
            labels=session.samples.labels,
            indices=session.samples.indices,
            name=name,
            data=session.samples.name,
            seed=options.seed,
            memory=session.memory,
            progress=progress,
        )
        for name, model, progress in session.each("boundary")
    ]
    answer = Answer("boundary", session.out, results, as_json=session.json)
    answer.save()
    answer.csv()
    if any(bool(run.success.any()) for result in results for run in result.runs):
        answer.picture(plot_boundary(results), session.figure)
    return answer.finish(complete=all(result.success for result in results))
