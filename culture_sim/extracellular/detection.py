"""Threshold detector of spikes in raw traces, read in chunks so that long recordings fit into memory."""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.signal import butter, sosfiltfilt

from protocols.spec.dish.recordings import Detection

GAUSSIAN = 0.6745  # median of the magnitude of Gaussian noise, in standard deviations
NOISE_S = 10.0  # length at the start of a recording that its noise is taken from
MARGINS = 10.0  # of chunks, in periods of the lower corner of the band: what lies beyond adds less than 1e-6


def described(detection: Detection) -> str:
    """The detector and its parameters, for a note."""
    return (
        f"spikes detected: negative peaks below {detection.threshold:g} sd of the noise (median / {GAUSSIAN}), "
        f"{detection.low:g} to {detection.high:g} Hz, dead time {detection.dead_time * 1e3:g} ms"
    )


def detect(chunks: Iterable[np.ndarray], rate_hz: float, detection: Detection) -> list[np.ndarray]:
    """Spike times of each channel (s from the first sample), at negative peaks of the filtered trace.

    The filter runs forwards and backwards, over each chunk and its neighbourhood, so that borders leave no trace and
    peaks stay where they are. The noise of each channel is that of the first 10 s.

    Parameters
    ----------
    chunks
        Consecutive parts of the traces (V), each of shape (n_samples, n_channels).
    rate_hz
        Samples a second.
    detection
        Filter, threshold and dead time.

    Raises
    ------
    ValueError
        If the band does not lie below half the sampling rate, or there are no samples.
    """
    if detection.high >= rate_hz / 2:
        raise ValueError(
            f"detection.high: {detection.high:g} Hz; allowed: below {rate_hz / 2:g} Hz, half the sampling rate"
        )
    index, channel, depth, n_channels = _candidates(_filtered(chunks, rate_hz, detection), rate_hz, detection.threshold)
    dead = detection.dead_time * rate_hz
    found = []
    for k in range(n_channels):
        mine = channel == k
        found.append(np.sort(_apart(index[mine], depth[mine], dead)) / rate_hz)
    return found


def _filtered(chunks: Iterable[np.ndarray], rate_hz: float, detection: Detection) -> Iterator[np.ndarray]:
    """The filtered traces, in other chunks: each is filtered with what is near it on both sides."""
    band = butter(detection.order, (detection.low, detection.high), "bandpass", fs=rate_hz, output="sos")
    margin = round(MARGINS / detection.low * rate_hz)
    waiting, done = None, 0  # samples that are not given out yet, after `done` that are and still matter
    for chunk in chunks:
        waiting = chunk if waiting is None else np.concatenate([waiting, chunk])
        if len(waiting) > done + 2 * margin:
            found = sosfiltfilt(band, waiting, axis=0)
            yield found[done : len(waiting) - margin]
            kept = max(0, len(waiting) - 2 * margin)
            done, waiting = len(waiting) - margin - kept, waiting[kept:]
    if waiting is not None and len(waiting) > done:
        padding = min(3 * (2 * len(band) + 1), len(waiting) - 1)
        yield sosfiltfilt(band, waiting, axis=0, padlen=padding)[done:]


def _candidates(
    filtered: Iterable[np.ndarray], rate_hz: float, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Local minima below the threshold: sample, channel, value below zero in multiples of it; number of channels."""
    waiting: list[np.ndarray] = []
    level: np.ndarray | None = None
    before, first = None, 0  # the last two samples of the chunk before, and the number of the first one of those
    found = []
    for chunk in _with_noise(filtered, rate_hz, waiting):
        if level is None:
            level = -threshold * noise(np.concatenate(waiting))
        trace = chunk if before is None else np.concatenate([before, chunk])
        middle = trace[1:-1]
        lowest = (middle < level) & (middle < trace[:-2]) & (middle <= trace[2:])
        sample, channel = np.nonzero(lowest)
        found.append((sample + 1 + first, channel, middle[sample, channel] / level[channel]))
        first += len(trace) - 2
        before = trace[-2:]
    if before is None:
        raise ValueError("no samples; allowed: traces of at least three")
    index, channel, depth = (np.concatenate(values) for values in zip(*found, strict=True))
    return index, channel, depth, before.shape[1]


def _with_noise(filtered: Iterable[np.ndarray], rate_hz: float, waiting: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The same chunks, the first ones only once `waiting` holds `NOISE_S` of them, or all there are."""
    source = iter(filtered)
    for chunk in source:
        waiting.append(chunk)
        if sum(map(len, waiting)) >= NOISE_S * rate_hz:
            break
    yield from waiting
    waiting.clear()
    yield from source


def noise(trace: np.ndarray) -> np.ndarray:
    """Standard deviation of the noise of each channel, by the median of its magnitude, shape (n_channels,)."""
    return np.median(np.abs(trace), axis=0) / GAUSSIAN


def _apart(index: np.ndarray, depth: np.ndarray, dead: float) -> np.ndarray:
    """Deepest first, those that are at least `dead` samples from all that are kept already."""
    order = np.argsort(-depth, kind="stable")
    gone = np.zeros(len(index), bool)
    kept = []
    for k in order:
        if not gone[k]:
            kept.append(index[k])
            begin, end = np.searchsorted(index, [index[k] - dead + 1e-9, index[k] + dead - 1e-9])
            gone[begin:end] = True
    return np.array(kept, np.int64)
