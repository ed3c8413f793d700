"""Synchrony of pairs of units: the spike time tiling coefficient, and how it falls with distance."""

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains


def sttc(trains: SpikeTrains, dt: float = 0.1) -> np.ndarray:
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
    """
    n = trains.n_units
    counts = np.bincount(trains.unit, minlength=n)
    near = np.zeros((n, n))  # [a, b]: share of a's spikes within dt of one of b
    tiled = np.full(n, np.nan)
    for b, train in enumerate(trains.trains):
        if len(train):
            hit = _distance_to_nearest(trains.time, train) <= dt
            near[:, b] = np.bincount(trains.unit[hit], minlength=n)
            tiled[b] = _tiled(train, dt, trains.duration)
    with np.errstate(invalid="ignore", divide="ignore"):
        near /= counts[:, None]
        product = near * tiled[None, :]
        term = np.where(product == 1, 1.0, (near - tiled[None, :]) / (1 - product))
    found = (term + term.T) / 2
    found[counts == 0] = found[:, counts == 0] = np.nan
    np.fill_diagonal(found, np.nan)
    return found


def mean_within(values: np.ndarray, positions: np.ndarray, least: float, most: float) -> float:
    """Mean over the pairs of units whose distance is at least `least` and less than `most` (m); NaN without pairs."""
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    upper = np.triu(np.ones(values.shape, bool), 1)
    chosen = values[upper & (distance >= least) & (distance < most) & np.isfinite(values)]
    return float(chosen.mean()) if len(chosen) else np.nan


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
