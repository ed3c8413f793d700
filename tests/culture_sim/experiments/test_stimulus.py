"""Stimulus encoders against published statistics and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from culture_sim.experiments.stimulus import encode, encode_rates, train_steps
from protocols.loading.loader import load
from protocols.plan.timeline import expand
from protocols.spec.stimuli import IntervalTrain, PoissonTrain, RegularTrain, SpikeList


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
    """Intervals follow the distribution P(1) = p(0) + p(1), P(k) = p(k)."""
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
    random = [f"stimuli.{name}.train={{encoder: poisson, rate: 200 Hz}}" for name in ("L", "inverted_L")]
    protocol = load("ruaro2005", [*random, *(f"phases.{name}.repetitions=20" for name in ("before", "after"))])
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
    from culture_sim.engines.session import Session

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


# rates: one per electrode


def seeds(n: int, first: int = 0) -> list[np.random.SeedSequence]:
    return [np.random.SeedSequence(k) for k in range(first, first + n)]


def counted(rate_hz: float, encoder: str, n: int = 80, n_electrodes: int = 50, n_steps: int = 100) -> np.ndarray:
    """Pulses of every electrode in every presentation, all at one rate."""
    rates = np.full((n, n_electrodes), rate_hz)
    electrode, step = encode_rates(rates, n_steps, encoder, 1e-3, seeds(n))
    return np.bincount(step // n_steps * n_electrodes + electrode, minlength=n * n_electrodes)


def test_interval_rates_fire_as_published() -> None:
    """Lagani 2021: a 200 Hz pixel fires 19.7 +- 2 times in 100 ms; under about 8 Hz it never does."""
    counts = counted(200, "interval")
    assert abs(counts.mean() - 19.7) < 0.2
    assert abs(counts.std() - 2) < 0.2
    assert counted(7, "interval").sum() < 20
    assert counted(5, "interval").sum() == 0


def test_poisson_rates_are_binomial_in_every_step() -> None:
    for rate in (3, 40, 200, 900):
        counts, p = counted(rate, "poisson"), rate / 1000
        n = 100 * len(counts)
        assert abs(counts.sum() - n * p) < 4 * (n * p * (1 - p)) ** 0.5
        assert counts.var() == pytest.approx(100 * p * (1 - p), rel=0.1)


@given(
    rates=st.lists(st.one_of(st.just(0.0), st.floats(0.5, 1000)), min_size=1, max_size=8),
    n_steps=st.integers(1, 200),
    seed=st.integers(0, 99),
)
def test_rates_are_the_trains_of_a_stimulus_one_electrode_after_the_other(
    rates: list[float], n_steps: int, seed: int
) -> None:
    """Pulses equal trains drawn electrode by electrode from the presentation's source of randomness."""
    kinds = {"interval": IntervalTrain, "poisson": PoissonTrain, "regular": RegularTrain}
    for encoder, kind in kinds.items():
        electrode, step = encode_rates(np.array([rates]), n_steps, encoder, 1e-3, seeds(1, seed))
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        for index, rate in enumerate(rates):
            expected = []
            if rate > 0:
                expected = train_steps(kind(encoder=encoder, rate=f"{rate!r} Hz"), n_steps, 1e-3, rng).tolist()
            assert step[electrode == index].tolist() == expected


@pytest.mark.parametrize("encoder", ["interval", "poisson", "regular"])
def test_a_presentation_has_its_own_pulses_whatever_is_presented_beside_it(encoder: str) -> None:
    """Pulses depend only on the presentation's seed and rates and lie within its steps; silent electrodes have none."""
    rng = np.random.default_rng(0)
    n, n_steps = 12, 70
    rates = rng.uniform(20, 600, (n, 20)) * (rng.random((n, 20)) < 0.6)
    rates[3] = 0
    sources = seeds(n)

    def within(order: list[int]) -> list[list[tuple[int, int]]]:
        """(electrode, step from its start) of every presentation."""
        electrode, step = encode_rates(rates[order], n_steps, encoder, 1e-3, [sources[k] for k in order])
        assert step.min() >= 0
        assert step.max() < n_steps * len(order)
        pulses: list[list[tuple[int, int]]] = [[] for _ in order]
        for e, t in zip(electrode.tolist(), step.tolist(), strict=True):
            pulses[t // n_steps].append((e, t % n_steps))
        for mine in pulses:
            assert len(set(mine)) == len(mine)
        return [sorted(mine) for mine in pulses]

    together = within(list(range(n)))
    assert together[3] == []
    for k, mine in enumerate(together):
        assert {e for e, _ in mine} <= set(np.flatnonzero(rates[k] > 0).tolist())
        assert k == 3 or len(mine) > 30
    shuffled = rng.permutation(n).tolist()
    assert within(shuffled) == [together[k] for k in shuffled]
    assert within([5]) == [together[5]]
    if encoder != "regular":
        sources[5] = np.random.SeedSequence(99)
        assert within([5]) != [together[5]]


@pytest.mark.parametrize("encoder", ["interval", "poisson"])
def test_the_faintest_pixel_is_no_trouble(encoder: str) -> None:
    electrode, step = encode_rates(np.array([[1e-3 / 255, 0.0, 1e-300]]), 100, encoder, 1e-3, seeds(1))
    assert len(electrode) == len(step) == 0


def test_nothing_to_present_is_no_pulse() -> None:
    for rates in (np.zeros((3, 5)), np.zeros((0, 5))):
        electrode, step = encode_rates(rates, 10, "interval", 1e-3, seeds(len(rates)))
        assert (electrode.dtype, step.dtype) == (np.int64, np.int64)
        assert len(electrode) == len(step) == 0


def test_an_unknown_encoder_of_rates_is_refused() -> None:
    with pytest.raises(ValueError, match="encoder 'spikes'; allowed: interval, poisson, regular"):
        encode_rates(np.ones((1, 1)), 10, "spikes", 1e-3, seeds(1))
