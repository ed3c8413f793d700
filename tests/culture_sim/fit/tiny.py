"""A fit that takes seconds: 60 cells, 20 seconds, three measures, two parameters; recordings of it, as files."""

from pathlib import Path

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.fit.simulated import heard, with_parameters
from culture_sim.fit.space import as_dish
from culture_sim.living import prepare
from protocols.loading.loader import builtin, load
from protocols.spec.protocol import FitProtocol

TEXT = """
base: spontaneous
name: tiny_fit
culture: {neurons: {count: 60}, synapses: {fan_in: 20}}
timeline: [{name: settling, rest: 2 s}, {name: spontaneous, rest: 20 s}]
fit:
  measures: [rate, ISI CV, STTC near]
  distance: [rate, ISI CV]
  simulations: 60
  held_out: 15
  networks: 1
search:
  space:
    culture.neurons.drive.mean: {low: 14 mV, high: 20 mV}
    culture.synapses.excitatory: {low: 2 mV, high: 25 mV, scale: log}
  objectives: {distance: minimise}
  sampler: {sampler: cma_es}
  budget: {trials: 4}
  seeds: 1
  confirmation: {candidates: 1, seeds: 2}
"""
#: of the recorded cultures
RECORDED = {"culture.neurons.drive.mean": "17 mV", "culture.synapses.excitatory": "8 mV"}


def write(folder: Path, more: str = "", name: str = "tiny") -> Path:
    """The protocol as a file, beside the published values; `more`: further lines."""
    path = folder / f"{name}.yaml"
    path.write_text(TEXT + more)
    (folder / "targets").mkdir(exist_ok=True)
    source = builtin()["spontaneous"].parent / "targets/spontaneous.csv"
    (folder / "targets/spontaneous.csv").write_text(source.read_text())
    return path


def loaded(folder: Path, *overrides: str) -> FitProtocol:
    found = load(str(write(folder)), overrides)
    assert isinstance(found, FitProtocol)
    return found


def recording(protocol: FitProtocol, seed: int, **values: str) -> SpikeTrains:
    """What the electrodes hear of one culture."""
    found = heard(with_parameters(as_dish(protocol), RECORDED | values), prepare("auto"), seed)
    assert found is not None
    return found


def as_csv(trains: SpikeTrains, path: Path, **metadata: object) -> Path:
    """A recording as a table of spikes."""
    facts = {"duration_s": trains.duration} | metadata
    lines = ["time_s,electrode,x_um,y_um", *(f"# {name}: {value}" for name, value in facts.items())]
    assert trains.positions is not None
    places = trains.positions[trains.unit] * 1e6
    rows = zip(trains.time, trains.unit, places, strict=True)
    path.write_text("\n".join([*lines, *(f"{float(t)!r},{unit},{x:.6g},{y:.6g}" for t, unit, (x, y) in rows)]) + "\n")
    return path


def as_hdf5(trains: SpikeTrains, path: Path, age: int) -> Path:
    """A recording in the layout of Charlesworth et al. 2015."""
    import h5py

    order = np.argsort(trains.unit, kind="stable")
    with h5py.File(path, "w") as file:
        file["spikes"] = trains.time[order]
        file["sCount"] = np.bincount(trains.unit, minlength=trains.n_units).astype(np.int32)
        assert trains.positions is not None
        file["epos"] = trains.positions.T * 1e6
        file["recordingtime"] = np.array([0.0, trains.duration])
        file["meta/age"] = np.array([age], np.int32)
    return path
