"""Files of recordings, read into spike trains; one module per format."""

import importlib.util
from pathlib import Path

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.formats import charlesworth, finished_run, spike_csv
from protocols.spec.faults import ProtocolFault, installation

#: what can be read, for the message about a file that cannot
FORMATS = (
    "HDF5 of Charlesworth et al. 2015 (.h5), CSV with columns time_s, electrode (.csv), "
    "a finished run of python -m culture_sim.run"
)


def read(path: Path) -> dict[str, SpikeTrains]:
    """Read a file or a run directory: recordings by name.

    Raises
    ------
    ProtocolFault
        If the file is not there, of no known format, damaged, or holds no recording; one line that names it.
    """
    if not path.exists():
        raise ProtocolFault([f"{path}: no such file"])
    try:
        if path.is_dir():
            if finished_run.recognises(path):
                return {f"{path.resolve().name} {name}": trains for name, trains in finished_run.read(path).items()}
        elif path.suffix.lower() in charlesworth.SUFFIXES:
            if importlib.util.find_spec("h5py") is None:
                raise ProtocolFault([f"{path}: h5py is not installed ({installation('lab')})"])
            if charlesworth.recognises(path):
                return {path.stem: charlesworth.read(path)}
        elif path.suffix.lower() in spike_csv.SUFFIXES and spike_csv.recognises(path):
            return {path.stem: spike_csv.read(path)}
    except (ValueError, OSError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ProtocolFault([f"{path}: {reason[:200]}"]) from None
    raise ProtocolFault([f"{path}: of no known format; allowed: {FORMATS}"])
