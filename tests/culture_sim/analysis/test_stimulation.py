"""Responses to pulses against their definitions written as loops."""

import numpy as np
import pytest

from culture_sim.analysis import stimulation
from culture_sim.analysis.stimulation import Heard

N = 5


def heard(seed: int = 0) -> Heard:
    rng = np.random.default_rng(seed)
    step = np.sort(rng.integers(0, 20_000, 3000)).astype(np.int32)
    return Heard(step, rng.integers(0, N, 3000).astype(np.int16), rng.random(3000) < 0.1)


PULSES = np.array([500, 3000, 3100, 19_950])


def literal_counts(spikes: Heard, first: int, last: int) -> np.ndarray:
    found = np.zeros((len(PULSES), N))
    for k, at in enumerate(PULSES):
        for step, electrode, direct in zip(*spikes, strict=True):
            found[k, electrode] += at + first <= step < at + last and not direct
    return found


@pytest.mark.parametrize(("first", "last"), [(1, 50), (50, 300), (-40, 0)])
def test_counts_are_those_of_the_loop(first: int, last: int) -> None:
    spikes = heard()
    np.testing.assert_array_equal(
        stimulation.counts(spikes, N, PULSES, first, last), literal_counts(spikes, first, last)
    )


def test_evoked_spikes_are_less_the_stretch_before() -> None:
    spikes = heard()
    expected = literal_counts(spikes, 1, 50).mean(axis=1) - literal_counts(spikes, -49, 0).mean(axis=1)
    np.testing.assert_allclose(stimulation.evoked(spikes, N, PULSES, 1, 50), expected)


def test_latency_is_the_median_over_electrodes_of_the_mean_first_spike() -> None:
    spikes = heard()
    means = []
    for electrode in range(N):
        mine = spikes.step[(spikes.electrode == electrode) & ~spikes.direct]
        waits = [min(mine[(mine > at) & (mine < at + 60)] - at, default=None) for at in PULSES]
        if found := [wait for wait in waits if wait is not None]:
            means.append(np.mean(found))
    assert stimulation.latency(spikes, N, PULSES, 60) == pytest.approx(np.median(means))
    assert np.isnan(stimulation.latency(Heard(*(array[:0] for array in spikes)), N, PULSES, 60))


def test_the_time_course_counts_every_spike_around_the_pulses() -> None:
    spikes = heard()
    found = stimulation.time_course(spikes, N, PULSES, 50, 300, 5)
    assert found.shape == (70,)
    for k in (0, 9, 10, 69):
        inside = sum(
            at - 50 + 5 * k <= step < at - 50 + 5 * (k + 1) for at in PULSES.tolist() for step in spikes.step.tolist()
        )
        assert found[k] == pytest.approx(inside / (len(PULSES) * N))
