"""The command that CONTRIBUTING.md adds as its worked example: the diff applies, and the command does what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def diff():
    (found,) = re.findall(r"^```diff\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    return found


@pytest.fixture
def clone(tmp_path, diff):
    """Return a copy of the package, its assets linked, with the diff applied."""
    shutil.copytree(ROOT / "geomrob", tmp_path / "geomrob", ignore=shutil.ignore_patterns("assets", "__pycache__"))
    (tmp_path / "geomrob" / "assets").symlink_to(ROOT / "geomrob" / "assets")
    (tmp_path / "example.diff").write_text(diff)
    subprocess.run(["git", "apply", "example.diff"], cwd=tmp_path, check=True)
    return tmp_path


def geomrob(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(folder), "GEOMROB_DATA": ""}
    done = subprocess.run(
        [sys.executable, "-m", "geomrob", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_command_is_one_file_of_at_most_ninety_lines(diff):
    added = [line for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert diff.count("+++ b/geomrob/cli/commands/") == 1
    assert 0 < len(added) <= 90


def test_the_command_is_listed_measures_shows_and_writes(clone):
    assert "norms" in geomrob(clone, "--help")
    answer = json.loads(geomrob(clone, "norms", "--samples", "3", "--norm", "l2", "--json"))
    assert answer["command"] == "norms"
    assert answer["results"][0]["rows"]
    written = {Path(file).name for file in answer["files"]}
    assert written == {"norms.json", "norms.npz", "norms.csv", "norms.png"}
    assert all((clone / file).is_file() for file in answer["files"])
