"""Files of recording systems, through SpikeInterface: raw traces with a threshold detector, sorted units as they are.

MCS (.h5 of Multi Channel DataManager), MaxWell (.h5), 3Brain (.brw), Intan (.rhd, .rhs); and folders that
SpikeInterface saved. One recording per segment.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.extracellular.detection import described, detect
from culture_sim.formats.hdf5 import holds
from culture_sim.formats.mending import spike_trains
from protocols.runs.machine import available_memory_bytes
from protocols.spec.dish.recordings import Detection, RecordingMeasures

DESCRIPTION = "traces of MCS (.h5), MaxWell (.h5), 3Brain (.brw), Intan (.rhd, .rhs), folders of SpikeInterface"

CHUNK_S = 10.0
BYTES_PER_FRAME = 32  # of an MCS file: four arrays of numbers of 8 bytes at a time
INTAN = (bytes.fromhex("022791c6"), bytes.fromhex("ac2769d6"))  # how .rhd and .rhs begin
SAVED = ("si_folder.json", "spikeinterface_info.json", "binary.json", "numpysorting_info.json")


def system(path: Path) -> str | None:
    """The recording system whose file it is; None for others."""
    if path.is_dir():
        return "SpikeInterface" if any((path / name).is_file() for name in SAVED) else None
    match path.suffix.lower():
        case ".rhd" | ".rhs" if _begins(path) in INTAN:
            return "Intan"
        case ".brw" if holds(path):
            return "3Brain"
        case ".h5" if holds(path, "Data/Recording_0/AnalogStream/Stream_0/ChannelData"):
            return "MCS"
        case ".h5" if holds(path, "mapping", "sig") or holds(path, "wells", "data_store"):
            return "MaxWell"
    return None


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def recognises(path: Path) -> bool:
    """Whether it is a file of one of the systems."""
    return system(path) is not None


def n_spikes(path: Path) -> int:
    """Spikes are still to be detected: 0."""
    return 0


def read(path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
    """Read one file or folder.

    Raises
    ------
    ValueError
        If SpikeInterface cannot read it, or times are not those of a recording.
    """
    import spikeinterface

    found = {}
    for well, opened in _opened(path).items():
        n = opened.get_num_segments()
        for k in range(n):
            name = " ".join([path.stem, *([well] if well else []), *([f"segment {k + 1}"] if n > 1 else [])])
            if isinstance(opened, spikeinterface.BaseSorting):
                found[name] = _sorted(opened, k)
            else:
                found[name] = _detected(opened, k, definitions.detection)
    return found


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    """What SpikeInterface and Neo raise for files they cannot read, as one line; nothing else may run within."""
    try:
        yield
    except (AssertionError, AttributeError, IndexError, TypeError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"SpikeInterface cannot read it: {error or type(error).__name__}") from None


def _opened(path: Path) -> dict[str, Any]:
    """Recordings or sortings of a file, by well; of a file of one well by an empty name."""
    import spikeinterface
    from spikeinterface import extractors

    kind = system(path)
    if kind == "MCS":
        _refuse_long(path)
    with _refused():
        match kind:
            case "MCS":
                return {"": extractors.read_mcsh5(path)}
            case "MaxWell":  # compressed ones need MaxWell's own library; it is not downloaded unasked
                _, wells = extractors.get_neo_streams("maxwell", path)
                each = [extractors.read_maxwell(path, stream_id=well, install_maxwell_plugin=False) for well in wells]
                return {well if len(wells) > 1 else "": opened for well, opened in zip(wells, each, strict=True)}
            case "3Brain":
                return {"": extractors.read_biocam(path)}
            case "Intan":
                return {"": extractors.read_intan(path, stream_id="0")}
        return {"": spikeinterface.load(path)}


def _refuse_long(path: Path) -> None:
    """Refuse an MCS file whose frames SpikeInterface, which lists the time of each, could not hold in memory."""
    import h5py

    with h5py.File(path) as file:
        needed = BYTES_PER_FRAME * file["Data/Recording_0/AnalogStream/Stream_0/ChannelData"].shape[1]
    free = available_memory_bytes()
    if free is not None and needed > free:
        has = f"the times of its frames need about {needed / 1e9:.1f} GB in SpikeInterface"
        raise ValueError(f"{has}; allowed: the {free / 1e9:.1f} GB available")


def _sorted(sorting: Any, segment: int) -> SpikeTrains:
    with _refused():
        rate = sorting.get_sampling_frequency()
        frames = [sorting.get_unit_spike_train(unit, segment_index=segment) for unit in sorting.unit_ids]
    trains = [np.asarray(each) / rate for each in frames]
    last = max((float(train[-1]) for train in trains if len(train)), default=0.0)
    if not last:
        raise ValueError("no spikes")
    return spike_trains(trains, last, notes=[f"length taken from the last spike, {last:g} s"])


def _detected(recording: Any, segment: int, detection: Detection) -> SpikeTrains:
    with _refused():
        rate, n = recording.get_sampling_frequency(), recording.get_num_samples(segment)
        positions = recording.get_channel_locations() * 1e-6 if recording.has_probe() else None
    trains = detect(_chunks(recording, segment), rate, detection)
    return spike_trains(trains, n / rate, positions, notes=[described(detection)])


def _chunks(recording: Any, segment: int) -> Iterator[np.ndarray]:
    """Traces in chunks; in volts where the file says how, which the detector does not need."""
    n, length = recording.get_num_samples(segment), round(CHUNK_S * recording.get_sampling_frequency())
    scaled = recording.has_scaleable_traces()
    scale = 1e-6 if scaled else 1.0
    for first in range(0, n, length):
        with _refused():
            traces = recording.get_traces(segment, first, min(first + length, n), return_in_uV=scaled)
        yield np.asarray(traces, float) * scale
