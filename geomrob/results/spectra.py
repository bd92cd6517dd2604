"""The frequencies of images, perturbations and kernels, and those a model listens to."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Distances
from geomrob.errors import unknown
from geomrob.results.intervals import median_interval, share_words
from geomrob.results.provenance import Provenance, quantiles
from geomrob.results.result import Result
from geomrob.tables import Column, Record

RING = (Column("radius", ("radius",)), Column("bins", ("bins",)), Column("mean", ("mean",), "{:.3g}"))


@dataclass(frozen=True, repr=False)
class Spectrum(Result):
    """The mean Fourier spectrum of N images, perturbations or kernels, its radial and its azimuthal profile.

    `values[k, l]` belongs to the frequencies `vertical[k]`, `horizontal[l]` in `unit`, zero in the middle. `kind` is
    power or amplitude; `order` is mean-of-modulus (mean over images of |F|) or modulus-of-mean (|F| of the mean image);
    `norm` is ortho or backward, `window` none or hann, `channels` average, sum, grey or a channel's number;
    `unit_norm` says whether each image was first divided by its l2 norm. `radial[r]` is the mean of `values` over the
    `counts[r]` bins whose radius rounds to r, `error[r]` its (jackknife) standard error over images, NaN for one image,
    and `rings[i, r]` the same mean for the spectrum of image i alone. `azimuthal[a]` is the mean over the
    `directions[a]` bins around `angles[a]` degrees. `left_out` counts failed attacks, and images of zeros where they
    cannot be scaled: they take no part.
    """

    of: str
    name: str
    data: str
    method: str
    kind: str
    order: str
    norm: str
    window: str
    channels: str
    unit_norm: bool
    unit: str
    values: Float[Tensor, "h w"]
    vertical: Float[Tensor, " h"]
    horizontal: Float[Tensor, " w"]
    radial: Float[Tensor, " r"]
    error: Float[Tensor, " r"]
    counts: Int64[Tensor, " r"]
    rings: Float[Tensor, "n r"]
    azimuthal: Float[Tensor, " a"]
    angles: Float[Tensor, " a"]
    directions: Int64[Tensor, " a"]
    left_out: int
    provenance: Provenance

    def quantiles(self, *q: float) -> Float[Tensor, "r q"]:
        """Return the quantiles over images of each ring's mean, linearly interpolated."""
        return quantiles(self.rings.T, q)

    def facts(self) -> Record:
        """Return of what the spectrum is and how it is scaled."""
        return {**super().facts(), "images": len(self.rings)}

    def records(self) -> list[Record]:
        """Return one row a ring: radius, number of bins, mean, standard error, share of the whole."""
        about = self.facts()
        about = {name: about[name] for name in about if name not in ("left_out", "images")}
        return _rings(self, about, {"error": self.error.tolist(), "share": self.shares.tolist()})

    def headline(self) -> str:
        """Return what was transformed, and how."""
        about = " ".join(word for word in (self.of, self.name, self.method) if word)
        left = f", {self.left_out} left out" if self.left_out else ""
        return (
            f"{about}: {self.kind}, {self.order}, {self.norm}, window {self.window}, channels {self.channels}; "
            f"{len(self.rings)} in the mean{left}; radius in {self.unit}"
        )

    COLUMNS = (*RING, Column("standard\nerror", ("error",), "{:.3g}"), Column("share", ("share",), "{:.3g}"))

    @property
    def shares(self) -> Float[Tensor, " r"]:
        """Share of the sum of `values` that lies in each ring."""
        whole = self.radial * self.counts
        return whole / whole.sum()


@dataclass(frozen=True, repr=False)
class BandEnergy(Result):
    """How the energy of N perturbations is spread over R bands of one basis.

    `shares[r, i]` is the part of the squared l2 norm of perturbation i that lies in band r, `energy[i]` that norm.
    Bands may overlap, so shares need not sum to 1. `frequency` is each band's centre in cycles per image (NaN in a
    basis without frequencies). `left_out` counts failed attacks and perturbations of zero, which have no shares.
    """

    model: str
    data: str
    attack: str
    basis: str
    bands: tuple[str, ...]
    frequency: Float[Tensor, " r"]
    dimensions: Int64[Tensor, " r"]
    shares: Float[Tensor, "r n"]
    energy: Distances
    left_out: int
    provenance: Provenance

    COLUMNS = (
        Column("band", ("band",)),
        Column("cycles/\nimage", ("frequency",), "{:.3g}"),
        Column("dimen-\nsion", ("dimension",)),
        Column("5 %", ("share_05",), "{:.3g}"),
        Column("median", ("median",), "{:.3g}"),
        Column("95 %", ("share_95",), "{:.3g}"),
        Column("interval of\nthe median", ("median_low", "median_high"), "{:.3f}-{:.3f}"),
    )

    def facts(self) -> Record:
        """Return model, data, attack, basis, images and how many were left out."""
        return {**super().facts(), "images": len(self.energy)}

    def records(self) -> list[Record]:
        """Return one row a band: 5 %, median and 95 % of the share of the energy over images."""
        about = {name: self.facts()[name] for name in ("model", "data", "attack", "basis", "left_out")}
        shares = self.quantiles(0.05, 0.5, 0.95).T.tolist()
        columns = {
            "band": self.bands,
            "frequency": self.frequency.tolist(),
            "dimension": self.dimensions.tolist(),
            **dict(zip(("share_05", "median", "share_95"), shares, strict=True)),
            **dict(zip(("median_low", "median_high"), median_interval(self.shares).T.tolist(), strict=True)),
        }
        return [{**about, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)]

    def headline(self) -> str:
        """Return of what the energy is."""
        return f"{self.attack} on {self.model}: share of each perturbation's energy in bands of the {self.basis}"

    def caveats(self) -> list[str]:
        """Return how many images have no perturbation."""
        return [f"{self.model}: {self.left_out} images left out: no perturbation was found"] if self.left_out else []

    def quantiles(self, *q: float, of: str = "share") -> Float[Tensor, "r q"]:
        """Return each band's quantiles over images of the `share`, or of the `energy` (share times energy)."""
        values = {"share": self.shares, "energy": self.shares * self.energy}
        if of not in values:
            raise unknown("of", of, values)
        return quantiles(values[of], q)


@dataclass(frozen=True, repr=False)
class HeatMap(Result):
    """How often a model is right when its images are moved along one Fourier basis direction.

    `accuracy[k, l]` is the share of `images` images classified as labelled after a step of l2 length `epsilon` (all
    channels, [0, 1] pixel units) along the direction of the frequencies `vertical[k]`, `horizontal[l]` (cycles per
    image, zero in the middle), with a random sign; `clean` that without a step. `radial[r]` is the mean over the
    `counts[r]` bins whose radius rounds to r. `bounded` says whether images were clipped to [0, 1].
    """

    model: str
    data: str
    epsilon: float
    bounded: bool
    images: int
    clean: float
    accuracy: Float[Tensor, "h w"]
    vertical: Float[Tensor, " h"]
    horizontal: Float[Tensor, " w"]
    radial: Float[Tensor, " r"]
    counts: Int64[Tensor, " r"]
    provenance: Provenance

    COLUMNS = RING

    def records(self) -> list[Record]:
        """Return one row a ring of Fourier directions: radius, number of bins, mean accuracy."""
        return _rings(self, self.facts(), {})

    def headline(self) -> str:
        """Return what was measured."""
        return (
            f"{self.model} on {self.data}: {share_words(self.clean, self.images)} of {self.images} images right "
            "without a step; mean accuracy in each ring of Fourier directions after a step of l2 length "
            f"{self.epsilon:g}"
        )


def _rings(plane: "Spectrum | HeatMap", about: Record, more: dict[str, list[float]]) -> list[Record]:
    """Return the facts with one ring each."""
    columns = {
        "radius": range(len(plane.counts)),
        "bins": plane.counts.tolist(),
        "mean": plane.radial.tolist(),
        **more,
    }
    return [{**about, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)]
