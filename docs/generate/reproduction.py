"""The page of the reproduction, `docs/reproduction.md`: rows of the papers next to the results that are recorded.

python -m docs.generate.reproduction
"""

from collections import Counter
from pathlib import Path

from experiments.registry import ENTRIES, PAPERS
from experiments.registry.entry import DIFFERS, NOT_RUN, ORDERING, REPRODUCED, Entry
from experiments.registry.runs import RUNS
from experiments.registry.schedule import FIGURES, outcome, page_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reproduction.md"
SCALE = "cpu"
STATUSES = (REPRODUCED, ORDERING, DIFFERS, NOT_RUN)

HEAD = """# Reproduction

Every figure, table and equation with measured content of five papers, {rows} rows in all: what is claimed, what is
published, and what came out here. `geomrob reproduce list` shows them; an id or several run them again:

    geomrob reproduce hah-tab-1 --scale cpu                 # minutes are told before it starts
    geomrob reproduce all --scale smoke --jobs 2            # that everything runs, in minutes; compares nothing
    geomrob reproduce all --scale cpu --jobs 2 --out runs   # killed and given again, it resumes

An experiment that serves several rows runs once. Runs need a checkout: experiments are no part of the package, and the
rows stand in `experiments/registry`, where each has its criterion. It was written before the result of a new
experiment; of what lay in `figures/` already the results were known. The numbers of this page are recorded in
`figures/`, at scale cpu: small networks for most claims. This page is made of them:
`python -m docs.generate.reproduction`, and so are all pictures, in a minute: `python -m experiments.redraw`.

| status | means |
|---|---|
| reproduced | the criterion holds with the published networks and data, or without any (equations, synthetic data) |
| ordering only | the published direction holds, on smaller networks or other data, or with other numbers |
| differs | the criterion does not hold here |
| not run | the reason is given |

{counts}
"""


def counts() -> str:
    """Return how many rows of each paper have each status."""
    lines = ["| paper | rows | " + " | ".join(STATUSES) + " |", "|---|---|" + "---|" * len(STATUSES)]
    total: Counter[str] = Counter()
    for paper, title in PAPERS.items():
        found = Counter(outcome(entry, FIGURES, SCALE)[0] for entry in ENTRIES.values() if entry.paper == paper)
        lines.append(_row([title, str(found.total()), *(str(found[status]) for status in STATUSES)]))
        total += found
    return "\n".join([*lines, _row(["all", str(total.total()), *(str(total[status]) for status in STATUSES)])])


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _of(entry: Entry) -> str:
    """Return the line of a row."""
    status, here = outcome(entry, FIGURES, SCALE)
    told = [f"**{status}**" if status == REPRODUCED else status]
    if entry.run and status != NOT_RUN:
        told.append(f"by `{RUNS[entry.run].module}`")
    told += [f"on: {entry.stand_in}"] * bool(entry.stand_in)
    claim = f"{entry.claim} ({entry.where})"
    reproduced_if = entry.criterion.words if entry.criterion else ""
    return _row([f"`{entry.id}`", claim, entry.published_words(), here, "; ".join(told), reproduced_if])


def sources() -> str:
    """Return a table of the experiments: scale, seeds, hardware and the command of the numbers on this page."""
    head = ["experiment", "rows", "recorded by", "hardware", "seconds", "minutes at smoke, cpu, paper"]
    lines = [_row(head), "|---|---|---|---|---|---|"]
    for name, run in RUNS.items():
        serves = sum(entry.run == name for entry in ENTRIES.values())
        page = page_of(run, FIGURES)
        facts = (page or {}).get("provenance", {})
        minutes = ", ".join(
            f"{run.minutes[scale]:g}" if scale in run.minutes else "-" for scale in ("smoke", "cpu", "paper")
        )
        command = (page or {}).get("command", f"python -m experiments.{run.module}")
        command = command.replace("python experiments/", "python -m experiments.").replace(".py", "")
        device, seconds = facts.get("device", "-"), facts.get("seconds")
        cells = [f"`{run.module}`", str(serves), f"`{command}`", device, f"{seconds:g}" if seconds else "-", minutes]
        lines.append(_row(cells))
    return "\n".join(lines)


def page() -> str:
    """Return the page."""
    parts = [HEAD.format(rows=len(ENTRIES), counts=counts())]
    for paper, title in PAPERS.items():
        rows = [_of(entry) for entry in ENTRIES.values() if entry.paper == paper]
        table = ["| row | claim | published | here | result | criterion |", "|---|---|---|---|---|---|", *rows]
        parts.append(f"## {title}\n\n" + "\n".join(table) + "\n")
    return "\n".join([*parts, f"## The experiments\n\n{sources()}\n"])


if __name__ == "__main__":
    PAGE.write_text(page())
