"""Responses to the stimuli of a recording: histogram, direct, early and late spikes, latency, reliability."""

from typing import Any

import numpy as np

from culture_sim.analysis.panel import Measure
from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.analysis.stimulation import first_spikes, median_latency, spike_counts
from protocols.spec.dish.recordings import EvokedWindows, RecordingMeasures

EPSILON = 1e-9  # s: times of a simulation are whole steps, and rounded


def evoked_panel(trains: SpikeTrains, measures: RecordingMeasures) -> dict[str, Measure]:
    """Measures of the responses to all stimuli together, then to each pattern (``early spikes, L``) of several.

    Counts are of the active units, per unit and stimulus, less the rate before the stimulus. A window's measures are
    taken over the stimuli that no other one follows before it ends; NaN where there are none.

    Parameters
    ----------
    trains
        The recording.
    measures
        Windows, and which units are active.

    Returns
    -------
    dict
        Empty for a recording without stimuli.
    """
    if trains.stimuli is None or not len(trains.stimuli.time):
        return {}
    patterns = np.unique(trains.stimuli.pattern)
    found = _measured(trains, measures, np.ones(len(trains.stimuli.time), bool))
    for pattern in patterns if len(patterns) > 1 else ():
        of_pattern = _measured(trains, measures, trains.stimuli.pattern == pattern)
        found |= {f"{name}, {pattern}": measure for name, measure in of_pattern.items()}
    return found


def _measured(trains: SpikeTrains, measures: RecordingMeasures, chosen: np.ndarray) -> dict[str, Measure]:
    assert trains.stimuli is not None  # noqa: S101
    windows, active = measures.evoked, trains.rates >= measures.active_rate
    n_active, stimuli = int(active.sum()), np.unique(trains.stimuli.time[chosen])
    rate = baseline_rate(trains, active, windows.baseline)
    found = {"stimuli": Measure(float(len(stimuli)), "", "distinct onsets")}
    on = f"units of at least {measures.active_rate:g} Hz"
    blank = f", without the first {windows.blank * 1e3:g} ms" if windows.blank else ""
    for name in ("direct", "early", "late"):
        first, last = getattr(windows, name)
        first = max(first, windows.blank)
        counted = isolated(trains, stimuli, last)
        count = counts(trains, counted, first, last)[:, active]
        value = count.mean() - rate * (last - first) if count.size else np.nan
        spelled = f"{first * 1e3:g} to {last * 1e3:g} ms, n {len(counted)}, {on}"
        definition = f"per unit and stimulus, less the rate in {windows.baseline * 1e3:g} ms before, {spelled}"
        found[f"{name} spikes"] = Measure(float(value), "", definition)
        if name == "early":
            answered = float((count > 0).mean()) if count.size else np.nan
            found["reliability"] = Measure(answered, "share", f"stimuli with a spike, mean over units, {spelled}")
    last = windows.late[1]
    counted = isolated(trains, stimuli, last)
    wait = first_spike(trains, counted, windows.blank, last)[:, active]
    found["latency"] = Measure(
        median_latency(wait) * 1e3, "ms", f"first spike within {last * 1e3:g} ms, mean, median over units{blank}"
    )
    course = psth(trains, counted, windows, active)
    peak = int(np.argmax(course)) if np.isfinite(course).any() else None
    over = f"histogram in bins of {windows.bin * 1e3:g} ms, mean over {n_active} units and n {len(counted)}{blank}"
    found["PSTH peak"] = Measure(np.nan if peak is None else float(course[peak]), "Hz", over)
    found["PSTH peak time"] = Measure(np.nan if peak is None else (peak + 0.5) * windows.bin * 1e3, "ms", over)
    return found


def histogram(trains: SpikeTrains, measures: RecordingMeasures) -> dict[str, Any] | None:
    """Histogram over all stimuli, for files: ``bin_ms``, and ``rate_hz`` of each bin; None without stimuli or units."""
    if trains.stimuli is None:
        return None
    active, windows = trains.rates >= measures.active_rate, measures.evoked
    counted = isolated(trains, np.unique(trains.stimuli.time), windows.late[1])
    if not len(counted) or not active.any():
        return None
    course = psth(trains, counted, windows, active)
    return {"bin_ms": windows.bin * 1e3, "rate_hz": course.tolist()}


def isolated(trains: SpikeTrains, stimuli: np.ndarray, last: float) -> np.ndarray:
    """The stimuli after which neither another one nor the end of the recording comes within `last` (s)."""
    assert trains.stimuli is not None  # noqa: S101
    every = np.append(np.unique(trains.stimuli.time), trains.duration)
    following = every[np.searchsorted(every, stimuli, "right").clip(max=len(every) - 1)]
    return stimuli[following - stimuli >= last - 1e-9]


def baseline_rate(trains: SpikeTrains, active: np.ndarray, length: float) -> float:
    """Mean rate (Hz) of the active units in the `length` (s) before stimuli that come so long after another.

    0 where no stimulus does: nothing is taken off.
    """
    assert trains.stimuli is not None  # noqa: S101
    every = np.unique(trains.stimuli.time)
    kept = every[np.diff(every, prepend=0.0) >= length - 1e-9]
    before = counts(trains, kept, -length, 0.0)[:, active]
    return float(before.mean() / length) if before.size else 0.0


def counts(trains: SpikeTrains, stimuli: np.ndarray, first: float, last: float) -> np.ndarray:
    """Spikes of each unit from `first` to before `last` (s) after each stimulus, shape (n_stimuli, n_units)."""
    return spike_counts(trains.time, trains.unit, trains.n_units, stimuli, first - EPSILON, last - EPSILON)


def first_spike(trains: SpikeTrains, stimuli: np.ndarray, first: float, last: float) -> np.ndarray:
    """Time to the first spike of each unit from `first` to before `last` (s) after each stimulus; NaN without one.

    Returns
    -------
    ndarray, shape (n_stimuli, n_units)
    """
    return first_spikes(trains.time, trains.unit, trains.n_units, stimuli, first - EPSILON, last - EPSILON)


def psth(trains: SpikeTrains, stimuli: np.ndarray, windows: EvokedWindows, active: np.ndarray) -> np.ndarray:
    """Peristimulus time histogram (Hz): mean rate of the active units from the stimulus to the end of the late window.

    Returns
    -------
    ndarray, shape (n_bins,)
        0 in bins within the blank; NaN without stimuli or units.
    """
    n_bins = round(windows.late[1] / windows.bin)
    total = np.zeros(n_bins)
    for at in stimuli:
        begin, end = _within(trains, at, windows.blank, n_bins * windows.bin)
        after = trains.time[begin:end][active[trains.unit[begin:end]]] - at
        total += np.bincount(
            np.floor((after + EPSILON) / windows.bin).astype(int).clip(max=n_bins - 1), minlength=n_bins
        )
    n = len(stimuli) * int(active.sum())
    return total / (n * windows.bin) if n else np.full(n_bins, np.nan)


def _within(trains: SpikeTrains, at: float, first: float, last: float) -> tuple[int, int]:
    """Range of the spikes from `first` to before `last` after a time."""
    begin, end = np.searchsorted(trains.time, [at + first - EPSILON, at + last - EPSILON])
    return int(begin), int(end)
