"""Weights averaged over the cells of the electrodes."""

from collections.abc import Mapping

import numpy as np
from scipy.sparse import csr_array

from culture_sim.model.culture import Culture


def weight_maps(culture: Culture, after: Mapping[str, csr_array], cell: np.ndarray) -> dict[str, np.ndarray]:
    """`cell_sums` of the plastic projections, under ``weights/<projection>/before`` and ``/after``.

    Parameters
    ----------
    culture
        The culture before the session.
    after
        Its weights after the session, by projection.
    cell : int, shape (n_neurons,)
        Nearest electrode of every neuron.
    """
    n_cells = len(culture.electrodes)
    maps = {}
    for name, projection in culture.spec.projections.items():
        if projection.plastic:
            source = np.arange(n_cells) if name == "electrode" else cell
            maps[f"weights/{name}/before"] = cell_sums(culture.weights[name], source, cell, n_cells)
            maps[f"weights/{name}/after"] = cell_sums(after[name], source, cell, n_cells)
    return maps


def cell_sums(weights: csr_array, source_cell: np.ndarray, target_cell: np.ndarray, n_cells: int) -> np.ndarray:
    """Mean incoming weight of the neurons in each cell from the sources in each cell.

    Parameters
    ----------
    weights : shape (n_sources, n_neurons)
        Magnitudes in volts.
    source_cell, target_cell : int, shapes (n_sources,) and (n_neurons,)
        Electrode cell of every source and neuron.
    n_cells
        Number of electrodes.

    Returns
    -------
    ndarray, shape (n_cells, n_cells)
        ``[s, t]``: summed weight from the sources in cell s onto a neuron in cell t, averaged over these neurons, in
        volts. A column sums to the projection's strength. Columns of empty cells are NaN.
    """
    n_sources, n_neurons = weights.shape
    population = np.bincount(target_cell, minlength=n_cells)
    share = np.divide(1.0, population, out=np.full(n_cells, np.nan), where=population > 0)
    target = csr_array((np.ones(n_neurons), target_cell, np.arange(n_neurons + 1)), shape=(n_neurons, n_cells))
    sums = np.zeros((n_cells, n_cells))
    for start in range(0, n_sources, 1024):  # in blocks: the temporary copies of a full-size culture are large
        rows = slice(start, start + 1024)
        np.add.at(sums, source_cell[rows], (weights[rows] @ target).toarray())
    return sums * share
