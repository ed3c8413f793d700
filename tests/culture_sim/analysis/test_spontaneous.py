"""Measures of spontaneous activity against Elephant, and against their definitions written as loops."""

import functools
import itertools

import neo
import numpy as np
import pytest
import quantities as pq
from elephant import spike_train_correlation
from elephant.statistics import cv, lv
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from culture_sim.analysis import avalanches, bursts, firing, network_bursts, synchrony
from culture_sim.analysis.panel import panel
from culture_sim.analysis.spike_trains import SpikeTrains
from protocols.spec.dish.measures import PANEL, LogIsi, Measures, Overlap, Pooled

# on a grid of 5 ms, so that intervals on a threshold are frequent
TRAIN = st.lists(st.integers(0, 2000), max_size=60, unique=True).map(lambda steps: np.sort(np.array(steps)) * 0.005)


def recording(seed: int, n_units: int = 12, duration: float = 60.0) -> SpikeTrains:
    """Bursting units: shared events in which most of them fire, and spikes of their own."""
    rng = np.random.default_rng(seed)
    time, unit = [], []
    for start in rng.uniform(0, duration - 1, 15):
        for k in np.flatnonzero(rng.random(n_units) < 0.8):
            spikes = start + rng.uniform(0, 0.2, rng.integers(1, 12))
            time.append(spikes)
            unit.append(np.full(len(spikes), k))
    for k in range(n_units - 1):  # the last one may be silent
        spikes = rng.uniform(0, duration, rng.integers(2, 80))
        time.append(spikes)
        unit.append(np.full(len(spikes), k))
    positions = rng.uniform(0, 1e-3, (n_units, 2))
    return SpikeTrains.sorted(np.concatenate(time), np.concatenate(unit), n_units, duration, positions)


def of_neo(train: np.ndarray, duration: float) -> neo.SpikeTrain:
    return neo.SpikeTrain(train * pq.s, t_stop=duration * pq.s)


@pytest.mark.parametrize("seed", range(3))
def test_synchrony_is_elephants(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elephant 1.2 compares with np.isclose, whose relative tolerance widens dt by 10 us a second: without that."""
    exact = functools.partial(np.isclose, rtol=0.0)
    monkeypatch.setattr(spike_train_correlation.np, "isclose", exact)
    trains = recording(seed)
    found = synchrony.sttc(trains, 0.1)
    for a in range(trains.n_units):
        for b in range(a + 1, trains.n_units):
            pair = [of_neo(trains.trains[k], trains.duration) for k in (a, b)]
            expected = spike_train_correlation.spike_time_tiling_coefficient(*pair, dt=0.1 * pq.s)
            np.testing.assert_allclose(found[a, b], expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found, found.T)


def test_synchrony_of_equal_trains_is_one_and_of_silence_is_none() -> None:
    train = np.array([1.0, 2.0, 5.0])
    trains = SpikeTrains.sorted(np.tile(train, 2), np.repeat([0, 1], 3), 3, 10.0)
    found = synchrony.sttc(trains)
    assert found[0, 1] == 1
    assert np.isnan(found[2]).all()


def test_mean_synchrony_counts_the_pairs_within_the_distance() -> None:
    values = np.array([[np.nan, 0.2, 0.6], [0.2, np.nan, np.nan], [0.6, np.nan, np.nan]])
    positions = np.array([[0.0, 0.0], [2e-4, 0.0], [0.0, 1e-3]])
    assert synchrony.mean_within(values, positions, 0, 3e-4) == pytest.approx(0.2)
    assert synchrony.mean_within(values, positions, 3e-4, 2e-3) == pytest.approx(0.6)
    assert np.isnan(synchrony.mean_within(values, positions, 2e-3, 3e-3))


def test_synchrony_of_active_units_leaves_the_others_out() -> None:
    trains = recording(4)
    active = np.arange(trains.n_units) % 3 > 0
    found, every = synchrony.sttc_of_active(trains, active, 0.1), synchrony.sttc(trains, 0.1)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(every) & active & active[:, None])
    np.testing.assert_allclose(found[np.ix_(active, active)], every[np.ix_(active, active)])
    assert np.isnan(synchrony.sttc_of_active(trains, active & False, 0.1)).all()
    pairs = np.triu(np.random.default_rng(1).random(every.shape) < 0.5, 1)
    pairs |= pairs.T
    np.testing.assert_array_equal(synchrony.sttc(trains, 0.1, pairs), np.where(pairs, every, np.nan))
    chosen = synchrony.sttc_of_active(trains, active, 0.1, pairs)
    np.testing.assert_array_equal(chosen, np.where(pairs, found, np.nan))


def test_the_change_of_pairs_is_that_of_the_loop() -> None:
    rng = np.random.default_rng(5)
    earlier, later = (m + m.T for m in rng.normal(size=(2, 9, 9)))
    earlier[2, :] = earlier[:, 2] = np.nan  # silent before, and another one after
    later[7, :] = later[:, 7] = np.nan
    x, y = [], []
    for a in range(9):
        for b in range(a + 1, 9):
            if not {a, b} & {2, 7}:
                x.append(earlier[a, b])
                y.append(later[a, b])
    found = synchrony.pair_change(earlier, later)
    assert len(x) == 21
    assert found.correlation == pytest.approx(pearsonr(x, y).statistic)
    assert found.change == pytest.approx(sum(b - a for a, b in zip(x, y, strict=True)) / 21)
    assert found.absolute == pytest.approx(sum(abs(b - a) for a, b in zip(x, y, strict=True)) / 21)
    assert np.isnan(synchrony.pair_change(earlier, np.full((9, 9), np.nan))).all()
    same = synchrony.pair_change(np.ones((3, 3)), np.ones((3, 3)))
    assert np.isnan(same.correlation)
    assert (same.change, same.absolute) == (0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_irregularity_is_elephants(seed: int) -> None:
    for train in recording(seed).trains:
        intervals = np.diff(train)
        if len(intervals) > 1:
            assert firing.isi_cv(train) == pytest.approx(float(cv(intervals)), abs=1e-12)
            assert firing.isi_lv(train) == pytest.approx(float(lv(intervals)), abs=1e-12)
    assert np.isnan(firing.isi_cv(np.array([1.0, 2.0])))
    assert np.isnan(firing.isi_lv(np.array([1.0, 2.0])))


def literal_max_interval(
    train: list[float], begin: float, end: float, gap: float, shortest: float, fewest: int
) -> list[tuple[int, int]]:
    found: list[list[int]] = []
    k = 0
    while k < len(train) - 1:
        if train[k + 1] - train[k] <= begin:
            last = k + 1
            while last < len(train) - 1 and train[last + 1] - train[last] <= end:
                last += 1
            if found and train[k] - train[found[-1][1]] < gap:
                found[-1][1] = last
            else:
                found.append([k, last])
            k = last
        else:
            k += 1
    return [(a, b) for a, b in found if train[b] - train[a] >= shortest and b - a + 1 >= fewest]


@given(TRAIN, st.sampled_from([(0.17, 0.3, 0.2), (0.05, 0.1, 0.4), (0.1, 0.1, 0.0)]), st.integers(2, 5))
def test_bursts_by_maximal_intervals_are_those_of_the_loop(
    train: np.ndarray, intervals: tuple[float, float, float], fewest: int
) -> None:
    found = bursts.max_interval(train, *intervals, 0.01, fewest)
    expected = literal_max_interval(train.tolist(), *intervals, 0.01, fewest)
    assert list(zip(found.first.tolist(), found.last.tolist(), strict=True)) == expected


def test_the_logarithmic_histogram_separates_two_kinds_of_intervals() -> None:
    rng = np.random.default_rng(0)
    inside, between = 10 ** rng.normal(-2.2, 0.15, 1000), 10 ** rng.normal(0.3, 0.2, 200)
    threshold = bursts.log_isi_threshold(rng.permutation(np.concatenate([inside, between])))
    assert threshold is not None
    assert inside.max() * 0.8 < threshold < between.min() * 1.3
    # bursts of ten spikes at 5 ms, 2 s apart
    train = (np.arange(20)[:, None] * 2.0 + np.arange(10) * 0.005 + rng.uniform(0, 0.001, (20, 10))).ravel()
    found = bursts.log_isi(train)
    np.testing.assert_array_equal(found.first, np.arange(0, 200, 10))
    np.testing.assert_array_equal(found.last, np.arange(9, 200, 10))


def test_a_train_without_short_intervals_has_no_bursts() -> None:
    train = np.cumsum(np.random.default_rng(0).exponential(2.0, 300) + 0.5)
    assert not len(bursts.log_isi(train).first)
    assert not len(bursts.log_isi(np.array([1.0])).first)
    assert not len(bursts.max_interval(train).first)
    assert not len(bursts.max_interval(np.zeros(0)).first)


def literal_coincidence(
    trains: SpikeTrains, active: np.ndarray, window: float, needed: int, merge: float
) -> list[tuple[float, float]]:
    spikes = [(t, u) for t, u in zip(trains.time.tolist(), trains.unit.tolist(), strict=True) if active[u]]
    found: list[list[float]] = []
    for i, (start, _) in enumerate(spikes):
        inside = [(t, u) for t, u in spikes[i:] if t <= start + window]
        if len({u for _, u in inside}) >= needed:
            end = inside[-1][0]
            if found and (start <= found[-1][1] or start - found[-1][1] < merge):
                found[-1][1] = max(found[-1][1], end)
            else:
                found.append([start, end])
    return [(a, b) for a, b in found]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("window", "share", "merge"), [(0.05, 0.25, 0.1), (0.02, 0.5, 0.0), (0.2, 0.75, 0.5)])
def test_network_bursts_by_coincidence_are_those_of_the_loop(
    seed: int, window: float, share: float, merge: float
) -> None:
    trains = recording(seed)
    active = trains.rates > 0.2
    found = network_bursts.coincidence(trains, active, window, share, 4, merge)
    needed = max(4, int(np.ceil(share * active.sum())))
    expected = literal_coincidence(trains, active, window, needed, merge)
    assert len(expected) > 2
    np.testing.assert_allclose(np.column_stack(found), expected)
    spikes = trains.time[active[trains.unit]]
    inside = sum(any(a <= t <= b for a, b in expected) for t in spikes)
    assert network_bursts.share_of_spikes(trains, active, found) == pytest.approx(inside / len(spikes))


@pytest.mark.parametrize("seed", range(4))
def test_overlapping_bursts_are_those_on_a_fine_grid(seed: int) -> None:
    trains = recording(seed)
    active = trains.rates > 0.2
    found = network_bursts.overlapping(trains, active, 0.3, 4)
    needed = max(4, int(np.ceil(0.3 * active.sum())))
    grid = np.arange(0, trains.duration, 1e-3)
    bursting = np.zeros(len(grid), int)
    for unit in np.flatnonzero(active):
        train = trains.trains[unit]
        for first, last in zip(*bursts.max_interval(train), strict=True):
            bursting += (grid >= train[first]) & (grid <= train[last])
    inside = np.zeros(len(grid), bool)
    for start, end in zip(*found, strict=True):
        inside |= (grid >= start) & (grid <= end)
    assert inside.any()
    np.testing.assert_array_equal(inside, bursting >= needed)


def test_units_that_do_not_burst_have_no_network_bursts() -> None:
    trains = SpikeTrains.sorted(np.arange(8.0), np.arange(8) % 4, 4, 10)
    start, end = network_bursts.overlapping(trains, trains.rates > 0, 0.25, 2)
    assert len(start) == len(end) == 0


def test_pooled_bursts_need_enough_units() -> None:
    one = np.arange(10) * 0.002  # one unit alone
    all_ = 5 + np.arange(12) * 0.002  # twelve in turn
    trains = SpikeTrains.sorted(np.concatenate([one, all_]), np.concatenate([np.zeros(10, int), np.arange(12)]), 12, 10)
    found = network_bursts.pooled(trains, np.ones(12, bool), 0.005, 0.02, 0.25, 4)
    np.testing.assert_allclose(np.column_stack(found), [[5.0, 5.022]])


@given(st.lists(st.integers(0, 400), min_size=2, max_size=120))
def test_avalanches_are_those_of_the_loop(steps: list[int]) -> None:
    time = np.sort(np.array(steps)) * 0.01 + 0.005
    trains = SpikeTrains(time, np.zeros(len(time), int), 1, 10.0)
    found = avalanches.avalanches(trains, 0.01)
    counts = np.bincount(np.sort(steps), minlength=402)
    expected: list[list[int]] = []
    running: list[int] = []
    for count in counts.tolist():
        if count:
            running.append(count)
        elif running:
            expected.append(running)
            running = []
    assert found.size.tolist() == [sum(run) for run in expected]
    assert found.duration.tolist() == [len(run) for run in expected]
    ratios = [run[1] / run[0] if len(run) > 1 else 0.0 for run in expected]
    assert found.branching == pytest.approx(np.mean(ratios))


@pytest.mark.parametrize("a", [1.5, 2.0, 3.0])
def test_the_exponent_of_a_power_law_is_found(a: float) -> None:
    values = np.random.default_rng(0).zipf(a, 20_000)
    assert avalanches.exponent(values) == pytest.approx(a, abs=0.03)
    assert np.isnan(avalanches.exponent(np.ones(50)))
    assert np.isnan(avalanches.exponent(np.array([1, 5])))


def test_the_panel_names_unit_and_definition_and_is_nan_where_nothing_is_defined() -> None:
    trains = recording(0)
    found = panel(trains)
    active = trains.rates >= 0.01
    assert found["rate"].value == pytest.approx(trains.rates[active].mean())
    assert found["rate"].unit == "Hz"
    assert tuple(found) == PANEL
    assert "begin_isi 170 ms" in found["burst rate"].definition
    assert 5 < found["network burst rate"].value < 20  # fifteen in a minute, some overlap
    assert found["spikes in network bursts"].value > 0.4
    for rule in (Pooled(), Overlap()):
        assert panel(trains, Measures(network_bursts=rule))["network burst rate"].definition.startswith(rule.rule)
    assert panel(trains, Measures(bursts=LogIsi()))["burst rate"].definition.startswith("log_isi")
    silent = panel(SpikeTrains(np.zeros(0), np.zeros(0, int), 3, 10.0))
    assert silent["network burst rate"].value == 0
    assert all(np.isnan(silent[name].value) for name in ("rate", "ISI CV", "STTC near", "IBI CV", "branching ratio"))


@pytest.mark.parametrize(
    ("time", "unit", "expected"),
    [
        ([0.0, np.nan], [0, 0], "not finite"),
        ([2.0, 1.0], [0, 0], "do not ascend"),
        ([-1.0, 1.0], [0, 0], "from 0 s"),
        ([1.0, 11.0], [0, 0], "up to 10 s"),
        ([1.0, 2.0], [0, 5], "unit 5; allowed: 0 to 2"),
        ([1.0], [0, 1], "1 times for 2 units"),
    ],
)
def test_times_that_are_no_recording_are_refused(time: list[float], unit: list[int], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        SpikeTrains(np.array(time), np.array(unit), 3, 10.0)


def test_pairs_are_those_of_active_units_with_their_distance() -> None:
    trains = recording(3)
    active = trains.rates > np.quantile(trains.rates, 0.3)
    whole, found = synchrony.sttc(trains, 0.05), synchrony.pairs_of_active(trains, active, 0.05, 100)
    assert trains.positions is not None
    expected = [
        (np.hypot(*(trains.positions[a] - trains.positions[b])), whole[a, b])
        for a in range(trains.n_units)
        for b in range(a + 1, trains.n_units)
        if active[a] and active[b]
    ]
    np.testing.assert_allclose(np.transpose(found[:2]), expected, rtol=1e-12)
    few = synchrony.pairs_of_active(trains, active, 0.05, 4)
    assert (few.n_units, len(few.sttc)) == (4, 6)
    assert set(few.sttc.tolist()) < set(found.sttc.tolist())
    nowhere = SpikeTrains(trains.time, trains.unit, trains.n_units, trains.duration)
    assert synchrony.pairs_of_active(nowhere, active, 0.05, 100).n_units == 0


def test_profiles_of_network_bursts_are_rates_around_their_peaks() -> None:
    """Each burst's bins counted spike by spike, the fullest one found, and spikes counted around its middle."""
    trains = recording(4)
    active = trains.rates > 0.5
    found = network_bursts.coincidence(trains, active, 0.05, 0.25, 4, 0.1)
    edges = np.arange(-45, 66, 10) / 1000
    rows = []
    spikes = [t for t, u in zip(trains.time.tolist(), trains.unit.tolist(), strict=True) if active[u]]
    for start, end in zip(*found, strict=True):
        counts = [0] * (int((end - start) / 0.01) + 1)
        for t in spikes:
            if start <= t <= end:
                counts[int((t - start) / 0.01)] += 1
        peak = start + (counts.index(max(counts)) + 0.5) * 0.01
        around = [sum(peak + a <= t < peak + b for t in spikes) for a, b in itertools.pairwise(edges)]
        if peak + edges[0] >= 0 and peak + edges[-1] <= trains.duration:
            rows.append(np.array(around) / 0.01 / active.sum())
    assert len(rows) > 5
    np.testing.assert_allclose(network_bursts.profiles(trains, active, found, edges), rows)
    beyond = np.arange(-40.0, 41.0, 10.0)  # the recording is 60 s long
    assert network_bursts.profiles(trains, active, found, beyond).shape == (0, 8)
