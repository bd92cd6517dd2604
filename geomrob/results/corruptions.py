"""What models make of corrupted images."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result


@dataclass(frozen=True, repr=False)
class CorruptionTable(Result):
    """Errors of M models, G networks of each (trainings with different seeds, or one), under corruptions.

    `errors[m, g, c, s]` is the `measure` of network g of model m on all `images` under corruption c at severity
    `severities[s]`; `clean[m, g]` the same on the images as they are. `error` is the share that is not classified as
    labelled. `sources[c]` says whether corruption c was made by geomrob (`made`) or read from a distributed set
    (`ready-made`); a column holds one kind only, and a mean over both is `mixed`. `adapt` is how statistics of batch
    normalisation were fitted to the images of each cell, the clean ones among them (`none`: not at all).
    """

    models: tuple[str, ...]
    data: str
    measure: str
    images: int
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    sources: tuple[str, ...]
    adapt: str
    errors: Float[Tensor, "m g c s"]
    clean: Float[Tensor, "m g"]
    provenance: Provenance

    @property
    def source(self) -> str:
        """`made` or `ready-made` where that is true of every corruption, else `mixed`."""
        return self.sources[0] if len(set(self.sources)) == 1 else "mixed"

    @property
    def corruption_errors(self) -> Float[Tensor, "m g c"]:
        """CE of each corruption: the mean of its errors over the severities."""
        return self.errors.mean(3)

    def columns(self, names: Sequence[str]) -> list[int]:
        """Return where the corruptions of these names stand.

        Raises:
            UsageError: Some are missing from the table: they are named.
        """
        missing = [name for name in names if name not in self.corruptions]
        if missing or not names:
            told = f"no {', '.join(missing)}" if missing else "no name"
            raise UsageError(f"corruptions must hold all that the score is a mean over; got {told}: measure them, too")
        return [self.corruptions.index(name) for name in names]

    def mce(self, names: Sequence[str]) -> Float[Tensor, "m g"]:
        """Return the mean corruption error (PushPull, eq. 9): the mean of CE over the corruptions of these names.

        Raises:
            UsageError: Some are missing from the table.
        """
        return self.corruption_errors[:, :, self.columns(names)].mean(2)
