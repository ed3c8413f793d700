"""NIX files (.nix) through Neo: spike trains as they are, one recording per segment.

Positions are annotations ``x_um`` and ``y_um`` of the spike trains; events called ``stimulation`` are stimuli. A file
of ``python -m culture_sim.export`` gives the recordings of its run, step by step.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains, Stimuli
from culture_sim.formats.experiment import Experiment
from culture_sim.formats.mending import spike_trains
from protocols.spec.dish.recordings import RecordingMeasures

DESCRIPTION = "NIX of Neo (.nix)"

BYTES_PER_SPIKE = 8
OURS = "culture_sim"  # annotation of blocks that python -m culture_sim.export wrote


def recognises(path: Path) -> bool:
    """Whether a file has the suffix of this format."""
    return path.suffix.lower() == ".nix" and path.is_file()


def n_spikes(path: Path) -> int:
    """About how many spikes it holds, at most."""
    return path.stat().st_size // BYTES_PER_SPIKE


def read(path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
    """Read one file.

    Raises
    ------
    ValueError
        If it holds no spike trains, or times are not those of a recording.
    """
    import nixio
    from neo.io import NixIO

    try:
        with NixIO(str(path), mode="ro") as file:
            blocks = file.read_all_blocks()
    except nixio.exceptions.InvalidFile as error:
        raise ValueError(f"no NIX file: {error}") from None
    segments = [(block, segment) for block in blocks for segment in block.segments if segment.spiketrains]
    if not segments:
        raise ValueError("no spike trains; allowed: segments that hold some")
    found: dict[str, SpikeTrains] = {}
    for number, (block, segment) in enumerate(segments, start=1):
        name = path.stem if len(segments) == 1 else f"{path.stem} segment {number}"
        if OURS in block.annotations:
            recordings = _own(segment, json.loads(block.annotations[OURS])).recordings()
            found |= {f"{name} {step}".rstrip(): trains for step, trains in recordings.items()}
        else:
            found[name] = _of_segment(segment)
    return found


def _seconds(times: Any) -> np.ndarray:
    return np.array(times.rescale("s").magnitude, float)


def _trains(segment: Any) -> list[np.ndarray]:
    return [_seconds(train) for train in segment.spiketrains]


def _positions(segment: Any) -> np.ndarray | None:
    places = [[train.annotations.get(key, np.nan) for key in ("x_um", "y_um")] for train in segment.spiketrains]
    positions = np.array(places, float) * 1e-6
    return None if np.isnan(positions).all() else positions


def _stimulation(segment: Any) -> tuple[np.ndarray, np.ndarray] | None:
    for event in segment.events:
        if event.name == "stimulation" and len(event):
            return _seconds(event), np.array(event.labels, np.str_)
    return None


def _of_segment(segment: Any) -> SpikeTrains:
    start = min(float(train.t_start.rescale("s")) for train in segment.spiketrains)
    stop = max(float(train.t_stop.rescale("s")) for train in segment.spiketrains)
    stimulation = _stimulation(segment)
    stimuli = None if stimulation is None else Stimuli(stimulation[0] - start, stimulation[1])
    trains = [train - start for train in _trains(segment)]
    return spike_trains(trains, stop - start, _positions(segment), None, stimuli)


def _own(segment: Any, known: dict[str, Any]) -> Experiment:
    (steps,) = (epoch for epoch in segment.epochs if epoch.name == "steps")
    start = _seconds(steps)
    onset, pattern = _stimulation(segment) or (np.zeros(0), np.zeros(0, np.str_))
    of = np.searchsorted(start, onset + known["tick_s"] / 2) - 1
    positions = _positions(segment)
    if positions is None:
        raise ValueError("spike trains have no positions; allowed: x_um and y_um of each")
    labels = np.array(steps.labels, np.str_)
    return Experiment.of_seconds(
        known["tick_s"],
        known["duration_s"],
        _trains(segment),
        positions,
        (labels, start, start + _seconds(steps.durations)),
        (onset, pattern, labels[of]),
        known["recording"],
        known["whole"],
    )
