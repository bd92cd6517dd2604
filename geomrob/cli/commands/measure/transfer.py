"""`geomrob transfer`: do images that were made to fool one model fool another?"""

from pathlib import Path

from geomrob.analysis.named_attacks import CraftingAttack, walk_options
from geomrob.cli.answer import Answer
from geomrob.cli.loading import trained_for
from geomrob.cli.options import Settings
from geomrob.cli.session import Session
from geomrob.errors import UsageError


def transfer(
    *,
    model: tuple[str, ...] = (),
    weights: tuple[Path, ...] = (),
    options: Settings = Settings(),
    attack: CraftingAttack = "sparsefool",
    epsilon: float | None = None,
    norm: float | None = None,
    budget: int | None = None,
    smoothness: float | None = None,
) -> int:
    """Measure which share of the images made to fool one model fool each of the others; show and write the matrix.

    Writes transfer.json with transfer.npz (everything, for geomrob.load), transfer.csv and transfer.png. The exit
    status is 3 where the attack failed on some image of its own model; no other model counts as fooled by that image.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; twice or more. The default is the
            first two of the table that were trained for the data set, or, for data of your own, that take its images.
        weights: Files of weights of one model, at least two: its trainings are compared with each other.
        attack: What makes the images, all within [0, 1].
        epsilon: With pgd or fgsm, largest change; default 0.1 of an element, or 1 of the l2 norm.
        norm: With pgd 2 or inf, the default; with deepfool 1, 2, the default, or inf.
        budget: With boundary, most queries per image; default 5000.
        smoothness: With boundary, of its proposals: the default, 1, prefers low frequencies; 0 is white noise.
    """
    if weights and not model:
        raise UsageError(f"weights must go with a model; got --weights {weights[0]} alone: add --model")
    if model and len(set(model)) * max(1, len(weights)) < 2:
        raise UsageError(f"model must be given for two models at least; got {model[0]} alone: add another --model")
    walk = walk_options(attack, budget=budget, smoothness=smoothness)
    session = Session.open(
        "transfer", options, models=model, weights=weights, default_models=lambda samples: trained_for(samples)[:2]
    )
    from geomrob.analysis.transfer import boxed_attack, transfer_matrix
    from geomrob.plot.accuracy.transfer import plot_transfer

    samples = session.samples
    draws = {"seed": options.seed, "indices": samples.indices, "memory": session.memory, **walk}
    crafted, attack_name = boxed_attack(attack, epsilon=epsilon, norm=norm, **draws)
    models = session.models
    if len(models) < 2:
        few = f"{next(iter(models))} alone" if models else "none"
        raise UsageError(f"model must name two models for {samples.name}; the table has {few} for it: name yours")
    session.set_threads()
    with session.progress(f"transfer of {attack}") as progress:
        matrix = transfer_matrix(
            models,
            session.images,
            attack=crafted,
            attack_name=attack_name,
            labels=session.labels,
            data=samples.name,
            seed=options.seed,
            progress=progress,
            run=session.run,
        )
    answer = Answer("transfer", session.out, [matrix], data_notes=samples.notes)
    answer.save()
    answer.csv()
    answer.picture(plot_transfer(matrix), session.figure)
    return answer.finish(complete=bool(matrix.found.all()))
