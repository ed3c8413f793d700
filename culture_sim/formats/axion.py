"""Spike lists of Axion Biosystems (AxIS: ``..._spike_list.csv``): times and electrodes, one recording per well.

Columns ``Time (s)``, ``Electrode`` (well, column and row: ``A1_23``) and ``Amplitude(mV)``, beside columns of settings.
The binary files (.raw, .spk) are read by neither SpikeInterface 0.105 nor Neo 0.14; AxIS exports them as spike lists.
"""

import csv
from pathlib import Path

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.formats.mending import spike_trains
from protocols.spec.dish.recordings import RecordingMeasures

DESCRIPTION = "spike lists of Axion's AxIS (.csv)"

BYTES_PER_LINE = 20


def recognises(path: Path) -> bool:
    """Whether the first line of a file names the columns of this format."""
    if path.suffix.lower() != ".csv" or path.is_dir():
        return False
    with path.open(newline="", errors="replace") as file:
        header = file.readline()
    return {"Time (s)", "Electrode"} <= {name.strip() for name in header.split(",")}


def n_spikes(path: Path) -> int:
    """About how many spikes it holds, at most."""
    return path.stat().st_size // BYTES_PER_LINE


def read(path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
    """Read the wells of one file; a recording ends with the last spike of the plate.

    Raises
    ------
    ValueError
        If there are no spikes.
    """
    wells: dict[str, dict[str, list[float]]] = {}
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        for row in reader:
            well, _, electrode = (row["Electrode"] or "").strip().partition("_")
            if not electrode:
                continue  # a line of settings alone
            try:
                time = float(row["Time (s)"])
            except ValueError:
                raise ValueError(f"line {reader.line_num}: {row['Time (s)']!r}; allowed: a number") from None
            wells.setdefault(well, {}).setdefault(electrode, []).append(time)
    if not wells:
        raise ValueError("no spikes")
    duration = max(max(train) for found in wells.values() for train in found.values())
    note = f"length taken from the plate's last spike, {duration:g} s"
    return {
        f"{path.stem} {well}": spike_trains(
            [np.array(found[electrode]) for electrode in sorted(found)], duration, None, {"well": well}, notes=[note]
        )
        for well, found in sorted(wells.items())
    }
