"""The spikes of a stretch of a culture's life."""

from typing import NamedTuple

import numpy as np


class Advanced(NamedTuple):
    """Spikes of a stretch, in order of time, then neuron; shapes (n_spikes,). `step`: from the engine's start.

    `computing_s`: time that the simulation took, without the exchange.
    """

    neuron: np.ndarray
    step: np.ndarray
    direct: np.ndarray
    computing_s: float
