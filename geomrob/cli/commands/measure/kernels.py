"""`geomrob kernels`: the inhibition that push-pull layers learned, and the spectra of their filters."""

from dataclasses import dataclass
from typing import Literal

from geomrob.cli.answer import Answer
from geomrob.cli.loading import load_networks
from geomrob.cli.options import Models, Output
from geomrob.cli.session import places
from geomrob.cli.trainings import by_training, training_names

OTHERS = ("radial.png", "inhibition.png")


@dataclass(frozen=True, kw_only=True)
class Options(Output, Models):
    """A model and a folder: no images."""


def kernels(
    *,
    options: Options = Options(),
    size: int = 32,
    kind: Literal["power", "amplitude"] = "amplitude",
    channels: str = "0",
) -> int:
    """Show how strongly push-pull layers inhibit their filters, with sign, and which frequencies the filters pass.

    Writes kernels.json with kernels.npz (everything, for geomrob.load; one pair a layer where there are several),
    kernels.csv (one row a filter), kernels.png (mean spectra of push, pull and push-pull filters), radial.png (their
    profiles) and, where a filter is inhibited, inhibition.png. Of a model without push-pull layer it shows the first
    convolution and says that there is no inhibition.

    Args:
        size: Side to which filters are padded; frequencies are in cycles per so many pixels.
        kind: Square of the modulus or modulus.
        channels: Of the filters: a number, average, sum, or grey (their mean).
    """
    out, figure = places("kernels", options, others=OTHERS)
    import torch

    from geomrob.analysis.spectra.filter_banks import filter_banks
    from geomrob.plot.filter_banks import plot_inhibition, plot_kernels
    from geomrob.plot.spectra import plot_profiles

    networks = load_networks(options.model, options.weights, torch.device("cpu"))
    trainings = training_names(networks, options.weights)
    chosen = int(channels) if channels.isdecimal() else channels
    banks = [
        bank
        for name, network in by_training(networks, trainings).items()
        for bank in filter_banks(network, name=name, size=size, kind=kind, channels=chosen)
    ]
    answer = Answer("kernels", out, banks, trainings=trainings)
    answer.save()
    answer.csv()
    answer.picture(plot_kernels(banks), figure)
    answer.picture(plot_profiles([bank.spectra for bank in banks]), out / "radial.png")
    inhibited = any(len(bank.inhibition) for bank in banks)
    answer.picture(plot_inhibition(banks) if inhibited else None, out / "inhibition.png")
    return answer.finish()
