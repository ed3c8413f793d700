"""A living culture and its electrodes in the plane: where cells lie, what is stimulated, how much is heard where."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patches import Rectangle as Frame
from scipy.spatial import KDTree

from figures.culture.dish import electrode_map
from figures.runs.run import DishRun
from figures.style import AFTER, CLASS_COLORS, GREY, PUBLISHED, panels

MOST_HEIGHT = 5.0  # inches
LEGEND_COLUMNS = 4
MOST_DARK = 500  # electrodes that are drawn in a dark line


def figure(run: DishRun) -> Figure:
    """Left: cells, electrodes and patterns of the first culture. Right, to scale with it: rates heard."""
    width, height = run.protocol.culture.ground[2:]
    seed = run.seeds[0]
    lines = -(-(3 + len(run.protocol.patterns)) // LEGEND_COLUMNS)
    maps = min(3.5 * height / width, MOST_HEIGHT)
    fig, grid = panels(maps + 1.35 + 0.17 * lines, height_ratios=(maps, 0.12), width_ratios=(1, 1))
    left, right, bar = (fig.add_subplot(grid[place]) for place in ((0, 0), (0, 1), (1, 1)))
    _culture(run, left)
    places, up = run.array(seed, "electrodes"), electrode_map.points_up(run)
    rates = heard_rates(run, seed)
    shown = electrode_map.draw(right, places, rates, (0, float(np.nanmax(rates, initial=0)) or 1.0), up=up)
    for ax in (left, right):
        ax.set_anchor("S")  # what is too high is left above, for the titles
    right.set_xlim(left.get_xlim())
    right.set_ylim(left.get_ylim())
    right.set_title("heard by each electrode" + ("" if np.isfinite(rates).all() else "; hollow: no cell near"))
    fig.colorbar(shown, cax=bar, label="rate, all steps (Hz)", orientation="horizontal")
    fig.legend(loc="outside lower left", ncols=LEGEND_COLUMNS, markerscale=1.5, columnspacing=1.5)
    return fig


def heard_rates(run: DishRun, seed: int) -> np.ndarray:
    """Spikes that each electrode hears per second of the whole timeline; NaN where no cell is within its hearing."""
    places, cells = run.array(seed, "electrodes"), run.array(seed, "positions")
    counts = np.bincount(run.array(seed, "heard/electrode"), minlength=len(places))
    hears = KDTree(cells).query(places)[0] <= run.protocol.record.within
    return np.where(hears, counts / run.duration_s, np.nan)


def _culture(run: DishRun, ax: Axes) -> None:
    """Cells of both signs, the border of their area, the electrodes, and those of each pattern."""
    seed, culture = run.seeds[0], run.protocol.culture
    places, cells, excite = (run.array(seed, name) for name in ("electrodes", "positions", "excitatory"))
    size = float(np.clip(60 / np.sqrt(len(cells)), 0.8, 4))
    for kind, color, name in ((excite, AFTER, "excitatory"), (~excite, PUBLISHED, "inhibitory")):
        ax.plot(*cells[kind].T, ".", ms=size, mew=0, color=color, label=name, rasterized=True)
    radius = electrode_map.disc_radius(places)
    within = run.protocol.record.within
    ring = min(radius, within)
    color, lw = (GREY, 0.4) if len(places) <= MOST_DARK else ("#cccccc", 0.15)  # many would hide the cells
    rings = [Circle(place, ring) for place in places]
    ax.add_collection(PatchCollection(rings, facecolor="none", edgecolor=color, lw=lw, zorder=1))
    ax.plot(
        [],
        [],
        "o",
        mfc="none",
        mec=color,
        mew=0.5,
        label=f"electrode, hears {within * 1e6:g} um{' (ring)' if ring == within else ''}",
    )
    for color, (name, pattern) in zip(CLASS_COLORS, run.protocol.patterns.items(), strict=False):
        chosen = places[culture.array.numbers(pattern.electrodes)]
        ax.add_collection(
            PatchCollection([Circle(p, 1.1 * radius) for p in chosen], facecolor="none", edgecolor=color, lw=1.2)
        )
        ax.plot([], [], "o", mfc="none", mec=color, label=f"stimulated: {name.replace('_', ' ')}")
    left, top, width, height = culture.ground
    ax.add_patch(Frame((left, top), width, height, fill=False, ec=GREY, lw=0.5, ls=":"))
    corners = np.vstack([places - radius, places + radius, [(left, top), (left + width, top + height)]])
    margin = 0.02 * max(width, height)
    electrode_map.show(ax, corners.min(axis=0) - margin, corners.max(axis=0) + margin, up=electrode_map.points_up(run))
    ax.set_title(f"culture {seed}: {len(cells)} cells on {width * 1e3:.3g} x {height * 1e3:.3g} mm")
    electrode_map.scale_bar(ax, places)
