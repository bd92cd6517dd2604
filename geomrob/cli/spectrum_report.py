"""What `geomrob spectrum` tells and writes: one row a ring, one a band; files and pictures of the same numbers."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli import write
from geomrob.cli.console import say, show_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geomrob.plot.spectra import Scale
    from geomrob.results import BandEnergy, HeatMap, Spectrum

    Plane = Spectrum | HeatMap

FACTS = ("of", "name", "data", "method", "kind", "order", "factor", "window", "channels", "unit_norm", "unit")
MAP_FACTS = ("model", "data", "epsilon", "bounded", "images", "clean")
ENERGY_FACTS = ("model", "data", "method", "basis", "left_out")


def ring_rows(plane: "Plane") -> list[dict[str, Any]]:
    """Return one row of plain numbers a ring: radius, bins, mean, and for spectra error and share of the whole."""
    from geomrob.results import Spectrum

    columns: dict[str, list[Any]] = {
        "radius": list(range(len(plane.counts))),
        "bins": plane.counts.tolist(),
        "mean": plane.radial.tolist(),
    }
    if isinstance(plane, Spectrum):
        columns |= {"error": plane.error.tolist(), "share": plane.shares.tolist()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def band_rows(energy: "BandEnergy") -> list[dict[str, Any]]:
    """Return one row of plain numbers a band: 5 %, median and 95 % of the share of the energy."""
    names = ("share_05", "median", "share_95")
    return [
        {"band": name, "frequency": frequency, "dimension": dimension, **dict(zip(names, row, strict=True))}
        for name, frequency, dimension, row in zip(
            energy.bands,
            energy.frequency.tolist(),
            energy.dimensions.tolist(),
            energy.quantiles(0.05, 0.5, 0.95).tolist(),
            strict=True,
        )
    ]


def tell(planes: "Sequence[Plane]", energies: "Sequence[BandEnergy]", files: Sequence[Path], *, as_json: bool) -> None:
    """Write the answer of the command to stdout: tables and the files written, or one JSON object."""
    if as_json:
        say(to_json(planes, energies, files))
        return
    for plane in planes:
        say(headline(plane))
        rows = ring_rows(plane)
        show_table([name.replace("error", "standard\nerror") for name in rows[0]], [_cells(row) for row in rows])
    for energy in energies:
        say(f"{energy.method} on {energy.model}: share of each perturbation's energy in bands of the {energy.basis}")
        if energy.left_out:
            say(f"{energy.left_out} images left out: no perturbation was found")
        rows = band_rows(energy)
        show_table(["band", "cycles/\nimage", "dimen-\nsion", "5 %", "median", "95 %"], [_cells(row) for row in rows])
    say(f"written: {', '.join(map(str, files))}")


def headline(plane: "Plane") -> str:
    """Return what the table below shows, in one line."""
    from geomrob.results import HeatMap

    if isinstance(plane, HeatMap):
        return (
            f"{plane.model} on {plane.data}: {plane.clean:.1%} of {plane.images} images right without a step; mean "
            f"accuracy in each ring of Fourier directions after a step of l2 length {plane.epsilon:g}"
        )
    about = " ".join(word for word in (plane.of, plane.name, plane.method) if word)
    left = f", {plane.left_out} left out" if plane.left_out else ""
    return (
        f"{about}: {plane.kind}, {plane.order}, {plane.factor}, window {plane.window}, channels {plane.channels}; "
        f"{len(plane.rings)} in the mean{left}; radius in {plane.unit}"
    )


def write_all(
    planes: "Sequence[Plane]", energies: "Sequence[BandEnergy]", folder: Path, picture: Path, *, scale: "Scale"
) -> list[Path]:
    """Return the files that now hold the results, the tables and the pictures."""
    from geomrob.results import HeatMap, Spectrum

    files = _save("spectrum", planes, folder)
    files.append(_table(folder / "spectrum.csv", [(_facts(one), ring_rows(one)) for one in planes]))
    if energies:
        files += _save("energy", energies, folder)
        files.append(_table(folder / "energy.csv", [(_facts(one), band_rows(one)) for one in energies]))
    spectra = [one for one in planes if isinstance(one, Spectrum)]
    maps = [one for one in planes if isinstance(one, HeatMap)]
    figures = figures_of(spectra, maps, energies, scale=scale)
    places = {"spectrum": picture}
    return files + [
        write.write_picture(figure, places.get(name, folder / f"{name}.png")) for name, figure in figures.items()
    ]


def figures_of(
    spectra: "Sequence[Spectrum]", maps: "Sequence[HeatMap]", energies: "Sequence[BandEnergy]", *, scale: "Scale"
) -> "dict[str, Figure]":
    """Return the pictures by name: planes of spectra and their radial means, or heat maps; energy by band."""
    from geomrob.plot.spectra import plot_band_energy, plot_heat_maps, plot_radial, plot_spectra
    from geomrob.plot.style import blank

    if maps:
        return {"spectrum": plot_heat_maps(maps)}
    figures = {"spectrum": plot_spectra(spectra, scale=scale), "radial": blank()}
    plot_radial(spectra, ax=figures["radial"].add_subplot(), scale="linear" if scale == "linear" else "log")
    if energies:
        figures["energy"] = blank()
        plot_band_energy(energies, ax=figures["energy"].add_subplot())
    return figures


def to_json(planes: "Sequence[Plane]", energies: "Sequence[BandEnergy]", files: Sequence[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is unknown."""
    answer = {
        "spectra": [{**_facts(one), "rings": ring_rows(one), "provenance": vars(one.provenance)} for one in planes],
        "energies": [{**_facts(one), "bands": band_rows(one), "provenance": vars(one.provenance)} for one in energies],
        "files": [str(file) for file in files],
    }
    return json.dumps(_strict(answer), allow_nan=False, indent=1)


def _facts(one: Any) -> dict[str, Any]:
    """Return the words and numbers that say what a result is."""
    kinds = {"Spectrum": FACTS, "HeatMap": MAP_FACTS, "BandEnergy": ENERGY_FACTS}
    return {name: getattr(one, name) for name in kinds[type(one).__name__]}


def _save(name: str, results: Sequence[Any], folder: Path) -> list[Path]:
    """Return the pairs of files of the results, numbered by what tells them apart where there are several."""
    from geomrob.results import save

    files: list[Path] = []
    for index, one in enumerate(results):
        about = getattr(one, "name", None) or getattr(one, "model", "")
        several = sum((getattr(other, "name", None) or getattr(other, "model", "")) == about for other in results)
        part = write.slug(about) + (f"-{index}" if several > 1 else "")
        page = save(one, folder / (f"{name}.json" if len(results) == 1 else f"{name}-{part}.json"))
        files += [page, page.with_suffix(".npz")]
    return files


def _table(path: Path, blocks: "Sequence[tuple[dict[str, Any], list[dict[str, Any]]]]") -> Path:
    """Return the csv file that now holds one line per result and row, unknown numbers left empty."""
    from geomrob.files import write_atomic

    page = io.StringIO(newline="")
    writer = csv.writer(page, lineterminator="\n")
    facts, rows = blocks[0]
    writer.writerow([*facts, *rows[0]])
    for facts, rows in blocks:
        for row in rows:
            writer.writerow(["" if _unknown(value) else value for value in (*facts.values(), *row.values())])
    write_atomic(path, page.getvalue().encode())
    return path


def _cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of one row of a table."""
    return ["-" if _unknown(v) else f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()]


def _unknown(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _strict(value: Any) -> Any:
    """Return `value` with null for every number that JSON cannot say."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
