"""NWB 2 files (HDF5): units with their electrodes, stimulation, steps; raw traces where there are no units.

Positions are ``rel_x`` and ``rel_y`` of the electrodes, or ``x`` and ``y`` (um). Rows of the interval table
``stimulation`` are stimuli. A file of ``python -m culture_sim.export`` gives the recordings of its run, step by step.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains, Stimuli
from culture_sim.extracellular.detection import described, detect
from culture_sim.formats.experiment import Experiment
from culture_sim.formats.hdf5 import holds, plain, size, traces
from culture_sim.formats.mending import spike_trains
from protocols.spec.dish.recordings import RecordingMeasures

DESCRIPTION = "NWB (.nwb)"

OURS = "culture_sim"  # key in the notes of files that python -m culture_sim.export wrote


def recognises(path: Path) -> bool:
    """Whether it is an NWB file on HDF5."""
    if not holds(path, "session_start_time"):
        return False
    import h5py

    with h5py.File(path) as file:
        return "nwb_version" in file.attrs


def n_spikes(path: Path) -> int:
    """How many spikes it holds."""
    return size(path, "units/spike_times")


def read(path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
    """Read one file.

    Raises
    ------
    ValueError
        If it holds neither units nor raw traces, or times are not those of a recording.
    """
    import h5py

    with h5py.File(path) as file:
        own = _own(file)
        if own is not None:
            return {f"{path.stem} {step}".rstrip(): found for step, found in own.recordings().items()}
        notes: list[str] = []
        if "units/spike_times" in file:
            units, (start, stop) = _units(file), _span(file)
            trains, positions = [train - start for train in units], _of_units(file, len(units))
        else:
            trains, positions, start, stop = _detected(file, definitions)
            notes = [described(definitions.detection)]
        table = file.get("intervals/stimulation")
        stimuli = None
        if table is not None and len(table["start_time"]):
            onset, pattern, _ = _stimulation(table)
            stimuli = Stimuli(onset - start, pattern)
        return {path.stem: spike_trains(trains, stop - start, positions, _metadata(file), stimuli, notes)}


def _own(file: Any) -> Experiment | None:
    """The experiment of a file that this project wrote; None for others."""
    notes, positions = _text(file, "general/notes"), _positions(file)
    if not notes.startswith('{"' + OURS) or positions is None:
        return None
    known = json.loads(notes)[OURS]
    epochs = file["intervals/epochs"]
    stimulation = file.get("intervals/stimulation")
    nothing = (np.zeros(0), np.zeros(0, np.str_), np.zeros(0, np.str_))
    return Experiment.of_seconds(
        known["tick_s"],
        known["duration_s"],
        _units(file),
        positions,
        (file["intervals/epochs/step"].asstr()[:], epochs["start_time"][:], epochs["stop_time"][:]),
        nothing if stimulation is None else _stimulation(stimulation),
        known["recording"],
        known["whole"],
    )


def _units(file: Any) -> list[np.ndarray]:
    units = file["units"]
    ends = units["spike_times_index"][:].astype(np.int64)
    return np.split(units["spike_times"][:].astype(float), ends[:-1]) if len(ends) else []


def _span(file: Any) -> tuple[float, float]:
    """Start and end of the recording: of the intervals in which units were observed, else 0 to the last time."""
    if "units/obs_intervals" in file and len(file["units/obs_intervals"]):
        observed = file["units/obs_intervals"][:]
        return float(observed[:, 0].min()), float(observed[:, 1].max())
    ends = [file["units/spike_times"][:].max(initial=0.0)]
    ends += [table["stop_time"][:].max(initial=0.0) for table in file.get("intervals", {}).values()]
    return 0.0, float(np.nanmax(ends))


def _positions(file: Any) -> np.ndarray | None:
    """Positions of the electrodes (m)."""
    table = file.get("general/extracellular_ephys/electrodes")
    for columns in (("rel_x", "rel_y"), ("x", "y")):
        if table is not None and all(name in table for name in columns):
            return np.stack([table[name][:].astype(float) for name in columns], axis=1) * 1e-6
    return None


def _of_units(file: Any, n: int) -> np.ndarray | None:
    """Positions of the units: means of those of their electrodes."""
    positions = _positions(file)
    if positions is None or "units/electrodes" not in file:
        return None
    of = np.split(file["units/electrodes"][:], file["units/electrodes_index"][:].astype(np.int64)[:-1])
    return np.array([positions[rows].mean(axis=0) if len(rows) else (np.nan, np.nan) for rows in of]).reshape(n, 2)


def _stimulation(table: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Onsets, patterns and steps, in order of time."""
    onset = table["start_time"][:]
    order = np.argsort(onset, kind="stable")
    texts = (
        table[name].asstr()[:] if name in table else np.full(len(onset), "", np.str_) for name in ("pattern", "step")
    )
    pattern, step = (np.array(values, np.str_)[order] for values in texts)
    return onset[order], pattern, step


def _detected(file: Any, definitions: RecordingMeasures) -> tuple[list[np.ndarray], np.ndarray | None, float, float]:
    """Spikes in the first electrical series: trains, positions of its channels, start and end."""
    series = [
        item
        for item in file.get("acquisition", {}).values()
        if plain(item.attrs.get("neurodata_type", "")) == "ElectricalSeries" and "starting_time" in item
    ]
    if not series:
        raise ValueError("neither units nor electrical series with a sampling rate; allowed: one of them")
    data, start = series[0]["data"], float(series[0]["starting_time"][()])
    rate = float(series[0]["starting_time"].attrs["rate"])
    scale = float(data.attrs.get("conversion", 1.0))
    trains = detect(traces(data, scale), rate, definitions.detection)
    positions = _positions(file)
    rows = series[0]["electrodes"][:]
    placed = None if positions is None else positions[rows]
    return trains, placed, start, start + len(data) / rate


def _metadata(file: Any) -> dict[str, str | int | float]:
    """What the file says of the subject, and where its electrodes lie."""
    found = {key: text for key in ("age", "species", "subject_id") if (text := _text(file, f"general/subject/{key}"))}
    locations = file.get("general/extracellular_ephys/electrodes/location")
    places = set() if locations is None else set(locations.asstr()[:])
    return found | ({"region": places.pop()} if len(places) == 1 else {})


def _text(file: Any, name: str) -> str:
    return str(plain(file[name][()])) if name in file else ""
