"""Features of evoked responses: what electrodes hear in windows after each stimulus."""

import numpy as np

from culture_sim.analysis.stimulation import Heard
from protocols.spec.protocol import ReservoirProtocol


def features(protocol: ReservoirProtocol, at: np.ndarray, heard: Heard, *, before: bool = False) -> np.ndarray:
    """Features of some trials.

    Parameters
    ----------
    protocol
        Its ``reservoir.response`` says which.
    at : int, shape (n_trials,)
        Time steps of their stimuli.
    heard
        Spikes that electrodes hear, in order of time; those that pulses caused directly do not count.
    before
        Take windows of the same lengths that end at the stimulus, in place of those after it.

    Returns
    -------
    ndarray of float32, shape (n_trials, n_windows, n_electrodes)
        Counts and traces in spikes, latencies in seconds.
    """
    response, steps, dt = protocol.reservoir.response, protocol.culture.steps, protocol.culture.simulation.dt
    indirect = ~heard.direct
    step, electrode = heard.step[indirect], heard.electrode[indirect]
    n = protocol.culture.array.n_electrodes
    shift = max(steps(last) for _, last in response.windows.values()) if before else 0
    found = np.zeros((len(at), len(response.windows), n), np.float32)
    for k, (first, last) in enumerate(response.windows.values()):
        start, end = at + steps(first) - shift, at + steps(last) - shift
        trial, spike = _within(step, start, end)
        match response.features:
            case "counts":
                found[:, k] = _summed(trial, electrode[spike], np.ones(len(spike)), (len(at), n))
            case "trace":
                weight = np.exp(-(end[trial] - step[spike]) * dt / response.decay)
                found[:, k] = _summed(trial, electrode[spike], weight, (len(at), n))
            case "latency":
                found[:, k] = last - first
                np.minimum.at(found[:, k], (trial, electrode[spike]), ((step[spike] - start[trial]) * dt))
    return found


def _within(step: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of window and spike that lies in it: their indices. Spikes are in order of time; windows may overlap."""
    first, last = np.searchsorted(step, start), np.searchsorted(step, end)
    n = last - first
    window = np.repeat(np.arange(len(start)), n)
    return window, np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + first[window]


def _summed(row: np.ndarray, column: np.ndarray, weight: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    flat = np.bincount(row * shape[1] + column, weight, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float32)
