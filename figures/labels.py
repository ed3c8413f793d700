"""Names of horizontal lines, written beside the axes without overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

TEXT_SIZE = 7.0  # points
LINE_HEIGHT = 1.35 * TEXT_SIZE / 72  # inches


@dataclass(frozen=True)
class Level:
    """A horizontal line with its name."""

    value: float
    name: str
    color: str
    style: str | tuple[float, tuple[float, ...]] = "-"


def draw_levels(ax: Axes, levels: Sequence[Level], height: float) -> None:
    """Draw lines across the axes and write their names to the right. The limits of the axes must be set before.

    Parameters
    ----------
    ax
    levels
    height
        Approximate height of the axes in inches.
    """
    ordered = sorted(levels, key=lambda level: level.value)
    low, high = ax.get_ylim()
    places = spread([level.value for level in ordered], LINE_HEIGHT / height * (high - low), low, high)
    across = ax.get_yaxis_transform()  # x in widths of the axes, y in data
    for level, place in zip(ordered, places, strict=True):
        ax.axhline(level.value, color=level.color, lw=0.9, ls=level.style, zorder=1.5)
        ax.plot([1.0, 1.03], [level.value, place], transform=across, color=level.color, lw=0.5, clip_on=False)
        ax.text(
            1.035, place, level.name, transform=across, color=level.color, fontsize=TEXT_SIZE, va="center", ha="left"
        )


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move ascending values apart by at least `gap`, within `low` and `high` if they fit."""
    places = list(np.clip(values, low, high))
    for k in range(len(places) - 2, -1, -1):
        places[k] = min(places[k], places[k + 1] - gap)
    places = [max(place, low + k * gap) for k, place in enumerate(places)]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    return [float(place) for place in places]
