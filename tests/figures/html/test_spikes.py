"""What a page shows of spikes, against literal loops."""

import numpy as np
import pytest

from figures.html import recording, spikes
from figures.html.runs.evoked import heard

N = 5


def made(n: int = 3000, length: float = 60.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.sort(rng.integers(0, int(length * 1e4), n)) / 1e4, rng.integers(0, N, n)


def unpacked(delta: np.ndarray, of: np.ndarray, n: int) -> list[tuple[int, int]]:
    """Ticks and electrodes, one by one, as the script of the page does it."""
    at, found = 0, []
    for gap, electrode in zip(delta.tolist(), of.tolist(), strict=True):
        at += gap
        if electrode != n:
            found.append((at, electrode))
    return found


@pytest.mark.parametrize("n", [N, 300])
def test_packed_spikes_are_those_that_were_given_across_long_pauses(n: int) -> None:
    time, electrode = made(200)
    time = np.append(time, [80.0, 80.0, 500.0])
    electrode = np.append(electrode, [1, 2, n - 1])
    found = unpacked(*spikes.steps(time, electrode, n), n)
    assert found == list(zip(np.round(time * 1e4).astype(int).tolist(), electrode.tolist(), strict=True))


def test_packing_nothing_gives_nothing() -> None:
    delta, of = spikes.steps(np.zeros(0), np.zeros(0, int), N)
    assert len(delta) == len(of) == 0


def test_the_busy_span_is_thinned_and_the_quiet_one_is_whole() -> None:
    time, electrode = made()
    quiet = time < 1.0
    starts = [0.0, 1.0]
    chosen, every = spikes.thinned(time, electrode, starts, 1000)
    assert every[0] == 1
    assert every[1] == -(-(~quiet).sum() // (1000 - quiet.sum()))
    kept, seen = set(chosen.tolist()), dict.fromkeys(range(N), 0)
    for k, (t, e) in enumerate(zip(time.tolist(), electrode.tolist(), strict=True)):
        if t < 1.0:
            assert k in kept
            continue
        assert (k in kept) == (seen[e] % every[1] == 0)
        seen[e] += 1
    whole, every = spikes.thinned(time, electrode, starts, 3000)
    assert every == [1, 1]
    assert len(whole) == 3000


def test_intervals_are_counted_within_an_electrode_and_not_across_a_pause() -> None:
    time, electrode = made()
    breaks = np.array([0.0, 20.0, 40.0])
    found = spikes.intervals(time, electrode, N, breaks)
    expected = np.zeros_like(found)
    for k in range(N):
        for first, last in ((0, 20), (20, 40), (40, 60)):
            own = [t for t, e in zip(time, electrode, strict=True) if e == k and first <= t < last]
            counts, _ = np.histogram(np.diff(own), spikes.ISI_EDGES)
            expected[k] += counts
    np.testing.assert_array_equal(found, expected)
    assert spikes.intervals(time, electrode, N).sum() > found.sum()


def test_responses_are_mean_rates_around_pulses() -> None:
    time, electrode = made()
    pulses, edges = np.array([0.01, 10.0, 30.0, 59.99]), np.linspace(-0.05, 0.3, 8)
    found = spikes.responses(time, electrode, N, pulses, edges)
    for k in range(N):
        for b in range(7):
            count = 0
            for pulse in pulses:
                first, last = round((pulse + edges[b]) * 1e4), round((pulse + edges[b + 1]) * 1e4)
                count += sum(first <= round(t * 1e4) < last for t in time[electrode == k])
            assert found[k, b] == pytest.approx(count / 0.05 / 4)


def test_a_neuron_that_two_electrodes_hear_counts_for_each() -> None:
    rng = np.random.default_rng(1)
    units = rng.integers(0, 12, (6, 3))
    units[:, 1] = (units[:, 0] + 1) % 12  # a neuron once an electrode
    units[:, 2] = (units[:, 0] + 2) % 12
    step, neuron = np.sort(rng.integers(0, 500, 400)), rng.integers(0, 12, 400)
    at, electrode = heard(step, neuron, units)
    expected = [(s, e) for s, n in zip(step, neuron, strict=True) for e in range(6) if n in units[e]]
    assert sorted(zip(at, electrode, strict=True)) == sorted(expected)
    assert np.all(np.diff(at) >= 0)


def test_units_of_one_electrode_stand_apart_and_the_others_stay() -> None:
    places = np.array([[0, 0], [0, 0], [200, 0], [0, 0], [0, 200]]) * 1e-6
    found = recording.apart(places)
    np.testing.assert_array_equal(found[[2, 4]], places[[2, 4]])
    distance = np.linalg.norm(found[:, None] - found, axis=2) + np.eye(5)
    assert distance.min() > 50e-6
    np.testing.assert_allclose(found[[0, 1, 3]].mean(axis=0), [0, 0], atol=1e-12)
    assert recording.apart(places[[0, 2, 4]]) is not None
