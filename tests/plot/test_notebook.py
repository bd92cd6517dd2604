"""A notebook shows pictures, tables and progress (needs nbclient and ipykernel)."""

import pytest

MEASURED = """
import torch, geomrob
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
bar = geomrob.progress_bar("robust")
found = geomrob.robust_accuracy(model, torch.rand(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64), progress=bar)
found
"""

CELLS = (MEASURED, "geomrob.plot_robust_accuracy(found)", "found.plot()")


def test_every_cell_shows_what_it_returns():
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    nbformat = pytest.importorskip("nbformat")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    bar, result = book.cells[0].outputs
    assert "robust |" in bar.data["text/plain"]
    assert "8 of 8" in bar.data["text/plain"]
    assert "<table" in result.data["text/html"]
    assert "data:image/png" in result.data["text/html"]
    for cell in book.cells[1:]:
        assert "image/png" in cell.outputs[-1].data
