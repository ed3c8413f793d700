"""Bursts of single units, by maximal intervals or by the two modes of their logarithmic intervals."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter1d

LOG_BIN = 0.1  # decades, of the histogram of intervals
SMOOTHED = 3  # bins
MOST_MODES_APART = 2  # bins that two modes are at least apart


class Bursts(NamedTuple):
    """Bursts of one train: index of the first and the last spike of each, shape (n_bursts,)."""

    first: np.ndarray
    last: np.ndarray


def max_interval(
    train: np.ndarray,
    begin_isi: float = 0.17,
    end_isi: float = 0.3,
    min_ibi: float = 0.2,
    min_duration: float = 0.01,
    min_spikes: int = 3,
) -> Bursts:
    """Bursts by maximal intervals; the defaults are those of Cotterill et al. 2016 for cultures on arrays.

    A burst begins at an interval of at most `begin_isi` and goes on while intervals are at most `end_isi`. Bursts less
    than `min_ibi` apart are one. Then bursts shorter than `min_duration` or of fewer than `min_spikes` spikes are
    dropped.

    Parameters
    ----------
    train
        Ascending spike times of one unit (s), shape (n_spikes,).
    begin_isi, end_isi, min_ibi, min_duration
        In seconds.
    """
    intervals = np.diff(train)
    begins, goes_on = intervals <= begin_isi, intervals <= end_isi
    # number of the run of intervals that go on, 0 between runs; a burst is such a run from its first short one
    starts = goes_on & ~np.concatenate([[False], goes_on[:-1]])
    run = np.where(goes_on, np.cumsum(starts), 0)
    _, first = np.unique(run[begins & goes_on], return_index=True)
    first = np.flatnonzero(begins & goes_on)[first]
    ends = np.flatnonzero(goes_on & ~np.concatenate([goes_on[1:], [False]]))
    last = ends[run[first] - 1] + 1
    return _kept(train, *_merged(train, first, last, min_ibi), min_duration, min_spikes)


def log_isi(
    train: np.ndarray,
    most_isi: float = 0.1,
    void: float = 0.7,
    min_spikes: int = 3,
) -> Bursts:
    """Bursts by the logarithmic histogram of the intervals (Pasquale, Martinoia, Chiappalone 2010).

    The threshold is the minimum between the mode below `most_isi` and the first later mode from which it is separated
    by a void parameter, 1 - g(minimum) / sqrt(g(mode) g(later mode)), of at least `void`. If the threshold is above
    `most_isi`, cores of bursts have intervals below `most_isi` and take in the spikes around them up to the threshold.
    Without a second mode, `most_isi` is the threshold; without a mode below it, the train has no bursts.

    Parameters
    ----------
    train
        Ascending spike times of one unit (s), shape (n_spikes,).
    most_isi
        Longest interval within a burst's core (s).
    """
    none = Bursts(np.zeros(0, int), np.zeros(0, int))
    intervals = np.diff(train)
    if len(intervals) < min_spikes - 1:
        return none
    threshold = log_isi_threshold(intervals, most_isi, void)
    if threshold is None:
        return none
    core = min(threshold, most_isi)
    return max_interval(train, core, threshold, 0.0, 0.0, min_spikes)


def log_isi_threshold(intervals: np.ndarray, most_isi: float = 0.1, void: float = 0.7) -> float | None:
    """Interval that separates bursts' spikes from others (s); None if the intervals have no mode below `most_isi`."""
    positive = intervals[intervals > 0]
    if not len(positive):
        return None
    low, high = np.floor(np.log10(positive.min()) / LOG_BIN), np.ceil(np.log10(positive.max()) / LOG_BIN)
    edges = np.arange(low, high + 2) * LOG_BIN
    counts, _ = np.histogram(np.log10(positive), edges)
    density = uniform_filter1d(counts / counts.sum(), SMOOTHED, mode="constant")
    centres = 10 ** (edges[:-1] + LOG_BIN / 2)
    modes = _modes(density)
    within = [mode for mode in modes if centres[mode] < most_isi]
    if not within:
        return None
    burst = max(within, key=lambda mode: density[mode])
    for later in (mode for mode in modes if mode > burst):
        between = burst + int(np.argmin(density[burst : later + 1]))
        if 1 - density[between] / np.sqrt(density[burst] * density[later]) >= void:
            return float(centres[between])
    return most_isi


def _modes(density: np.ndarray) -> list[int]:
    """Local maxima at least `MOST_MODES_APART` bins apart, the higher of two that are nearer."""
    padded = np.concatenate([[-1.0], density, [-1.0]])
    peaks = np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:]) & (density > 0))
    kept: list[int] = []
    for peak in sorted(peaks.tolist(), key=lambda peak: -density[peak]):
        if all(abs(peak - other) >= MOST_MODES_APART for other in kept):
            kept.append(peak)
    return sorted(kept)


def _merged(train: np.ndarray, first: np.ndarray, last: np.ndarray, min_gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Bursts less than `min_gap` apart become one."""
    apart = train[first[1:]] - train[last[:-1]] >= min_gap
    begins, ends = np.concatenate([[True], apart]), np.concatenate([apart, [True]])
    return first[begins[: len(first)]], last[ends[len(ends) - len(last) :]]


def _kept(train: np.ndarray, first: np.ndarray, last: np.ndarray, min_duration: float, min_spikes: int) -> Bursts:
    kept = (train[last] - train[first] >= min_duration) & (last - first + 1 >= min_spikes)
    return Bursts(first[kept], last[kept])
