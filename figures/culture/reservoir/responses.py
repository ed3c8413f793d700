"""Mean response to each class on the array, with the electrodes that were stimulated."""

import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from figures.culture import array_map
from figures.runs.run import ReservoirRun
from figures.style import canvas
from protocols.spec.array import Array

COLUMNS = 5
MOST = 20  # classes that are drawn, evenly spread
MARKED = 0.25  # share of a class's trials in which an electrode must be stimulated to be marked
UNITS = {"counts": "spikes a trial", "latency": "first spike after the stimulus, ms", "trace": "trace of spikes"}


def figure(run: ReservoirRun) -> Figure:
    """One map a class: mean over its trials in the first culture, all windows summed; of latencies, the first spike."""
    seed, reservoir = run.seeds[0], run.protocol.reservoir
    features, truth = run.array(seed, "features/culture"), run.array(seed, "trials/truth")
    current = run.array(seed, "trials/current")
    latency = reservoir.response.features == "latency"
    each = 1e3 * first_spike(features, list(reservoir.response.windows.values())) if latency else features.sum(axis=1)
    n = len(run.classes)
    shown = np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(int))
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # no spike at all: NaN
        means = np.array([np.nanmean(each[truth == k], axis=0) for k in shown])
    limits = (float(np.nanmin(means)), float(np.nanpercentile(means, 99.5))) if np.isfinite(means).any() else (0.0, 1.0)
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    fig, axes = canvas(rows, columns, 0.55 + (1.6 if columns == COLUMNS else 2.2) * rows)
    for ax in axes.flat[len(shown) :]:
        ax.set_visible(False)
    for ax, k, mean in zip(axes.flat, shown, means, strict=False):
        driven = _image(run, (current[truth == k] > 0).mean(axis=0)) > MARKED
        image = array_map.draw(ax, _image(run, mean), run.classes[k], limits=limits, electrodes=driven)
        ax.title.set_fontsize(8)
    fig.colorbar(image, ax=axes, label=UNITS[reservoir.response.features], shrink=0.8, aspect=30)
    fig.suptitle(
        f"{run.protocol.name}, culture {seed}: mean response; white: stimulated in over a quarter of the trials",
        fontsize=8, x=0.01, ha="left",
    )  # fmt: skip
    return fig


def first_spike(latency: np.ndarray, windows: Sequence[tuple[float, float]]) -> np.ndarray:
    """Time from the stimulus to the first spike in any window (s), NaN where there is none.

    Parameters
    ----------
    latency : shape (n_trials, n_windows, n_electrodes)
        From the start of each window; its length where there is no spike.
    windows
        Start and end of each.
    """
    start, length = (np.array(values)[:, None] for values in zip(*((a, b - a) for a, b in windows), strict=True))
    found = np.where(latency < length - 1e-9, latency + start, np.inf).min(axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _image(run: ReservoirRun, values: np.ndarray) -> np.ndarray:
    """Values of the electrodes as an image of the array, NaN where there is none."""
    array = run.protocol.culture.array
    assert isinstance(array, Array)  # noqa: S101  (checked by the specification)
    image = np.full((array.rows, array.columns), np.nan)
    image[tuple(np.transpose(list(array.places)))] = values
    return image
