"""What all experiments share: scales, folders, numbers first and the picture from them alone, a comparison at the end.

An experiment is a module `experiments/NAME.py`: its claim, references and published numbers on top, then its constants
and three functions, gathered in one `EXPERIMENT` and started by `run`:

    measure(size, flags) -> page    numbers, words, lists and dictionaries of them, results that `geomrob.save` knows
    draw(page) -> picture           a figure, or several by their names
    compare(page) -> rows           what was measured next to what is published

`run` writes the page to figures/NAME.json, with each result inside it as a pair of files of its own, reads it again,
and draws and compares from what it has read: `--draw-only` does the same without measuring. JSON has no infinity and no
NaN: they are written as `{"$float": "inf"}`, as `geomrob.save` does. No experiment imports another.

    python -m experiments.NAME [--scale smoke|cpu|paper] [--draw-only] [--figures FOLDER] [--tag TAG]
"""

import argparse
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

import geomrob
from geomrob.files import write_atomic
from geomrob.plot.style import style_of
from geomrob.results import RESULTS
from geomrob.runs import Clock, device_name, versions

SMOKE = "smoke"
"""The scale that shows in seconds that an experiment runs; its numbers compare nothing."""

DATA_DIR: dict[str, Any] = {"type": Path, "metavar": "DATA", "help": "folder of the data sets"}
DATA_DIR_OR_ENV = {**DATA_DIR, "default": os.environ.get("GEOMROB_DATA")}
TRAINED: dict[str, Any] = {
    "type": Path,
    "metavar": "TRAINED",
    "help": "folder with MODEL-SEED/model.safetensors; the embedded weights without it",
}

Page = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of a comparison: what was measured here, what is published, and whether the two agree.

    A verdict of `True` or `False` reads "as claimed" or "DIFFERS"; without a verdict, two numbers get their ratio.
    """

    what: str
    here: float | str
    published: float | str = ""
    verdict: bool | str | None = None

    def cells(self) -> tuple[str, str, str, str]:
        """Return the four columns as they are printed."""
        verdict = self.verdict
        if isinstance(verdict, bool):
            verdict = "as claimed" if verdict else "DIFFERS"
        elif verdict is None:
            numbers = not isinstance(self.here, str) and not isinstance(self.published, str)
            verdict = f"x {self.here / self.published:.2f}" if numbers else ""
        return self.what, _text(self.here), _text(self.published), verdict


@dataclass(frozen=True)
class Experiment:
    """One experiment: its claim, and what distinguishes it from the others."""

    name: str
    about: str
    """The docstring of the module: claim, reference, published numbers, costs."""
    scales: Mapping[str, Any]
    """What `measure` gets as `size` at each scale."""
    measure: Callable[[Any, argparse.Namespace], Page]
    draw: Callable[[Page], Figure | dict[str, Figure]]
    compare: Callable[[Page], list[Row]]
    flags: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Further options of the command, as `argparse` has them."""


def run(experiment: Experiment, words: Sequence[str] | None = None) -> list[Row]:
    """Return the comparison that an experiment ends with, after it is measured, written, drawn and printed.

    Args:
        experiment: What to measure, draw and compare.
        words: The words of the command line; those of the process by default.
    """
    parser = _parser(experiment)
    flags = parser.parse_args(words)
    torch.set_num_threads(1)
    flags.figures.mkdir(parents=True, exist_ok=True)
    tag = f"-{flags.tag}" if flags.tag else ""
    flags.path = flags.figures / f"{experiment.name}{tag}.json"
    if not flags.draw_only:
        clock = Clock(seed=0)
        measured = experiment.measure(experiment.scales[flags.scale], flags)
        _save_pictures(measured.pop("pictures", {}), flags.figures, tag)
        facts = {"created": clock.created, "seconds": round(time.perf_counter() - clock.start, 1)}
        facts |= {"device": device_name(getattr(flags, "device", "cpu")), "versions": versions()}
        facts |= {"source": source(experiment.name)}
        command = _command(experiment, flags)
        write({"command": command, "scale": flags.scale, **measured, "provenance": facts}, flags.path, tag)
    elif not flags.path.is_file():
        parser.error(f"--draw-only must find {flags.path}; there is none: measure first")
    page = read(flags.path)
    drawn = experiment.draw(page)
    _save_pictures({experiment.name: drawn} if isinstance(drawn, Figure) else drawn, flags.figures, tag)
    rows = experiment.compare(page)
    if page.get("scale") == SMOKE:
        print("smoke: too little of everything, so what follows compares nothing")
    print(table(rows))
    return rows


def source(name: str) -> str:
    """Return the digest of the file of an experiment: a page made by another one is measured again."""
    file = Path(__file__).with_name(f"{name}.py")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else ""


def table(rows: Sequence[Row]) -> str:
    """Return a comparison in columns."""
    lines = [("", "here", "published", ""), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in padded)


def write(page: Page, path: Path, tag: str = "") -> None:
    """Write a page as strict JSON, and each result inside it as a pair of files next to it, named by its key."""

    def encode(value: Any, key: str) -> Any:
        if type(value).__name__ in RESULTS:
            if hasattr(value, "provenance"):
                # The words that were typed may name folders of one machine: the command of the page does not.
                value = replace(value, provenance=replace(value.provenance, command=page["command"]))
            geomrob.save(value, path.parent / f"{key}{tag}")
            return {"$saved": f"{key}{tag}"}
        if isinstance(value, Mapping):
            return {name: encode(part, name) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [encode(part, key) for part in value]
        return {"$float": str(value)} if isinstance(value, float) and not math.isfinite(value) else value

    write_atomic(path, (json.dumps(encode(page, ""), indent=1, allow_nan=False) + "\n").encode())


def read(path: Path) -> Page:
    """Return the page that `write` wrote."""

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            return [decode(part) for part in value]
        if not isinstance(value, dict):
            return value
        if "$float" in value:
            return float(value["$float"])
        if "$saved" in value:
            return geomrob.load(path.parent / value["$saved"])
        return {name: decode(part) for name, part in value.items()}

    return decode(json.loads(path.read_text()))


def stroke(index: int) -> dict[str, Any]:
    """Return how the curve of that index is drawn, as `Axes.plot` has it."""
    how = style_of(index)
    return {"color": how.colour, "linestyle": how.line, "marker": how.marker}


def facts(result: Any) -> dict[str, Any]:
    """Return the provenance of a result without its command, which may name folders of one machine."""
    return {key: value for key, value in vars(result.provenance).items() if key != "command"}


def _parser(experiment: Experiment) -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        f"python -m experiments.{experiment.name}", None, experiment.about, formatter_class=formatter
    )
    parser.add_argument("--scale", choices=experiment.scales, default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw and compare the numbers that are there")
    parser.add_argument("--figures", type=Path, default=Path("figures"), help="folder of numbers and pictures")
    parser.add_argument("--tag", default="", help="added to the names of the files")
    for flag, options in experiment.flags.items():
        parser.add_argument(flag, **options)
    return parser


def _command(experiment: Experiment, flags: argparse.Namespace) -> str:
    """Return the command without the folders of this machine."""
    words = [f"python -m experiments.{experiment.name} --scale {flags.scale}"]
    for flag, options in experiment.flags.items():
        value = getattr(flags, flag.lstrip("-").replace("-", "_"))
        if value is None or value == options.get("default"):
            continue
        word = options.get("metavar", "PATH") if isinstance(value, Path) else value
        word = " ".join(map(str, word)) if isinstance(word, list) else str(word)
        words.append(f"{flag} {word}" if flag.startswith("-") else word)
    return " ".join(words)


def _save_pictures(pictures: Mapping[str, Figure], folder: Path, tag: str) -> None:
    for name, picture in pictures.items():
        picture.savefig(folder / f"{name}{tag}.png")


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
