"""`geomrob reproduce`: figures and tables of the papers, each by its id, next to the published numbers."""

import os
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from geomrob.cli.answer import Answer
from geomrob.cli.console import duration
from geomrob.cli.options import Shown
from geomrob.errors import UsageError

EXPERIMENTS = Path(__file__).parents[3] / "experiments" / "registry" / "__init__.py"
"""Of the checkout that this package lies in; a wheel has none."""

MOST_JOBS = 1024


def reproduce(
    *ids: str,
    scale: Literal["smoke", "cpu", "paper"] = "cpu",
    jobs: int = 1,
    out: Path | None = None,
    data_dir: Path | None = None,
    trained: Path | None = None,
    overwrite: bool = False,
    options: Shown = Shown(),
) -> int:
    """Reproduce figures and tables of the papers, and say whether the published numbers come out.

    Each row has a criterion, in words: reproduced, ordering only (the direction is the
    published one, on smaller networks or with other numbers), differs, or not run with the reason. An experiment that
    serves several rows runs once; the folder resumes. Runs from a checkout: experiments are no part of the package.

    Args:
        ids: Rows such as thesis-fig-4.4 or hah-tab-1; all; or list, which shows all rows, or those named behind it,
            with the results that are kept in figures/.
        scale: smoke shows in a minute each that it runs and compares nothing; cpu takes small networks; paper the sizes
            of the papers, as far as they are built.
        jobs: Experiments at a time, one core each.
        out: Folder to write to; default geomrob-reproduce-SCALE.
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        trained: Folder with MODEL-SEED/model.safetensors of `python -m experiments.train_zoo`; without it the embedded
            weights, one seed each.
        overwrite: Run again what the folder has.
    """
    schedule, card = _registry("schedule"), _registry("card").card
    if not ids:
        raise UsageError("ids must name rows; got none: `geomrob reproduce list` shows them, all takes every one")
    if not 1 <= jobs <= MOST_JOBS:
        raise UsageError(f"jobs must be at least 1, at most {MOST_JOBS}; got {jobs}: 1 is the default")
    listing = "list" in ids
    entries = schedule.chosen([name for name in ids if name != "list"] or ["all"])
    if listing:
        cards = [card(entry, schedule.FIGURES, scale="cpu", listed=True) for entry in entries]
        return _finish(cards, [f"Results of {schedule.FIGURES.name}/, at scale cpu; the others are not run."])

    from geomrob.files import user_path
    from geomrob.runs import writable

    given = _folder(data_dir or os.environ.get("GEOMROB_DATA"), "data_dir"), _folder(trained, "trained")
    place = writable(user_path(out or f"geomrob-reproduce-{scale}", "out"))
    folder = place.absolute()
    work = schedule.Work(scale, folder, *given)
    reasons = {entry.id: schedule.obstacle(entry, work) for entry in entries}
    runs = {entry.run: schedule.RUNS[entry.run] for entry in entries if not reasons[entry.id]}
    left = [run for run in runs.values() if overwrite or not schedule.finished(run, work)]
    _before(len(entries), len(runs), len(left), schedule.minutes(left, scale, jobs))
    failures = schedule.perform(left, work, jobs, _after)
    for entry in entries:
        if not reasons[entry.id] and (failure := failures.get(schedule.RUNS[entry.run].file)):
            reasons[entry.id] = f"failed: {failure}"
    cards = [card(entry, folder, scale, reason=reasons[entry.id]) for entry in entries]
    return _finish(cards, [f"Pages, pictures and logs: {place}"], complete=not failures)


def _folder(path: Path | str | None, name: str) -> Path | None:
    """Return a folder of the user, if one is given.

    Raises:
        UsageError: It is none.
    """
    from geomrob.files import user_path

    if not path:
        return None
    folder = user_path(path, name)
    if not folder.is_dir():
        raise UsageError(f"{name} must be a folder; got {str(path)!r}: leave it out, or name one that is there")
    return folder.absolute()


def _registry(name: str) -> Any:
    """Return a module of the registry, which lies next to the package in a checkout."""
    if not EXPERIMENTS.is_file():
        raise UsageError(
            "reproduce must run from a checkout with its folder experiments/, which an installed package has not; "
            f"got {EXPERIMENTS.parents[2]}: clone the repository and pip install -e it"
        )
    root = str(EXPERIMENTS.parents[2])
    if root not in sys.path:
        sys.path.append(root)
    return import_module(f"experiments.registry.{name}")


def _before(rows: int, runs: int, left: int, minutes: float) -> None:
    """Say on stderr what is about to run, and for how long."""
    kept = f", {runs - left} of them finished before" if runs > left else ""
    lasting = f"about {duration(60 * minutes)}" if left else "nothing is left to run"
    sys.stderr.write(f"{rows} rows, {runs} experiments{kept}: {lasting}\n")


def _after(run: Any, failure: str) -> None:
    """Say on stderr that an experiment ended."""
    sys.stderr.write(f"{run.file.removesuffix('.json')}: {failure or 'done'}\n")


def _finish(cards: list[Any], remarks: list[str], *, complete: bool = True) -> int:
    """Show the rows and how many have each result."""
    answer = Answer("reproduce", None, cards)
    counts = Counter(card.status for card in cards)
    answer.remarks += [
        f"{len(cards)} rows: {', '.join(f'{count} {status}' for status, count in counts.most_common())}."
    ]
    answer.remarks += remarks
    return answer.finish(complete=complete)
