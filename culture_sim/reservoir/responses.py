"""Features of evoked responses: what electrodes hear in windows after each stimulus."""

import numpy as np

from culture_sim.analysis import stimulation
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
    indirect = stimulation.indirect(heard)
    n = protocol.culture.array.n_electrodes
    shift = max(steps(last) for _, last in response.windows.values()) if before else 0
    found = np.zeros((len(at), len(response.windows), n), np.float32)
    for k, edges in enumerate(response.windows.values()):
        first, last = (steps(edge) - shift for edge in edges)
        match response.features:
            case "counts":
                found[:, k] = stimulation.spike_counts(*indirect, n, at, first, last)
            case "trace":
                found[:, k] = traces(*indirect, n, at, first, last, response.decay / dt)
            case "latency":
                wait = stimulation.first_spikes(*indirect, n, at, first, last) - first
                found[:, k] = np.where(np.isnan(wait), last - first, wait) * dt
    return found


def traces(
    step: np.ndarray, electrode: np.ndarray, n_electrodes: int, at: np.ndarray, first: int, last: int, decay: float
) -> np.ndarray:
    """Spikes from `first` to before `last` steps after each stimulus, weighted by exp(-t / `decay`), t before `last`.

    Returns
    -------
    ndarray, shape (n_trials, n_electrodes)
    """
    found = np.zeros((len(at), n_electrodes))
    for k, stimulus in enumerate(at):
        begin, end = np.searchsorted(step, [stimulus + first, stimulus + last])
        weight = np.exp((step[begin:end] - stimulus - last) / decay)
        found[k] = np.bincount(electrode[begin:end], weight, minlength=n_electrodes)
    return found
