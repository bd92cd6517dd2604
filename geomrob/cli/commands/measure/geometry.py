"""`geomrob geometry`: how the decision boundary bends where the smallest perturbations meet it."""

from typing import Literal

from geomrob.analysis.named_attacks import BandAttack
from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session


def geometry(
    *,
    options: Common = Common(),
    method: Literal["difference", "hessian"] = "difference",
    step: float = 0.1,
    attack: BandAttack = "tight",
    directions: int = 20,
    others: int = 5,
    power: int = 10,
) -> int:
    """Measure the boundary where the smallest perturbations meet it: curvature, angle to its normal, span of normals.

    Writes geometry.json with geometry.npz for each model (everything, for geomrob.load), geometry.csv and geometry.png.
    The exit status is 3 where no boundary was found for some image.

    Args:
        method: Difference of the boundary's normals over a step to either side, or second derivatives, which are 0 for
            networks of ReLUs and say nothing about them.
        step: With difference, that l2 length, in [0, 1] pixel units.
        attack: The search for the boundary, in free space.
        directions: Random tangents per image.
        others: Other images' perturbations along which each boundary is measured.
        power: Rounds of the search for the most curved direction; 0 for none.
    """
    session = Session.open("geometry", options)
    from geomrob.analysis.geometry.geometry import geometry as measure
    from geomrob.plot.geometry import plot_geometry

    results = session.measure(
        "geometry",
        lambda name, model, progress: measure(
            model,
            session.images,
            session.labels,
            method=method,
            step=step,
            attack=attack,
            directions=directions,
            others=others,
            power=power,
            name=name,
            data=session.samples.name,
            indices=session.samples.indices,
            seed=options.seed,
            memory=session.memory,
            progress=progress,
            run=session.run,
        ),
    )
    answer = Answer(
        "geometry",
        session.out,
        results,
        data_notes=session.samples.notes,
        trainings=session.trainings,
    )
    answer.save()
    answer.csv()
    answer.picture(plot_geometry(results), session.figure)
    return answer.finish(complete=all(bool(result.measured.all()) for result in results))
