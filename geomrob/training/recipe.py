"""A recipe: every number of one training."""

import math
from dataclasses import dataclass, field

from geomrob.arrays import UsageError, unknown
from geomrob.training.augmentation import Augment
from geomrob.training.parts import Adversarial, Hebbian, Similarity

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("triangular", "one-cycle", "linear", "step", "two-cycle", "constant")
DECAYS = ("all", "weights")
PADDINGS = ("black", "reflect")


@dataclass(frozen=True)
class Options:
    """How a model is trained. The defaults are those of the margin measurements (see References).

    Args:
        held_out: Images that only choose the best epoch and are never trained on; 0 keeps the last epoch.
        epochs: Passes over the training images, at least 1.
        batch: Images a step, at least 1.
        max_rate: Largest learning rate.
        schedule: `triangular` rises linearly from `start_rate` to `max_rate` at the share `peak` of all steps and falls
            linearly to `final_rate`; `one-cycle` rises and falls along half cosines; `linear` falls linearly from
            `max_rate` to `final_rate`; `step` multiplies the rate by
            `factor` after each epoch of `milestones`; `two-cycle` multiplies it by `factor` in each of `phases` equal
            phases, and starts again at half time; `constant` stays.
        peak: Where the schedule is highest, share of all steps in (0, 1).
        start_rate: Of `triangular` and `one-cycle`.
        final_rate: Likewise, and of `linear`.
        milestones: Of `step`: epochs, rising.
        factor: Of `step` and `two-cycle`, above 0.
        phases: Of `two-cycle`, in each half of the training.
        optimizer: `sgd`, or `adam` with its usual moments (0.9, 0.999); the momentum entries are those of SGD.
        momentum: Of SGD, in [0, 1).
        low_momentum: Momentum where the rate of a `triangular`, `one-cycle` or `linear` schedule is highest; 0 keeps
            `momentum`.
        nesterov: Whether the momentum looks ahead.
        weight_decay: Added to the gradient, times the parameter.
        decay: `all` parameters decay, or only `weights`: no vectors (biases, batch normalisation, inhibition).
        clip: Largest l2 norm of the whole gradient; 0 does not clip.
        crop: Augmentation: pixels of black padding on each side before a random crop; 0 for none.
        padding: What the crop shifts in, `black` or the `reflect`ed image.
        flip: Augmentation: mirror each image left to right with probability 1/2.
        channels_last: Memory layout; faster for convolutions with many channels.
        mixed: Half precision (bfloat16) where it is safe; on a GPU only.
        ema: Decay of a running mean of the weights, in [0, 1); it is what is kept and measured. 0 keeps none.
        adversarial: The table `[adversarial]`, see there.
        hebbian: The table `[hebbian]`, see there.
        similarity: The table `[similarity]`, see there.
        augment: The table `[augment]`, see there; applied behind crop and flip.

    Raises:
        UsageError: A value of the wrong type or out of its range.

    References:
        Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard, Hold me tight!, 2020: SGD with momentum 0.9, weight decay
        5e-4, triangular rate 0 - 0.21 - 0 with the peak at 40 %, batches of 128, gradient norm 0.5, no augmentation.
    """

    held_out: int = 0
    epochs: int = 30
    batch: int = 128
    max_rate: float = 0.21
    schedule: str = "triangular"
    peak: float = 0.4
    start_rate: float = 0.0
    final_rate: float = 0.0
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    phases: int = 5
    optimizer: str = "sgd"
    momentum: float = 0.9
    low_momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 5e-4
    decay: str = "all"
    clip: float = 0.5
    crop: int = 0
    padding: str = "black"
    flip: bool = False
    channels_last: bool = False
    mixed: bool = False
    ema: float = 0.0
    adversarial: Adversarial | None = None
    hebbian: Hebbian | None = None
    similarity: Similarity | None = None
    augment: Augment | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, in one sentence."""
        words = {"schedule": SCHEDULES, "optimizer": OPTIMIZERS, "decay": DECAYS, "padding": PADDINGS}
        for name, table in words.items():
            if getattr(self, name) not in table:
                raise unknown(name, getattr(self, name), table)
        least = {"held_out": 0, "epochs": 1, "batch": 1, "clip": 0, "crop": 0, "weight_decay": 0, "phases": 1}
        for name, low in {**least, "start_rate": 0, "final_rate": 0}.items():
            if not getattr(self, name) >= low:
                raise UsageError(f"{name} of a recipe must be at least {low}; got {getattr(self, name)}: raise it")
        if not (0 < self.peak < 1 and 0 <= self.momentum < 1 and 0 < self.max_rate < math.inf):
            found = f"peak {self.peak}, momentum {self.momentum}, max_rate {self.max_rate}"
            raise UsageError(
                f"peak must lie in (0, 1), momentum in [0, 1), max_rate above 0; got {found}: correct them"
            )
        if not (0 <= self.low_momentum < 1 and 0 <= self.ema < 1 and 0 < self.factor < math.inf):
            found = f"low_momentum {self.low_momentum}, ema {self.ema}, factor {self.factor}"
            raise UsageError(f"low_momentum and ema must lie in [0, 1), factor above 0; got {found}: correct them")
        if self.schedule == "step" and (not self.milestones or list(self.milestones) != sorted(set(self.milestones))):
            raise UsageError(f"milestones of a step schedule must be rising epochs; got {self.milestones}: name them")
        if self.adversarial is not None and self.augment is not None and self.augment.jsd:
            raise UsageError("jsd of [augment] must go without [adversarial]; got both: leave one out")


@dataclass(frozen=True)
class Recipe:
    """What is trained on what, and how.

    Args:
        model: A row of `MODELS`.
        data: A row of `DATASETS`, or a path that `geomrob.data.load` takes.
        split: Which split of it is trained on.
        samples: How many images are drawn from it, 0 for all.
        transform: Edit of the images, trained on and tested on, such as `lowpass:16`; empty for none.
        options: How.

    Raises:
        UsageError: A negative number of samples; adversarial training on images that an edit takes out of [0, 1], or
            augmentation on images that have nothing left of that range (flipped, high-pass, band-stop).
    """

    model: str
    data: str
    split: str = "train"
    samples: int = 0
    transform: str = ""
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        """Refuse what is no recipe, in one sentence."""
        if self.samples < 0:
            raise UsageError(f"samples of a recipe must be at least 0; got {self.samples}: raise it")
        edits = {word.split(":")[0] for word in self.transform.split("+") if word}
        if self.options.adversarial is not None and edits - {"gray"}:
            raise UsageError(
                f"transform must keep images in [0, 1], the box of [adversarial]; got {self.transform!r}: put the edit "
                "into the model (geomrob.models.preprocess.with_preprocessing)"
            )
        if self.options.augment is not None and edits - {"gray", "lowpass"}:
            raise UsageError(
                f"transform must be gray or lowpass beside [augment], which takes images in [0, 1]; got "
                f"{self.transform!r}: put the edit into the model (geomrob.models.preprocess.with_preprocessing)"
            )
