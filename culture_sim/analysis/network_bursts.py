"""Network bursts: stretches in which many units fire together, by one of three rules."""

from typing import NamedTuple

import numpy as np

from culture_sim.analysis.bursts import max_interval
from culture_sim.analysis.spike_trains import SpikeTrains


class NetworkBursts(NamedTuple):
    """Start and end of each network burst (s), ascending and apart, shape (n_bursts,)."""

    start: np.ndarray
    end: np.ndarray


def coincidence(
    trains: SpikeTrains, active: np.ndarray, window: float, share: float, min_units: int, merge: float
) -> NetworkBursts:
    """Network bursts by coincidence: a share of the active units fires within a short window.

    A spike opens a window of `window`; where at least `share` of the active units (and `min_units` of them) fire in it,
    all spikes of the window belong to a network burst. Bursts that touch, or whose gap is less than `merge`, are one.

    Parameters
    ----------
    trains
        The recording.
    active
        Which units count, shape (n_units,) of bool.
    window, merge
        In seconds.
    """
    time, unit = _of(trains, active)
    needed = _needed(active, share, min_units)
    end = np.searchsorted(time, time + window, "right")  # one past the last spike of each spike's window
    together = _distinct(unit, end) >= needed
    first = np.flatnonzero(together)
    return _joined(time[first], time[end[first] - 1], merge)


def pooled(
    trains: SpikeTrains, active: np.ndarray, begin_isi: float, end_isi: float, share: float, min_units: int
) -> NetworkBursts:
    """Network bursts by maximal intervals of the pooled spikes of the active units.

    Intervals are those of all active units' spikes taken together; a burst in which fewer than `share` of the active
    units (or `min_units` of them) fire is none.

    Parameters
    ----------
    begin_isi, end_isi
        Longest interval at which a burst begins, and goes on, of pooled spikes (s).
    """
    time, unit = _of(trains, active)
    needed = _needed(active, share, min_units)
    bursts = max_interval(time, begin_isi, end_isi, 0.0, 0.0, 3)
    kept = [
        (time[first], time[last])
        for first, last in zip(*bursts, strict=True)
        if len(np.unique(unit[first : last + 1])) >= needed
    ]
    start, end = np.array(kept).reshape(-1, 2).T
    return NetworkBursts(start, end)


def overlapping(trains: SpikeTrains, active: np.ndarray, share: float, min_units: int) -> NetworkBursts:
    """Network bursts as the overlap of single units' bursts (maximal intervals, Cotterill et al. 2016).

    A network burst lasts while at least `share` of the active units (and `min_units` of them) burst at the same time.
    """
    needed = _needed(active, share, min_units)
    edges = []
    for unit in np.flatnonzero(active):
        train = trains.trains[unit]
        first, last = max_interval(train)
        edges += [np.column_stack([train[first], np.ones(len(first))])]
        edges += [np.column_stack([train[last], -np.ones(len(last))])]
    times, steps = np.concatenate([*edges, np.zeros((0, 2))]).T
    if not len(times):
        return NetworkBursts(np.zeros(0), np.zeros(0))
    order = np.lexsort([-steps, times])  # who begins at a time is there before another ends
    bursting = np.cumsum(steps[order]) >= needed
    changes = np.diff(np.concatenate([[False], bursting, [False]]).astype(int))
    at = np.concatenate([times[order], times[order][-1:]])
    return NetworkBursts(at[changes == 1], at[changes == -1])


def share_of_spikes(trains: SpikeTrains, active: np.ndarray, bursts: NetworkBursts) -> float:
    """Share of the active units' spikes that lie within network bursts; NaN without spikes."""
    time, _ = _of(trains, active)
    if not len(time):
        return np.nan
    inside = np.searchsorted(time, bursts.end, "right") - np.searchsorted(time, bursts.start, "left")
    return float(inside.sum() / len(time))


def profiles(trains: SpikeTrains, active: np.ndarray, bursts: NetworkBursts, edges: np.ndarray) -> np.ndarray:
    """Rate of the active units around the peak of each network burst (Hz per unit), shape (n_bursts, n_bins).

    The peak is the middle of the first of the burst's bins that holds most spikes; these bins start with the burst and
    are as wide as those of `edges`. Bursts whose bins reach beyond the recording are left out (van Pelt et al. 2004).

    Parameters
    ----------
    trains
        The recording.
    active
        Which units count, shape (n_units,) of bool.
    bursts
        Of these units.
    edges
        Of bins of equal width, from the peak on (s), shape (n_bins + 1,).
    """
    time, _ = _of(trains, active)
    width, found = edges[1] - edges[0], []
    for start, end in zip(*bursts, strict=True):
        first, last = np.searchsorted(time, start), np.searchsorted(time, end, "right")
        counts = np.bincount(((time[first:last] - start) / width).astype(int))
        peak = start + (counts.argmax() + 0.5) * width
        if peak + edges[0] >= 0 and peak + edges[-1] <= trains.duration:
            found.append(np.diff(np.searchsorted(time, peak + edges)))
    return np.array(found, float).reshape(-1, len(edges) - 1) / (width * max(1, active.sum()))


def _needed(active: np.ndarray, share: float, min_units: int) -> int:
    """Number of units that make a network burst."""
    return max(min_units, int(np.ceil(share * active.sum() - 1e-9)))


def _of(trains: SpikeTrains, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times and units of the active units' spikes, in order of time."""
    kept = active[trains.unit]
    return trains.time[kept], trains.unit[kept]


def _distinct(unit: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Number of distinct units among the spikes from each to one before its `end`, shape (n_spikes,).

    A unit's spike at k is its last before j > k if its next one is at j or later: it counts in all windows that hold
    k but not that next one.
    """
    n = len(unit)
    following = np.full(n, n)  # the next spike of the same unit
    order = np.argsort(unit, kind="stable")
    same = unit[order][1:] == unit[order][:-1]
    following[order[:-1][same]] = order[1:][same]
    # window i = [i, end_i): spike k counts if i <= k < end_i <= following_k, for exactly one k of each unit
    started = np.searchsorted(end, np.arange(n), "right")  # first window that reaches beyond spike k
    stopped = np.searchsorted(end, following, "right")  # first window that reaches beyond its successor
    stopped = np.minimum(stopped, np.arange(n) + 1)  # windows that begin after spike k do not hold it
    change = np.zeros(n + 1, int)
    kept = started < stopped
    np.add.at(change, started[kept], 1)
    np.add.at(change, stopped[kept], -1)
    return np.cumsum(change)[:n]


def _joined(start: np.ndarray, end: np.ndarray, gap: float) -> NetworkBursts:
    """Stretches with ascending starts and ends, joined where they touch or the gap between them is less than `gap`."""
    if not len(start):
        return NetworkBursts(start, end)
    between = start[1:] - end[:-1]
    apart = (between >= gap) & (between > 0)
    return NetworkBursts(start[np.concatenate([[True], apart])], end[np.concatenate([apart, [True]])])
