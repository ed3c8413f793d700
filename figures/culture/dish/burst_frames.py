"""A network burst as it spreads over the array: frames of the electrodes' rates around its onset."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from figures.culture.dish.spontaneous_step import SpontaneousStep, spontaneous_steps
from figures.runs.run import DishRun
from figures.style import GREY, bare, canvas

N_FRAMES = 8  # of which one is before the onset
WIDTHS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # s, of a frame
SCALE_BARS = (100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3)  # m


def figure(run: DishRun) -> Figure | None:
    """Frames of a burst of median duration, in the first culture that has one; None if there is none."""
    for step in spontaneous_steps(run):
        if (chosen := typical_burst(step)) is not None:
            return _frames(run, step, *chosen)
    return None


def typical_burst(step: SpontaneousStep) -> tuple[int, float] | None:
    """A burst of median duration and the width of the frames that show its first half; None if no burst fits.

    All frames lie within the step.
    """
    duration = step.end - step.start
    for burst in np.argsort(np.abs(duration - np.median(duration)), kind="stable") if len(duration) else ():
        width = next((w for w in WIDTHS if w * (N_FRAMES - 1) >= duration[burst] / 2), WIDTHS[-1])
        if step.start[burst] >= width and step.start[burst] + (N_FRAMES - 1) * width <= step.duration:
            return int(burst), width
    return None


def frame_rates(step: SpontaneousStep, burst: int, width: float, n_electrodes: int) -> np.ndarray:
    """Rate of each electrode in frames from one before the burst's onset on (Hz), shape (N_FRAMES, n_electrodes)."""
    edges = step.start[burst] + width * (np.arange(N_FRAMES + 1) - 1)
    first = np.searchsorted(step.time, edges - 1e-9)  # the spike at the onset is the first of its frame
    counts = [np.bincount(step.electrode[a:b], minlength=n_electrodes) for a, b in pairwise(first)]
    return np.array(counts) / width


def _frames(run: DishRun, step: SpontaneousStep, burst: int, width: float) -> Figure:
    places = run.array(step.seed, "electrodes")
    hears = np.isin(np.arange(len(places)), run.array(step.seed, "heard/electrode"))
    rates = frame_rates(step, burst, width, len(places))
    columns = N_FRAMES // 2
    extent = np.ptp(places, axis=0)
    height = 2 * min(1.6 * (extent[1] or 1) / (extent[0] or 1), 2.2) + 1.0
    fig, axes = canvas(2, columns, height)
    for k, (ax, rate) in enumerate(zip(axes.flat, rates, strict=True)):
        shown = draw_electrodes(ax, places, np.where(hears, rate, np.nan), (0, float(rates.max())))
        ax.set_title(f"{(k - 1) * width * 1e3:g} to {k * width * 1e3:g} ms")
    _scale_bar(axes[1, 0], places)
    fig.colorbar(shown, ax=axes, label="rate (Hz)", shrink=0.8)
    length, at = step.end[burst] - step.start[burst], step.start[burst]
    which = f"culture {step.seed}, {length * 1e3:.0f} ms long, at {at:.2f} s of {step.step}"
    hollow = "" if hears.all() else "; hollow: electrodes that hear nothing"
    fig.suptitle(f"A network burst of {which}\ntime from its onset{hollow}")
    return fig


def draw_electrodes(ax: Axes, places: np.ndarray, values: np.ndarray, limits: tuple[float, float]) -> PatchCollection:
    """Draw a disc at each electrode, wherever it is; hollow where the value is NaN. y points down, as rows do."""
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    distance[np.diag_indices(len(places))] = np.inf
    radius = 0.42 * (float(distance.min()) if len(places) > 1 else 1.0)
    there = np.isfinite(values)
    hollow = [Circle(place, radius) for place in places[~there]]
    ax.add_collection(PatchCollection(hollow, facecolor="none", edgecolor=GREY, lw=0.3))
    filled = PatchCollection([Circle(place, radius) for place in places[there]], cmap="viridis", lw=0)
    filled.set_array(values[there])
    filled.set_clim(*limits)
    ax.add_collection(filled)
    (left, top), (right, bottom) = places.min(axis=0) - 1.6 * radius, places.max(axis=0) + 1.6 * radius
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_aspect("equal")
    bare(ax)
    return filled


def _scale_bar(ax: Axes, places: np.ndarray) -> None:
    """A bar below the map, a quarter of its width at most."""
    span = float(np.ptp(places[:, 0])) or float(np.ptp(places[:, 1]))
    length = max((bar for bar in SCALE_BARS if bar <= span / 3), default=SCALE_BARS[0])
    left, below = ax.get_xlim()[0], ax.get_ylim()[0]
    height = abs(np.diff(ax.get_ylim())[0])
    ax.plot([left, left + length], [below + 0.03 * height] * 2, color="black", lw=1.5, clip_on=False)
    ax.text(
        left,
        below + 0.06 * height,
        f"{length * 1e6:g} um" if length < 1e-3 else f"{length * 1e3:g} mm",
        va="top",
        ha="left",
        fontsize=7,
    )
