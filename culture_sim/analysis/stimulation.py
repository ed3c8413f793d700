"""Responses to stimulation pulses in continuous recordings: counts in windows, latency, time course."""

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
    found = np.zeros((len(pulses), n_electrodes), np.int64)
    for k, at in enumerate(pulses):
        begin, end = np.searchsorted(heard.step, [at + first, at + last])
        electrodes = heard.electrode[begin:end][~heard.direct[begin:end]]
        found[k] = np.bincount(electrodes, minlength=n_electrodes)
    return found


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
    waits: list[list[int]] = [[] for _ in range(n_electrodes)]
    for at in pulses:
        begin, end = np.searchsorted(heard.step, [at + 1, at + longest])
        indirect = ~heard.direct[begin:end]
        electrodes, first = np.unique(heard.electrode[begin:end][indirect], return_index=True)
        for electrode, step in zip(electrodes, heard.step[begin:end][indirect][first], strict=True):
            waits[electrode].append(int(step - at))
    means = [np.mean(wait) for wait in waits if wait]
    return float(np.median(means)) if means else np.nan


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
