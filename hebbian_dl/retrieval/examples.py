"""Examples for the figure: a few queries and the images retrieved for them, at reduced size."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hebbian_dl.images.in_memory import Images, Splits
from hebbian_dl.retrieval.hamming import Nearest
from hebbian_dl.retrieval.precision import Coded
from hebbian_dl.training.evaluation import outputs

FIRST = 10  # images of a ranking that are shown
SIDE = 64  # pixels: the largest side of an image in the figure


def retrieved(
    database: Coded, queries: Coded, n_shown: int, search: Nearest, plain: Callable[[], Splits[Images]]
) -> dict[str, np.ndarray]:
    """The first images in the rankings of a few queries.

    Parameters
    ----------
    n_shown
        Number of queries: the first of each class, then the second of each, and so on; not selected by quality.
    plain
        Gives the images without whitening; called only if there is a query to show.

    Returns
    -------
    dict
        ``query_label``, shape (n_shown,); ``label``, ``index`` (among the training images) and ``distance`` (in bits)
        of the images found, shape (n_shown, n_first); ``query_image`` and ``image``, uint8, with shapes (n_shown,
        channels, rows, columns) and (n_shown, n_first, channels, rows, columns).
    """
    shown = by_turns(queries.labels)[:n_shown]
    if not len(shown):
        return {}
    index, distance = search(database.codes, queries.codes[shown], min(FIRST, len(database.labels)))
    splits = plain()
    place = database.place[index]
    asked, found = _small(splits.test, queries.place[shown]), _small(splits.training, place.reshape(-1))
    pixels = _visible(torch.cat([asked, found]))
    return {
        "query_label": queries.labels[shown],
        "label": database.labels[index],
        "index": place,
        "distance": distance,
        "query_image": pixels[: len(shown)],
        "image": pixels[len(shown) :].reshape(*index.shape, *pixels.shape[1:]),
    }


def by_turns(labels: np.ndarray) -> np.ndarray:
    """Order of all images in which classes alternate, each in its own order."""
    rank = np.empty(len(labels), np.int64)  # how many images of the same class come before
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    return np.lexsort((labels, rank))


def _small(images: Images, index: np.ndarray) -> Tensor:
    """The images with these indices, reduced to at most `SIDE` pixels a side, on the CPU."""

    def reduced(pixels: Tensor) -> Tensor:
        height, width = (min(SIDE, side) for side in pixels.shape[2:])
        return functional.adaptive_avg_pool2d(pixels.float(), (height, width))

    some = images.take(torch.from_numpy(index.astype(np.int64)).to(images.labels.device))
    return outputs(reduced, some)[0].cpu()


def _visible(pixels: Tensor) -> np.ndarray:
    """Normalised images as bytes: each channel is scaled from its minimum to its maximum over all images."""
    low, high = (bound(pixels, (0, 2, 3)) for bound in (torch.amin, torch.amax))
    scaled = (pixels - low[:, None, None]) / (high - low).clamp_min(1e-12)[:, None, None]
    return (255 * scaled).round().to(torch.uint8).numpy()
