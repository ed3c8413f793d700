"""Files of recordings, read into spike trains; one module per format."""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.formats import (
    axion,
    charlesworth,
    cl1,
    finished_run,
    hdf5,
    nix,
    nwb,
    spike_csv,
    vendors,
)
from protocols.runs.machine import available_memory_bytes
from protocols.spec.dish.recordings import RecordingMeasures
from protocols.spec.faults import ProtocolFault, installation


class Adapter(Protocol):
    """What the module of a format offers."""

    DESCRIPTION: str

    def recognises(self, path: Path) -> bool:
        """Whether a file or a folder is of this format."""

    def n_spikes(self, path: Path) -> int:
        """About how many spikes it holds; 0 where they are still to be detected."""

    def read(self, path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
        """Recordings by name."""


ADAPTERS: tuple[Adapter, ...] = (charlesworth, nwb, cl1, nix, spike_csv, axion, vendors, finished_run)

#: what can be read, for the message about a file that cannot
FORMATS = ", ".join(adapter.DESCRIPTION for adapter in ADAPTERS)

BYTES_PER_SPIKE = 100  # reading and the panel held 88 at most, measured on 60 units and 10^6 to 4 x 10^6 spikes


def read(path: Path, definitions: RecordingMeasures | None = None) -> dict[str, SpikeTrains]:
    """Read a file or a folder: recordings by name.

    Parameters
    ----------
    path
        File, folder of tables, or run directory.
    definitions
        How spikes are detected where there are raw traces; the defaults where None.

    Raises
    ------
    ProtocolFault
        If the file is not there, of no known format, damaged, or holds no recording; one line that names it.
    """
    with _in_one_line(path):
        return _adapter(path).read(path, definitions or RecordingMeasures())


def needed_bytes(path: Path) -> int:
    """About how much memory reading and measuring a recording takes.

    Raises
    ------
    ProtocolFault
        As `read` does, and if it is more than is available.
    """
    with _in_one_line(path):
        spikes = _adapter(path).n_spikes(path)
    needed, free = BYTES_PER_SPIKE * spikes, available_memory_bytes()
    if free is not None and needed > free:
        has = f"{spikes:.2g} spikes need about {needed / 1e9:.1f} GB"
        raise ProtocolFault([f"{path}: {has}; allowed: the {free / 1e9:.1f} GB available"])
    return needed


@contextlib.contextmanager
def _in_one_line(path: Path) -> Iterator[None]:
    """What adapters and their libraries raise of a file, as one line that names it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ProtocolFault([f"{path}: {error.name} is not installed ({installation('lab')})"]) from None
    except (ValueError, OSError, KeyError) as error:
        raise ProtocolFault([f"{path}: {' '.join(str(error).split())[:300]}"]) from None


def _adapter(path: Path) -> Adapter:
    if not path.exists():
        raise ProtocolFault([f"{path}: no such file"])
    if path.suffix.lower() in hdf5.SUFFIXES and importlib.util.find_spec("h5py") is None:
        raise ProtocolFault([f"{path}: h5py is not installed ({installation('lab')})"])
    for adapter in ADAPTERS:
        if adapter.recognises(path):
            return adapter
    raise ProtocolFault([f"{path}: of no known format; allowed: {FORMATS}"])
