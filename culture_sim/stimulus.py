"""Stimulus encoders: from the timeline's drives to the pulses of each electrode."""

import numpy as np

from culture_sim.seeds import stream
from culture_sim.session import Session
from protocols.schema import Protocol
from protocols.stimuli import IntervalTrain, PoissonTrain, RegularTrain, SpikeList, Stimulus, Train
from protocols.timeline import Timeline


def encode(protocol: Protocol, timeline: Timeline, seed: int = 0) -> Session:
    """Turn a timeline into the session a simulator runs.

    A stimulus' n-th trial has the same pulses in every phase, so that responses before and after are paired.

    Parameters
    ----------
    protocol, timeline
        The experiment and its expansion.
    seed
        Seeds the streams ``stimulus/<name>``, together with the protocol's ``stimulus_seed``.
    """
    dt = protocol.culture.simulation.dt
    electrodes, steps = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    first = np.searchsorted(timeline.drives["presentation"], np.arange(len(timeline.presentations) + 1))
    for k, presentation in enumerate(timeline.presentations):
        name = timeline.stimuli[presentation["stimulus"]]
        seeds = stream(f"stimulus/{name}", seed, protocol.stimulus_seed, int(presentation["trial"]))
        rng = np.random.default_rng(seeds)
        for drive in timeline.drives[first[k] : first[k + 1]]:
            pulses = train_steps(protocol.stimuli[name], int(drive["n_steps"]), dt, rng)
            electrodes.append(np.full(len(pulses), drive["electrode"]))
            steps.append(drive["onset_step"] + pulses)
    presentations = timeline.presentations
    return Session(
        presentations["n_steps"], presentations["plastic"], np.concatenate(electrodes), np.concatenate(steps)
    )


def train_steps(stimulus: Stimulus | Train, n_steps: int, dt: float, rng: np.random.Generator) -> np.ndarray:
    """The steps, counted from its onset, in which a train has a pulse.

    Returns
    -------
    ndarray of int
        Sorted, each at most once, all in ``[0, n_steps)``.
    """
    train = stimulus.train if isinstance(stimulus, Stimulus) else stimulus
    match train:
        case RegularTrain(rate=rate):
            count = int(np.floor((n_steps - 1) * dt * rate + 1e-9)) + 1
            return np.unique(np.rint(np.arange(count) / (rate * dt)).astype(np.int64))
        case PoissonTrain(rate=rate):
            return np.flatnonzero(rng.random(n_steps) < rate * dt)
        case IntervalTrain(rate=rate):
            return interval_steps(1 / (rate * dt), n_steps, rng)
        case SpikeList(times=times):
            steps = np.unique(np.rint(np.asarray(times) / dt).astype(np.int64))
            return steps[steps < n_steps]


def interval_steps(mean: float, n_steps: int, rng: np.random.Generator) -> np.ndarray:
    """Pulses at intervals drawn from a Poisson distribution, where 0 counts as 1 (the authors' encoder).

    A first interval of one step is a pulse in the first step; 200 Hz gives 19.7 +- 2 pulses in 100 ms.
    """
    intervals = np.maximum(rng.poisson(mean, n_steps), 1)
    steps = np.cumsum(intervals) - 1
    return steps[steps < n_steps]
