"""Responses to stimuli against loops over stimuli, units and spikes."""

import numpy as np
import pytest

from culture_sim.analysis.peristimulus import evoked_panel, histogram
from culture_sim.analysis.spike_trains import SpikeTrains, Stimuli
from protocols.spec.dish.recordings import EvokedWindows, RecordingMeasures


def recording(seed: int = 0) -> SpikeTrains:
    """Six units that fire at random, and answer stimuli of two patterns in a step-like course; one is silent."""
    rng = np.random.default_rng(seed)
    onsets = np.array([1.0, 2.0, 3.0, 3.1, 5.0, 7.9])
    pattern = np.array(["A", "B", "A", "A", "B", "A"])
    time, unit = [rng.uniform(0, 8, 300)], [rng.integers(0, 6, 300)]
    for onset in onsets[:-1]:
        n = rng.integers(0, 12)
        time.append(onset + rng.uniform(0, 0.3, n))
        unit.append(rng.integers(0, 6, n))
    trains = SpikeTrains.sorted(np.concatenate(time), np.concatenate(unit), 7, 8.0)
    return SpikeTrains(trains.time, trains.unit, 7, 8.0, None, {}, Stimuli(onsets, pattern))


def literal(trains: SpikeTrains, windows: EvokedWindows, pattern: str | None) -> dict[str, float]:
    """The definitions as loops."""
    assert trains.stimuli is not None
    onsets = trains.stimuli.time.tolist()
    mine = [t for t, p in zip(onsets, trains.stimuli.pattern, strict=True) if pattern in (None, p)]
    units = [train for train in trains.trains if len(train) / trains.duration >= 0.01]

    def free(onset: float, length: float) -> bool:
        return all(not onset < other < onset + length for other in [*onsets, trains.duration])

    def count(train: np.ndarray, first: float, last: float) -> int:
        return sum(first <= time < last for time in train)

    rested = [t for t in onsets if all(not t - windows.baseline < other < t for other in [0.0, *onsets])]
    before = [count(train, t - windows.baseline, t) for t in rested for train in units]
    rate = np.mean(before) / windows.baseline
    found: dict[str, float] = {"stimuli": len(mine)}
    for name in ("direct", "early", "late"):
        first, last = max(getattr(windows, name)[0], windows.blank), getattr(windows, name)[1]
        counts = [[count(train, t + first, t + last) for train in units] for t in mine if free(t, last)]
        found[f"{name} spikes"] = np.mean(counts) - rate * (last - first)
        if name == "early":
            found["reliability"] = np.mean(np.array(counts) > 0)
    counted = [t for t in mine if free(t, windows.late[1])]
    means = []
    for train in units:
        waits = [
            min(after)
            for t in counted
            if (after := [time - t for time in train if windows.blank <= time - t < windows.late[1]])
        ]
        if waits:
            means.append(np.mean(waits))
    found["latency"] = float(np.median(means)) * 1e3
    n_bins = round(windows.late[1] / windows.bin)
    course = [
        sum(
            windows.blank <= time - t and k * windows.bin <= time - t < (k + 1) * windows.bin
            for t in counted
            for train in units
            for time in train
        )
        / (len(counted) * len(units) * windows.bin)
        for k in range(n_bins)
    ]
    return found | {"PSTH peak": max(course), "PSTH peak time": (int(np.argmax(course)) + 0.5) * windows.bin * 1e3}


@pytest.mark.parametrize("blank", ["0 ms", "12 ms"])
@pytest.mark.parametrize("seed", range(3))
def test_measures_are_those_of_the_loops(seed: int, blank: str) -> None:
    trains = recording(seed)
    measures = RecordingMeasures(evoked=EvokedWindows(blank=blank, direct=("0 ms", "20 ms")))
    found = evoked_panel(trains, measures)
    for pattern in (None, "A", "B"):
        for name, expected in literal(trains, measures.evoked, pattern).items():
            key = name if pattern is None else f"{name}, {pattern}"
            assert found[key].value == pytest.approx(expected, abs=1e-9), key
    assert "n 4" in found["late spikes"].definition  # 3.0 is followed at 3.1, 7.9 by the end
    assert "n 6" in found["direct spikes"].definition


def test_one_pattern_has_no_measures_of_its_own_and_no_stimuli_have_none() -> None:
    trains = recording()
    one = SpikeTrains(trains.time, trains.unit, 7, 8.0, stimuli=Stimuli(np.array([1.0]), np.array(["A"])))
    assert not any(", " in name for name in evoked_panel(one, RecordingMeasures()))
    without = SpikeTrains(trains.time, trains.unit, 7, 8.0)
    assert evoked_panel(without, RecordingMeasures()) == {}
    assert histogram(without, RecordingMeasures()) is None


def test_windows_that_no_stimulus_leaves_free_are_nan() -> None:
    dense = Stimuli(np.arange(0, 8, 0.1), np.full(80, ""))
    trains = recording()
    found = evoked_panel(SpikeTrains(trains.time, trains.unit, 7, 8.0, stimuli=dense), RecordingMeasures())
    assert np.isnan([found[name].value for name in ("late spikes", "latency", "PSTH peak")]).all()
    assert np.isfinite([found[name].value for name in ("direct spikes", "early spikes")]).all()


def test_the_histogram_holds_the_peak() -> None:
    trains = recording()
    shown = histogram(trains, RecordingMeasures())
    assert shown is not None
    assert len(shown["rate_hz"]) == 60
    assert max(shown["rate_hz"]) == evoked_panel(trains, RecordingMeasures())["PSTH peak"].value


def test_windows_end_after_they_start() -> None:
    with pytest.raises(ValueError, match="direct: ends at 10 ms; allowed: after its start and blank, 10 ms"):
        EvokedWindows(blank="10 ms")
