"""HDF5 files of Charlesworth et al. 2015, which meaRtools and CARMEN write: spikes, unit positions, age, region."""

from pathlib import Path

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains

SUFFIXES = (".h5", ".hdf5")
NEEDED = ("spikes", "sCount", "epos", "recordingtime")


def recognises(path: Path) -> bool:
    """Whether a file has the datasets of this format."""
    import h5py

    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path) as file:
        return all(name in file for name in NEEDED)


def read(path: Path) -> SpikeTrains:
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
        positions = file["epos"][:].T * 1e-6
        time = file["spikes"][:].astype(float) - start
        metadata = {name: _value(item[0]) for name, item in file.get("meta", {}).items() if len(item)}
    if counts.sum() != len(time):
        raise ValueError(f"{counts.sum()} spikes counted, {len(time)} there; allowed: as many")
    unit = np.repeat(np.arange(len(counts)), counts)
    return SpikeTrains.sorted(time, unit, len(counts), stop - start, positions, metadata)


def _value(item: object) -> str | int | float:
    if isinstance(item, bytes):
        return item.decode(errors="replace")
    return item.item() if isinstance(item, np.generic) else str(item)
