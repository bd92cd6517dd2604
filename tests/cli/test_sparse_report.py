"""The tables about sparse perturbations can be read in any terminal."""

import sys

import pytest

from geomrob.cli.answer import Answer
from tests.synthetic import sparsity_result


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("name", ["fmnist-lenet", "cifar10-resnet20"])
def test_no_number_is_cut_in_a_terminal_of_80_columns(name, columns, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    found = sparsity_result((100, 346, 506, 507, 612), shape=(3, 32, 32), model=name)
    Answer("sparsefool", tmp_path, [found], as_json=False).finish()
    lines = capsys.readouterr().out.splitlines()
    (counts,) = (line for line in lines if "%," not in line and "346" in line)
    assert "346, 506, 507" in counts
    assert counts.startswith(f" {name} ")
    assert "…" not in "".join(lines)
