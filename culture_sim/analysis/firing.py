"""Irregularity of single units: coefficient of variation and local variation of their inter-spike intervals."""

import numpy as np


def isi_cv(train: np.ndarray) -> float:
    """Coefficient of variation of the inter-spike intervals: standard deviation over mean; NaN below two intervals.

    Parameters
    ----------
    train
        Ascending spike times of one unit (s), shape (n_spikes,).
    """
    intervals = np.diff(train)
    return float(intervals.std() / intervals.mean()) if len(intervals) > 1 and intervals.mean() > 0 else np.nan


def isi_lv(train: np.ndarray) -> float:
    """Local variation of the inter-spike intervals (Shinomoto, Shima, Tanji 2003); NaN below two intervals.

    LV = 3 / (n - 1) * sum over successive intervals of ((I_k - I_k+1) / (I_k + I_k+1))^2: 1 for a Poisson train, 0 for
    a regular one, whatever slow changes of the rate there are.
    """
    intervals = np.diff(train)
    if len(intervals) < 2:
        return np.nan
    first, second = intervals[:-1], intervals[1:]
    with np.errstate(invalid="ignore"):  # two intervals of 0 s differ by nothing
        ratio = np.nan_to_num((first - second) / (first + second))
    return float(3 * np.mean(ratio**2))
