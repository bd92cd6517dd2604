"""Every number has a birth certificate."""

import datetime as dt
import sys

from geomrob.runs import Clock, device_name, versions


def test_provenance_is_complete(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/geomrob", "margin", "--data", "my images"])
    birth = Clock(seed=3).provenance(forwards=5, backwards=7)
    assert birth.command == "geomrob margin --data 'my images'"
    assert (birth.seed, birth.forwards, birth.backwards) == (3, 5, 7)
    assert birth.versions == versions()
    assert {"geomrob", "python", "torch", "numpy"} <= birth.versions.keys()
    assert birth.device == device_name("cpu")
    assert "cpu (" in birth.device
    assert 0 <= birth.seconds < 60
    assert dt.datetime.fromisoformat(birth.created).utcoffset() == dt.timedelta(0)
