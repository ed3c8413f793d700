"""A network burst as it spreads over the array: frames of the electrodes' rates around its onset."""

from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from figures.culture.dish import electrode_map
from figures.culture.dish.spontaneous_step import SpontaneousStep, spontaneous_steps
from figures.runs.run import DishRun
from figures.style import canvas

N_FRAMES = 8  # of which one is before the onset
WIDTHS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # s, of a frame


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
        values = np.where(hears, rate, np.nan)
        shown = electrode_map.draw(ax, places, values, (0, float(rates.max())), up=electrode_map.points_up(run))
        ax.set_title(f"{(k - 1) * width * 1e3:g} to {k * width * 1e3:g} ms")
    electrode_map.scale_bar(axes[1, 0], places)
    fig.colorbar(shown, ax=axes, label="rate (Hz)", shrink=0.8)
    length, at = step.end[burst] - step.start[burst], step.start[burst]
    which = f"culture {step.seed}, {length * 1e3:.0f} ms long, at {at:.2f} s of {step.step}"
    hollow = "" if hears.all() else "; hollow: electrodes that hear nothing"
    fig.suptitle(f"A network burst of {which}\ntime from its onset{hollow}")
    return fig
