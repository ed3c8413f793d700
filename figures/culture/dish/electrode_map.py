"""Maps of the electrodes of a living dish, wherever they are: discs in the colour of a value, and a scale bar."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Circle
from scipy.spatial import KDTree

from figures.runs.run import DishRun
from figures.style import GREY, bare
from protocols.spec.array import ProbeArray

SCALE_BARS = (10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3)  # m


def points_up(run: DishRun) -> bool:
    """Whether y points up: that of a probe's file does, rows of a grid go down."""
    return isinstance(run.protocol.culture.array, ProbeArray)


def disc_radius(places: np.ndarray) -> float:
    """Radius at which the discs of the nearest electrodes just do not touch."""
    return 0.42 * float(KDTree(places).query(places, 2)[0][:, 1].min()) if len(places) > 1 else 10e-6


def draw(
    ax: Axes, places: np.ndarray, values: np.ndarray, limits: tuple[float, float], *, up: bool = False
) -> PatchCollection:
    """Draw a disc at each electrode; hollow where the value is NaN.

    Parameters
    ----------
    ax
    places : shape (n_electrodes, 2)
        In metres.
    values : shape (n_electrodes,)
    limits
        Values at both ends of the colour map.
    up
        Whether y points up.

    Returns
    -------
    PatchCollection
        For a colour bar.
    """
    radius, there = disc_radius(places), np.isfinite(values)
    hollow = [Circle(place, radius) for place in places[~there]]
    ax.add_collection(PatchCollection(hollow, facecolor="none", edgecolor=GREY, lw=0.3))
    filled = PatchCollection([Circle(place, radius) for place in places[there]], cmap="viridis", lw=0)
    filled.set_array(values[there])
    filled.set_clim(*limits)
    ax.add_collection(filled)
    show(ax, places.min(axis=0) - 1.6 * radius, places.max(axis=0) + 1.6 * radius, up=up)
    return filled


def show(ax: Axes, least: np.ndarray, most: np.ndarray, *, up: bool) -> None:
    """Show a rectangle to scale, without axes."""
    ax.set_xlim(least[0], most[0])
    ax.set_ylim(*((least[1], most[1]) if up else (most[1], least[1])))
    ax.set_aspect("equal")
    bare(ax)


def scale_bar(ax: Axes, places: np.ndarray) -> None:
    """A bar below the map, from the left edge of the leftmost disc; a third of the width of the places at most."""
    span = float(np.ptp(places[:, 0])) or float(np.ptp(places[:, 1]))
    length = max((bar for bar in SCALE_BARS if bar <= span / 3), default=SCALE_BARS[0])
    left, (below, above) = float(places[:, 0].min()) - disc_radius(places), ax.get_ylim()
    down = (below - above) * 0.03
    ax.plot([left, left + length], [below + down] * 2, color="black", lw=1.5, clip_on=False, solid_capstyle="butt")
    ax.text(
        left,
        below + 2 * down,
        f"{length * 1e6:.3g} um" if length < 1e-3 else f"{length * 1e3:g} mm",
        va="top",
        ha="left",
        fontsize=7,
    )
