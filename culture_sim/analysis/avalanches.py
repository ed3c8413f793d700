"""Neuronal avalanches: sizes, durations, exponents and branching ratio (Beggs and Plenz 2003)."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import zeta

from culture_sim.analysis.spike_trains import SpikeTrains


class Avalanches(NamedTuple):
    """Runs of time bins with spikes, between empty ones.

    `size`: spikes of each; `duration`: bins of each; `branching`: mean ratio of the spikes of the second bin to those
    of the first (0 for avalanches of one bin); `bin_s`: width of a bin.
    """

    size: np.ndarray
    duration: np.ndarray
    branching: float
    bin_s: float


def avalanches(trains: SpikeTrains, bin_s: float | None = None) -> Avalanches:
    """Avalanches of a recording; without `bin_s` a bin is the mean interval of the pooled spikes."""
    if len(trains.time) < 2:
        return Avalanches(np.zeros(0, int), np.zeros(0, int), np.nan, np.nan if bin_s is None else bin_s)
    width = float(np.diff(trains.time).mean()) if bin_s is None else bin_s
    if width <= 0:
        raise ValueError(f"bins of {width:g} s; allowed: more than 0")
    filled, spikes = np.unique(np.floor(trains.time / width).astype(np.int64), return_counts=True)
    first = np.flatnonzero(np.concatenate([[True], np.diff(filled) > 1]))
    duration = np.diff(np.concatenate([first, [len(filled)]]))
    size = np.add.reduceat(spikes, first)
    second = np.where(duration > 1, spikes[np.minimum(first + 1, len(spikes) - 1)], 0)
    return Avalanches(size, duration, float(np.mean(second / spikes[first])), width)


def exponent(values: np.ndarray, least: int = 1) -> float:
    """Maximum-likelihood exponent a of a discrete power law p(x) ~ x^-a, x >= `least` (Clauset et al. 2009).

    NaN below ten values, or if all are the least one.
    """
    kept = values[values >= least]
    if len(kept) < 10 or kept.max() == least:
        return np.nan
    mean_log = float(np.log(kept).mean())
    return float(
        minimize_scalar(lambda a: a * mean_log + np.log(zeta(a, least)), bounds=(1.01, 20), method="bounded").x
    )
