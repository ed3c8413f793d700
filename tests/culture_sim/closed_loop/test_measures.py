"""Measures of closed loops against literal counts."""

import numpy as np
import pytest

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.closed_loop import measures
from culture_sim.closed_loop.measures import Stretch
from culture_sim.experiments.dish_measures import DishRecording
from protocols.loading.loader import load
from protocols.plan.loops import Events
from protocols.spec.dish.measures import Measures
from protocols.spec.protocol import DishProtocol


def trains(times: list[float], units: list[int], duration: float = 20.0) -> SpikeTrains:
    return SpikeTrains.sorted(np.array(times), np.array(units), 8, duration)


def test_rallies_belong_to_the_part_in_which_they_end() -> None:
    """A step from 1 s to 11 s, 4 s of it early."""
    game = [(500, "miss", 9), (1500, "hit", 1), (3000, "miss", 1), (4000, "miss", 0), (4900, "hit", 1)]
    game += [(5100, "hit", 2), (6000, "hit", 3), (7000, "miss", 3), (9000, "miss", 0), (11500, "miss", 7)]
    at, name, value = (np.array(column) for column in zip(*game, strict=True))
    found = measures.rallies(Events(at, name, value.astype(float)), 1000, 11000, 1e-3, 4.0)
    assert {key: measure.value for key, measure in found.items()} == {
        "early": 0.5,  # rallies of 1 and 0
        "late": 1.5,  # 3 and 0
        "change": 1.0,
        "early hits": 2 / 4,
        "late hits": 2 / 4,
        "hit change": 0.0,
        "balls": 8.0,
    }


def test_rallies_of_a_part_without_a_ball_are_not_defined() -> None:
    found = measures.rallies(Events(np.array([9000]), np.array(["miss"]), np.array([2.0])), 0, 10_000, 1e-3, 5.0)
    assert np.isnan(found["early"].value)
    assert np.isnan(found["change"].value)
    assert found["late"].value == 2


def test_burstiness_is_0_of_steady_firing_and_1_where_all_spikes_are_in_the_fullest_seconds() -> None:
    steady = trains(list(np.arange(0, 20, 0.25)), [0] * 80)
    assert measures.burstiness(steady) == pytest.approx(0)
    three = trains([2.1, 2.2, 7.5, 7.6, 13.0], [0] * 5)  # 15 % of 20 s are 3 s
    assert measures.burstiness(three) == pytest.approx(1)
    half = trains([2.1, 2.2, 2.3, 2.4, *np.arange(4, 8, 1.0)], [0] * 8)  # seconds with 4, 1, 1, 1, 1
    assert measures.burstiness(half) == pytest.approx((6 / 8 - 0.15) / 0.85)
    assert np.isnan(measures.burstiness(trains([], [])))


def test_burst_control_counts_the_network_bursts_of_both_steps() -> None:
    def bursting(starts: list[float]) -> SpikeTrains:
        rows = [(start + 0.005 * k, k % 8) for start in starts for k in range(16)]
        return trains(*(list(column) for column in zip(*rows, strict=True)))

    sham, stimulated = bursting([1, 5, 9, 13]), bursting([3])
    found = measures.burst_control(Stretch(sham, sham), Stretch(stimulated, sham), Measures(), 1e-3)
    assert found["first"].value == pytest.approx(12)  # four in a third of a minute
    assert found["second"].value == pytest.approx(3)
    assert found["ratio"].value == pytest.approx(0.25)
    assert found["first share"].value == pytest.approx(4 * 0.075 / 20)
    assert found["second burstiness"].value == found["first burstiness"].value
    assert "without spikes within 1 ms after a pulse" in found["ratio"].definition


def test_blanked_trains_leave_out_what_is_close_to_a_pulse_of_the_plan_or_of_a_loop() -> None:
    protocol = load("paired_pulse", quick=True)
    assert isinstance(protocol, DishProtocol)
    rng = np.random.default_rng(0)
    step = np.sort(rng.integers(10_000, 16_000, 4000))
    arrays = {
        "heard/step": step,
        "heard/electrode": rng.integers(0, 64, 4000),
        "heard/direct": np.zeros(4000, bool),
        "electrodes": rng.random((64, 2)),
        "positions": rng.random((240, 2)),
        "stimuli/step": np.array([12_000, 12_002, 12_002]),
    }
    dish = DishRecording.of(protocol, arrays)
    pulses = [*dish.plan.pulses["at"].tolist(), 12_000, 12_002]
    close = np.array([any(0 <= s - p < 3 for p in pulses) for s in step])
    assert 5 < close.sum() < 100
    np.testing.assert_allclose(dish.trains("ms_50", 3e-3).time, (step[~close] - 10_000) * 1e-3)
    assert len(dish.trains("ms_50").time) == 4000
