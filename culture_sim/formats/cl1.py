"""Recordings of the CL1 (cl-sdk): HDF5 with tables of spikes and stimuli, and raw samples.

Times are frames from the start of the recording, or from that of the device where ``file_format`` says so. Spikes are
those that the device detected; without them, they are detected in the samples.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains, Stimuli
from culture_sim.extracellular.detection import described, detect
from culture_sim.formats.hdf5 import holds, size, traces
from culture_sim.formats.mending import spike_trains
from protocols.spec.dish.recordings import RecordingMeasures

DESCRIPTION = "recordings of cl-sdk (.h5)"

#: in the text of the attribute ``file_format``: times count from the start of the device, not of the recording
ABSOLUTE = re.compile(r"timestamps_relative_to_start\W+(?:p\d+\s+)?(?:I00|False|false)")


def recognises(path: Path) -> bool:
    """Whether a file has the attributes and one of the tables of this format."""
    if not (holds(path, "spikes") or holds(path, "samples")):
        return False
    import h5py

    with h5py.File(path) as file:
        return {"channel_count", "frames_per_second"} <= set(file.attrs)


def n_spikes(path: Path) -> int:
    """How many spikes it holds."""
    return size(path, "spikes")


def read(path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
    """Read one file.

    Raises
    ------
    ValueError
        If it is not finished, or times are not those of a recording.
    """
    import h5py

    with h5py.File(path) as file:
        attributes = {name: _attribute(value) for name, value in file.attrs.items()}
        n, rate = int(attributes["channel_count"]), float(attributes["frames_per_second"])
        if "duration_frames" not in attributes:
            raise ValueError("no duration_frames: the recording was not ended; allowed: finished recordings")
        absolute = ABSOLUTE.search(str(attributes.get("file_format", "")))
        start = int(attributes["start_timestamp"]) if absolute else 0
        duration, notes = float(attributes["duration_frames"]) / rate, []
        if "spikes" in file:
            time, channel = (file["spikes"][name].astype(np.int64) for name in ("timestamp", "channel"))
            trains = [(time[channel == k] - start) / rate for k in range(n)]
        else:
            scale = float(attributes.get("uV_per_sample_unit", 1.0)) * 1e-6
            trains = detect(traces(file["samples"], scale), rate, definitions.detection)
            notes = [described(definitions.detection)]
        stimuli = None
        if "stims" in file and file["stims"].size:
            frames = np.unique(file["stims"]["timestamp"].astype(np.int64)) - start
            stimuli = Stimuli(frames / rate, np.full(len(frames), "", np.str_))
    metadata = {key: str(attributes[key]) for key in ("cell_batch_id", "project_id") if attributes.get(key)}
    return {path.stem: spike_trains(trains, duration, None, metadata, stimuli, notes)}


def _attribute(value: object) -> Any:
    """A number or text; a mapping stays the text that PyTables wrote."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.item() if isinstance(value, np.generic) else value
