"""Run directories of cultures: what each electrode hears, one recording per seed (and step of a timeline)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.experiments.dish_measures import DishRecording
from culture_sim.experiments.dispatch import n_steps
from culture_sim.model.electrodes import each_hearing, heard_neurons
from protocols.loading.loader import load
from protocols.plan.dish import expand_dish
from protocols.spec.protocol import DishProtocol, EvokedProtocol

Arrays = Mapping[str, np.ndarray]


def recognises(path: Path) -> bool:
    """Whether a folder is a finished run."""
    return (path / "protocol.yaml").is_file() and (path / "arrays.npz").is_file()


def read(path: Path) -> dict[str, SpikeTrains]:
    """Read the spikes of every seed, by name.

    Raises
    ------
    ValueError
        If the run kept no spikes.
    """
    protocol = load(str(path / "protocol.yaml"))
    with np.load(path / "arrays.npz") as arrays:
        kept = f"seed_{protocol.first_seed}/spikes/step" in arrays.files
        match protocol:
            case DishProtocol():
                return _of_dish(protocol, arrays)
            case EvokedProtocol() if kept:
                return {f"seed {seed}": _of_phases(protocol, arrays, seed) for seed in protocol.seed_list}
    raise ValueError(
        "no spikes were kept; allowed: a run of stimuli in phases (record.spikes all or units) or of steps"
    )


def _of_dish(protocol: DishProtocol, arrays: Arrays) -> dict[str, SpikeTrains]:
    """One recording per seed and step without stimulation; of all steps if there is none."""
    plan, found = expand_dish(protocol), {}
    resting = [name for k, name in enumerate(plan.names) if not np.any(plan.pulses["step"] == k)] or plan.names
    for seed in protocol.seed_list:
        dish = DishRecording.of(protocol, arrays, f"seed_{seed}/")
        for step in resting:
            trains = dish.trains(step)
            trains.metadata["seed"] = seed
            found[f"seed {seed} {step}"] = trains
    return found


def _of_phases(protocol: EvokedProtocol, arrays: Arrays, seed: int) -> SpikeTrains:
    dt = protocol.culture.simulation.dt
    electrodes, positions = arrays[f"seed_{seed}/electrodes"], arrays[f"seed_{seed}/positions"]
    heard = heard_neurons(protocol.culture.readout, electrodes, positions)
    spike, electrode = each_hearing(heard, arrays[f"seed_{seed}/spikes/neuron"])
    return SpikeTrains.sorted(
        arrays[f"seed_{seed}/spikes/step"][spike] * dt,
        electrode,
        len(electrodes),
        n_steps(protocol) * dt,
        electrodes,
        {"protocol": protocol.name, "seed": seed},
    )
