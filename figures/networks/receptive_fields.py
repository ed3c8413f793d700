"""Input weights of the neurons of a spiking network, one panel per class that they were assigned."""

import numpy as np
from matplotlib.figure import Figure

from figures.networks.filters import mosaic
from figures.runs.run import AssociationRun
from figures.style import GREY, WIDTH, bare, canvas

MOST = 36  # neurons per panel
HEAD, FOOT = 0.3, 0.3  # inches: a panel's title, the caption


def figure(run: AssociationRun) -> Figure:
    """Up to `MOST` neurons of each class, in their own order, of the first seed."""
    seed, labels = run.seeds[0], run.classes
    weights, assigned = run.array(seed, "filters"), run.array(seed, "assigned")
    panels = {label: np.flatnonzero(assigned == index) for index, label in enumerate(labels)}
    columns = min(len(labels), 3 if len(labels) < 5 else 5)
    rows = -(-len(labels) // columns)
    mosaics = {label: mosaic(_images(run, weights[found[:MOST]])) for label, found in panels.items() if len(found)}
    tallest = max((image.shape[0] / image.shape[1] for image in mosaics.values()), default=1)
    fig, axes = canvas(rows, columns, rows * (HEAD + tallest * WIDTH / columns) + FOOT)
    for ax in axes.flat:
        bare(ax)
    for ax, (label, found) in zip(axes.flat, panels.items(), strict=False):
        ax.set_title(f"class {label}: {len(found)} neurons", loc="left")
        if label in mosaics:
            ax.imshow(mosaics[label], interpolation="nearest")
    n, silent = len(assigned), int((assigned < 0).sum())
    shown = f" At most {MOST} of a class are shown." if max(map(len, panels.values())) > MOST else ""
    fig.supxlabel(
        f"Input weights of the {n} excitatory neurons, seed {seed}, black: the neuron's largest, white: none. "
        f"Without a class: {silent}.{shown}",
        fontsize=6,
        color=GREY,
        x=0.01,
        ha="left",
    )
    return fig


def _images(run: AssociationRun, weights: np.ndarray) -> np.ndarray:
    """Weights as grey images, shape (n, rows, columns, 3)."""
    _, height, width = run.protocol.data.shape
    largest = weights.max(axis=1, keepdims=True)
    grey = 1 - np.divide(weights, largest, out=np.zeros(weights.shape), where=largest > 0)
    return np.repeat(grey.reshape(-1, height, width, 1), 3, axis=3)
