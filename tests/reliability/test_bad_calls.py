"""Bad calls end in one sentence: a sample of the table, all of it with `-m slow` or `python -m tests.reliability`."""

import subprocess
import sys
from pathlib import Path

import pytest

from geomrob.cli import COMMANDS
from tests.reliability.__main__ import page
from tests.reliability.runner import problem
from tests.reliability.spoiled import CANARY, make
from tests.reliability.table import calls

SAMPLED = 83
"""Every so many-th call is in the ordinary suite."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reliability")
    for path in (folder, folder.parent):
        path.chmod(0o755)
    return make(folder / "sandbox")


def wrong(every, sandbox):
    said = {" ".join(call.words)[:200]: problem(call, sandbox) for call in every}
    assert not (sandbox / CANARY).exists(), "code in a pickle ran"
    return {words: text for words, text in said.items() if text}


def test_a_sample_of_the_bad_calls_ends_in_a_sentence(sandbox):
    assert not wrong([call for call in calls()[::SAMPLED] if call.within != "nobody"], sandbox)


@pytest.mark.slow
def test_every_bad_call_ends_in_a_sentence(sandbox):
    assert not wrong(calls(), sandbox)


def test_the_table_has_600_calls_of_all_commands_and_none_twice():
    every = calls()
    assert len(every) >= 600
    assert {call.words[0] for call in every} >= set(COMMANDS)
    assert len({(call.words, call.within) for call in every}) == len(every)


def test_the_page_is_that_of_the_table():
    path = Path(__file__).parents[2] / "docs" / "reliability.md"
    assert path.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(("words", "said"), [(["margin", "--help"], "PYTHONOPTIMIZE"), (["models"], "")])
def test_python_without_docstrings_says_so_where_help_is_asked_for(words, said):
    command = [sys.executable, "-OO", "-m", "geomrob", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == (2 if said else 0)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_closed_streams_are_no_traceback(closed):
    shell = f"{sys.executable} -m geomrob models {closed}"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == (1 if closed == ">&-" else 0)
    assert "Traceback" not in done.stderr
