"""Evoked responses of one culture to every probe, and the change of its weights."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from culture_sim.analysis import evoked
from culture_sim.analysis.weights import weight_maps
from culture_sim.engines.recording import Recording
from culture_sim.model.culture import Culture
from culture_sim.model.electrodes import heard_neurons, nearest_electrode, nearest_units
from protocols.plan.timeline import Timeline
from protocols.spec.protocol import EvokedProtocol


@dataclass(frozen=True)
class Responses:
    """Results of one culture.

    Parameters
    ----------
    leaky
        By (stimulus, phase, name of the window): leaky count per heard neuron in that window, mean over electrodes,
        one value per trial.
    arrays
        Plain arrays for the run directory and the figures.
    """

    leaky: dict[tuple[str, str, str], np.ndarray]
    arrays: dict[str, np.ndarray]


def measure(protocol: EvokedProtocol, timeline: Timeline, culture: Culture, recording: Recording) -> Responses:
    """Analyse one recording.

    Parameters
    ----------
    protocol, timeline, culture, recording
        The experiment, its plan, the culture before it and its recording.

    Returns
    -------
    Responses
    """
    spec = protocol.culture
    units = nearest_units(culture.electrodes, culture.positions, spec.readout.units_per_electrode)
    heard = heard_neurons(spec.readout, culture.electrodes, culture.positions)
    arrays = {"positions": culture.positions, "electrodes": culture.electrodes, "units": units}
    leaky: dict[tuple[str, str, str], np.ndarray] = {}
    for phase in protocol.phases:
        if phase.plastic:
            continue
        for name in dict.fromkeys(phase.present):
            counts = _trials(timeline, recording, heard, phase.name, name)
            onset = spec.steps(protocol.stimuli[name].onset)
            hearing = ~np.isnan(counts[0, :, 0])  # False for an electrode with an empty cell
            level = evoked.leaky_count(counts[:, hearing], spec.readout.leak / spec.simulation.dt).mean(axis=1)
            for window, duration in protocol.evoked.windows.items():
                leaky[name, phase.name, window] = evoked.window_mean(level, onset, spec.steps(duration))
            key = f"{name}/{phase.name}"
            bin_steps = spec.steps(spec.readout.bin)
            from_edge = counts[..., onset % bin_steps :]  # a bin starts at the onset
            arrays[f"psth/{key}"] = evoked.psth(from_edge, bin_steps).mean(axis=0)
            arrays[f"leaky/{key}"] = level.mean(axis=0)
    cell = nearest_electrode(culture.electrodes, culture.positions)
    arrays |= weight_maps(culture, recording.weights, cell) | _spikes(protocol, culture, recording, units)
    return Responses(leaky, arrays)


def _trials(timeline: Timeline, recording: Recording, heard: csr_array, phase: str, stimulus: str) -> np.ndarray:
    """Spikes per heard neuron, shape (n_trials, n_electrodes, n_steps)."""
    table = timeline.presentations
    chosen = np.flatnonzero(
        (table["phase"] == timeline.phases.index(phase)) & (table["stimulus"] == timeline.stimuli.index(stimulus))
    )
    chosen = chosen[np.argsort(table["trial"][chosen])]
    n_steps = int(table["n_steps"][chosen[0]])
    return np.stack([evoked.electrode_counts(*recording.presentation(k), heard, n_steps) for k in chosen])


def _spikes(
    protocol: EvokedProtocol, culture: Culture, recording: Recording, units: np.ndarray
) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    if protocol.record.spikes != "none":
        kept = slice(None) if protocol.record.spikes == "all" else np.isin(recording.neuron, units)
        arrays |= {"spikes/neuron": recording.neuron[kept], "spikes/step": recording.step[kept].astype(np.int32)}
    if protocol.record.weights:
        for name, after in recording.weights.items():
            arrays |= {f"{name}/indptr": after.indptr, f"{name}/indices": after.indices}
            arrays |= {f"{name}/before": culture.weights[name].data, f"{name}/after": after.data}
    return arrays
