"""Encoders against their published statistics and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from culture_sim.stimulus import encode, train_steps
from protocols.loader import load
from protocols.stimuli import IntervalTrain, PoissonTrain, RegularTrain, SpikeList
from protocols.timeline import expand


def trains(train: object, n: int = 4000, n_steps: int = 100) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [train_steps(train, n_steps, 1e-3, rng) for _ in range(n)]  # type: ignore[arg-type]


def test_interval_encoder_fires_as_published() -> None:
    """Lagani 2021: a 200 Hz pixel fires 19.7 +- 2 times in 100 ms; under about 8 Hz it never does."""
    counts = [len(t) for t in trains(IntervalTrain(encoder="interval", rate="200 Hz"))]
    assert abs(np.mean(counts) - 19.7) < 0.2
    assert abs(np.std(counts) - 2) < 0.2
    assert sum(len(t) for t in trains(IntervalTrain(encoder="interval", rate="7 Hz"))) < 20


def test_interval_encoder_has_poisson_intervals_with_zero_counted_as_one() -> None:
    """Its intervals against the distribution written out: P(1) = p(0) + p(1), P(k) = p(k)."""
    from scipy.stats import chisquare, poisson

    rng = np.random.default_rng(1)
    steps = train_steps(IntervalTrain(encoder="interval", rate="400 Hz"), 200_000, 1e-3, rng)
    intervals = np.diff(steps)
    expected = poisson.pmf(np.arange(9), 2.5)
    expected[1] += expected[0]
    expected = np.append(expected[1:], poisson.sf(8, 2.5))
    found = np.append(np.bincount(intervals, minlength=9)[1:9], (intervals > 8).sum())
    assert chisquare(found, expected / expected.sum() * len(intervals)).pvalue > 1e-3


def test_poisson_train_is_binomial_in_every_step() -> None:
    counts = np.array([len(t) for t in trains(PoissonTrain(encoder="poisson", rate="200 Hz"))])
    assert abs(counts.mean() - 20) < 0.3
    assert abs(counts.var() - 100 * 0.2 * 0.8) < 1.5


def test_tetanus_is_100_pulses_4_ms_apart() -> None:
    steps = train_steps(RegularTrain(encoder="regular", rate="250 Hz"), 400, 1e-3, np.random.default_rng())
    np.testing.assert_array_equal(steps, np.arange(0, 400, 4))


def test_spike_list_is_taken_as_it_is_within_the_duration() -> None:
    train = SpikeList(encoder="spikes", times=("0 ms", "3 ms", "9 ms", "12 ms"))
    np.testing.assert_array_equal(train_steps(train, 10, 1e-3, np.random.default_rng()), [0, 3, 9])


@given(rate=st.floats(1, 1000), n_steps=st.integers(1, 500), seed=st.integers(0, 99))
def test_trains_are_sorted_unique_and_inside(rate: float, n_steps: int, seed: int) -> None:
    for train in (
        RegularTrain(encoder="regular", rate=f"{rate:f} Hz"),
        PoissonTrain(encoder="poisson", rate=f"{rate:f} Hz"),
        IntervalTrain(encoder="interval", rate=f"{rate:f} Hz"),
    ):
        steps = train_steps(train, n_steps, 1e-3, np.random.default_rng(seed))
        assert np.all(np.diff(steps) > 0)
        assert len(steps) == 0 or (steps[0] >= 0 and steps[-1] < n_steps)


@given(rate=st.integers(1, 1000), n_steps=st.integers(1, 1000))
def test_regular_trains_have_the_nearest_whole_number_of_pulses(rate: int, n_steps: int) -> None:
    steps = train_steps(RegularTrain(encoder="regular", rate=f"{rate} Hz"), n_steps, 1e-3, np.random.default_rng())
    assert abs(len(steps) - n_steps * rate / 1000) <= 1
    assert steps[0] == 0


def test_a_trial_has_the_same_pulses_before_and_after_and_another_seed_has_others() -> None:
    protocol = load("ruaro2005", quick=True)
    timeline = expand(protocol)
    session = encode(protocol, timeline, 0)
    first = {}
    for k, row in enumerate(timeline.presentations):
        inside = (session.step >= session.onset[k]) & (session.step < session.onset[k] + session.n_steps[k])
        pulses = {
            *zip(session.electrode[inside].tolist(), (session.step[inside] - session.onset[k]).tolist(), strict=True)
        }
        key = (timeline.stimuli[row["stimulus"]], int(row["trial"]))
        if key in first:
            assert pulses == first[key]
        first[key] = pulses
    assert len(first) == 80
    assert first["L", 0] != first["L", 1]
    other = encode(protocol, timeline, 1)
    assert len(other.step) != len(session.step) or np.any(other.step != session.step)


def test_pulses_come_from_the_drawn_electrodes_in_the_stimulus_window() -> None:
    protocol = load("ruaro2005", quick=True)
    timeline = expand(protocol)
    session = encode(protocol, timeline, 0)
    presentation = np.searchsorted(session.onset, session.step, "right") - 1
    probe = ~timeline.presentations["plastic"][presentation]
    within = session.step - session.onset[presentation]
    assert within[probe].min() >= 50
    assert within[probe].max() < 60
    columns, rows = session.electrode % 10, session.electrode // 10
    is_l = timeline.presentations["stimulus"][presentation] == 0
    assert np.all((columns[is_l] == 0) | (rows[is_l] == 5))
    assert len(np.unique(session.electrode[is_l])) == 15


def test_session_refuses_double_pulses() -> None:
    from culture_sim.session import Session

    with pytest.raises(ValueError, match="two pulses"):
        Session([10], [True], [3, 3], [5, 5])
    for wrong in (
        {"step": [10]},
        {"step": [-1]},
        {"step": [1.5]},
        {"step": [1, 2]},
        {"step": [[1]]},
        {"step": [2**32 + 2]},
        {"electrode": [2**32]},
        {"electrode": [-1]},
        {"n_steps": [50.9]},
        {"n_steps": []},
        {"n_steps": [0]},
        {"learning": ["no"]},
        {"learning": None},
        {"learning": [True, False]},
        {"snapshot": [True, False]},
    ):
        with pytest.raises(ValueError, match="allowed"):
            Session(**({"n_steps": [10], "learning": [True], "electrode": [3], "step": [5]} | wrong))
