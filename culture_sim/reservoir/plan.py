"""What a reservoir experiment will do and need, known before a culture is grown."""

import importlib.util

import numpy as np

from culture_sim.model.electrodes import electrode_positions, neurons_within
from culture_sim.model.expected_work import SAMPLE
from culture_sim.model.placement import place_cells
from culture_sim.reservoir import echo_state, variants
from culture_sim.reservoir.seed import STRETCH_S
from protocols.images.examples import fewest_of_a_class
from protocols.plan.reservoir import CROSS_VALIDATED, TEST, TRAINING, Trials, expand_reservoir, n_steps, n_trials
from protocols.spec.dish.consistency import MOST_STEPS
from protocols.spec.faults import ProtocolFault, installation
from protocols.spec.protocol import ReservoirProtocol
from protocols.spec.random_streams import stream

RATE_HZ = 10.0  # spikes a second of each neuron that are reckoned with: stimulated cultures fire less, about 3 Hz
SPIKE, HEARD = 18, 40  # bytes of a spike while it is read, and of a heard one while features are taken, measured


def check(protocol: ReservoirProtocol) -> None:
    """Refuse a protocol whose packages are missing, that is too long, or has too few images.

    Raises
    ------
    ProtocolFault
    """
    if importlib.util.find_spec("sklearn") is None:
        raise ProtocolFault([f"reservoir.readout: scikit-learn is not installed ({installation('data')})"])
    if "echo_state" in protocol.reservoir.controls:
        echo_state.check_installed()
    if (steps := n_steps(protocol)) > MOST_STEPS:
        raise ProtocolFault([f"reservoir.every: {steps:.3g} time steps in all; allowed: {MOST_STEPS:.3g}"])
    if protocol.data is not None and (fewest := fewest_of_a_class(protocol.data)) < 2:
        raise ProtocolFault([f"data.pool: {fewest} training image of a class; allowed: at least 2 of each"])


def outline(protocol: ReservoirProtocol) -> list[str]:
    """Trials, features and controls of one seed, a line each."""
    trials, reservoir = expand_reservoir(protocol, protocol.first_seed), protocol.reservoir
    n_features = _n_features(protocol, trials)
    cultures = [name for name in variants.simulated(reservoir) if not name.startswith("lif_")]
    more = f", {reservoir.budget} of integrate-and-fire neurons" if "lif" in reservoir.controls else ""
    return [
        f"trials: {len(trials)} of {len(trials.classes)} classes, every {reservoir.every * 1e3:g} ms, "
        f"{(trials.current > 0).sum(axis=1).mean():.3g} electrodes each on average",
        f"features: {n_features}; readout: {reservoir.readout.kind}, {_tested(protocol, trials)}",
        f"simulations: the {', '.join(cultures)}{more}; {trials.n_steps * protocol.culture.simulation.dt:g} s each",
        *notes(protocol),
    ]


def notes(protocol: ReservoirProtocol) -> list[str]:
    """What a reader of the results should know: a readout without a penalty that has more features than trials."""
    if protocol.reservoir.readout.kind != "perceptron":
        return []
    trials = expand_reservoir(protocol, protocol.first_seed)
    n, features = _n_training(protocol, trials), _n_features(protocol, trials)
    if features > n:
        return [
            f"reservoir.readout: a perceptron has no penalty, and {features} features are more than {n} training "
            "trials: it fits any labels, so its weights mean little; ridge or logistic choose a penalty"
        ]
    return []


def n_synapses(protocol: ReservoirProtocol) -> int:
    """Expected number of synapses."""
    synapses = protocol.culture.synapses
    return round(protocol.culture.n_neurons * synapses.fan_in) if synapses else 0


def needed_bytes(protocol: ReservoirProtocol) -> int:
    """Peak memory of a seed: the network, its spikes at `RATE_HZ`, and the features of all sources."""
    spec, reservoir = protocol.culture, protocol.reservoir
    n, word = spec.n_neurons, np.dtype(spec.simulation.precision).itemsize
    network = n_synapses(protocol) * (24 + 8 * word) + n * max(12 * min(n, 1024), 60 * word)
    spikes = RATE_HZ * n * min(n_steps(protocol) * spec.simulation.dt, STRETCH_S)
    sample = place_cells(spec, SAMPLE, stream("estimate"))
    hearing = neurons_within(reservoir.response.within, electrode_positions(spec.array), sample).nnz / SAMPLE
    lif = reservoir.budget if "lif" in reservoir.controls else 0
    sources = len(reservoir.controls) + lif + 4
    features = n_trials(protocol) * len(reservoir.response.windows) * spec.array.n_electrodes * 8 * sources
    return int(300e6 + network + spikes * (SPIKE + HEARD * hearing) + features)


def _n_features(protocol: ReservoirProtocol, trials: Trials) -> int:
    unstimulated = protocol.reservoir.response.electrodes == "unstimulated"
    electrodes = (~trials.patterned).sum() if unstimulated else len(trials.patterned)
    return int(electrodes) * len(protocol.reservoir.response.windows)


def _n_training(protocol: ReservoirProtocol, trials: Trials) -> int:
    if np.any(trials.part == CROSS_VALIDATED):
        folds, first = protocol.reservoir.readout.folds, int((trials.session == 0).sum())
        return first - first // folds
    return int((trials.part == TRAINING).sum())


def _tested(protocol: ReservoirProtocol, trials: Trials) -> str:
    if np.any(trials.part == CROSS_VALIDATED):
        return f"{protocol.reservoir.readout.folds}-fold cross-validation over trials"
    return f"{(trials.part == TRAINING).sum()} training images, {(trials.part == TEST).sum()} test images"
