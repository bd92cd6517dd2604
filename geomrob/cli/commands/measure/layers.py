"""`geomrob layers`: how sparse the activations of each layer are, and how noise propagates through them."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """The defaults of this command.

    Attributes:
        samples: How many images; default 200, or all of a smaller set.
    """

    default_samples: ClassVar[int] = 200
    samples: int | None = None


def layers(
    *,
    options: Options = Options(),
    layer: tuple[str, ...] = (),
    at: Literal["input", "output"] = "input",
    sigma: float = 0.1,
    clamp: bool = False,
    repeats: int = 1,
) -> int:
    """Measure sparsity, active share and signal-to-noise ratio of every layer of a model; show, draw and write them.

    Writes layers.json with layers.npz for each model (everything, for geomrob.load), layers.csv and layers.png.

    Args:
        layer: Name of a module; repeat it. The default is every convolution and linear layer.
        at: Measure the input of each layer (what the block before hands on) or its output.
        sigma: Standard deviation of the Gaussian noise, in [0, 1] pixel units.
        clamp: Cut noisy images to [0, 1].
        repeats: Draws of noise per image.
    """
    session = Session.open("layers", options)
    from geomrob.analysis.layers import layers as measure
    from geomrob.plot.layers import plot_layers

    results = session.measure(
        "layers",
        lambda name, model, progress: measure(
            model,
            session.images,
            session.labels,
            names=layer or None,
            at=at,
            sigma=sigma,
            clamp=clamp,
            repeats=repeats,
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
        "layers",
        session.out,
        results,
        data_notes=session.samples.notes,
        trainings=session.trainings,
    )
    answer.save()
    answer.csv()
    answer.picture(plot_layers(results), session.figure)
    return answer.finish()
