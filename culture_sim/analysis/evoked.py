"""Evoked responses: what the electrodes hear after a stimulus."""

import numpy as np
from scipy.signal import lfilter


def electrode_counts(neuron: np.ndarray, step: np.ndarray, units: np.ndarray, n_steps: int) -> np.ndarray:
    """Spikes each electrode hears in every step.

    Parameters
    ----------
    neuron, step : int, shape (n_spikes,)
        Spikes of one presentation, steps counted from its onset.
    units : int, shape (n_electrodes, n_units)
        Neurons each electrode hears; a neuron may be heard by several.
    n_steps
        Length of the presentation.

    Returns
    -------
    ndarray of int, shape (n_electrodes, n_steps)
    """
    n_neurons = max(int(units.max()), int(neuron.max(initial=-1))) + 1
    heard = np.isin(neuron, units)
    train = np.zeros((n_neurons, n_steps), np.int64)
    np.add.at(train, (neuron[heard], step[heard]), 1)
    return train[units].sum(axis=1)


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
    """Mean over ``n_steps`` steps from `onset`, along the last axis."""
    return values[..., onset : onset + n_steps].mean(axis=-1)


def grows(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether paired responses grew beyond chance.

    Parameters
    ----------
    before, after : shape (n_trials,)
        Responses to the same pulses.

    Returns
    -------
    bool
        True if the mean difference exceeds two standard errors. Without variation any increase counts.
    """
    difference = np.asarray(after) - np.asarray(before)
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return bool(difference.mean() > 2 * error)
