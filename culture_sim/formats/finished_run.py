"""Run directories of evoked experiments: the spikes that each electrode hears, one recording a seed."""

from pathlib import Path

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.experiments.dispatch import n_steps
from culture_sim.model.electrodes import heard_neurons
from protocols.loading.loader import load
from protocols.spec.protocol import EvokedProtocol


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
        first = f"seed_{protocol.first_seed}/spikes/step"
        if not isinstance(protocol, EvokedProtocol) or first not in arrays.files:
            raise ValueError("no spikes were kept; allowed: a run of stimuli in phases, record.spikes all or units")
        dt = protocol.culture.simulation.dt
        found = {}
        for seed in protocol.seed_list:
            electrodes, positions = arrays[f"seed_{seed}/electrodes"], arrays[f"seed_{seed}/positions"]
            heard = heard_neurons(protocol.culture.readout, electrodes, positions).tocsc()
            step, neuron = arrays[f"seed_{seed}/spikes/step"], arrays[f"seed_{seed}/spikes/neuron"]
            n_heard = np.diff(heard.indptr)[neuron]  # electrodes that hear each spike
            start = np.repeat(heard.indptr[neuron], n_heard)
            within = np.arange(n_heard.sum()) - np.repeat(np.cumsum(n_heard) - n_heard, n_heard)
            found[f"seed {seed}"] = SpikeTrains.sorted(
                np.repeat(step, n_heard) * dt,
                heard.indices[start + within],
                len(electrodes),
                n_steps(protocol) * dt,
                electrodes,
                {"protocol": protocol.name, "seed": seed},
            )
    return found
