"""Which cells a current pulse on an electrode makes fire."""

import numpy as np

from protocols.spec.dish.living import Axons, Stimulation


def axon_ends(axons: Axons | None, positions: np.ndarray, seeds: np.random.SeedSequence) -> np.ndarray:
    """Draw the end of each cell's axon, of which a share can be hit; the cell itself where there is none.

    Axons are straight, in a random direction, of exponentially distributed length.

    Parameters
    ----------
    axons
        Share of cells and mean length; None: no axons.
    positions : shape (n_neurons, 2)
        In metres.
    seeds
        Source of randomness.

    Returns
    -------
    ndarray, shape (n_neurons, 2)
        In metres.
    """
    if axons is None:
        return positions.copy()
    chance, angle, length = np.random.default_rng(seeds).random((3, len(positions)))
    length = np.where(chance < axons.share, -axons.reach * np.log1p(-length), 0)
    return positions + length[:, None] * np.stack([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)], axis=1)


def distance_to_axons(electrode: np.ndarray, positions: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distance of an electrode, shape (2,), to the nearest point of each cell and its axon; shape (n_neurons,)."""
    along = ends - positions
    length2 = np.sum(along**2, axis=1)
    share = np.sum((electrode - positions) * along, axis=1) / np.where(length2 > 0, length2, 1)
    return np.linalg.norm(electrode - positions - np.clip(share, 0, 1)[:, None] * along, axis=1)


def threshold_current(
    spec: Stimulation, distance: np.ndarray, sensitivity: np.ndarray, width_s: float | np.ndarray
) -> np.ndarray:
    """Least amplitude that makes a cell fire, in amperes.

    I = (rheobase + k r^2) (1 + chronaxie / width) times the cell's own factor: the current-distance relation (Tehovnik
    1996, J Neurosci Methods 65:1) and the strength-duration relation (Weiss 1901).

    Parameters
    ----------
    spec
        Rheobase, k and chronaxie.
    distance
        r in metres.
    sensitivity
        The cells' own factors.
    width_s
        Pulse width in seconds.
    """
    return (spec.rheobase + spec.k * distance**2) * (1 + spec.chronaxie / width_s) * sensitivity
