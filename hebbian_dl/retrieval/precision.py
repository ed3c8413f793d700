"""Average precision of rankings of images, in both of its normalisations (Lagani et al., equation 10)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hebbian_dl.retrieval.hamming import Nearest, nearest
from protocols.spec.retrieval import NORMALISATIONS

MEMORY = 2**28  # bytes of the rankings that are held at a time
BYTES = 40  # of an image in a ranking: index, distance, relevance, and temporaries of the average precision


@dataclass(frozen=True)
class Coded:
    """Binary codes of images.

    Parameters
    ----------
    codes
        As `hamming.packed` gives them, shape (n, n_bytes).
    labels : int, shape (n,)
    place : int, shape (n,)
        Index of each image in its data set: images in files that cannot be read have no code.
    """

    codes: np.ndarray
    labels: np.ndarray
    place: np.ndarray


def average_precision(relevant: np.ndarray, n_relevant: np.ndarray) -> dict[str, np.ndarray]:
    """Average precision of rankings: the sum of the precisions at each relevant image, divided by their number.

    Parameters
    ----------
    relevant : bool, shape (n_queries, k)
        Whether each of the first `k` images of a ranking is relevant.
    n_relevant : int, shape (n_queries,)
        Number of relevant images in the whole database.

    Returns
    -------
    dict
        ``found``: divided by the relevant images among the first `k`, as in the authors' code: one relevant image in
        the first place and none after it is worth 1. ``possible``: by min(k, n_relevant), the usual definition. Each of
        shape (n_queries,), and 0 where the divisor is 0.
    """
    k = relevant.shape[1]
    hits = relevant.cumsum(axis=1)
    total = np.where(relevant, hits / np.arange(1, k + 1), 0.0).sum(axis=1)
    divisors = (hits[:, -1], np.minimum(k, n_relevant))
    return {
        name: np.divide(total, divisor, out=np.zeros(len(total)), where=divisor > 0)
        for name, divisor in zip(NORMALISATIONS, divisors, strict=True)
    }


def mean_average_precision(
    database: Coded, queries: Coded, tops: Mapping[str, int], search: Nearest = nearest, memory: int = MEMORY
) -> dict[str, float]:
    """Average precision, averaged over queries, by ``<top>/<normalisation>``.

    Parameters
    ----------
    tops
        Lengths K of the rankings, by name; at most the size of the database.
    search
        Search for the nearest codes.
    memory
        Bytes of the rankings that are held at a time; the result does not depend on it.
    """
    largest = max(tops.values())
    each = max(1, memory // (BYTES * largest))
    members = np.bincount(database.labels, minlength=1 + int(queries.labels.max()))
    values: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(queries.labels), each):
        asked = queries.labels[start : start + each]
        index, _ = search(database.codes, queries.codes[start : start + each], largest)
        relevant = database.labels[index] == asked[:, None]
        for name, top in tops.items():
            for normalisation, value in average_precision(relevant[:, :top], members[asked]).items():
                values.setdefault(f"{name}/{normalisation}", []).append(value)
    return {name: float(np.concatenate(parts).mean()) for name, parts in values.items()}
