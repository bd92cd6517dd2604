"""What every command prints on terminals of 60, 80 and 120 columns and in a pipe: no number of its JSON is lost."""

import contextlib
import io
import json
import math
import re
import sys

import pytest

from geomrob.cli import COMMANDS, main
from geomrob.cli.answer import Answer
from tests.cli.test_trainings import QUICK, SLOW

WORDS = {
    **QUICK,
    "transfer": ["--samples", "3", "--model", "fmnist-lenet", "--model", "fmnist-resnet8", "--attack", "deepfool"],
    "corruptions": ["--samples", "4", "--corruptions", "fog", "--severities", "1", "--model", "fmnist-lenet"],
    "compare": ["fmnist-lenet", "fmnist-resnet8", "--samples", "4", "--of", "sparsefool"],
    "kernels": ["--model", "fmnist-pushpull-avg3"],
    "augment": ["--show", "color", "--smoothness", "2", "--strength", "0.1", "--strength", "0.2"],
    "corrupt": ["fashion-mnist-1k", "OUT", "--corruptions", "gaussian_noise", "--samples", "2"],
    "models": [],
    "data": [],
    "train": ["smoke"],
    "reproduce": ["list"],
    "robust": ["--samples", "3", "--epsilon", "0.02"],
    "report": ["fmnist-lenet", "--only", "layers", "--samples", "4", "--budget", "quick"],
}
"""A short run of each command. `merge` prints what the command of the shards does."""

SLOWER = {**SLOW, "train": pytest.mark.slow}

NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*(?:e[-+]?\d+)?|inf)")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return a function that runs a command once in this module, for its answer."""
    known = {}

    def answer(command):
        if command in known:
            return known[command]
        folder = tmp_path_factory.mktemp(command)
        words = [str(folder) if word == "OUT" else word for word in WORDS[command]]
        home = folder / "page.html" if command == "report" else folder
        out = [] if command in ("models", "data", "corrupt") else ["--out", str(home)]
        finish = Answer.finish

        def keep(self, **how):
            known[command] = self
            return finish(self, **how)

        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            patch.setattr(Answer, "finish", keep)
            patch.setattr(Answer, "picture", lambda *_: None)
            assert main([command, *words, *out, "--json", "--quiet"]) in (0, 3)
        return known[command]

    return answer


def numbers(text):
    """Return the numbers in a text as (value, half a unit of the last place, whether in per cent)."""
    read = []
    for match in NUMBER.finditer(text):
        word = match[0].replace(",", "").rstrip(".")
        if word.lstrip("+-") == "inf":
            read.append((math.copysign(math.inf, -1 if word[0] == "-" else 1), 0.0))
            continue
        mantissa, _, exponent = word.partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        read.append((float(word), 0.5001 * unit))
    return read


def is_there(value, read):
    """Return whether a number is among those read, to the digits that are shown; shares also in per cent."""
    return any(
        value == shown or (math.isfinite(value) and abs(factor * value - shown) <= half)
        for shown, half in read
        for factor in (1, 100)
    )


def lines_of(name, out):
    """Return what stands behind a name: its lines of tables, or its list where the terminal is narrow."""
    below = out.partition(f"\n{name}\n")[2].partition("\n\n")[0]
    return " ".join([name, *(line for line in out.splitlines() if line.strip().startswith(name)), below])


def test_every_command_is_tried_here():
    assert set(WORDS) == set(COMMANDS) - {"merge"}


@pytest.mark.parametrize("command", [pytest.param(name, marks=SLOWER.get(name, ())) for name in WORDS])
def test_no_number_of_the_json_is_lost_at_any_width(command, answers, capsys, monkeypatch):
    answer = answers(command)
    results = json.loads(answer.to_json())["results"]
    for width in (60, 80, 120, None):
        monkeypatch.setattr(sys.stdout, "isatty", lambda width=width: width is not None)
        monkeypatch.setenv("COLUMNS", str(width or 20))
        answer._show()
        out = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
        assert "…" not in out
        long = [line for line in out.splitlines() if len(line) > (width or math.inf)]
        assert not any(len(word) < width - 20 for line in long for word in [max(line.split(), key=len)])
        for table in answer.tables():
            single = [index for index, column in enumerate(table.columns) if not column.words]
            for cells in table.cells():
                shown = set(lines_of(cells[0], out).split())
                assert {word for index in single for word in cells[index].split()} <= shown
        read = numbers(out)
        named = " ".join(re.findall(r"Not in the table: (.*?);", " ".join(out.split())))
        left_out = set(re.split(r"[,\s(]+", named))
        for result in results:
            for row in result["rows"]:
                for key, value in row.items():
                    number = float(value) if value in ("inf", "-inf") else value
                    if isinstance(number, (int, float)) and not isinstance(number, bool):
                        assert key in left_out or is_there(number, read), (width, key, value)
