"""Input weights of the neurons of a spiking network, one panel per class that they were assigned."""

import numpy as np
from matplotlib.figure import Figure

from figures.networks.filters import BACKGROUND, mosaic
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
    most = min(MOST, max(1, *map(len, panels.values())))
    mosaics = {label: mosaic(_images(run, weights[found[:MOST]], most)) for label, found in panels.items()}
    height, width, _ = mosaics[labels[0]].shape
    fig, axes = canvas(rows, columns, rows * (HEAD + height / width * WIDTH / columns) + FOOT)
    for ax in axes.flat:
        bare(ax)
    for ax, (label, found) in zip(axes.flat, panels.items(), strict=False):
        ax.set_title(f"class {label}: {len(found)} neurons", loc="left")
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


def _images(run: AssociationRun, weights: np.ndarray, most: int) -> np.ndarray:
    """Weights as grey images, then background, shape (most, rows, columns, 3): all panels are of one size."""
    _, height, width = run.protocol.data.shape
    largest = weights.max(axis=1, keepdims=True)
    grey = 1 - np.divide(weights, largest, out=np.zeros(weights.shape), where=largest > 0)
    images = np.full((most, height, width, 3), BACKGROUND)
    images[: len(grey)] = grey.reshape(-1, height, width, 1)
    return images
