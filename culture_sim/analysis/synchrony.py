"""Synchrony of pairs of units: the spike time tiling coefficient, and how it falls with distance."""

from typing import NamedTuple

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains


def sttc(trains: SpikeTrains, dt: float = 0.1, pairs: np.ndarray | None = None) -> np.ndarray:
    """Spike time tiling coefficient of every pair of units (Cutts and Eglen 2014), shape (n_units, n_units).

    STTC = ((P_A - T_B) / (1 - P_A T_B) + (P_B - T_A) / (1 - P_B T_A)) / 2. T_A is the share of the recording within
    `dt` of a spike of A; P_A the share of A's spikes within `dt` of a spike of B. A term is 1 where P T = 1. NaN where
    a unit is silent, and on the diagonal.

    Parameters
    ----------
    trains
        The recording.
    dt
        In seconds.
    pairs : bool, shape (n_units, n_units), optional
        The pairs to compute, symmetric; NaN elsewhere. On large arrays, few of them take a fraction of the time.
    """
    n = trains.n_units
    counts = np.bincount(trains.unit, minlength=n)
    near = np.zeros((n, n))  # [a, b]: share of a's spikes within dt of one of b
    tiled = np.full(n, np.nan)
    for b, train in enumerate(trains.trains):
        if len(train):
            time, unit = (trains.time, trains.unit) if pairs is None else _spikes_of(trains, np.flatnonzero(pairs[b]))
            hit = _distance_to_nearest(time, train) <= dt
            near[:, b] = np.bincount(unit[hit], minlength=n)
            tiled[b] = _tiled(train, dt, trains.duration)
    with np.errstate(invalid="ignore", divide="ignore"):
        near /= counts[:, None]
        product = near * tiled[None, :]
        term = np.where(product == 1, 1.0, (near - tiled[None, :]) / (1 - product))
    found = (term + term.T) / 2
    found[counts == 0] = found[:, counts == 0] = np.nan
    np.fill_diagonal(found, np.nan)
    return found if pairs is None else np.where(pairs, found, np.nan)


def sttc_of_active(trains: SpikeTrains, active: np.ndarray, dt: float, pairs: np.ndarray | None = None) -> np.ndarray:
    """As `sttc`, of the active units alone (bool, shape (n_units,)); NaN for pairs with another one."""
    number = np.cumsum(active) - 1
    kept = active[trains.unit]
    found = np.full((trains.n_units, trains.n_units), np.nan)
    if active.any():
        chosen = SpikeTrains(trains.time[kept], number[trains.unit[kept]], int(active.sum()), trains.duration)
        both = np.ix_(active, active)
        found[both] = sttc(chosen, dt, None if pairs is None else pairs[both])
    return found


class Pairs(NamedTuple):
    """Distance (m) and spike time tiling coefficient of pairs of units, shape (n_pairs,); `n_units`: those compared."""

    distance: np.ndarray
    sttc: np.ndarray
    n_units: int


def pairs_of_active(trains: SpikeTrains, active: np.ndarray, dt: float, most_units: int) -> Pairs:
    """Every pair of active units (bool, shape (n_units,)) once; none where positions are not known.

    Of more than `most_units` active ones, so many are drawn at random, always the same ones.
    """
    chosen = np.flatnonzero(active)
    if trains.positions is None or len(chosen) < 2:
        return Pairs(np.zeros(0), np.zeros(0), 0)
    if len(chosen) > most_units:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, most_units, replace=False))
    found = sttc_of_active(trains, np.isin(np.arange(trains.n_units), chosen), dt)
    a, b = np.triu_indices(len(chosen), 1)
    a, b = chosen[a], chosen[b]
    return Pairs(np.linalg.norm(trains.positions[a] - trains.positions[b], axis=1), found[a, b], len(chosen))


class PairChange(NamedTuple):
    """How a value of pairs of units changed; NaN without pairs that have it both times.

    `correlation` (Pearson) of the pairs' values, also NaN where they do not vary; mean `change` from the earlier to the
    later; mean `absolute` change.
    """

    correlation: float
    change: float
    absolute: float


def pair_change(earlier: np.ndarray, later: np.ndarray) -> PairChange:
    """Compare two symmetric matrices of pairs of units, shape (n_units, n_units); NaN where a pair has no value."""
    both = np.triu(np.isfinite(earlier) & np.isfinite(later), 1)
    if not both.any():
        return PairChange(np.nan, np.nan, np.nan)
    x, y = earlier[both], later[both]
    varies = np.ptp(x) > 0 and np.ptp(y) > 0
    correlation = float(np.corrcoef(x, y)[0, 1]) if varies else np.nan
    return PairChange(correlation, float((y - x).mean()), float(np.abs(y - x).mean()))


def mean_within(values: np.ndarray, positions: np.ndarray, least: float, most: float) -> float:
    """Mean over the pairs of units whose distance is at least `least` and less than `most` (m); NaN without pairs."""
    chosen = values[np.triu(pairs_within(positions, least, most), 1) & np.isfinite(values)]
    return float(chosen.mean()) if len(chosen) else np.nan


def pairs_within(positions: np.ndarray, least: float, most: float) -> np.ndarray:
    """Pairs of units whose distance is at least `least` and less than `most` (m); bool, shape (n_units, n_units)."""
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    return (distance >= least) & (distance < most)


def _spikes_of(trains: SpikeTrains, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times of all spikes of some units, and the unit of each."""
    chosen = [trains.trains[unit] for unit in units]
    return np.concatenate([*chosen, np.zeros(0)]), np.repeat(units, [len(train) for train in chosen])


def _distance_to_nearest(time: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Distance of each time to the nearest spike of a train (s)."""
    right = np.searchsorted(train, time)
    after = np.abs(train[np.minimum(right, len(train) - 1)] - time)
    before = np.abs(time - train[np.maximum(right - 1, 0)])
    return np.minimum(after, before)


def _tiled(train: np.ndarray, dt: float, duration: float) -> float:
    """Share of the recording within `dt` of a spike, overlaps counted once and the ends clipped."""
    between = np.minimum(np.diff(train), 2 * dt).sum()
    return float((between + min(dt, train[0]) + min(dt, duration - train[-1])) / duration)
