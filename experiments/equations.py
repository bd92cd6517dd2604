"""Claim: the equations of the papers are computed as they are written.

Reference: the equations of the five papers, each with the function that computes it in `experiments/registry`. For each
there is a test that compares that function with something independent: loops, a closed form, scipy, or a published
constant. This runs those tests and keeps their outcomes.

    python -m experiments.equations [--scale smoke|cpu|paper]

Needs pytest, of the extra `test`. One core: a minute at every scale.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure

from experiments.harness import Experiment, Page, Row, run
from experiments.registry import ENTRIES
from geomrob.plot.style import blank, figure_headline, style_of, tidy

ROOT = Path(__file__).resolve().parents[1]
EQUATIONS = {entry.id: entry for entry in ENTRIES.values() if entry.tests}
PUBLISHED = {name: entry.published_words() for name, entry in EQUATIONS.items()}
SCALES = {"smoke": None, "cpu": None, "paper": None}
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED) (tests/\S+::\S+)", re.MULTILINE)


def measure(_size: None, _flags: argparse.Namespace) -> Page:
    if importlib.util.find_spec("pytest") is None:
        raise SystemExit("equations must have pytest; got an installation without: pip install 'geomrob[test]'")
    tests = sorted({test for entry in EQUATIONS.values() for test in entry.tests})
    words = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    done = subprocess.run(  # noqa: S603 - this Python, names of our own tests
        words, cwd=ROOT, capture_output=True, text=True, check=False
    )
    outcomes = {name: outcome for outcome, name in OUTCOME.findall(done.stdout)}
    print("\n".join(f"{outcome} {name}" for name, outcome in outcomes.items() if outcome != "PASSED"))
    missing = [test for test in tests if not any(name.split("[")[0] == test for name in outcomes)]
    if missing:
        raise SystemExit(f"equations must find all their tests; got no outcome of {missing[0]}: {done.stdout[-500:]}")
    return {"tests": dict(sorted(outcomes.items()))}


def cases(page: Page, name: str) -> dict[str, str]:
    """The outcomes of the tests of one row."""
    return {test: how for test, how in page["tests"].items() if test.split("[")[0] in EQUATIONS[name].tests}


def draw(page: Page) -> Figure:
    """A bar a row: how many cases passed, and, in another colour, how many did not."""
    figure = blank(9, 0.21 * len(EQUATIONS) + 1.6)
    every = len(page["tests"])
    figure_headline(
        figure,
        "Are the equations computed as they are written?",
        f"Cases of tests that compare a function with loops, closed forms or other libraries: {every} in all. "
        "Blue: passed. Orange, hatched: not.",
    )
    ax = figure.add_subplot()
    passed = [list(cases(page, name).values()).count("PASSED") for name in EQUATIONS]
    others = [len(cases(page, name)) - count for name, count in zip(EQUATIONS, passed, strict=True)]
    ax.barh(list(EQUATIONS), passed, color=style_of(0).colour)
    ax.barh(list(EQUATIONS), others, left=passed, color=style_of(1).colour, hatch="//")
    ax.invert_yaxis()
    ax.set_xlabel("cases")
    ax.tick_params(axis="y", labelsize=7.5)
    tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """How many cases of each row pass."""
    rows = []
    for name, entry in EQUATIONS.items():
        outcomes = list(cases(page, name).values())
        here = f"{outcomes.count('PASSED')} of {len(outcomes)} cases pass ({entry.function})"
        rows.append(Row(name, here, PUBLISHED[name], outcomes.count("PASSED") == len(outcomes) > 0))
    return rows


EXPERIMENT = Experiment("equations", __doc__ or "", SCALES, measure, draw, compare)

if __name__ == "__main__":
    run(EXPERIMENT)
