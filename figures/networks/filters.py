"""Filters of the first layer, one panel per method."""

import math

import numpy as np
from matplotlib.figure import Figure

from figures.runs.run import NetworkRun
from figures.style import GREY, WIDTH, bare, canvas
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.protocol import NetworkProtocol

MOST = 96  # filters per panel
SIDE, GAP = 24, 3  # least size of a filter and gap between filters, in pixels of the mosaic
BACKGROUND = (0.86, 0.91, 0.96)  # differs from the colours of grey filters
HEAD, FOOT = 0.3, 0.3  # inches: a panel's title, the caption
CAPTION = (
    "{which} of the first layer, seed {seed}, in their own order. Each filter is scaled by its largest absolute "
    "weight:\nmid-grey is zero, {extremes}."
)


def figure(run: NetworkRun) -> Figure | None:
    """Up to `MOST` filters per method, in the order of the neurons; None if the weights are not images."""
    seed, panels = run.seeds[0], {}
    for method in run.methods:
        images = as_images(run.array(seed, f"{method}/filters"), run.protocol.data.shape)
        if images is None:
            return None
        panels[method] = images[:MOST]
    columns = min(len(panels), 2 if len(panels) <= 4 else 3)
    rows = -(-len(panels) // columns)
    mosaics = {method: mosaic(images) for method, images in panels.items()}
    tallest = max(image.shape[0] / image.shape[1] for image in mosaics.values())
    fig, axes = canvas(rows, columns, rows * (HEAD + tallest * WIDTH / columns) + FOOT)
    for ax in axes.flat:
        bare(ax)
    for ax, (method, image) in zip(axes.flat, mosaics.items(), strict=False):
        ax.imshow(image, interpolation="nearest")
        ax.set_title(_title(run.protocol, method), loc="left")
    fig.supxlabel(_caption(run, panels), fontsize=6, color=GREY, x=0.01, ha="left")
    return fig


def as_images(weights: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray | None:
    """Filters as images: 0.5 is a weight of zero, 0 and 1 are minus and plus the filter's largest absolute weight.

    Parameters
    ----------
    weights
        Shape (n, channels, rows, columns), or (n, inputs) of a dense layer.
    shape
        Channels, rows and columns of the images.

    Returns
    -------
    ndarray or None
        Shape (n, rows, columns, 3); None if the weights are neither grey nor RGB images.
    """
    if weights.ndim == 2 and weights.shape[1] == math.prod(shape):
        weights = weights.reshape(-1, *shape)
    if weights.ndim != 4 or weights.shape[1] not in {1, 3} or weights.size == 0:
        return None
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    images = 0.5 + 0.5 * np.divide(weights, largest, out=np.zeros(weights.shape), where=largest > 0)
    return np.broadcast_to(images.transpose(0, 2, 3, 1), (len(images), *weights.shape[2:], 3))


def mosaic(images: np.ndarray) -> np.ndarray:
    """Arrange images, shape (n, rows, columns, 3), row by row in one image with an aspect ratio of about 3:2."""
    n, height, width, _ = images.shape
    least = math.ceil(math.sqrt(1.5 * n * height / width))
    columns = next((c for c in range(least, least + 3) if n % c == 0), least)
    larger = max(1, round(SIDE / max(height, width)))  # side in pixels of the square that shows a weight
    high, wide = height * larger + GAP, width * larger + GAP
    whole = np.full((-(-n // columns) * high + GAP, columns * wide + GAP, 3), BACKGROUND)
    for k, image in enumerate(images):
        top, left = (k // columns) * high + GAP, (k % columns) * wide + GAP
        whole[top : top + high - GAP, left : left + wide - GAP] = image.repeat(larger, 0).repeat(larger, 1)
    return whole


def _caption(run: NetworkRun, panels: dict[str, np.ndarray]) -> str:
    """Caption: which filters are shown, and the meaning of white and black, or of colours."""
    method, images = next(iter(panels.items()))
    n, total = len(images), len(run.array(run.seeds[0], f"{method}/filters"))
    which = f"The {n} neurons" if n == total else f"The first {n} of {total} neurons"
    grey = run.protocol.data.shape[0] == 1
    extremes = "white is that weight, black minus it" if grey else "a colour is full at that weight, absent at minus it"
    return CAPTION.format(which=which, seed=run.seeds[0], extremes=extremes)


def _title(protocol: NetworkProtocol, method: str) -> str:
    """The method, and whether its filters see whitened images."""
    spec = protocol.network.methods[method]
    whitened = isinstance(spec, HebbianPretraining) and spec.whitening is not None
    return f"{method}, of whitened images" if whitened else method
