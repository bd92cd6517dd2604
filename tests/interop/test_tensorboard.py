"""Numbers and pictures in a TensorBoard log."""

import io

import pytest
from PIL import Image

from geomrob.errors import UsageError
from geomrob.interop.tensorboard import check_tensorboard, write_log


def test_without_tensorboard_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr("geomrob.interop.tensorboard.find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"pip install 'geomrob\[tensorboard\]'"):
        check_tensorboard()


def test_rows_are_scalars_and_pictures_are_pictures(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3)).save(buffer, "PNG")
    rows = [{"band": "low", "median": 0.25, "found": float("inf")}, {"band": "high", "median": 0.5, "found": 1.0}]
    write_log(tmp_path, {"margin": rows, "train": [{"epoch": 7, "loss": 1.5}]}, {"margin/margin": buffer.getvalue()})
    log = reader.EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in log.Scalars("margin/median")] == [(0, 0.25), (1, 0.5)]
    assert [(event.step, event.value) for event in log.Scalars("margin/found")] == [(1, 1.0)]
    assert [(event.step, event.value) for event in log.Scalars("train/loss")] == [(7, 1.5)]
    assert (log.Images("margin/margin")[0].width, log.Images("margin/margin")[0].height) == (4, 3)
