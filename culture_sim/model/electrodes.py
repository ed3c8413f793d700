"""Geometry of the electrode array."""

import numpy as np
from scipy.sparse import csr_array

from protocols.spec.culture import Array, Readout


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
    """The neurons nearest to each electrode, whose spikes it hears.

    Parameters
    ----------
    electrodes : shape (n_electrodes, 2)
    neurons : shape (n_neurons, 2)
    count
        Neurons per electrode; if larger than the culture, all neurons.

    Returns
    -------
    ndarray of int, shape (n_electrodes, min(count, n_neurons))
        Nearest first, ties by index.
    """
    distance = np.linalg.norm(electrodes[:, None] - neurons[None], axis=2)
    return np.argsort(distance, axis=1, kind="stable")[:, :count]


def nearest_electrode(electrodes: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """The electrode nearest to each neuron, whose cell it lies in; ties by index, shape (n_neurons,)."""
    return nearest_units(neurons, electrodes, 1)[:, 0]


def heard_neurons(readout: Readout, electrodes: np.ndarray, neurons: np.ndarray) -> csr_array:
    """The neurons that each electrode's response is averaged over.

    Parameters
    ----------
    readout
        Whether an electrode hears its ``units`` or its whole ``cell``.
    electrodes : shape (n_electrodes, 2)
    neurons : shape (n_neurons, 2)

    Returns
    -------
    csr_array of bool, shape (n_electrodes, n_neurons)
    """
    if readout.hears == "cell":
        electrode, neuron = nearest_electrode(electrodes, neurons), np.arange(len(neurons))
    else:
        units = nearest_units(electrodes, neurons, readout.units_per_electrode)
        electrode, neuron = np.repeat(np.arange(len(units)), units.shape[1]), units.ravel()
    return csr_array((np.ones(len(neuron), bool), (electrode, neuron)), shape=(len(electrodes), len(neurons)))
