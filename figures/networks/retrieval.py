"""Queries and the images retrieved for them, right or wrong, with their Hamming distances; one panel per method."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures.runs.run import NetworkRun
from figures.style import AFTER, GREY, PUBLISHED, WIDTH, bare, canvas
from protocols.spec.retrieval import Retrieval

STEP = 1.12  # distance between images, in widths of an image
BELOW = 0.5  # room for the text below an image
APART = 0.45  # between the query and the images found
HEAD, FOOT = 0.26, 0.35  # inches: a panel's title, the caption
RIGHT, WRONG = "\N{CHECK MARK}", "\N{BALLOT X}"
CAPTION = (
    "Left, in grey: a query, the first test image of each class in turn, and its class. Right of it: the {n} training "
    "images with the nearest codes,\nwith {regime} of the labels, seed {seed}. Below each the Hamming distance (of "
    "{bits} bits): {right}, framed blue, is of the query's class; {wrong}, framed orange and dashed, is not."
)


def figure(run: NetworkRun) -> Figure | None:
    """Retrieval with the smallest labelled fraction, first seed; None if the run kept no images."""
    retrieval = run.protocol.network.retrieval
    if retrieval is None or not retrieval.shown:
        return None
    shown = run.array(run.seeds[0], f"{run.methods[0]}/retrieved/label").shape[1:]
    columns = min(len(run.methods), 2)
    rows = -(-len(run.methods) // columns)
    n_across = STEP * (1 + shown[1]) + APART
    height = HEAD + shown[0] * (STEP + BELOW) * (WIDTH / columns - 0.1) / n_across
    fig, axes = canvas(rows, columns, rows * height + FOOT)
    for ax in axes.flat:
        bare(ax)
    for ax, method in zip(axes.flat, run.methods, strict=False):
        _draw(ax, run, method)
    fig.supxlabel(_caption(run, retrieval, shown[1]), fontsize=6, color=GREY, x=0.01, ha="left")
    return fig


def _draw(ax: Axes, run: NetworkRun, method: str) -> None:
    """Draw one row per query."""
    label, distance, image, query_label, query_image = (
        _kept(run, method, key) for key in ("label", "distance", "image", "query_label", "query_image")
    )
    right = label == query_label[:, None]
    classes = run.protocol.data.class_list
    for row, found in enumerate(image):
        _place(ax, row, 0.0, query_image[row], f"class {classes[query_label[row]]}", GREY, "-")
        for column, pixels in enumerate(found):
            mark, color, line = (RIGHT, AFTER, "-") if right[row, column] else (WRONG, PUBLISHED, (0, (3, 1.5)))
            x = STEP * (1 + column) + APART
            _place(ax, row, x, pixels, f"{distance[row, column]} {mark}", color, line)
    n_queries, n_found = label.shape
    ax.set_xlim(-0.1, STEP * n_found + APART + 1.1)
    ax.set_ylim(n_queries * (STEP + BELOW) - 0.05, -0.1)
    ax.set_aspect("equal")
    ax.set_title(f"{method}: {right.sum()} of {right.size} right", loc="left")


def _place(ax: Axes, row: int, x: float, pixels: np.ndarray, text: str, color: str, line: object) -> None:
    """Draw an image with its frame and the text below it."""
    y = row * (STEP + BELOW)
    grey = len(pixels) == 1
    shown = pixels[0] if grey else pixels.transpose(1, 2, 0)
    ax.imshow(shown, "gray" if grey else None, extent=(x, x + 1, y + 1, y), interpolation="nearest", vmin=0, vmax=255)
    ax.add_patch(Rectangle((x, y), 1, 1, fill=False, ec=color, lw=1.1, ls=line, clip_on=False))
    ax.text(x + 0.5, y + 1.09, text, ha="center", va="top", fontsize=4.5, color=color)


def _kept(run: NetworkRun, method: str, key: str) -> np.ndarray:
    """An array of the smallest labelled fraction."""
    regimes = run.protocol.network.regimes
    return run.array(run.seeds[0], f"{method}/retrieved/{key}")[regimes.index(min(regimes))]


def _caption(run: NetworkRun, retrieval: Retrieval, n_found: int) -> str:
    regime = next(iter(run.regimes.values()))
    facts = {"regime": regime.replace("%", " %"), "seed": run.seeds[0], "bits": retrieval.bits}
    return CAPTION.format(n=n_found, right=RIGHT, wrong=WRONG, **facts)
