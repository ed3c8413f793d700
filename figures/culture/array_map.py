"""Images of the electrode array, one pixel per electrode, and marks on them."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from figures.style import bare


def draw(
    ax: Axes,
    image: np.ndarray,
    title: str,
    cmap: str = "viridis",
    *,
    limits: tuple[float, float],
    electrodes: np.ndarray | None = None,
) -> AxesImage:
    """Draw a map of the array without axes.

    Parameters
    ----------
    ax
    image : shape (rows, columns)
        One value per electrode; NaN stays white.
    title
    cmap
        Colour map.
    limits
        Values at both ends of the colour map.
    electrodes : bool, shape (rows, columns), optional
        Electrodes to outline in white, each by itself.

    Returns
    -------
    AxesImage
        For a colour bar.
    """
    shown = ax.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1])
    ax.set_title(title)
    bare(ax)
    for row, column in np.argwhere(np.zeros(image.shape) if electrodes is None else electrodes):
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec="white", lw=0.8))
    return shown


def outline(ax: Axes, cells: np.ndarray, **line: Any) -> None:
    """Draw the outer border of a set of electrodes, given as a boolean image of shape (rows, columns)."""
    inside = np.pad(cells, 1)
    borders = []
    for row, column in np.argwhere(cells):
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if not inside[row + 1 + down, column + 1 + right]:
                middle = np.array([column + right / 2, row + down / 2])
                along = np.array([abs(down), abs(right)]) / 2
                borders.append([middle - along, middle + along])
    ax.add_collection(LineCollection(borders, **line, capstyle="projecting", clip_on=False), autolim=False)


def name(ax: Axes, cells: np.ndarray, text: str) -> None:
    """Write a name in the middle of a set of electrodes, on the one nearest to their centre."""
    places = np.argwhere(cells)
    row, column = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    ax.text(
        column,
        row,
        text,
        ha="center",
        va="center",
        weight="bold",
        path_effects=[withStroke(linewidth=2, foreground="white")],
    )
