"""Axes of figures that compare groups of recordings: a panel a heading, a colour a group."""

from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture.panel.recorded import Grouped, Recorded, everyone
from figures.style import AFTER, CLASS_COLORS, GREY, PUBLISHED, THIN, WIDTH, canvas

LONG_LABEL = 22  # characters: longer names stand below each other
TWIN = "twin"  # how the names of groups of simulated cultures begin


def columns(groups: Grouped, rows: int, height: float) -> tuple[Figure, np.ndarray]:
    """A figure with a column a panel, a row a kind of plot with the same scales; shape (rows, n_panels).

    Of one panel, the plots stand side by side, and a single one is narrow.
    """
    keys = 0.17 * -(-max(map(len, groups.values())) // 2)
    if len(groups) > 1:
        return canvas(rows, len(groups), (height + keys) * rows + 0.4, sharex="row", sharey="row")
    fig, axes = canvas(1, rows, height + keys + 0.4)
    if rows == 1:
        fig.set_figwidth(0.62 * WIDTH)
    return fig, axes.T


def drawn(panel: Mapping[str, Sequence[Recorded]]) -> Iterator[tuple[str, str, Sequence[Recorded]]]:
    """Label, colour and recordings of each group of a panel: ages and other numbers from dark to light."""
    real = [name for name in panel if not name.startswith(TWIN)]
    ordered = len(real) > 1 and all(name.split()[-1].replace(".", "", 1).isdigit() for name in real)
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.88, max(2, len(real))))
    colors = [mpl.colors.to_hex(shade) for shade in shades] if ordered else [PUBLISHED, *CLASS_COLORS]
    twins = [AFTER, *CLASS_COLORS[::-1]]
    for name, recordings in panel.items():
        own, known = (twins, [n for n in panel if n not in real]) if name not in real else (colors, real)
        n = f" (n={len(recordings)})" if len(recordings) > 1 else ""
        yield f"{name}{n}", own[known.index(name) % len(own)], recordings


def alone(groups: Grouped) -> Recorded | None:
    """The recording, if there is only one."""
    found = everyone(groups)
    return found[0] if len(found) == 1 else None


def explain(fig: Figure, groups: Grouped, more: str = "") -> None:
    """Say below the figure what thin and bold lines are, where a group has several recordings, and more."""
    several = any(len(group) > 1 for panel in groups.values() for group in panel.values())
    if said := "; ".join(filter(None, [more, THIN if several else ""])):
        fig.supxlabel(said, fontsize=7, color=GREY)


def legend(ax: Axes, title: str, columns: int = 2) -> None:
    """Title of a panel and the names of its lines, above the axes: curves reach every corner."""
    longest = max(map(len, ax.get_legend_handles_labels()[1]), default=0)
    ax.legend(
        title=title,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1),
        ncols=columns if longest <= LONG_LABEL else 1,
        alignment="left",
        title_fontsize=8,
        columnspacing=1.2,
    )
