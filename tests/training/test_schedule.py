import math

import pytest

from geomrob.training.recipe import Options
from geomrob.training.schedule import rate

STEPS = 1000


def rates(**options):
    return [rate(step, STEPS, Options(**options)) for step in range(STEPS)]


def test_the_triangle_rises_to_its_peak_and_falls_back_along_lines():
    line = rates(max_rate=0.21, peak=0.4)
    assert max(line) == pytest.approx(0.21, rel=2e-3)
    assert line.index(max(line)) in (399, 400)
    assert line[199] == pytest.approx(0.105, rel=5e-3)
    assert line[699] == pytest.approx(0.105, rel=5e-3)
    assert 0 < line[0] < 1e-3
    assert 0 < line[-1] < 1e-3


def test_one_cycle_follows_half_cosines():
    line = rates(schedule="one-cycle", max_rate=0.2, peak=0.25)
    for step in (10, 124, 249, 500, 900):
        position = (step + 0.5) / STEPS
        phase = position / 0.25 if position < 0.25 else 1 + (position - 0.25) / 0.75
        assert line[step] == pytest.approx(0.1 * (1 - math.cos(math.pi * phase)))


def test_a_constant_stays():
    assert set(rates(schedule="constant", max_rate=0.3)) == {0.3}
