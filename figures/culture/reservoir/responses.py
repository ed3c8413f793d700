"""Mean response to each class on the array, with the electrodes that were stimulated."""

import numpy as np
from matplotlib.figure import Figure

from figures.culture import array_map
from figures.runs.run import ReservoirRun
from figures.style import canvas
from protocols.spec.array import Array

COLUMNS = 5
MOST = 20  # classes that are drawn, evenly spread
UNITS = {"counts": "spikes a trial", "latency": "latency, ms", "trace": "trace of spikes"}


def figure(run: ReservoirRun) -> Figure:
    """One map a class: mean over its trials in the first culture, all windows summed (of latencies: the least)."""
    seed, reservoir = run.seeds[0], run.protocol.reservoir
    features, truth = run.array(seed, "features/culture"), run.array(seed, "trials/truth")
    current = run.array(seed, "trials/current")
    latency = reservoir.response.features == "latency"
    each = 1e3 * features.min(axis=1) if latency else features.sum(axis=1)
    n = len(run.classes)
    shown = np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(int))
    means = np.array([each[truth == k].mean(axis=0) for k in shown])
    limits = (float(means.min()), float(np.percentile(means, 99.5)))
    rows = -(-len(shown) // COLUMNS)
    fig, axes = canvas(rows, COLUMNS, 0.55 + 1.6 * rows)
    for ax in axes.flat[len(shown) :]:
        ax.set_visible(False)
    for ax, k, mean in zip(axes.flat, shown, means, strict=False):
        driven = _image(run, (current[truth == k] > 0).mean(axis=0)) > 0.5
        image = array_map.draw(ax, _image(run, mean), run.classes[k], limits=limits, electrodes=driven)
        ax.title.set_fontsize(8)
    fig.colorbar(image, ax=axes, label=UNITS[reservoir.response.features], shrink=0.8, aspect=30)
    fig.suptitle(
        f"{run.protocol.name}, culture {seed}: mean response without direct spikes; white: stimulated in most trials",
        fontsize=8, x=0.01, ha="left",
    )  # fmt: skip
    return fig


def _image(run: ReservoirRun, values: np.ndarray) -> np.ndarray:
    """Values of the electrodes as an image of the array, NaN where there is none."""
    array = run.protocol.culture.array
    assert isinstance(array, Array)  # noqa: S101  (checked by the specification)
    image = np.full((array.rows, array.columns), np.nan)
    image[tuple(np.transpose(list(array.places)))] = values
    return image
