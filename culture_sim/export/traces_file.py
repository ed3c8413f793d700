"""Synthetic traces as NWB: an electrical series in 16-bit integers, written second by second, and the true spikes."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from culture_sim.export.nwb_file import electrodes as add_electrodes
from culture_sim.export.whole_file import whole
from culture_sim.extracellular.traces import Traces
from culture_sim.formats.experiment import MOUSE

STEP_V = 0.2e-6  # of the integers: 6.5 mV either way
SERIES = "traces"
TRUTH = "true_units"


def write(traces: Traces, electrodes: np.ndarray, neurons: np.ndarray, path: Path) -> None:
    """Write one file, completely or not at all.

    Parameters
    ----------
    traces
        What to write.
    electrodes, neurons
        Positions (m).
    """
    import h5py

    with whole(path) as unfinished:
        _write_empty(traces, electrodes, neurons, unfinished)
        with h5py.File(unfinished, "r+") as file:
            data, first = file[f"acquisition/{SERIES}/data"], 0
            for chunk in traces.chunks():
                data[first : first + len(chunk)] = np.rint(chunk / STEP_V).clip(-(2**15), 2**15 - 1).astype(np.int16)
                first += len(chunk)


def _write_empty(traces: Traces, electrodes: np.ndarray, neurons: np.ndarray, path: str) -> None:
    """The file with everything but the samples."""
    from hdmf.backends.hdf5.h5_utils import H5DataIO
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.ecephys import ElectricalSeries
    from pynwb.file import Subject
    from pynwb.misc import Units

    rate, shape = float(traces.spec.sampling), (traces.n_samples, len(electrodes))
    file = NWBFile(
        session_description="Synthetic extracellular traces of a simulated neuronal culture, with its true spikes.",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime.now(UTC) - timedelta(seconds=traces.duration_s),
        experiment_description=f"Templates and Gaussian noise: {traces.spec.model_dump_json()}",
        experimenter=["Twin, Digital"],
        institution="culture-twin",
    )
    file.subject = Subject(
        subject_id=f"culture-{traces.seed}",
        species=MOUSE.species,
        sex="U",
        age=MOUSE.age,
        description="Simulated culture",
    )
    add_electrodes(file, electrodes, MOUSE.region)
    region = file.create_electrode_table_region(list(range(len(electrodes))), "All electrodes")
    file.add_acquisition(
        ElectricalSeries(
            name=SERIES,
            description="Synthetic extracellular potentials",
            data=H5DataIO(shape=shape, dtype=np.dtype("int16"), chunks=(min(shape[0], 16384), 1), compression="gzip"),
            electrodes=region,
            rate=rate,
            starting_time=0.0,
            conversion=STEP_V,
        )
    )
    units = Units(name=TRUTH, description="True spikes, a unit a neuron", resolution=1 / rate)
    for name, axis in (("x_um", "along the columns"), ("y_um", "along the rows")):
        units.add_column(name, f"Position of the neuron {axis} (um)")
    observed = [[0.0, traces.duration_s]]
    for neuron, (x, y) in enumerate(neurons):
        times = traces.sample[traces.neuron == neuron] / rate
        units.add_unit(spike_times=times, obs_intervals=observed, x_um=float(x) * 1e6, y_um=float(y) * 1e6)
    file.create_processing_module("ecephys", "Ground truth").add(units)
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
