"""Recording of a session: the result of a simulator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from culture_sim.engines.session import Session


@dataclass(frozen=True)
class Recording:
    """Spikes and weights of a session.

    Parameters
    ----------
    dt : float
        Time step in seconds.
    session
        The session that was presented.
    neuron, step : int, shape (n_spikes,)
        Neuron and time step (from the start of the session) of every spike, in order of time, then neuron.
    weights
        Final weight magnitudes in volts of each projection, shape (n_sources, n_neurons).
    snapshots
        Weights after each presentation that requested a snapshot: (presentation, weights), in order.
    """

    dt: float
    session: Session
    neuron: np.ndarray
    step: np.ndarray
    weights: Mapping[str, csr_array]
    snapshots: Sequence[tuple[int, Mapping[str, csr_array]]] = ()

    def presentation(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Neurons and steps (from the presentation's onset) of the spikes of one presentation."""
        onset = int(self.session.onset[index])
        first, last = np.searchsorted(self.step, [onset, onset + int(self.session.n_steps[index])])
        return self.neuron[first:last], self.step[first:last] - onset
