"""Pulses of closed loops, put together from rows of single electrodes."""

import numpy as np

from protocols.plan.dish import PULSE, STEP, DishPlan
from protocols.plan.loops import events, loop_pulses, ticks

PLAN = DishPlan(("rest", "loop"), (), np.array([(0, 100, False), (100, 300, False)], STEP), np.zeros(0, PULSE))


def test_electrodes_at_one_time_of_one_label_and_kind_are_one_pulse() -> None:
    rows = [
        (120, 5, "hit", 2e-5, 2e-4),
        (120, 3, "hit", 2e-5, 2e-4),
        (120, 4, "hit", 3e-5, 2e-4),  # of another amplitude
        (120, 6, "sense", 2e-5, 2e-4),
        (130, 5, "hit", 2e-5, 2e-4),
    ]
    names = ("step", "electrode", "label", "amplitude_A", "width_s")
    arrays = {
        f"seed_4/stimuli/{name}": np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    found = loop_pulses(PLAN, arrays, 4)
    assert [(p.at, p.label, p.trial, p.electrodes.tolist()) for p in found] == [
        (120, "hit", 0, [3, 5]),
        (120, "hit", 1, [4]),
        (120, "sense", 0, [6]),
        (130, "hit", 2, [5]),
    ]
    assert {p.step for p in found} == {"loop"}
    assert found[1].amplitude_A == 3e-5


def test_a_run_without_loops_has_none() -> None:
    assert loop_pulses(PLAN, {}, 0) == []
    assert len(events({}, 0).at) == len(ticks({}, 0)) == 0
    empty = {f"seed_0/stimuli/{name}": np.zeros(0) for name in ("step", "electrode", "label", "amplitude_A", "width_s")}
    assert loop_pulses(PLAN, empty, 0) == []
