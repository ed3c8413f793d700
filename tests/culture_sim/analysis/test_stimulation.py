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


def test_direct_spikes_are_those_that_a_pulse_caused_in_its_own_step() -> None:
    spikes = heard()
    pulses = np.array([*np.unique(spikes.step[spikes.direct])[:20], 19_999])
    expected = sum(
        step == at and direct
        for at in pulses
        for step, direct in zip(spikes.step.tolist(), spikes.direct.tolist(), strict=True)
    ) / (21 * N)
    assert stimulation.direct(spikes, N, pulses) == pytest.approx(expected)
    assert expected > 20 / (21 * N) - 1e-9


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


def literal_leaky_course(
    spikes: list[tuple[int, int]], hears: list[list[int]], pulses: list[int], leak: float, bin_steps: int, n_bins: int
) -> np.ndarray:
    """Neuron by neuron and step by step, from spikes (step, neuron) and the neurons of each electrode."""
    bins = np.zeros((len(pulses), n_bins))
    fired = set(spikes)
    for k, at in enumerate(pulses):
        of_electrodes = []
        for neurons in hears:
            if not neurons:
                continue
            of_neurons = []
            for neuron in neurons:
                y, course = 0.0, []
                for step in range(at, at + n_bins * bin_steps):
                    y = y * np.exp(-1 / leak) + ((step, neuron) in fired)
                    course.append(y)
                of_neurons.append([np.mean(course[b * bin_steps : (b + 1) * bin_steps]) for b in range(n_bins)])
            of_electrodes.append(np.mean(of_neurons, axis=0))
        bins[k] = np.mean(of_electrodes, axis=0)
    return bins.mean(axis=0)


def test_the_leaky_course_is_that_of_every_neuron_counted_by_itself() -> None:
    rng = np.random.default_rng(1)
    hears = [[0, 1, 2], [2], [], [3, 4]]  # neuron 2 is heard twice, neuron 5 never, electrode 2 hears none
    spikes = sorted({(int(step), int(neuron)) for step, neuron in rng.integers((0, 0), (900, 6), (2000, 2))})
    pairs = [(step, electrode) for step, neuron in spikes for electrode, found in enumerate(hears) if neuron in found]
    step, electrode = np.array(pairs).T
    recorded = Heard(step.astype(np.int32), electrode.astype(np.int16), rng.random(len(step)) < 0.5)
    pulses = [100, 450, 870]  # the last course reaches beyond the recording
    found = stimulation.leaky_course(recorded, np.array([3, 1, 0, 2]), np.array(pulses), 20.0, 10, 10)
    np.testing.assert_allclose(found, literal_leaky_course(spikes, hears, pulses, 20.0, 10, 10))
    assert np.isnan(stimulation.leaky_course(recorded, np.zeros(4, int), np.array(pulses), 20.0, 10, 10)).all()
