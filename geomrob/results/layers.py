"""What the layers of a model do."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.errors import unknown
from geomrob.results.intervals import Z, median_interval, share_words
from geomrob.results.provenance import Provenance, share_correct
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class Layers(Result):
    """What L layers of a model do with N images: how sparse their activations are, and how noise reaches them.

    `names` are the layers in the order of the forward pass (a layer called again is `name#2`), `kinds` their classes;
    what is measured is each one's `at`, input or output, of `channels` numbers at each of `locations` places.
    `sparsity[l, i]` is the mean over the places of image i of the Hoyer ratio l1/l2 over channels, (l1/l2 - 1) /
    (sqrt(C) - 1): 0 where one channel speaks, 1 where all speak alike; NaN with one channel, or where all places of an
    image are silent. `silent[l, i]` counts the places where all channels are zero: they are left out. `active[l, i]`
    is the share of numbers that are not zero. `signal[l, i]` is ||f(x)||^2 and `noise[l, r, i]` is
    ||f(x + w) - f(x)||^2 for draw r of Gaussian noise w of standard deviation `sigma`; `clamped` says whether x + w
    was cut to [0, 1].
    """

    model: str
    data: str
    at: str
    sigma: float
    clamped: bool
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    channels: Int64[Tensor, " l"]
    locations: Int64[Tensor, " l"]
    sparsity: Float[Tensor, "l n"]
    silent: Int64[Tensor, "l n"]
    active: Float[Tensor, "l n"]
    signal: Float[Tensor, "l n"]
    noise: Float[Tensor, "l r n"]
    predictions: Labels
    labels: Labels
    indices: Labels
    provenance: Provenance

    COLUMNS = (
        Column("layer", ("layer",)),
        Column("kind", ("kind",), words=True),
        Column("chan-\nnels", ("channels",)),
        Column("posi-\ntions", ("positions",)),
        Column("Hoyer\nratio", ("sparsity",), "{:.3f}"),
        Column("95 %\ninterval", ("sparsity_low", "sparsity_high"), "{:.3f}-{:.3f}"),
        Column("active", ("active",), "{:.1%}"),
        Column("SNR\n(dB)", ("snr_db",), "{:.2f}"),
        Column("median\n(dB)", ("snr_db_median",), "{:.2f}"),
        Column("its 95 %\ninterval", ("snr_db_median_low", "snr_db_median_high"), "{:.1f} to {:.1f}"),
        Column("silent\nposi-\ntions", ("silent_positions",)),
    )

    def facts(self) -> Record:
        """Return model, data, what is measured under which noise, images and clean accuracy."""
        return {**super().facts(), "images": len(self.indices), "draws": self.noise.shape[1], "accuracy": self.accuracy}

    def records(self) -> list[Record]:
        """Return one row a layer."""
        sparse, heard = self.hoyer_interval, self.snr_db_interval
        columns = {
            "channels": self.channels,
            "positions": self.locations,
            "sparsity": self.hoyer,
            "sparsity_low": sparse[:, 0],
            "sparsity_high": sparse[:, 1],
            "active": self.active_share,
            "snr_db": self.snr_db(),
            "snr_db_median": self.snr_db("median"),
            "snr_db_median_low": heard[:, 0],
            "snr_db_median_high": heard[:, 1],
            "snr_db_ratio": self.snr_db("ratio"),
            "silent_positions": self.silent.sum(1),
            "untouched": self.untouched,
        }
        return [
            {
                "model": self.model,
                "data": self.data,
                "layer": name,
                "kind": kind,
                **{column: values[number].item() for column, values in columns.items()},
            }
            for number, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True))
        ]

    def tables(self) -> list[Table]:
        """Return the table of the layers."""
        cut = "cut to [0, 1]" if self.clamped else "not cut"
        title = (
            (
                f"{self.headline()}: clean accuracy "
                f"{share_words(self.accuracy, len(self.indices))} of {len(self.indices)} images"
            ),
            f"{self.at} of each layer. Hoyer ratio over channels: 0 when one channel is active, 1 when all are equally",
            (
                "active (lower is sparser). SNR: clean activations against their change by noise of "
                f"{self.sigma:g} in the image ({cut})"
            ),
        )
        return [Table(title, self.COLUMNS, self.records())]

    def caveats(self) -> list[str]:
        """Return how often the noise changes nothing."""
        untouched = int(self.untouched.sum())
        return (
            [f"{self.model}: the noise changes nothing in {untouched} cases (image, draw, layer): read the median SNR"]
            if untouched
            else []
        )

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return share_correct(self.predictions, self.labels)

    @property
    def hoyer(self) -> Float[Tensor, " l"]:
        """Mean sparsity of each layer over all places of all images that are not silent (HaH, Fig. 2)."""
        heard = self.locations[:, None] - self.silent
        mean = torch.where(heard > 0, self.sparsity, 0).mul(heard).sum(1) / heard.sum(1)
        return torch.where(self.channels > 1, mean, torch.nan)

    @property
    def hoyer_interval(self) -> Float[Tensor, "l 2"]:
        """The 95 % interval over images of the mean sparsity of each layer; NaN for fewer than two images.

        An image weighs as much as it has places that are not silent: the mean is a ratio of two sums over images, of
        which the interval is the normal approximation.
        """
        weights, mean = (self.locations[:, None] - self.silent).double(), self.hoyer.double()
        off = torch.where(weights > 0, self.sparsity.double() - mean[:, None], 0) * weights
        count = weights.shape[1]
        error = (off.square().sum(1) * count / max(count - 1, 1)).sqrt() / weights.sum(1)
        half = Z * error if count > 1 else torch.full_like(error, torch.nan)
        return torch.stack((mean - half, mean + half), 1).clamp(0, 1)

    @property
    def snr_db_interval(self) -> Float[Tensor, "l 2"]:
        """The 95 % interval over images of the median ratio of each layer in dB; NaN for fewer than six images.

        Of the draws of an image it takes the median: they are not independent.
        """
        return 10 * median_interval(self._ratios().quantile(0.5, dim=1)).log10()

    @property
    def active_share(self) -> Float[Tensor, " l"]:
        """Share of each layer's numbers that are not zero, over all images."""
        return self.active.mean(1)

    @property
    def untouched(self) -> Int64[Tensor, " l"]:
        """How many (image, draw) pairs of each layer the noise does not reach at all: their ratio has no bound."""
        return (self.noise == 0).sum((1, 2))

    def snr_db(self, how: str = "mean", *, guard: float = 1e-9) -> Float[Tensor, " l"]:
        """Return each layer's signal-to-noise ratio in dB over images and draws.

        Args:
            how: `mean`, 10 log10 of the mean over images of ||f(x)||^2 / ||f(x + w) - f(x)||^2 (HaH, eq. 6); `median`
                of the ratios, which a few images that the noise hardly reaches do not move; `ratio`, mean signal over
                mean noise.
            guard: Added to the norm of the difference, as in the released code, so that no ratio is infinite.
        """
        size, ratios = (self.noise.sqrt() + guard).square(), self._ratios(guard).flatten(1)
        known = {"mean": ratios.mean(1), "median": ratios.quantile(0.5, dim=1), "ratio": self.signal.mean(1)}
        if how not in known:
            raise unknown("how", how, known)
        if how == "ratio":
            return 10 * (known[how] / size.mean((1, 2))).log10()
        return 10 * known[how].log10()

    def _ratios(self, guard: float = 1e-9) -> Float[Tensor, "l r n"]:
        """Return signal over noise of each layer, draw and image."""
        return self.signal[:, None] / (self.noise.sqrt() + guard).square()
