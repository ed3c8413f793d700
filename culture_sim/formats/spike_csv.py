"""Tables of spikes: CSV with the columns ``time_s`` and ``electrode``, and optionally ``x_um`` and ``y_um``.

A file of its own, or ``spikes.csv`` in a folder that may also hold ``electrodes.csv`` (``electrode``, ``x_um``,
``y_um``: silent ones too) or ``probe.json`` (probeinterface), ``stimulation.csv`` (``time_s``, ``pattern``, ``step``)
and ``steps.csv`` (``step``, ``start_s``, ``stop_s``). Lines ``# name: value`` after the header are metadata;
``duration_s`` is the length of the recording, which otherwise ends with its last spike.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains, Stimuli
from culture_sim.formats.experiment import Experiment
from culture_sim.formats.mending import spike_trains
from protocols.spec.dish.recordings import RecordingMeasures

DESCRIPTION = "CSV with columns time_s, electrode (.csv, or a folder with spikes.csv)"

BYTES_PER_LINE = 12  # of a spike, at least


def recognises(path: Path) -> bool:
    """Whether the first line of a file names the columns of this format."""
    path = path / "spikes.csv" if path.is_dir() else path
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(newline="", errors="replace") as file:
        header = file.readline()
    return {"time_s", "electrode"} <= {name.strip() for name in header.split(",")}


def n_spikes(path: Path) -> int:
    """About how many spikes it holds, at most."""
    return (path / "spikes.csv" if path.is_dir() else path).stat().st_size // BYTES_PER_LINE


class _Spikes(NamedTuple):
    """Times by electrode in the order of the file, positions that spikes' lines give, and metadata."""

    trains: dict[str, list[float]]
    places: dict[str, tuple[float, float]]
    metadata: dict[str, str | int | float]


def read(path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
    """Read one file or folder.

    Raises
    ------
    ValueError
        If a line holds no number where one belongs, or there are no spikes and no length of the recording.
    """
    name = path.resolve().name if path.is_dir() else path.stem
    spikes = _spikes(path / "spikes.csv" if path.is_dir() else path)
    if path.is_dir():
        spikes.places.update(_electrodes(path))
        spikes.trains.update({each: [] for each in spikes.places if each not in spikes.trains})
    names = sorted(spikes.trains, key=lambda each: (not each.isdigit(), each.zfill(9) if each.isdigit() else each))
    trains = [np.array(spikes.trains[each]) for each in names]
    positions = np.array([spikes.places.get(each, (np.nan, np.nan)) for each in names]) if spikes.places else None
    metadata = dict(spikes.metadata)
    duration, tick = metadata.pop("duration_s", None), metadata.pop("resolution_s", None)
    whole = metadata.pop("whole", None) == "true"
    if duration is None and not any(map(len, trains)):
        raise ValueError("no spikes; allowed: spikes, or a line '# duration_s: ...' with the length of the recording")
    length = float(duration if duration is not None else max(train.max() for train in trains if len(train)))
    stimuli = _stimuli(path / "stimulation.csv")
    if (path / "steps.csv").is_file() and positions is not None and isinstance(tick, float):
        experiment = Experiment.of_seconds(
            tick, length, trains, positions, _steps(path / "steps.csv"), stimuli, metadata, whole
        )
        return {f"{name} {step}".rstrip(): found for step, found in experiment.recordings().items()}
    given = Stimuli(*stimuli[:2]) if len(stimuli[0]) else None
    return {name: spike_trains(trains, length, positions, metadata, given)}


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines of a table with their numbers, without those of metadata."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        for row in reader:
            if not (row[reader.fieldnames[0]] or "").startswith("#"):  # type: ignore[index]
                yield reader.line_num, row


def _spikes(path: Path) -> _Spikes:
    found = _Spikes({}, {}, {})
    with path.open(newline="") as file:
        header = next(csv.reader(file, skipinitialspace=True))
        column = {name.strip(): k for k, name in enumerate(header)}
        time, electrode = column["time_s"], column["electrode"]
        place = [column[key] for key in ("x_um", "y_um") if key in column]
        for line, row in enumerate(csv.reader(file, skipinitialspace=True), start=2):
            if not row:
                continue
            if row[0].startswith("#"):
                name, _, value = ",".join(row).lstrip("# ").partition(":")
                found.metadata[name.strip()] = _value(value.strip())
                continue
            if len(row) <= max(time, electrode):
                raise ValueError(f"line {line}: {len(row)} columns; allowed: {len(header)}")
            found.trains.setdefault(row[electrode], []).append(_number(row[time], line))
            if len(place) == 2 and len(row) > max(place) and all(row[k] for k in place):
                x, y = (_number(row[k], line) * 1e-6 for k in place)
                found.places[row[electrode]] = (x, y)
    if isinstance(found.metadata.get("duration_s", 0.0), str):
        raise ValueError(f"duration_s: {found.metadata['duration_s']!r}; allowed: a number")
    return found


def _electrodes(folder: Path) -> dict[str, tuple[float, float]]:
    """Positions (m) of the electrodes of a folder, by name; none where it does not say."""
    if (folder / "electrodes.csv").is_file():
        return {
            row["electrode"]: (_number(row["x_um"], line) * 1e-6, _number(row["y_um"], line) * 1e-6)
            for line, row in _rows(folder / "electrodes.csv")
        }
    if (folder / "probe.json").is_file():
        from probeinterface import read_probeinterface

        found: dict[str, tuple[float, float]] = {}
        for probe in read_probeinterface(folder / "probe.json").probes:
            names = probe.contact_ids if probe.contact_ids is not None else range(probe.get_contact_count())
            scale = {"um": 1e-6, "mm": 1e-3, "m": 1.0}[probe.si_units]
            found |= {
                str(each): (float(place[0]) * scale, float(place[1]) * scale)
                for each, place in zip(names, probe.contact_positions, strict=True)
            }
        return found
    return {}


def _stimuli(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Onsets, patterns and steps of the stimuli in a file, in order of time; none where there is no file."""
    rows = list(_rows(path)) if path.is_file() else []
    time = np.array([_number(row["time_s"], line) for line, row in rows])
    order = np.argsort(time, kind="stable")
    texts = (np.array([row.get(key) or "" for _, row in rows], np.str_) for key in ("pattern", "step"))
    pattern, step = (values[order] for values in texts)
    return time[order], pattern, step


def _steps(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names, starts and stops (s) of the steps in a file."""
    rows = list(_rows(path))
    start, stop = (np.array([_number(row[key], line) for line, row in rows]) for key in ("start_s", "stop_s"))
    return np.array([row["step"] for _, row in rows], np.str_), start, stop


def _number(text: str | None, line: int) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"line {line}: {text!r}; allowed: a number") from None


def _value(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
