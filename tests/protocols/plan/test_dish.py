"""A timeline in time steps: every step and every pulse where the file says."""

from pathlib import Path

import numpy as np

from protocols.loading.loader import load
from protocols.plan.dish import electrode_pulses, expand_dish
from protocols.spec.protocol import DishProtocol
from tests.protocols.spec.test_dish import GOOD, written


def test_steps_follow_one_another_and_pulses_stand_where_the_file_says(tmp_path: Path) -> None:
    protocol = load(written(tmp_path, GOOD))
    assert isinstance(protocol, DishProtocol)
    plan = expand_dish(protocol)
    assert plan.names == ("rest", "before", "tetanus", "after", "pairs")
    assert plan.steps["start"].tolist() == [0, 2000, 8000, 18000, 24000]
    assert plan.steps["stop"].tolist() == [2000, 8000, 18000, 24000, 32000]
    assert plan.n_steps == 32000
    assert plan.pulses_of("before", "left").tolist() == [2000, 4000, 6000]
    assert plan.pulses_of("before", "right").tolist() == [3000, 5000, 7000]
    tetanus = plan.pulses[plan.pulses["step"] == 2]
    assert tetanus["at"].tolist() == [*range(8000, 8100, 10), *range(13000, 13100, 10)]
    assert tetanus["turn"].tolist() == [*range(10)] * 2
    assert plan.pulses_of("pairs", "left", 0).tolist() == [24000, 26000, 28000, 30000]
    assert plan.pulses_of("pairs", "left", 1).tolist() == [24050, 26050, 28050, 30050]
    assert np.all(np.diff(plan.pulses["at"]) > 0)


def test_every_electrode_of_a_pattern_gets_its_pulse(tmp_path: Path) -> None:
    protocol = load(written(tmp_path, GOOD))
    assert isinstance(protocol, DishProtocol)
    pulses = electrode_pulses(protocol, expand_dish(protocol))
    first = pulses.step == 2000
    assert pulses.electrode[first].tolist() == [0, 8]
    assert pulses.amplitude_A[first].tolist() == [30e-6, 30e-6]
    assert pulses.electrode[pulses.step == 3000].tolist() == [7]
    assert len(pulses.step) == 3 * (2 + 1) * 2 + 2 * 10 * 2 + 4 * 2 * 2
