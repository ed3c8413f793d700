"""What adapters of HDF5 files share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

CHUNK = 200_000  # samples of each channel that are read at a time
SUFFIXES = (".h5", ".hdf5", ".nwb", ".nix", ".brw")


def holds(path: Path, *names: str) -> bool:
    """Whether a file is HDF5 and has all these groups or datasets."""
    import h5py

    if path.is_dir() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path) as file:
        return all(name in file for name in names)


def size(path: Path, name: str) -> int:
    """Number of values of a dataset; 0 where a file has none of that name."""
    import h5py

    with h5py.File(path) as file:
        return file[name].size if name in file else 0


def traces(samples: Any, volts: float) -> Iterator[np.ndarray]:
    """A dataset of samples in parts, shape (n_samples, n_channels), in volts of which a unit is so many."""
    for first in range(0, len(samples), CHUNK):
        part = samples[first : first + CHUNK] * volts
        yield part if part.ndim == 2 else part[:, None]


def plain(item: object) -> str | int | float:
    """A value as Python has it."""
    if isinstance(item, bytes):
        return item.decode(errors="replace")
    return item.item() if isinstance(item, np.generic) else str(item)
