"""What a page shows of spikes: those that are drawn, intervals and responses of each electrode."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

TICK = 1e-4  # s: resolution of the spikes that are drawn
LONGEST = np.iinfo(np.uint16).max  # ticks between spikes as they are packed
#: edges of the intervals' bins (s), ten a decade
ISI_EDGES = np.logspace(-3, 2, 51)


def thinned(
    time: np.ndarray, electrode: np.ndarray, starts: Sequence[float], most: int
) -> tuple[np.ndarray, list[int]]:
    """Choose the spikes to draw: all, or every k-th of each electrode, with its own k in each span of the recording.

    Spans of few spikes are drawn whole; the others share what is left of `most`.

    Parameters
    ----------
    time, electrode : shape (n_spikes,)
        In order of time.
    starts
        Start of each span, ascending; the first begins with the recording, the last ends with it.
    most
        Spikes to draw at most, apart from the first of each electrode and span.

    Returns
    -------
    chosen : int, shape (n_chosen,)
        Indices of spikes, ascending.
    every : list of int
        k of each span.
    """
    edges = [0, *np.searchsorted(time, starts[1:]), len(time)]
    counts = np.diff(edges)
    every, left = np.ones(len(counts), int), most
    for place, span in enumerate(np.argsort(counts, kind="stable")):
        quota = max(1, left // (len(counts) - place))
        every[span] = max(1, -(-counts[span] // quota))
        left -= counts[span] // every[span]
    chosen = [
        first + np.flatnonzero(turns(electrode[first:last]) % k == 0)
        for (first, last), k in zip(pairwise(edges), every, strict=True)
    ]
    return np.concatenate(chosen), every.tolist()


def turns(electrode: np.ndarray) -> np.ndarray:
    """Number of each spike among those of its electrode, from 0."""
    order = np.argsort(electrode, kind="stable")
    ordered = electrode[order]
    found = np.empty(len(electrode), int)
    found[order] = np.arange(len(electrode)) - np.searchsorted(ordered, ordered)
    return found


def steps(time: np.ndarray, electrode: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Spikes as they are packed: ticks since the one before (uint16), and electrode (uint8 or uint16).

    Where the pause is too long for 16 bits, spikes of an electrode `n`, which is none, fill it.
    """
    ticks = np.round(time / TICK).astype(np.int64)
    gaps = np.diff(ticks, prepend=0)
    fillers = gaps // LONGEST
    last = np.cumsum(fillers + 1) - 1  # where each spike stands among the fillers
    delta = np.full(len(ticks) + int(fillers.sum()), LONGEST, np.uint16)
    delta[last] = gaps - fillers * LONGEST
    of = np.full(len(delta), n, np.uint8 if n < 2**8 else np.uint16)
    of[last] = electrode
    return delta, of


def intervals(time: np.ndarray, electrode: np.ndarray, n: int, breaks: np.ndarray | None = None) -> np.ndarray:
    """Intervals of each electrode's spikes in bins of `ISI_EDGES`, shape (n, n_bins).

    Parameters
    ----------
    time, electrode : shape (n_spikes,)
        In order of time.
    n
        Number of electrodes.
    breaks
        Times (s, ascending) at which the recording pauses: an interval across one does not count.
    """
    order = np.argsort(electrode, kind="stable")
    at, of = time[order], electrode[order]
    part = np.searchsorted([] if breaks is None else breaks, at, "right")
    same = (np.diff(of) == 0) & (np.diff(part) == 0)
    bins = np.searchsorted(ISI_EDGES, np.diff(at), "right") - 1
    inside = same & (bins >= 0) & (bins < len(ISI_EDGES) - 1)
    flat = of[1:][inside].astype(np.int64) * (len(ISI_EDGES) - 1) + bins[inside]
    return np.bincount(flat, minlength=n * (len(ISI_EDGES) - 1)).reshape(n, -1)


def responses(time: np.ndarray, electrode: np.ndarray, n: int, pulses: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Rate of each electrode in bins around pulses (Hz), mean over the pulses, shape (n, n_bins).

    Parameters
    ----------
    time, electrode : shape (n_spikes,)
        In order of time.
    n
        Number of electrodes.
    pulses : shape (n_pulses,)
        Times (s).
    edges : shape (n_bins + 1,)
        Of bins of equal width, from the pulse on (s).
    """
    width, n_bins = edges[1] - edges[0], len(edges) - 1
    counts = np.zeros(n * n_bins, int)
    for pulse in pulses:
        # a spike at the edge of a bin belongs to the later one, whatever the rounding of times
        first, last = np.searchsorted(time, pulse + edges[[0, -1]] - 1e-9)
        bins = np.clip(np.floor((time[first:last] - pulse - edges[0]) / width + 1e-6).astype(int), 0, n_bins - 1)
        counts += np.bincount(electrode[first:last].astype(np.int64) * n_bins + bins, minlength=n * n_bins)
    return counts.reshape(n, n_bins) / (width * max(1, len(pulses)))
