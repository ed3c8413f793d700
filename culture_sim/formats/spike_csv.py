"""Tables of spikes: CSV with the columns ``time_s`` and ``electrode``, and optionally ``x_um`` and ``y_um``."""

import csv
from pathlib import Path

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains

SUFFIXES = (".csv",)


def recognises(path: Path) -> bool:
    """Whether the first line of a file names the columns of this format."""
    with path.open(newline="", errors="replace") as file:
        header = file.readline()
    return {"time_s", "electrode"} <= {name.strip() for name in header.split(",")}


def read(path: Path) -> SpikeTrains:
    """Read one file; the recording ends with its last spike unless a line ``# duration_s: ...`` says when.

    Raises
    ------
    ValueError
        If a line holds no number where one belongs, or there are no spikes.
    """
    duration = None
    rows = []
    with path.open(newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        for row in reader:
            first = row[reader.fieldnames[0]] or ""  # type: ignore[index]
            if first.startswith("#"):
                name, _, value = first.lstrip("# ").partition(":")
                duration = _number(value, reader.line_num) if name.strip() == "duration_s" else duration
                continue
            place = [_number(row[key], reader.line_num) * 1e-6 for key in ("x_um", "y_um") if row.get(key)]
            rows.append((_number(row["time_s"], reader.line_num), row["electrode"], place))
    if not rows:
        raise ValueError("no spikes")
    time = np.array([row[0] for row in rows])
    names, unit = np.unique([row[1] for row in rows], return_inverse=True)
    positions = None
    if all(len(place) == 2 for _, _, place in rows):
        positions = np.zeros((len(names), 2))
        for index, (_, _, place) in zip(unit, rows, strict=True):
            positions[index] = place
    return SpikeTrains.sorted(time, unit, len(names), float(time.max()) if duration is None else duration, positions)


def _number(text: str | None, line: int) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"line {line}: {text!r}; allowed: a number") from None
