"""HDF5 files of Charlesworth et al. 2015, which meaRtools and CARMEN write: spikes, unit positions, age, region."""

from pathlib import Path

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.formats.hdf5 import holds, plain, size
from culture_sim.formats.mending import spike_trains
from protocols.spec.dish.recordings import RecordingMeasures

DESCRIPTION = "HDF5 of Charlesworth et al. 2015 (.h5)"


def recognises(path: Path) -> bool:
    """Whether a file has the datasets of this format."""
    return holds(path, "spikes", "sCount", "recordingtime")


def n_spikes(path: Path) -> int:
    """How many spikes it holds."""
    return size(path, "spikes")


def read(path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
    """Read one file.

    Raises
    ------
    ValueError
        If spike counts and spikes disagree, or times are not those of a recording.
    """
    import h5py

    with h5py.File(path) as file:
        counts = file["sCount"][:].astype(np.int64)
        start, stop = (float(value) for value in file["recordingtime"][:])
        positions = file["epos"][:].T * 1e-6 if "epos" in file else None
        time = file["spikes"][:].astype(float) - start
        metadata = {name: plain(item[0]) for name, item in file.get("meta", {}).items() if len(item)}
    if counts.sum() != len(time):
        raise ValueError(f"{counts.sum()} spikes counted, {len(time)} there; allowed: as many")
    trains = np.split(time, np.cumsum(counts)[:-1]) if len(counts) else []
    return {path.stem: spike_trains(trains, stop - start, positions, metadata)}
