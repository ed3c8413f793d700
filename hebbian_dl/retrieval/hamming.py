"""Nearest binary codes by Hamming distance: exact, ties in the order of the database, in little memory.

The distances of a query are counted 64 bits at a time, in chunks of the database that fit the processor's cache.
Distance and index are combined into one number, so that no two are equal and the K smallest are the ranking. Beside
the result this takes a copy of the codes and at most 24 bytes for each of them, whatever the number of queries.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from protocols.spec.faults import ProtocolFault, installation

CHUNK = 2**15  # codes in a chunk: their distances stay in the cache
LARGEST = np.iinfo(np.int32).max  # distance and index combined, in 32 bits, which sort faster than 64
Nearest = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def packed(bits: np.ndarray) -> np.ndarray:
    """Codes as bytes, padded with zeros to whole words of 64 bits.

    Parameters
    ----------
    bits : bool, shape (n, n_bits)

    Returns
    -------
    ndarray of uint8, shape (n, 8 * n_words)
    """
    n, n_bits = bits.shape
    codes = np.zeros((n, 8 * -(-n_bits // 64)), np.uint8)
    codes[:, : -(-n_bits // 8)] = np.packbits(bits, axis=1)
    return codes


def nearest(database: np.ndarray, queries: np.ndarray, k: int, chunk: int = CHUNK) -> tuple[np.ndarray, np.ndarray]:
    """The `k` codes of the database nearest to each query, nearest first, ties by index.

    Parameters
    ----------
    database, queries
        As `packed` gives them, shapes (n, n_bytes) and (n_queries, n_bytes).
    k
        At most n.
    chunk
        Codes of the database that are compared at a time; the result does not depend on it.

    Returns
    -------
    index : int, shape (n_queries, k)
    distance : int, shape (n_queries, k)
    """
    n = len(database)
    words, asked = database.view(np.uint64).T.copy(), queries.view(np.uint64)
    dtype: type[np.integer[Any]] = np.int32 if (64 * len(words) + 1) * n <= LARGEST else np.int64
    place, key = np.arange(n, dtype=dtype), np.empty(n, dtype)
    found = np.empty((len(queries), k), dtype)
    for query, best in zip(asked, found, strict=True):
        _distances(words, query, key, chunk)
        np.multiply(key, n, out=key)
        np.add(key, place, out=key)
        best[:] = np.partition(key, k - 1)[:k]
        best.sort()
    return found % n, found // n


def _distances(words: np.ndarray, query: np.ndarray, distance: np.ndarray, chunk: int) -> None:
    """Write the distances of one query to all codes; `words` has the shape (n_words, n), `distance` (n,)."""
    n = len(distance)
    differing, count = np.empty(min(chunk, n), np.uint64), np.empty(min(chunk, n), np.uint8)
    for start in range(0, n, chunk):
        part = distance[start : start + chunk]
        part[:] = 0
        for row, word in zip(words[:, start : start + chunk], query, strict=True):
            np.bitwise_xor(row, word, out=differing[: len(part)])
            np.bitwise_count(differing[: len(part)], out=count[: len(part)])
            part += count[: len(part)]


def faiss_nearest(database: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """`nearest` by faiss (`IndexBinaryFlat`), except for ties at the k-th distance.

    Distances are those of `nearest`. Which of the codes at the k-th distance are among the k is up to faiss; the
    result is sorted by distance and index here.

    Raises
    ------
    ProtocolFault
        If faiss is not installed.
    """
    check_faiss()
    import faiss

    index = faiss.IndexBinaryFlat(8 * database.shape[1])
    index.add(np.ascontiguousarray(database))
    distance, found = index.search(np.ascontiguousarray(queries), k)
    key = np.sort(distance.astype(np.int64) * len(database) + found, axis=1)
    return key % len(database), key // len(database)


def check_faiss() -> None:
    """Refuse the backend ``faiss`` where faiss is not installed."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        raise ProtocolFault(
            [f"network.retrieval.backend: 'faiss' is not installed ({installation('faiss')}); allowed: exact"]
        ) from None


def of_backend(backend: str) -> Nearest:
    """Search for the nearest codes by this backend."""
    return faiss_nearest if backend == "faiss" else nearest
