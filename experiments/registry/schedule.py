"""Running the experiments that serve rows: which, how long, each in its own process, into a folder that resumes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from experiments.registry import ENTRIES
from experiments.registry.entry import NOT_RUN, Entry, Page, Run
from experiments.registry.runs import RUNS

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures"
FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "cifar-10-batches-py"}
"""Where a data set lies below the folder of data sets."""


@dataclass(frozen=True)
class Work:
    """What all experiments of a call are given."""

    scale: str
    folder: Path
    data_dir: Path | None = None
    trained: Path | None = None


def minutes(runs: Iterable[Run], scale: str, jobs: int) -> float:
    """Return how long runs take with so many processes: as long as the longest at least."""
    costs = [run.minutes[scale] for run in runs if scale in run.minutes]
    return max([sum(costs) / jobs, *costs], default=0.0)


def obstacle(entry: Entry, work: Work) -> str:
    """Return why a row is not run; an empty text if it is."""
    if not entry.run:
        return entry.why_not
    run = RUNS[entry.run]
    if work.scale not in run.minutes:
        return f"{run.module} has no scale {work.scale}"
    missing = [] if work.scale == "smoke" else [name for name in run.data if not _here(name, work.data_dir)]
    return f"needs {' and '.join(missing)} below --data-dir" if missing else ""


def _here(name: str, folder: Path | None) -> bool:
    return folder is not None and (folder / FOLDERS[name]).is_dir()


def finished(run: Run, work: Work) -> bool:
    """Return whether the folder has the page of a run at that scale, made by the code that is here."""
    file = work.folder / run.file
    if not file.is_file():
        return False
    from experiments.harness import source  # noqa: PLC0415 - torch, for what a list does not need

    page = json.loads(file.read_text())
    return page.get("scale") == work.scale and page["provenance"].get("source") == source(run.module)


def perform(runs: Iterable[Run], work: Work, jobs: int, report: Callable[[Run, str], None]) -> Mapping[str, str]:
    """Run experiments, so many at a time, the longest first; return what went wrong, by module.

    Args:
        runs: What is run.
        work: Scale, folder and data.
        jobs: Processes at a time.
        report: Called with each run as it ends, and what went wrong.
    """
    order = sorted(runs, key=lambda run: -run.minutes[work.scale])
    processes: list[subprocess.Popen[bytes]] = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_perform, run, work, processes): run for run in order}
        try:
            for future in as_completed(futures):
                report(futures[future], future.result())
        except BaseException:
            for future in futures:
                future.cancel()
            for process in processes:
                process.terminate()
            raise
    return {run.file: future.result() for future, run in futures.items() if future.result()}


def _perform(run: Run, work: Work, processes: list["subprocess.Popen[bytes]"]) -> str:
    """Run one experiment; return what went wrong, an empty text if nothing did."""
    words = [sys.executable, "-m", f"experiments.{run.module}", *run.arguments]
    words += ["--scale", work.scale, "--figures", str(work.folder)] + ["--tag", run.tag] * bool(run.tag)
    text = (ROOT / "experiments" / f"{run.module}.py").read_text()
    given = {"--data-dir": work.data_dir, "--trained": work.trained}
    for flag, path in given.items():
        if path is not None and f'"{flag}":' in text and work.scale != "smoke":
            words += [flag, str(path)]
    log = work.folder / run.file.replace(".json", ".log")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    if work.scale == "smoke":
        environment.pop("GEOMROB_DATA", None)
    with log.open("w") as stream:
        process = subprocess.Popen(  # noqa: S603 - this Python, a module of the checkout
            words, cwd=ROOT, stdout=stream, stderr=stream, env=environment
        )
        processes.append(process)
        status = process.wait()
    if status == 0:
        return ""
    last = [line for line in log.read_text().splitlines() if line.strip()]
    return f"{last[-1] if last else 'it ended without a word'} (see {log})"


def outcome(entry: Entry, folder: Path, scale: str, reason: str = "") -> tuple[str, str]:
    """Return the status of a row, and the number that decides, or why there is none.

    Args:
        entry: The row.
        folder: Where the page of its experiment is.
        scale: At which scale.
        reason: Why it was not run.
    """
    if reason or not entry.run:
        return NOT_RUN, reason or entry.why_not
    page = page_of(RUNS[entry.run], folder)
    if page is None:
        return NOT_RUN, f"no result of {RUNS[entry.run].module} yet"
    return entry.judged(page, page.get("scale", scale))


def page_of(run: Run, folder: Path) -> Page | None:
    """Return the page of a run in a folder, None where there is none."""
    file = folder / run.file
    return _read(file, file.stat().st_mtime_ns) if file.is_file() else None


@cache
def _read(file: Path, _changed: int) -> Page:
    from experiments.harness import read  # noqa: PLC0415 - torch, for what a list does not need

    return read(file)


def chosen(names: Iterable[str]) -> list[Entry]:
    """Return the rows of these ids; `all` are all.

    Raises:
        UsageError: No such row.
    """
    from geomrob.errors import unknown  # noqa: PLC0415

    entries: dict[str, Entry] = {}
    for name in names:
        if name != "all" and name not in ENTRIES:
            raise unknown("id", name, [*ENTRIES, "all", "list"])
        entries |= ENTRIES if name == "all" else {name: ENTRIES[name]}
    return list(entries.values())
