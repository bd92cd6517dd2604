"""A recipe: every number of one training."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from geomrob.augment.registry import Augment
from geomrob.errors import UsageError, unknown

NORMS = ("l2", "linf")
STATISTICS = ("eval", "train")
GRADIENTS = ("paper", "local")
SCALES = ("paper", "released")
FORWARDS = ("joint", "separate")
OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("triangular", "one-cycle", "linear", "step", "two-cycle", "constant")
DECAYS = ("all", "weights")
PADDINGS = ("black", "reflect")


def _known(what: str, value: str, table: tuple[str, ...]) -> None:
    """Refuse a word that is not in its table."""
    if value not in table:
        raise unknown(what, value, table)


MOST, LARGEST = 2**31, 1e30
"""Whole numbers of a recipe lie below the first, others up to the second: single precision holds them."""


def _bounded(part: Any, where: str) -> None:
    """Refuse numbers that are not finite, or larger than any that is trained with."""
    for entry in dataclasses.fields(part):
        value = getattr(part, entry.name)
        for number in value if isinstance(value, tuple) else (value,):
            most = LARGEST if isinstance(number, float) else MOST
            if isinstance(number, (int, float)) and not abs(number) <= most:  # NaN is neither
                raise UsageError(
                    f"{entry.name} of {where} must be a finite number of usual size; got {number}: lower it"
                )


@dataclass(frozen=True)
class Adversarial:
    """Train on PGD images instead of clean ones: the table `[adversarial]` of a recipe.

    Args:
        norm: `l2` or `linf`, the ball around each image.
        epsilon: Radius of the ball, in [0, 1] pixel units, above 0.
        steps: Gradient steps an image, at least 1.
        step: Length of a step; 0 takes 2.5 x epsilon / steps.
        random_start: Whether to begin at a random point of the ball.
        statistics: Batch normalisation while the images are searched: `eval` uses the running statistics, `train`
            those of the batch (the running ones are restored afterwards).

    Raises:
        UsageError: A value out of its range.

    References:
        Madry et al., Towards deep learning models resistant to adversarial attacks, 2018; the radii of the thesis are
        those of its Table A.6 (l2, 7 steps: 2 on MNIST, 1 on CIFAR-10).
    """

    norm: str = "l2"
    epsilon: float = 1.0
    steps: int = 7
    step: float = 0.0
    random_start: bool = True
    statistics: str = "eval"

    def __post_init__(self) -> None:
        """Refuse what cannot be searched with, in one sentence."""
        _bounded(self, "[adversarial]")
        _known("norm of [adversarial]", self.norm, NORMS)
        _known("statistics of [adversarial]", self.statistics, STATISTICS)
        if not (0 < self.epsilon < math.inf and 0 <= self.step < math.inf and self.steps >= 1):
            values = f"epsilon {self.epsilon}, step {self.step}, steps {self.steps}"
            raise UsageError(
                f"epsilon of [adversarial] must be above 0, step at least 0, steps at least 1; got {values}: 1, 0 and "
                "7 are the defaults"
            )


@dataclass(frozen=True)
class Hebbian:
    """Reward strong and punish weak activations in the HaH blocks: the table `[hebbian]` of a recipe.

    Args:
        weights: The weight of each block's cost, first block first, each at least 0.
        share: Share of a block's filters that count as strong.
        balance: Weight of the punishment of the others (lambda of eq. 4).
        gradients: `paper` lets each cost reach all layers before it (eq. 5); `local` only the weights of its own.

    Raises:
        UsageError: A value out of its range.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, eqs. 4 and 5.
    """

    weights: tuple[float, ...] = (4.5e-3, 2.5e-3, 1.3e-3, 1e-3, 8e-4, 5e-4)
    share: float = 0.1
    balance: float = 0.1
    gradients: str = "paper"

    def __post_init__(self) -> None:
        """Refuse what is no cost, in one sentence."""
        _bounded(self, "[hebbian]")
        _known("gradients of [hebbian]", self.gradients, GRADIENTS)
        fits = all(0 <= weight < math.inf for weight in self.weights) and 0 < self.share < 1
        if not self.weights or not fits or not 0 <= self.balance < math.inf:
            values = f"weights {self.weights}, share {self.share}, balance {self.balance}"
            raise UsageError(
                f"weights and balance of [hebbian] must be at least 0, share in (0, 1); got {values}: share and "
                "balance are 0.1 in the paper"
            )


@dataclass(frozen=True)
class Similarity:
    """Pull the similarity of features towards that of pixels: the table `[similarity]` of a recipe.

    Args:
        strength: Weight of the term (alpha), at least 0.
        target: `pixel`, `threshold`, `double`, one of the subsets `negative`, `positive`, `low`, `high`, or the path of
            a similarity matrix (.npy, .npz).
        threshold: Th of eq. 5, in (0, 1).
        second: The lower threshold of `double` (eq. 6), in [0, threshold).
        pairs: Pairs of images a step.
        images: How many images the pairs are drawn from: the first ones of a data set, a draw from a folder.
        data: Data set of these images, or the path of a folder of images, which are brought into the shape of the
            training images; empty for the training images themselves.
        gray: Whether similarities are those of the grey images.
        layers: Names of the modules whose outputs are compared; empty for the stem and the stages.
        scale: `paper` sums over the pairs (eq. 3), `released` takes four times their mean.
        forwards: `joint` sends both halves of the pairs through the model at once, `separate` one after the other.

    Raises:
        UsageError: A value out of its range.

    References:
        Attias, Pehlevan, Obeid, A brain-inspired regularizer for adversarial robustness, 2024, eqs. 2-6.
    """

    strength: float = 10.0
    target: str = "threshold"
    threshold: float = 0.8
    second: float = 0.0
    pairs: int = 16
    images: int = 5_000
    data: str = ""
    gray: bool = False
    layers: tuple[str, ...] = ()
    scale: str = "paper"
    forwards: str = "joint"

    def __post_init__(self) -> None:
        """Refuse what is no regulariser, in one sentence."""
        _bounded(self, "[similarity]")
        _known("scale of [similarity]", self.scale, SCALES)
        _known("forwards of [similarity]", self.forwards, FORWARDS)
        if not (0 <= self.strength < math.inf and 0 <= self.second < self.threshold < 1):
            values = f"strength {self.strength}, second {self.second}, threshold {self.threshold}"
            raise UsageError(
                f"strength of [similarity] must be at least 0 and 0 <= second < threshold < 1; got {values}: 10, 0 and "
                "0.8 are the defaults"
            )
        if self.pairs < 1 or self.images < 2:
            values = f"pairs {self.pairs}, images {self.images}"
            raise UsageError(f"pairs of [similarity] must be at least 1, images at least 2; got {values}: give more")


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
        channels_last: Memory layout; faster for convolutions with many channels. On a CPU it is left out, with a note,
            where torch's kernels are not safe with it: for strided 1 x 1 convolutions of fewer than 8 channels (16
            with AVX-512).
        mixed: Half precision (bfloat16) where it is safe; on a GPU only.
        frozen: Modules that are not trained, by their names in `model.named_modules()`; they stay in eval mode.
        balanced: Whether an epoch draws each class equally often: images of rarer classes repeat, as many of others are
            left out.
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
    frozen: tuple[str, ...] = ()
    balanced: bool = False
    ema: float = 0.0
    adversarial: Adversarial | None = None
    hebbian: Hebbian | None = None
    similarity: Similarity | None = None
    augment: Augment | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, in one sentence."""
        _bounded(self, "a recipe")
        words = {"schedule": SCHEDULES, "optimizer": OPTIMIZERS, "decay": DECAYS, "padding": PADDINGS}
        for name, table in words.items():
            _known(name, getattr(self, name), table)
        least = {"held_out": 0, "epochs": 1, "batch": 1, "clip": 0, "crop": 0, "weight_decay": 0, "phases": 1}
        for name, low in {**least, "start_rate": 0, "final_rate": 0}.items():
            if not getattr(self, name) >= low:
                raise UsageError(
                    f"{name} of a recipe must be at least {low}; got {getattr(self, name)}: give at least that"
                )
        if not (0 < self.peak < 1 and 0 <= self.momentum < 1 and 0 < self.max_rate < math.inf):
            values = f"peak {self.peak}, momentum {self.momentum}, max_rate {self.max_rate}"
            raise UsageError(
                f"peak must lie in (0, 1), momentum in [0, 1), max_rate above 0; got {values}: 0.4, 0.9 and 0.21 are "
                "the defaults"
            )
        if not (0 <= self.low_momentum < 1 and 0 <= self.ema < 1 and 0 < self.factor < math.inf):
            values = f"low_momentum {self.low_momentum}, ema {self.ema}, factor {self.factor}"
            raise UsageError(
                f"low_momentum and ema must lie in [0, 1), factor above 0; got {values}: 0, 0 and 0.1 are the defaults"
            )
        rising = list(self.milestones) == sorted(set(self.milestones)) and min(self.milestones, default=0) > 0
        if self.schedule == "step" and not rising:
            raise UsageError(f"milestones of a step schedule must be rising epochs; got {self.milestones}: name them")
        if self.adversarial is not None and self.augment is not None and self.augment.jsd:
            raise UsageError("jsd of [augment] must go without [adversarial]; got both: leave one out")


@dataclass(frozen=True)
class Recipe:
    """What is trained on what, and how.

    Args:
        model: A row of `MODELS`.
        data: A row of `DATASETS`, or a path that `load_data` takes.
        split: Which split of it is trained on.
        samples: How many images are drawn from it, 0 for all.
        transform: Edit of the images, trained on and tested on, such as `lowpass:16`; empty for none. Several with
            | between them, such as `lowpass:16|highpass:16`, train and test on the union of these versions.
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

    @property
    def edits(self) -> tuple[str, ...]:
        """The edits, each of which makes a version of the images; an empty one leaves them as they are."""
        return tuple(self.transform.split("|"))

    def __post_init__(self) -> None:
        """Refuse what is no recipe, in one sentence."""
        _bounded(self, "a recipe")
        if len(self.edits) > 1 and self.options.similarity is not None and self.options.similarity.data:
            raise UsageError(
                f"transform must be one edit with images of [similarity] of their own; got {self.transform!r}: name "
                "one, or leave data of [similarity] out"
            )
        if self.samples < 0:
            raise UsageError(f"samples of a recipe must be at least 0; got {self.samples}: 0 takes all")
        edits = {word.split(":")[0] for edit in self.edits for word in edit.split("+") if word}
        if self.options.adversarial is not None and edits - {"gray"}:
            raise UsageError(
                f"transform must keep images in [0, 1], the box of [adversarial]; got {self.transform!r}: put the edit "
                "into the model (geomrob.models.layers.preprocess.with_preprocessing)"
            )
        if self.options.augment is not None and edits - {"gray", "lowpass"}:
            raise UsageError(
                f"transform must be gray or lowpass with [augment], which takes images in [0, 1]; got "
                f"{self.transform!r}: put the edit into the model (geomrob.models.layers.preprocess.with_preprocessing)"
            )


TABLES: dict[str, Any] = {
    "adversarial": Adversarial,
    "hebbian": Hebbian,
    "similarity": Similarity,
    "augment": Augment,
}
"""The tables of a recipe, each with what it becomes."""
