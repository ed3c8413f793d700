"""The clock of a loop, on a clock that the test moves."""

import pytest

from culture_sim.closed_loop.pace import Clock


class Moved:
    def __init__(self) -> None:
        self.time, self.slept = 100.0, 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.slept += seconds


def test_ticks_come_when_they_are_due_and_lateness_does_not_add_up() -> None:
    moved = Moved()
    clock = Clock(0.01, "realtime", moved.now, moved.sleep)
    assert clock.wait(0) == pytest.approx(0)
    assert moved.time == pytest.approx(100.01)
    moved.time += 0.025  # the controller takes two and a half ticks
    assert clock.wait(1) == pytest.approx(0.015)
    assert clock.wait(2) == pytest.approx(0.005)
    assert clock.wait(3) == pytest.approx(0)
    assert moved.time == pytest.approx(100.04)


def test_as_fast_as_it_can_never_waits_nor_is_late() -> None:
    moved = Moved()
    clock = Clock(0.01, "fast", moved.now, moved.sleep)
    assert [clock.wait(k) for k in range(5)] == [0] * 5
    assert moved.slept == 0
