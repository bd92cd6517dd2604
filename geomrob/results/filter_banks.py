"""The filters of a convolution and what inhibits them."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from geomrob.results.provenance import Provenance
from geomrob.results.result import Result
from geomrob.results.spectra import Spectrum
from geomrob.tables import Record


@dataclass(frozen=True, repr=False)
class FilterBank(Result):
    """The filters of one convolution of a model, its inhibition if it has one, and their mean Fourier spectra.

    `layer` is its name in the model; `kind` is convolution, push-pull or older push-pull. `weights` are the (push)
    filters, `inhibition` the strength in use, one number a filter, and none at all for a convolution; `trained` says
    whether it was a parameter, `average` is the side of the box of the pull (0 for none). `spectra` are those of the
    filters; of a push-pull layer also of its pull filters and of the one kernel that it is without rectifiers.
    """

    model: str
    layer: str
    kind: str
    trained: bool
    average: int
    weights: Float[Tensor, "f c k l"]
    inhibition: Float[Tensor, " a"]
    spectra: tuple[Spectrum, ...]
    provenance: Provenance

    def summary(self) -> Record:
        """Return mean, standard deviation, negative share, smallest and largest inhibition; NaN where there is none."""
        values = self.inhibition.double()
        if not len(values):
            return dict.fromkeys(("mean", "deviation", "negative", "least", "most"), math.nan)
        return {
            "mean": float(values.mean()),
            "deviation": float(values.std(correction=0)),
            "negative": float((values < 0).double().mean()),
            "least": float(values.min()),
            "most": float(values.max()),
        }
