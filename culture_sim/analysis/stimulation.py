"""Responses to stimulation pulses in continuous recordings: counts in windows, latency, time course.

The last functions take spikes at times of any unit, of simulated cultures and of real ones.
"""

from typing import NamedTuple

import numpy as np

from culture_sim.analysis.evoked import leaky_count


class Heard(NamedTuple):
    """Spikes that the electrodes hear, in order of time; shapes (n_spikes,).

    `step`: time step from the start of the experiment; `electrode`; `direct`: caused directly by a stimulation pulse.
    """

    step: np.ndarray
    electrode: np.ndarray
    direct: np.ndarray


def counts(heard: Heard, n_electrodes: int, pulses: np.ndarray, first: int, last: int) -> np.ndarray:
    """Spikes of each electrode from `first` to before `last` steps after each pulse, shape (n_pulses, n_electrodes).

    Spikes that a pulse caused directly do not count.
    """
    return spike_counts(*indirect(heard), n_electrodes, pulses, first, last)


def indirect(heard: Heard) -> tuple[np.ndarray, np.ndarray]:
    """Step and electrode of the spikes that no pulse caused directly."""
    return heard.step[~heard.direct], heard.electrode[~heard.direct]


def direct(heard: Heard, n_electrodes: int, pulses: np.ndarray) -> float:
    """Spikes that a pulse caused directly, mean over electrodes and pulses; they fall into the step of the pulse."""
    begin, end = (np.searchsorted(heard.step, pulses, side) for side in ("left", "right"))
    before = np.concatenate([[0], np.cumsum(heard.direct)])  # direct spikes before each spike
    return float((before[end] - before[begin]).sum() / (len(pulses) * n_electrodes))


def evoked(heard: Heard, n_electrodes: int, pulses: np.ndarray, first: int, last: int) -> np.ndarray:
    """Evoked spikes per electrode of each pulse, less those of an equally long stretch before it; shape (n_pulses,)."""
    length = last - first
    after = counts(heard, n_electrodes, pulses, first, last).mean(axis=1)
    before = counts(heard, n_electrodes, pulses, -length, 0).mean(axis=1)
    return after - before


def latency(heard: Heard, n_electrodes: int, pulses: np.ndarray, longest: int) -> float:
    """Median over electrodes of the mean time to the first spike after a pulse (time steps); NaN without spikes.

    Spikes in the step of the pulse and directly caused ones do not count, nor pulses that an electrode does not answer
    within `longest` steps.
    """
    return median_latency(first_spikes(*indirect(heard), n_electrodes, pulses, 1, longest))


def time_course(
    heard: Heard, n_electrodes: int, pulses: np.ndarray, before: int, after: int, bin_steps: int
) -> np.ndarray:
    """Spikes per electrode and pulse in bins around the pulses, direct ones included, shape (n_bins,).

    From `before` steps before the pulse to `after` steps after it, in bins of `bin_steps`.
    """
    n_bins = (before + after) // bin_steps
    found = np.zeros(n_bins)
    for at in pulses:
        begin, end = np.searchsorted(heard.step, [at - before, at - before + n_bins * bin_steps])
        found += np.bincount((heard.step[begin:end] - at + before) // bin_steps, minlength=n_bins)
    return found / (len(pulses) * n_electrodes)


def leaky_course(
    heard: Heard, n_heard: np.ndarray, pulses: np.ndarray, leak_steps: float, bin_steps: int, n_bins: int
) -> np.ndarray:
    """Leaky spike count per neuron in bins from each pulse on, direct spikes included, shape (n_bins,).

    The count of a neuron is zero before a pulse and y(t) = y(t - 1) exp(-1 / leak) + spikes(t) from the step of the
    pulse on: mean over the steps of a bin, the neurons that an electrode hears, the electrodes that hear any, and the
    pulses (Ruaro et al. 2005). NaN if no electrode hears a neuron.

    Parameters
    ----------
    heard
    n_heard : int, shape (n_electrodes,)
        Number of neurons that each electrode hears.
    pulses : int, shape (n_pulses,)
        Their time steps.
    leak_steps
        Time constant in steps.
    bin_steps, n_bins
        Steps of a bin, and number of bins.
    """
    n_steps, hearing = n_bins * bin_steps, np.count_nonzero(n_heard)
    if not hearing:
        return np.full(n_bins, np.nan)
    share = 1 / np.maximum(n_heard, 1)
    found = np.zeros(n_steps)
    for at in pulses:
        begin, end = np.searchsorted(heard.step, [at, at + n_steps])
        found += np.bincount(heard.step[begin:end] - at, share[heard.electrode[begin:end]], n_steps)
    level = leaky_count(found / (len(pulses) * hearing), leak_steps)
    return level.reshape(n_bins, bin_steps).mean(axis=1)


def spike_counts(
    time: np.ndarray, unit: np.ndarray, n_units: int, pulses: np.ndarray, first: float, last: float
) -> np.ndarray:
    """Spikes of each unit from `first` to before `last` after each pulse, int, shape (n_pulses, n_units).

    Parameters
    ----------
    time, unit : shape (n_spikes,)
        Spikes in order of time.
    n_units
        Number of units.
    pulses : shape (n_pulses,)
        Their times.
    first, last
        Window after a pulse; negative: before it.
    """
    found = np.zeros((len(pulses), n_units), np.int64)
    for k, at in enumerate(pulses):
        begin, end = np.searchsorted(time, [at + first, at + last])
        found[k] = np.bincount(unit[begin:end], minlength=n_units)
    return found


def first_spikes(
    time: np.ndarray, unit: np.ndarray, n_units: int, pulses: np.ndarray, first: float, last: float
) -> np.ndarray:
    """Time from each pulse to the first spike of each unit in the window; NaN without one; parameters as above.

    Returns
    -------
    ndarray, shape (n_pulses, n_units)
    """
    found = np.full((len(pulses), n_units), np.nan)
    for k, at in enumerate(pulses):
        begin, end = np.searchsorted(time, [at + first, at + last])
        units, index = np.unique(unit[begin:end], return_index=True)
        found[k, units] = time[begin:end][index] - at
    return found


def median_latency(waits: np.ndarray) -> float:
    """Median over units of their mean time to the first spike (`first_spikes`); NaN if none answers."""
    answering = np.isfinite(waits).any(axis=0)
    return float(np.median(np.nanmean(waits[:, answering], axis=0))) if answering.any() else np.nan
