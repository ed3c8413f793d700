"""Detected spikes against true ones: recall and precision by amplitude."""

from typing import NamedTuple

import numpy as np


class Scores(NamedTuple):
    """Recall by amplitude and precision, over all electrodes.

    `edges`: of the classes of amplitude (V), shape (n + 1,); `n_true`: true spikes in each; `recall`: share of them
    that were detected, NaN without any; `precision`: share of the detected spikes that are true ones;
    `false_rate_hz`: detected spikes that are none, per electrode and second.
    """

    edges: np.ndarray
    n_true: np.ndarray
    recall: np.ndarray
    precision: float
    false_rate_hz: float


def matched(true: np.ndarray, detected: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of true and detected times that are at most `tolerance` apart, the nearest first, each time in one pair.

    Parameters
    ----------
    true, detected
        Ascending times (s).

    Returns
    -------
    ndarray of bool, shape of `true`; ndarray of bool, shape of `detected`
        Which are in a pair.
    """
    begin = np.searchsorted(detected, true - tolerance - 1e-9)
    end = np.searchsorted(detected, true + tolerance + 1e-9, "right")
    a = np.repeat(np.arange(len(true)), end - begin)
    b = (
        np.arange(len(a))
        - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
        + np.repeat(begin, end - begin)
    )
    hit, used = np.zeros(len(true), bool), np.zeros(len(detected), bool)
    for k in np.argsort(np.abs(true[a] - detected[b]), kind="stable"):
        if not hit[a[k]] and not used[b[k]]:
            hit[a[k]] = used[b[k]] = True
    return hit, used


def scores(
    true: list[tuple[np.ndarray, np.ndarray]],
    detected: list[np.ndarray],
    edges: np.ndarray,
    duration_s: float,
    tolerance: float = 0.5e-3,
) -> Scores:
    """Compare the spikes of all electrodes.

    Parameters
    ----------
    true
        Of each electrode: ascending times (s) and amplitudes (V) of all spikes in its trace.
    detected
        Of each electrode: ascending times (s).
    edges
        Of the classes of amplitude (V), ascending.
    duration_s
        Length of the recording.
    tolerance
        Largest distance of a pair (s).
    """
    n_true, n_hit = np.zeros(len(edges) - 1, int), np.zeros(len(edges) - 1, int)
    n_used = n_detected = 0
    for (times, sizes), found in zip(true, detected, strict=True):
        hit, used = matched(times, found, tolerance)
        n_true += np.histogram(sizes, edges)[0]
        n_hit += np.histogram(sizes[hit], edges)[0]
        n_used, n_detected = n_used + int(used.sum()), n_detected + len(found)
    recall = np.where(n_true > 0, n_hit / np.maximum(n_true, 1), np.nan)
    precision = n_used / n_detected if n_detected else np.nan
    return Scores(edges, n_true, recall, precision, (n_detected - n_used) / (len(detected) * duration_s))
