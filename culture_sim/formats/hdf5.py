"""What adapters of HDF5 files share."""

from pathlib import Path

import numpy as np

SUFFIXES = (".h5", ".hdf5", ".nwb", ".nix", ".brw")


def holds(path: Path, *names: str) -> bool:
    """Whether a file is HDF5 and has all these groups or datasets."""
    import h5py

    if path.is_dir() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path) as file:
        return all(name in file for name in names)


def plain(item: object) -> str | int | float:
    """A value as Python has it."""
    if isinstance(item, bytes):
        return item.decode(errors="replace")
    return item.item() if isinstance(item, np.generic) else str(item)
