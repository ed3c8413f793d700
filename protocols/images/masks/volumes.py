"""Shapes in generated volumes: cysts with a wall, one irregular tumour, a tree of vessels.

Positions are in units of the volume's shortest side.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from protocols.spec.nets.masks import Kind

WAVES = 4  # of which the outline of a blob is made

Rng = np.random.Generator
#: layers of a volume, each with the share of every voxel and its colour: the mask, things inside it, and distractors
Drawn = tuple[np.ndarray, list[tuple[np.ndarray, tuple[float, float, float]]]]

DARK, BRIGHT, RED = (0.35, 0.3, 0.35), (0.97, 0.95, 0.95), (0.42, 0.12, 0.08)


def _blob(grid: Sequence[np.ndarray], centre: np.ndarray, radius: float, roughness: float, rng: Rng) -> np.ndarray:
    """How deep each voxel lies in an irregular closed surface: 1 at its centre, 0 on it, negative outside."""
    turned, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    stretch = np.array([1.0, *rng.uniform(0.7, 1.0, 2)])
    offset = np.stack([axis - c for axis, c in zip(grid, centre, strict=True)], -1) @ turned / stretch
    distance = np.linalg.norm(offset, axis=-1)
    direction = offset / np.maximum(distance, 1e-9)[..., None]
    outline = np.ones_like(distance)
    for _ in range(WAVES):
        wave, phase = rng.normal(0, 2.5, 3), rng.uniform(0, 2 * np.pi)
        outline += roughness / WAVES * rng.uniform(0.5, 1.5) * np.cos(direction @ wave + phase)
    return 1 - distance / (radius * outline)


def _tube(grid: Sequence[np.ndarray], path: np.ndarray, radius: float) -> np.ndarray:
    """The voxels within a radius of the segments of a path, points of shape (n, 3)."""
    near = np.zeros(grid[0].shape, bool)
    axes = [axis[tuple(slice(None) if k == i else 0 for k in range(3))] for i, axis in enumerate(grid)]
    for begin, end in pairwise(path):
        low, high = np.minimum(begin, end) - radius, np.maximum(begin, end) + radius
        box = tuple(slice(*np.searchsorted(axis, reach)) for axis, *reach in zip(axes, low, high, strict=True))
        offset = np.stack([axis[box] - b for axis, b in zip(grid, begin, strict=True)], -1)
        along = np.clip(offset @ (end - begin) / ((end - begin) @ (end - begin)), 0, 1)
        near[box] |= np.linalg.norm(offset - along[..., None] * (end - begin), axis=-1) <= radius
    return near


def _place(grid: Sequence[np.ndarray], margin: float, rng: Rng) -> np.ndarray:
    """A point at least so far from the edges, as a share of each side."""
    sides = np.array([axis.max() for axis in grid])
    return rng.uniform(margin, 1 - margin, 3) * sides


def _direction(rng: Rng) -> np.ndarray:
    found = rng.standard_normal(3)
    return found / np.linalg.norm(found)


def _cysts(grid: Sequence[np.ndarray], difficulty: float, rng: Rng) -> Drawn:
    mask = np.zeros(grid[0].shape, bool)
    lumen, holes = mask.copy(), mask.copy()
    for _ in range(rng.integers(2, 5)):
        depth = _blob(grid, _place(grid, 0.2, rng), rng.uniform(0.15, 0.27), 0.25, rng)
        mask |= depth > 0
        lumen |= depth > 0.4
    for _ in range(rng.poisson(4 * difficulty)):  # bright, but without a wall
        holes |= _blob(grid, _place(grid, 0.1, rng), rng.uniform(0.06, 0.12), 0.2, rng) > 0
    return mask, [(holes & ~mask, BRIGHT), (mask, DARK), (lumen, BRIGHT)]


def _tumour(grid: Sequence[np.ndarray], difficulty: float, rng: Rng) -> Drawn:
    depth = _blob(grid, _place(grid, 0.3, rng), rng.uniform(0.2, 0.36), 0.35, rng)
    mask = depth > 0
    core, spots = depth > rng.uniform(0.3, 0.7), np.zeros_like(mask)
    for _ in range(rng.poisson(8 * difficulty)):
        spots |= _blob(grid, _place(grid, 0.05, rng), rng.uniform(0.04, 0.08), 0.2, rng) > 0
    return mask, [(spots & ~mask, DARK), (mask, (0.5, 0.4, 0.4)), (core, DARK)]


def _vessels(grid: Sequence[np.ndarray], difficulty: float, rng: Rng) -> Drawn:
    mask, spots = np.zeros(grid[0].shape, bool), np.zeros(grid[0].shape, bool)
    middle = np.array([axis.max() / 2 for axis in grid])
    start = _place(grid, 0.0, rng)
    towards = (middle - start) / max(np.linalg.norm(middle - start), 1e-9)
    stems = [(start, towards, 0.08)]
    while stems and len(stems) < 20:
        begin, direction, width = stems.pop(0)
        path = [begin]
        for _ in range(rng.integers(7, 12)):
            direction = direction + rng.normal(0, 0.2, 3)
            direction /= np.linalg.norm(direction)
            path.append(path[-1] + 0.12 * direction)
        mask |= _tube(grid, np.array(path), width)
        if width > 0.04:
            stems += [(path[-1], direction + 0.7 * _direction(rng), width * 0.75) for _ in range(2)]
    for _ in range(rng.poisson(3 + 10 * difficulty)):
        spots |= _blob(grid, _place(grid, 0.0, rng), rng.uniform(0.03, 0.07), 0.3, rng) > 0
    return mask, [(spots & ~mask, RED), (mask, RED)]


DRAW: dict[Kind, Callable[[Sequence[np.ndarray], float, Rng], Drawn]] = {
    "glands": _cysts,
    "lesion": _tumour,
    "vessels": _vessels,
}
