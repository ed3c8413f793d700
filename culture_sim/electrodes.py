"""Geometry of the electrode array."""

import numpy as np

from protocols.culture import Array


def electrode_positions(array: Array) -> np.ndarray:
    """Positions of the electrodes, row by row.

    Returns
    -------
    ndarray, shape (rows * columns, 2)
        x (along the columns) and y (along the rows), in metres; electrode ``row * columns + column``.
    """
    row, column = np.divmod(np.arange(array.n_electrodes), array.columns)
    return (np.stack([column, row], axis=1) + 0.5) * array.pitch


def nearest_units(electrodes: np.ndarray, neurons: np.ndarray, count: int) -> np.ndarray:
    """The neurons whose spikes an electrode hears.

    Parameters
    ----------
    electrodes : shape (n_electrodes, 2)
    neurons : shape (n_neurons, 2)
    count
        Units heard by each electrode; at most all neurons.

    Returns
    -------
    ndarray of int, shape (n_electrodes, min(count, n_neurons))
        Nearest first, ties by index.
    """
    distance = np.linalg.norm(electrodes[:, None] - neurons[None], axis=2)
    return np.argsort(distance, axis=1, kind="stable")[:, :count]


def nearest_electrode(electrodes: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """The electrode in whose cell each neuron lies, ties by index; shape (n_neurons,)."""
    return nearest_units(neurons, electrodes, 1)[:, 0]
