"""What a model expects of its images: size, crop, interpolation for the reader, normalisation in its first layer."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from geomrob.arrays import Images
from geomrob.errors import UsageError
from geomrob.models.layers.normalize import Normalize

MOST = 1e6
"""Of a mean, and of a standard deviation and its inverse: what is larger leaves nothing of the images."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of a network.

    Attributes:
        mean: What the first layer subtracts, one value a channel, in [0, 1] pixel units; None where the network
            normalises its images itself.
        std: What the first layer divides by, same units; None together with `mean`.
        size: Height and width of the images; None takes them at any size.
        crop: Share of the resized shorter side that the centre crop keeps, in (0, 1].
        interpolation: nearest, bilinear, bicubic, lanczos, box or hamming.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    crop: float = 1.0
    interpolation: str = "bilinear"

    @property
    def sentence(self) -> str:
        """What is done to the images, for a note; empty where nothing is.

        Example:
            >>> Preprocessing(size=(224, 224), crop=0.875, interpolation="bicubic").sentence
            'images are resized (shorter side 256, bicubic) and cropped to 224x224'
            >>> Preprocessing((0.5,), (0.25,)).sentence
            'images are normalised with mean 0.5 and std 0.25'
        """
        parts: list[str] = []
        if self.size is not None:
            sides = "x".join(map(str, self.size))
            parts.append(f"resized (shorter side {self.shorter_side}, {self.interpolation}) and cropped to {sides}")
        if self.mean is not None and self.std is not None:
            mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
            parts.append(f"normalised with mean {mean} and std {std}")
        return f"images are {', '.join(parts)}" if parts else ""

    @property
    def shorter_side(self) -> int:
        """Length of the shorter side before the crop."""
        assert self.size is not None
        return round(min(self.size) / self.crop)


def changed(
    preprocessing: Preprocessing,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    image_size: int | Sequence[int] | None,
) -> Preprocessing:
    """Return the preprocessing with what the user gave instead.

    Args:
        preprocessing: The model's own.
        mean: One value a channel, or None for the model's own.
        std: One positive value a channel, or None.
        image_size: Side of square images, or height and width; None for the model's own.

    Raises:
        UsageError: One of mean and std alone, not as many of both, a value or a size out of range.
    """
    if (mean is None) != (std is None):
        given, missing = ("mean", "std") if std is None else ("std", "mean")
        raise UsageError(f"mean and std must be given together; got {given} alone: add {missing}, one value a channel")
    if mean is not None and std is not None:
        Normalize(mean, std)  # its checks are those of the arguments
        if not all(abs(value) <= MOST for value in mean) or not all(1 / MOST <= value <= MOST for value in std):
            raise UsageError(
                f"mean and std must be numbers of usual size, in [0, 1] pixel units; got {list(mean)} and {list(std)}: "
                "0.5 and 0.25 are usual"
            )
        preprocessing = replace(preprocessing, mean=tuple(map(float, mean)), std=tuple(map(float, std)))
    if image_size is not None:
        sides = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
        if len(sides) != 2 or not all(1 <= side <= 2**14 for side in sides):
            raise UsageError(f"image_size must be one side or height and width, 1 ... 16384; got {image_size}: try 224")
        preprocessing = replace(preprocessing, size=(int(sides[0]), int(sides[1])))
    return preprocessing


def normalized(network: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """Return the network behind a `Normalize` layer of its mean and std; the network itself where there are none."""
    if preprocessing.mean is None or preprocessing.std is None:
        return network
    layers = OrderedDict(normalize=Normalize(preprocessing.mean, preprocessing.std), network=network)
    return nn.Sequential(layers)


def check_size(models: Mapping[str, nn.Module], images: Images) -> None:
    """Refuse models whose configuration asks for images of another size than these.

    Args:
        models: By name, of `load_model`.
        images: As they were read.

    Raises:
        UsageError: One asks for another size.
    """
    given = tuple(images.shape[-2:])
    for name, own in _asked(models).items():
        if own.size != given:
            wanted, came = ("x".join(map(str, sides)) for sides in (own.size or (), given))
            raise UsageError(
                f"model {name} takes images of {wanted}; got {came}: give --image-size {wanted}, or {came} to measure "
                "it there"
            )


def _asked(models: Mapping[str, nn.Module]) -> dict[str, Preprocessing]:
    """Return the preprocessing of those models that ask for a size."""
    every = {name: getattr(model, "preprocessing", None) for name, model in models.items()}
    return {name: own for name, own in every.items() if isinstance(own, Preprocessing) and own.size is not None}


def common_preprocessing(models: Mapping[str, nn.Module]) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return how images are read for all models, and what is to be reported of it.

    Args:
        models: By name, of `load_model`; modules without preprocessing take images of any size.

    Raises:
        UsageError: They take images of different sizes.
    """
    asked = _asked(models)
    if not asked:
        return Preprocessing(), ()
    first, *others = asked
    for name in others:
        if asked[name].size != asked[first].size:
            sizes = ", ".join(f"{'x'.join(map(str, own.size or ()))} for {key}" for key, own in asked.items())
            raise UsageError(
                f"model must name models that take images of one size; got {sizes}: give --image-size or measure them "
                "one by one"
            )
    ways = {(own.crop, own.interpolation) for own in asked.values()}
    note = f"images are resized and cropped as {first} has it; the other models have other crops or interpolations"
    return asked[first], (note,) if len(ways) > 1 else ()
