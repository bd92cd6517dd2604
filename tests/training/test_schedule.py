import math

import pytest

from geomrob.training.optimizer import momentum, rate
from geomrob.training.recipe import Options

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


def test_a_line_falls_from_the_first_step_to_the_last():
    """Each step has the rate of its middle; the momentum, if it is cycled, rises as the rate falls."""
    line = rates(schedule="linear", max_rate=0.1, final_rate=0.02)
    assert line[0] == pytest.approx(0.1, rel=1e-3)
    assert line[499] == pytest.approx(0.06, rel=1e-3)
    assert line[-1] == pytest.approx(0.02, rel=3e-3)
    cycled = Options(schedule="linear", momentum=0.9, low_momentum=0.7)
    assert [momentum(step, 2, cycled) for step in range(2)] == pytest.approx([0.75, 0.85])


def test_step_schedule_falls_after_its_milestones():
    options = Options(schedule="step", epochs=10, milestones=(6, 8), factor=0.1, max_rate=1.0)
    rates = [rate(step, 20, options) for step in range(20)]
    assert rates == pytest.approx([1.0] * 12 + [0.1] * 4 + [0.01] * 4)


def test_two_cycles_of_phases():
    """Five phases of four epochs, twice, in forty epochs."""
    options = Options(schedule="two-cycle", epochs=40, factor=0.3, phases=5, max_rate=0.1)
    expected = [0.1 * 0.3 ** ((epoch % 20) // 4) for epoch in range(40)]
    assert [rate(step, 40, options) for step in range(40)] == pytest.approx(expected)


def test_a_cycle_may_start_and_end_above_zero():
    """The middle of a step is half a step from either end."""
    options = Options(schedule="one-cycle", start_rate=0.5, final_rate=0.1, max_rate=1.0, peak=0.5)
    rates = [rate(step, 1000, options) for step in range(1000)]
    assert rates[0] == pytest.approx(0.5, abs=1e-4)
    assert max(rates) == pytest.approx(1.0, abs=1e-4)
    assert rates[-1] == pytest.approx(0.1, abs=1e-4)
