"""`geomrob kernels`: the inhibition that push-pull layers learned, and the spectra of their filters."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import kernels_report, load, write

if TYPE_CHECKING:
    from geomrob.results import FilterBank


def kernels(
    *,
    model: tuple[str, ...] = ("fmnist-lenet",),
    weights: Path | None = None,
    size: int = 32,
    kind: Literal["power", "amplitude"] = "amplitude",
    channels: str = "0",
    out: Path = Path("geomrob-kernels"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Show how strongly push-pull layers inhibit their filters, with sign, and which frequencies the filters pass.

    Writes kernels.json with kernels.npz (everything, for geomrob.load; one pair a layer where there are several),
    kernels.csv (one row a filter), kernels.png (mean spectra of push, pull and push-pull filters), radial.png (their
    profiles) and, where a filter is inhibited, inhibition.png. Of a model without push-pull layer it shows the first
    convolution and says that there is no inhibition.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
        size: Side to which filters are padded; frequencies are in cycles per so many pixels.
        kind: Square of the modulus or modulus.
        channels: Of the filters: a number, average, sum, or grey (their mean).
        out: Folder to write to.
        figure: Where to draw the spectra instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    import torch

    from geomrob.analysis.spectra.filter_banks import filter_banks
    from geomrob.runs import writable

    writable(out)
    picture = write.check_picture(figure or out / "kernels.png")
    networks = load.networks(model, weights, torch.device("cpu"))
    how: dict[str, Any] = {"size": size, "kind": kind, "channels": int(channels) if channels.isdecimal() else channels}
    banks = [bank for name, network in networks.items() for bank in filter_banks(network, name=name, **how)]
    kernels_report.tell(banks, _write(banks, out, picture), as_json=json)
    return 0


def _write(banks: "list[FilterBank]", out: Path, picture: Path) -> list[Path]:
    """Return the files that now hold the banks, their table and their pictures."""
    from geomrob.plot.filter_banks import plot_inhibition, plot_kernels
    from geomrob.plot.spectra import plot_radial
    from geomrob.plot.style import blank
    from geomrob.results import save

    profiles = blank(height=4.6 * len(banks))
    for bank, ax in zip(banks, profiles.subplots(len(banks), squeeze=False).flat, strict=True):
        plot_radial(bank.spectra, ax=ax)
    drawings = {picture: plot_kernels(banks), out / "radial.png": profiles}
    if any(len(bank.inhibition) for bank in banks):
        drawings[out / "inhibition.png"] = blank()
        plot_inhibition(banks, ax=drawings[out / "inhibition.png"].add_subplot())
    files: list[Path] = []
    for name, bank in zip(kernels_report.names(banks), banks, strict=True):
        page = save(bank, out / f"{name}.json")
        files += [page, page.with_suffix(".npz")]
    files.append(write.write_rows(kernels_report.filter_rows(banks), out / "kernels.csv"))
    return files + [write.write_picture(drawing, place) for place, drawing in drawings.items()]
