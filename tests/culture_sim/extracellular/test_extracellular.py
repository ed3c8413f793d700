"""Traces against sums written as loops; the detector finds spikes where they are; pairs of true and detected ones."""

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from culture_sim.extracellular import detection as detector
from culture_sim.extracellular.amplitude import amplitudes, template
from culture_sim.extracellular.comparison import matched, scores
from culture_sim.extracellular.detection import detect, noise
from culture_sim.extracellular.traces import Traces
from protocols.spec.dish.extracellular import Extracellular
from protocols.spec.dish.recordings import Detection

ELECTRODES = np.array([[0.0, 0.0], [2e-4, 0.0]])
NEURONS = np.array([[0.0, 0.0], [5e-5, 0.0], [2e-4, 1e-5]])


def traces(duration: float = 3.0, seed: int = 0, **changes: object) -> Traces:
    """Three neurons at about 20 Hz near two electrodes."""
    rng = np.random.default_rng(seed)
    n = round(duration * 60)
    step, neuron = np.sort(rng.integers(20, round(duration * 1000) - 20, n)), rng.integers(0, 3, n)
    spec = Extracellular(**changes)
    return Traces.of(spec, step, neuron, 1e-3, duration, ELECTRODES, NEURONS, seed)


def test_amplitudes_fall_with_distance_and_differ_between_neurons() -> None:
    spec = Extracellular(spread=0.0)
    found = amplitudes(ELECTRODES, NEURONS, spec, np.random.default_rng(0))
    np.testing.assert_allclose(found[0], [120e-6, 120e-6 * np.exp(-50 / 72), 120e-6 * np.exp(-np.hypot(200, 10) / 72)])
    assert found[0, 1] == pytest.approx(60e-6, rel=0.01)
    many = np.zeros((20_000, 2))
    factors = amplitudes(ELECTRODES[:1], many, Extracellular(spread=0.3), np.random.default_rng(1))[0] / 120e-6
    assert factors.mean() == pytest.approx(1, abs=0.01)
    assert np.log(factors).std() == pytest.approx(0.3, abs=0.01)


def test_traces_are_the_sum_of_templates_whatever_the_chunks() -> None:
    made = traces(noise="0 mV")
    shape, peak = template(made.spec)
    assert shape[peak] == pytest.approx(-1, abs=1e-3)
    expected = np.zeros((made.n_samples + 2 * len(shape), 2))
    for sample, neuron in zip(made.sample, made.neuron, strict=True):
        for electrode in range(2):
            begin = sample - peak + len(shape)
            expected[begin : begin + len(shape), electrode] += shape * made.amplitude[electrode, neuron]
    found = np.concatenate(list(made.chunks()))
    np.testing.assert_allclose(found, expected[len(shape) : -len(shape)], atol=1e-10)


def test_noise_is_that_which_was_asked_for_and_its_estimate_ignores_spikes() -> None:
    made = traces(10.0, noise="0.01 mV")
    assert noise(np.concatenate(list(made.chunks()))) == pytest.approx(10e-6, rel=0.1)


def test_borders_of_chunks_leave_no_trace() -> None:
    whole = np.concatenate(list(traces().chunks())).astype(float)
    expected = sosfiltfilt(butter(3, (300, 3000), "bandpass", fs=20_000, output="sos"), whole, axis=0)
    expected_spikes = detect([whole], 20_000, Detection())
    for length in (500, 7_000, 20_000):
        parts = [whole[k : k + length] for k in range(0, len(whole), length)]
        found = np.concatenate(list(detector._filtered(parts, 20_000, Detection())))
        np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())
        for one, other in zip(detect(parts, 20_000, Detection()), expected_spikes, strict=True):
            np.testing.assert_array_equal(one, other)


def test_large_spikes_are_found_where_they_are_and_noise_is_not() -> None:
    made = traces(20.0, spread=0.0)
    found = detect(made.chunks(), made.spec.sampling, Detection())
    true = []
    for row in made.amplitude:
        heard = row[made.neuron] > 0
        true.append((made.sample[heard] / made.spec.sampling, row[made.neuron[heard]]))
    measured = scores(true, found, np.array([5, 40, 200]) * 1e-6, made.duration_s)
    assert measured.recall[1] > 0.97  # the rest lies within the dead time of another spike
    assert measured.precision > 0.99
    silent = traces(20.0, peak="0 mV")
    assert sum(map(len, detect(silent.chunks(), 20_000, Detection()))) <= 2  # 5 sd: 3e-7 of 8e5 samples


def test_no_two_spikes_of_a_channel_are_nearer_than_the_dead_time() -> None:
    made = traces(10.0)
    for train in detect(made.chunks(), 20_000, Detection(dead_time="3 ms")):
        assert np.diff(train).min() >= 3e-3 - 1e-9


def test_a_band_above_half_the_sampling_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"detection.high: 3000 Hz; allowed: below 2000 Hz, half the sampling rate"):
        detect([np.zeros((100, 1))], 4000.0, Detection())
    with pytest.raises(ValueError, match="no samples"):
        detect([], 20_000.0, Detection())


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_the_nearest_first_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true, found = np.sort(rng.uniform(0, 0.1, 40)), np.sort(rng.uniform(0, 0.1, 50))
    pairs = sorted((abs(a - b), i, j) for i, a in enumerate(true) for j, b in enumerate(found) if abs(a - b) <= 1e-3)
    hit, used = set(), set()
    for _, i, j in pairs:
        if i not in hit and j not in used:
            hit.add(i)
            used.add(j)
    is_hit, is_used = matched(true, found, 1e-3)
    assert set(np.flatnonzero(is_hit)) == hit
    assert set(np.flatnonzero(is_used)) == used
