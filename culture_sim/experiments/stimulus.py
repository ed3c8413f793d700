"""Stimulus encoders: from drives and rates to the pulses of each electrode."""

from collections.abc import Sequence

import numpy as np

from culture_sim.engines.session import Session
from protocols.plan.timeline import Timeline
from protocols.spec.protocol import EvokedProtocol
from protocols.spec.random_streams import stream
from protocols.spec.stimuli import IntervalTrain, PoissonTrain, RegularTrain, SpikeList, Stimulus, Train

LONGEST_MEAN_INTERVAL = 1e9  # steps; NumPy draws no Poisson number of a larger mean, and no session is as long


def encode(protocol: EvokedProtocol, timeline: Timeline, seed: int = 0) -> Session:
    """Turn a timeline into the session that an engine runs.

    The n-th trial of a stimulus has the same pulses in every phase, so that responses before and after are paired.

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
    """Steps of the pulses of a train, counted from its onset.

    Returns
    -------
    ndarray of int
        Sorted and unique, all in ``[0, n_steps)``.
    """
    train = stimulus.train if isinstance(stimulus, Stimulus) else stimulus
    match train:
        case RegularTrain(rate=rate):
            return regular_steps(rate, n_steps, dt)
        case PoissonTrain(rate=rate):
            return np.flatnonzero(rng.random(n_steps) < rate * dt)
        case IntervalTrain(rate=rate):
            return interval_steps(1 / (rate * dt), n_steps, rng)
        case SpikeList(times=times):
            steps = np.unique(np.rint(np.asarray(times) / dt).astype(np.int64))
            return steps[steps < n_steps]


def encode_rates(
    rates_hz: np.ndarray, n_steps: int, encoder: str, dt: float, seeds: Sequence[np.random.SeedSequence]
) -> tuple[np.ndarray, np.ndarray]:
    """Pulses of consecutive presentations, with one rate per electrode.

    Parameters
    ----------
    rates_hz : shape (n_presentations, n_electrodes)
        Zero for silent electrodes.
    n_steps
        Length of each presentation.
    encoder
        ``interval``, ``poisson`` or ``regular``, as for the trains of a stimulus.
    dt
        Time step in seconds.
    seeds
        One source of randomness per presentation.

    Returns
    -------
    electrode, step : int, shape (n_pulses,)
        Steps counted from the start of the first presentation.
    """
    electrodes, steps = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for k, (rates, seed) in enumerate(zip(rates_hz, seeds, strict=True)):
        driven = np.flatnonzero(rates > 0)
        chance, rng = rates[driven, None] * dt, np.random.default_rng(seed)
        match encoder:
            case "interval":
                row, step = _interval_pulses(chance, n_steps, rng)
            case "poisson":
                row, step = np.nonzero(rng.random((len(driven), n_steps)) < chance)
            case "regular":
                trains = [regular_steps(r, n_steps, dt) for r in rates[driven]]
                row = np.repeat(np.arange(len(driven)), [len(train) for train in trains])
                step = np.concatenate([np.empty(0, np.int64), *trains])
            case _:
                raise ValueError(f"encoder {encoder!r}; allowed: interval, poisson, regular")
        electrodes.append(driven[row])
        steps.append(step + k * n_steps)
    return np.concatenate(electrodes), np.concatenate(steps)


def _interval_pulses(chance: np.ndarray, n_steps: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`interval_steps` for several electrodes at once; `chance`: pulses per step, shape (n_electrodes, 1)."""
    mean = np.minimum(1 / chance, LONGEST_MEAN_INTERVAL)
    intervals = np.maximum(rng.poisson(mean, (len(chance), n_steps)), 1)
    step = np.cumsum(intervals, axis=1) - 1
    row, index = np.nonzero(step < n_steps)
    return row, step[row, index]


def regular_steps(rate: float, n_steps: int, dt: float) -> np.ndarray:
    """Pulses at equal intervals, the first in step 0."""
    count = int(np.floor((n_steps - 1) * dt * rate + 1e-9)) + 1
    return np.unique(np.rint(np.arange(count) / (rate * dt)).astype(np.int64))


def interval_steps(mean: float, n_steps: int, rng: np.random.Generator) -> np.ndarray:
    """Pulses at intervals drawn from a Poisson distribution, where 0 counts as 1 (the authors' encoder).

    A first interval of one step is a pulse in the first step; 200 Hz gives 19.7 +- 2 pulses in 100 ms.
    """
    intervals = np.maximum(rng.poisson(mean, n_steps), 1)
    steps = np.cumsum(intervals) - 1
    return steps[steps < n_steps]
