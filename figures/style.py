"""Common style of all figures: colours, sizes, saving."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import StrMethodFormatter

mpl.use("Agg")

BEFORE, AFTER, PUBLISHED = "#8a8f98", "#0b6fa4", "#c2571a"
GREY = "#4d4d4d"
#: colours of the classes, distinct for colour-blind readers too (Paul Tol's "muted" and a grey)
CLASS_COLORS = (
    "#332288", "#cc6677", "#117733", "#ddcc77", "#88ccee", "#882255", "#44aa99", "#999933", "#aa4499", "#666666",
)  # fmt: skip
#: colours of the methods in the protocol's order (Paul Tol's "bright"); no pre-training is grey
METHOD_COLORS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#332288", "#882255", "#999933")
MARKERS = "osD^vPX"
THOUSANDS = StrMethodFormatter("{x:,g}")  # tick labels with commas
THIN = "thin lines: single recordings or cultures; bold: their mean"
WIDTH = 7.2  # inches, a double column

RC: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "figure.dpi": 100,
    "pdf.fonttype": 42,  # text is embedded as text, not as outlines
    "figure.constrained_layout.use": True,
}


mpl.rcParams.update(RC)


def canvas(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of the common width and its axes, shape (rows, columns)."""
    return plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **options)


def panels(height: float, height_ratios: Sequence[float], width_ratios: Sequence[float]) -> tuple[Figure, GridSpec]:
    """A figure of the common width and a grid of panels of unequal sizes."""
    figure = plt.figure(figsize=(WIDTH, height))
    return figure, figure.add_gridspec(
        len(height_ratios), len(width_ratios), height_ratios=height_ratios, width_ratios=width_ratios
    )


def by_rows(handles: Sequence[Artist], columns: int) -> list[Artist]:
    """Order the handles so that a legend with `columns` columns, which matplotlib fills by column, reads row by row."""
    return [handle for column in range(columns) for handle in handles[column::columns]]


def separate_thousands(axis: Axis) -> None:
    """Label an axis, whose limits are set, with commas in numbers of 1,000 and more."""
    if max(map(abs, axis.get_view_interval())) >= 1000:
        axis.set_major_formatter(THOUSANDS)


def bare(ax: Axes) -> None:
    """Remove ticks and frame, for an image."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's suffix; an interruption leaves no partial file at `path`."""
    unfinished = path.with_suffix(f".part{path.suffix}")
    figure.savefig(unfinished)
    plt.close(figure)
    unfinished.rename(path)
