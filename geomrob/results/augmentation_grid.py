"""One image under one primitive of an augmentation."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from geomrob.results.result import Result
from geomrob.tables import Record


@dataclass(frozen=True, repr=False)
class AugmentationGrid(Result):
    """Pictures of one image: smoothness by strength, the image itself in the first column.

    `primitive` is `spectral`, `spatial` or `color`; `smoothness` is K of each row, `strength` sigma of each column
    after the first, for `spatial` in units of the largest of its cut. `pictures` (K, 1 + sigma, C, H, W) are in [0, 1];
    one row is one draw, only stronger from left to right.
    """

    primitive: str
    smoothness: tuple[int, ...]
    strength: tuple[float, ...]
    pictures: Float[Tensor, "k s c h w"]

    @property
    def change(self) -> Float[Tensor, "k s"]:
        """Root mean square difference of each picture to the image."""
        return (self.pictures - self.pictures[:, :1]).square().mean((2, 3, 4)).sqrt()

    def records(self) -> list[Record]:
        """Return one row a picture: how much the primitive changed it."""
        return [
            {"primitive": self.primitive, "smoothness": size, "strength": sigma, "change": change}
            for size, row in zip(self.smoothness, self.change[:, 1:].tolist(), strict=True)
            for sigma, change in zip(self.strength, row, strict=True)
        ]

    def headline(self) -> str:
        """Return what is shown."""
        return f"{self.primitive} primitive: root mean square change of one image by smoothness K and strength sigma"
