"""Geometry of the electrode array."""

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import KDTree

from protocols.spec.array import Array, ProbeArray
from protocols.spec.culture import Readout


def electrode_positions(array: Array | ProbeArray) -> np.ndarray:
    """Positions of the electrodes: of a grid, row by row (places without an electrode left out); of a probe, its own.

    Returns
    -------
    ndarray, shape (n_electrodes, 2)
        x (along the columns) and y (along the rows), in metres; on a full grid, electrode ``row * columns + column``.
    """
    if isinstance(array, ProbeArray):
        return np.array([(contact.x, contact.y) for contact in array.contacts])
    row, column = np.transpose(list(array.places))
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


def neurons_within(reach: float, electrodes: np.ndarray, neurons: np.ndarray) -> csr_array:
    """The neurons at most `reach` (m) from each electrode.

    Returns
    -------
    csr_array of bool, shape (n_electrodes, n_neurons)
    """
    near = KDTree(neurons).query_ball_point(electrodes, reach, return_sorted=True)
    neuron = np.concatenate([np.asarray(found, np.int64) for found in near])
    starts = np.cumsum([0, *map(len, near)])
    return csr_array((np.ones(len(neuron), bool), neuron, starts), shape=(len(electrodes), len(neurons)))


def each_hearing(heard: csr_array, neuron: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every spike once for each electrode that hears it: index of the spike, and electrode; in order of both.

    Parameters
    ----------
    heard : bool, shape (n_electrodes, n_neurons)
        Neurons each electrode hears.
    neuron : int, shape (n_spikes,)
        Neuron of each spike.
    """
    by_neuron = heard.tocsc()
    n = np.diff(by_neuron.indptr)[neuron]
    spike = np.repeat(np.arange(len(neuron)), n)
    within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    return spike, by_neuron.indices[by_neuron.indptr[neuron][spike] + within]
