"""Responses of the class regions to test images after training, and the confusion matrix."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from figures.runs.run import AssociationRun
from figures.style import AFTER, BEFORE, WIDTH

MOST_BINS = 25
WIDTHS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 25, 50, 100)  # of a bin, in spikes per neuron
MOST_STACKED = 4  # classes whose histograms fit beside the confusion matrix


def figure(run: AssociationRun) -> Figure:
    """Histograms of each region's response to its own class and to the others; the confusion matrix."""
    fig, histograms, matrix = _layout(len(run.classes))
    score, truth = last_evaluation(run)
    edges = bins(score.max())
    for index, (ax, label) in enumerate(zip(histograms, run.classes, strict=True)):
        own = truth == index
        for images, color, name in ((~own, BEFORE, "other images"), (own, AFTER, "its own class")):
            share = np.full(images.sum(), 100 / max(1, images.sum()))
            ax.hist(score[images, index], list(edges), weights=share, color=color, alpha=0.65, label=name)
        ax.set_title(f"{run.answering} {label}", loc="left")
        ax.set_xlim(edges[0], edges[-1])
    histograms[0].legend()
    histograms[-(len(run.classes) // 4) - 1].set_xlabel(f"response ({run.response_unit})")
    # the protocol's decision rule gives the answers, so the counts come from the metrics
    _confusion(matrix, np.array(run.metrics["confusion"]["counts"]), run.classes)
    learners = f"{len(run.seeds)} {run.kind}s" if len(run.seeds) > 1 else f"one {run.kind}"
    fig.suptitle(f"Test images after {run.metrics['accuracy/curve']['presentations'][-1]} presentations, {learners}")
    return fig


def last_evaluation(run: AssociationRun) -> tuple[np.ndarray, np.ndarray]:
    """Responses, shape (n, n_classes), and index of the true class, shape (n,), of the test images of all seeds."""
    score = np.concatenate([array[-1] for array in run.per_seed("scores/test")])
    return score, np.concatenate(run.per_seed("labels/test"))


def bins(highest: float) -> np.ndarray:
    """Edges of bins centred on multiples of a round width: the neurons of a region often fire together."""
    width = next((w for w in WIDTHS if highest / w < MOST_BINS), highest / MOST_BINS)
    return (np.arange(int(highest / width + 0.5) + 2) - 0.5) * width


def _layout(n_classes: int) -> tuple[Figure, list[Axes], Axes]:
    """Axes of the histograms, with shared scales, and of the matrix: beside them for few classes, else below."""
    if n_classes <= MOST_STACKED:
        columns = 1
        fig = plt.figure(figsize=(WIDTH, max(3.2, 1.15 * n_classes + 0.5)))
        grid = GridSpec(n_classes, 2, fig, width_ratios=(1.25, 1))
        places, whole = [grid[k, 0] for k in range(n_classes)], grid[:, 1]
    else:
        columns = -(-n_classes // 2)
        fig = plt.figure(figsize=(WIDTH, 7.6))
        grid = GridSpec(3, columns, fig, height_ratios=(1, 1, 3.4))
        places, whole = [grid[k // columns, k % columns] for k in range(n_classes)], grid[2, :]
    first = fig.add_subplot(places[0])
    histograms = [first] + [fig.add_subplot(place, sharex=first, sharey=first) for place in places[1:]]
    for k, ax in enumerate(histograms):
        ax.tick_params(labelbottom=k + columns >= n_classes, labelleft=k % columns == 0)
        ax.set_ylabel("% of images" if k % columns == 0 else "")
    return fig, histograms, fig.add_subplot(whole)


def _confusion(ax: Axes, counts: np.ndarray, classes: tuple[int, ...]) -> None:
    """Draw the shares of each true class as colour and per cent, with counts below."""
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    size = 8 if len(classes) <= MOST_STACKED else 6
    for (row, column), n in np.ndenumerate(counts):
        color = "white" if share[row, column] > 0.55 else "black"
        text = f"{100 * share[row, column]:.1f} %\n{n:g}"
        ax.text(column, row, text, ha="center", va="center", color=color, fontsize=size)
    ax.set_xticks(range(len(classes)), list(map(str, classes)))
    ax.set_yticks(range(len(classes)), list(map(str, classes)))
    ax.set_xlabel("answer")
    ax.set_ylabel("class of the image")
    ax.set_title("share and number of images")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
