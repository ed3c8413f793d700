"""Marks on an image of the array, one pixel an electrode."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke


def outline(ax: Axes, cells: np.ndarray, **line: Any) -> None:
    """Draw the border of a set of electrodes, given as a boolean image."""
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
