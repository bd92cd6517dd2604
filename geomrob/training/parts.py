"""The parts that a robust training adds to the loss of a step, as tables of a recipe."""

import math
from dataclasses import dataclass

from geomrob.arrays import UsageError, unknown

NORMS = ("l2", "linf")
STATISTICS = ("eval", "train")
GRADIENTS = ("paper", "local")
SCALES = ("paper", "released")
FORWARDS = ("joint", "separate")


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
            those of the batch (the running ones are put back afterwards).

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
        _known("norm of [adversarial]", self.norm, NORMS)
        _known("statistics of [adversarial]", self.statistics, STATISTICS)
        if not (0 < self.epsilon < math.inf and 0 <= self.step < math.inf and self.steps >= 1):
            found = f"epsilon {self.epsilon}, step {self.step}, steps {self.steps}"
            raise UsageError(
                f"epsilon of [adversarial] must be above 0, step at least 0, steps at least 1; got {found}: correct it"
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
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian learning in deep networks, 2022, eqs. 4 and 5.
    """

    weights: tuple[float, ...] = (4.5e-3, 2.5e-3, 1.3e-3, 1e-3, 8e-4, 5e-4)
    share: float = 0.1
    balance: float = 0.1
    gradients: str = "paper"

    def __post_init__(self) -> None:
        """Refuse what is no cost, in one sentence."""
        _known("gradients of [hebbian]", self.gradients, GRADIENTS)
        fits = all(0 <= weight < math.inf for weight in self.weights) and 0 < self.share < 1
        if not self.weights or not fits or not 0 <= self.balance < math.inf:
            found = f"weights {self.weights}, share {self.share}, balance {self.balance}"
            raise UsageError(
                f"weights and balance of [hebbian] must be at least 0, share in (0, 1); got {found}: correct it"
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
        _known("scale of [similarity]", self.scale, SCALES)
        _known("forwards of [similarity]", self.forwards, FORWARDS)
        if not (0 <= self.strength < math.inf and 0 <= self.second < self.threshold < 1):
            found = f"strength {self.strength}, second {self.second}, threshold {self.threshold}"
            raise UsageError(
                f"strength of [similarity] must be at least 0 and 0 <= second < threshold < 1; got {found}: correct it"
            )
        if self.pairs < 1 or self.images < 2:
            found = f"pairs {self.pairs}, images {self.images}"
            raise UsageError(f"pairs of [similarity] must be at least 1, images at least 2; got {found}: raise it")


def _known(what: str, value: str, table: tuple[str, ...]) -> None:
    """Refuse a word that is not in its table."""
    if value not in table:
        raise unknown(what, value, table)
