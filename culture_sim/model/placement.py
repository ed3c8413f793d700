"""Places of neurons in the plane, drawn at random; they are numbered along x.

Neighbours so get neighbouring numbers, and the targets of a neuron lie together in memory.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from protocols.spec.array import Rectangle
from protocols.spec.dish.living import LivingCulture
from protocols.spec.dish.placement import ClusteredPlacement, UniformPlacement


def place_neurons(area: Rectangle, count: int, seeds: np.random.SeedSequence) -> np.ndarray:
    """Place neurons uniformly at random.

    Returns
    -------
    ndarray, shape (count, 2)
        x and y in metres.
    """
    return _numbered(np.random.default_rng(seeds).uniform(size=(count, 2)) * area[2:] + area[:2])


def place_clustered(
    area: Rectangle, count: int, clusters: int, spread: float, seeds: np.random.SeedSequence
) -> np.ndarray:
    """Place neurons in clumps around uniform centres, at Gaussian distances that end at the border of the area.

    Parameters
    ----------
    area
        Where centres and neurons lie.
    count, clusters
        Numbers of neurons and of clumps; a neuron belongs to each clump with the same chance.
    spread
        Standard deviation of the distance along each axis, in metres, were there no border.
    seeds
        Source of randomness.

    Returns
    -------
    ndarray, shape (count, 2)
        x and y in metres.
    """
    rng = np.random.default_rng(seeds)
    centre = (rng.uniform(size=(clusters, 2)) * area[2:])[rng.integers(clusters, size=count)]
    # the share of each Gaussian beyond the borders is left out: its quantile function on a part of (0, 1)
    low, high = ndtr(-centre / spread), ndtr((area[2:] - centre) / spread)
    inside = centre + spread * ndtri(low + (high - low) * rng.uniform(size=(count, 2)))
    return _numbered(np.clip(inside, 0, area[2:]) + area[:2])


def place_cells(spec: LivingCulture, count: int, seeds: np.random.SeedSequence) -> np.ndarray:
    """Place cells as the ``culture:`` section of a living culture says, shape (count, 2)."""
    match spec.neurons.placement:
        case UniformPlacement():
            return place_neurons(spec.ground, count, seeds)
        case ClusteredPlacement(clusters=clusters, spread=spread):
            return place_clustered(spec.ground, count, clusters, spread, seeds)
    raise TypeError(type(spec.neurons.placement))


def _numbered(positions: np.ndarray) -> np.ndarray:
    return positions[np.argsort(positions[:, 0], kind="stable")]
