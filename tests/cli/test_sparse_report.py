"""The tables about sparse perturbations can be read in any terminal."""

import sys

import pytest

from geomrob.cli import sparse_report
from tests.synthetic import sparsity_result

QUICK = ["sparsefool", "--samples", "8"]


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("name", ["fmnist-lenet", "cifar10-resnet20"])
def test_no_number_is_cut_in_a_terminal_of_80_columns(name, columns, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    found = sparsity_result((100, 346, 506, 507, 612), shape=(3, 32, 32), model=name)
    sparse_report.tell([found], [], target=None, uint8=False, as_json=False)
    assert "…" not in capsys.readouterr().out
