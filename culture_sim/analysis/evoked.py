"""Evoked responses: spike counts of the electrodes after a stimulus."""

import numpy as np
from scipy.signal import lfilter
from scipy.sparse import csr_array


def electrode_counts(neuron: np.ndarray, step: np.ndarray, heard: csr_array, n_steps: int) -> np.ndarray:
    """Spikes per heard neuron of each electrode in every step.

    Parameters
    ----------
    neuron, step : int, shape (n_spikes,)
        Spikes of one presentation, steps counted from its onset.
    heard : bool, shape (n_electrodes, n_neurons)
        Neurons each electrode hears; a neuron may be heard by several.
    n_steps
        Length of the presentation.

    Returns
    -------
    ndarray, shape (n_electrodes, n_steps)
        Mean over the heard neurons; NaN for an electrode that hears none.
    """
    spikes = csr_array((np.ones(len(neuron)), (neuron, step)), shape=(heard.shape[1], n_steps))
    n_heard = np.asarray(heard.sum(axis=1), float)
    n_heard[n_heard == 0] = np.nan
    return (heard.astype(float) @ spikes).toarray() / n_heard[:, None]


def leaky_count(counts: np.ndarray, leak_steps: float) -> np.ndarray:
    """Leaky integration of spikes: y(t) = y(t - 1) exp(-1 / leak) + s(t).

    Parameters
    ----------
    counts : shape (..., n_steps)
        Spikes per step.
    leak_steps
        Time constant in steps (Ruaro et al. 2005: 20 ms).

    Returns
    -------
    ndarray of float, shape of `counts`
    """
    return lfilter([1.0], [1.0, -np.exp(-1.0 / leak_steps)], counts, axis=-1)


def psth(counts: np.ndarray, bin_steps: int) -> np.ndarray:
    """Spikes per bin; a last incomplete bin is left out.

    Parameters
    ----------
    counts : shape (..., n_steps)
    bin_steps
        Steps per bin.

    Returns
    -------
    ndarray, shape (..., n_steps // bin_steps)
    """
    n_bins = counts.shape[-1] // bin_steps
    return counts[..., : n_bins * bin_steps].reshape(*counts.shape[:-1], n_bins, bin_steps).sum(axis=-1)


def window_mean(values: np.ndarray, onset: int, n_steps: int) -> np.ndarray:
    """Mean over `n_steps` steps from `onset` along the last axis."""
    return values[..., onset : onset + n_steps].mean(axis=-1)


def grows(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether paired responses grew significantly.

    Parameters
    ----------
    before, after : shape (n_trials,)
        Responses to the same pulses.

    Returns
    -------
    bool
        True if the mean difference exceeds two standard errors. Without any variation every increase counts.
    """
    difference = np.asarray(after) - np.asarray(before)
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return bool(difference.mean() > 2 * error)
