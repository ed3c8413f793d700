"""Generated images with masks: gland-, lesion- and vessel-like shapes with texture, stain and illumination variation.

Positions are in units of the image's shorter side, so that an image looks the same at any size.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from protocols.images.masks import volumes
from protocols.spec.nets.masks import Kind

RECIPE = 1  # version of the generated images, to be raised with every change
SHARPNESS = 0.008  # standard deviation of the blur of edges

Rng = np.random.Generator
Grid = tuple[np.ndarray, np.ndarray]
#: layers of an image, each with the share of every pixel and its colour: the mask, things inside it, and distractors
Drawn = tuple[np.ndarray, list[tuple[np.ndarray, tuple[float, float, float]]]]

BACKGROUND = {"glands": (0.85, 0.62, 0.76), "lesion": (0.82, 0.65, 0.55), "vessels": (0.72, 0.42, 0.22)}


def draw(kind: Kind, size: tuple[int, ...], difficulty: float, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    r"""One image, or volume, and its mask.

    Parameters
    ----------
    kind
        What the image shows.
    size
        Rows and columns; of a volume slices, rows and columns.
    difficulty
        0 (easy) to 1.
    rng
        Source of all that varies.

    Returns
    -------
    image : uint8, shape (\*size, 3)
    mask : bool, shape `size`
        Neither empty nor full.
    """
    side = min(size)
    grid = np.meshgrid(*(np.arange(n) / side for n in size), indexing="ij")
    if len(size) == 2:
        mask, layers = DRAW[kind]((grid[0], grid[1]), difficulty, rng)
    else:
        mask, layers = volumes.DRAW[kind](grid, difficulty, rng)
    contrast = 1.0 - 0.7 * difficulty
    ground = np.array(BACKGROUND[kind])
    image = np.broadcast_to(ground, (*size, 3)) + (0.02 + 0.08 * difficulty) * _texture(size, 6, rng)[..., None]
    for share, colour in layers:
        soft = gaussian_filter(share.astype(float), SHARPNESS * side)[..., None] * contrast
        image = image * (1 - soft) + np.array(colour) * soft
    image = image + (0.02 + 0.04 * difficulty) * _texture(size, 24, rng)[..., None]
    stain = 1 + 0.15 * difficulty * rng.standard_normal(3)
    light = 1 + 0.35 * difficulty * _texture(size, 1, rng)[..., None]
    noise = (0.01 + 0.05 * difficulty) * rng.standard_normal((*size, 3))
    pixels = np.clip(255 * (image * stain * light + noise), 0, 255)
    return np.rint(pixels).astype(np.uint8), mask


def _texture(size: tuple[int, ...], cells: int, rng: Rng) -> np.ndarray:
    """A smooth random field with about so many bumps along a side, between about -1 and 1."""
    coarse = rng.uniform(-1, 1, (cells + 3,) * len(size))
    field = zoom(coarse, [2 + side / cells for side in size], order=1)
    first = ((have - side) // 2 for have, side in zip(field.shape, size, strict=True))
    return field[tuple(slice(begin, begin + side) for begin, side in zip(first, size, strict=True))]


def _blob(grid: Grid, centre: tuple[float, float], radius: float, roughness: float, rng: Rng) -> np.ndarray:
    """How deep each pixel lies in an irregular closed contour: 1 at its centre, 0 on it, negative outside."""
    rows, columns = grid[0] - centre[0], grid[1] - centre[1]
    turn, stretch = rng.uniform(0, np.pi), rng.uniform(0.7, 1.0)
    along = rows * np.cos(turn) + columns * np.sin(turn)
    across = (columns * np.cos(turn) - rows * np.sin(turn)) / stretch
    angle = np.arctan2(across, along)
    outline = np.ones_like(angle)
    for wave in range(2, 6):
        outline += roughness / wave * rng.standard_normal() * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    return 1 - np.hypot(along, across) / (radius * np.maximum(outline, 0.3))


def _centre(grid: Grid, margin: float, rng: Rng) -> tuple[float, float]:
    row, column = (float(rng.uniform(margin, axis.max() - margin)) for axis in grid)
    return row, column


def _glands(grid: Grid, difficulty: float, rng: Rng) -> Drawn:
    mask = np.zeros(grid[0].shape, bool)
    lumen = mask.copy()
    for _ in range(rng.integers(2, 6)):
        depth = _blob(grid, _centre(grid, 0.12, rng), rng.uniform(0.12, 0.22), 0.25, rng)
        mask |= depth > 0
        lumen |= depth > 0.45
    layers = [(mask, (0.45, 0.25, 0.55)), (lumen, (0.97, 0.90, 0.95))]
    holes, cells = np.zeros_like(mask), np.zeros_like(mask)  # bright holes without a wall, and single dark cells
    for _ in range(rng.poisson(4 * difficulty)):
        holes |= _blob(grid, _centre(grid, 0.05, rng), rng.uniform(0.04, 0.1), 0.2, rng) > 0
    for _ in range(rng.poisson(5 + 25 * difficulty)):
        cells |= _blob(grid, _centre(grid, 0.0, rng), rng.uniform(0.012, 0.03), 0.2, rng) > 0
    return mask, [(cells & ~mask, (0.45, 0.25, 0.55)), (holes & ~mask, (0.97, 0.90, 0.95)), *layers]


def _lesion(grid: Grid, difficulty: float, rng: Rng) -> Drawn:
    depth = _blob(grid, _centre(grid, 0.3, rng), rng.uniform(0.15, 0.32), 0.3, rng)
    mask = depth > 0
    core = depth > rng.uniform(0.3, 0.7)
    hairs, freckles = np.zeros_like(mask), np.zeros_like(mask)
    for _ in range(rng.poisson(8 * difficulty)):
        hairs |= _tube(grid, _walk(_centre(grid, 0.0, rng), rng.uniform(0, 2 * np.pi), 0.03, 25, 0.05, rng), 0.008)
    for _ in range(rng.poisson(8 * difficulty)):
        freckles |= _blob(grid, _centre(grid, 0.0, rng), rng.uniform(0.02, 0.06), 0.2, rng) > 0
    brown = (0.42, 0.26, 0.18)
    return mask, [(freckles & ~mask, brown), (mask, (0.5, 0.33, 0.24)), (core, brown), (hairs, (0.15, 0.1, 0.08))]


def _vessels(grid: Grid, difficulty: float, rng: Rng) -> Drawn:
    mask = np.zeros(grid[0].shape, bool)
    start = _centre(grid, 0.0, rng)
    middle = tuple(axis.max() / 2 for axis in grid)
    towards = float(np.arctan2(middle[1] - start[1], middle[0] - start[0]))
    stems = [(start, towards + rng.normal(0, 0.3), 0.025)]
    while stems and len(stems) < 40:
        begin, angle, width = stems.pop(0)
        path = _walk(begin, angle, 0.03, int(rng.integers(8, 16)), 0.25, rng)
        mask |= _tube(grid, path, width)
        end = (float(path[-1, 0]), float(path[-1, 1]))
        if width > 0.01:
            stems += [(end, angle + sign * rng.uniform(0.3, 0.8), width * 0.75) for sign in (-1, 1)]
    spots = np.zeros_like(mask)
    for _ in range(rng.poisson(3 + 10 * difficulty)):
        spots |= _blob(grid, _centre(grid, 0.0, rng), rng.uniform(0.015, 0.05), 0.3, rng) > 0
    red = (0.42, 0.12, 0.08)
    return mask, [(spots & ~mask, red), (mask, red)]


def _walk(start: tuple[float, float], angle: float, step: float, n: int, turn: float, rng: Rng) -> np.ndarray:
    """Points of a path that bends at random, shape (n + 1, 2)."""
    angles = angle + np.cumsum(rng.normal(0, turn, n))
    steps = step * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.vstack([start, np.array(start) + np.cumsum(steps, axis=0)])


def _tube(grid: Grid, path: np.ndarray, radius: float) -> np.ndarray:
    """The pixels within a radius of the segments of a path."""
    near = np.zeros(grid[0].shape, bool)
    for begin, end in pairwise(path):
        low, high = np.minimum(begin, end) - radius, np.maximum(begin, end) + radius
        axes = (grid[0][:, 0], grid[1][0])
        box = tuple(slice(*np.searchsorted(axis, reach)) for axis, *reach in zip(axes, low, high, strict=True))
        rows, columns = grid[0][box] - begin[0], grid[1][box] - begin[1]
        down, right = end - begin
        along = np.clip((rows * down + columns * right) / (down**2 + right**2), 0, 1)
        near[box] |= np.hypot(rows - along * down, columns - along * right) <= radius
    return near


DRAW: dict[Kind, Callable[[Grid, float, Rng], Drawn]] = {"glands": _glands, "lesion": _lesion, "vessels": _vessels}
