"""Wiring of neurons, in NumPy only."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.sparse import csr_array

from protocols.runs.machine import cores
from protocols.spec.culture import DenseWiring, Projection, SparseWiring

MOST_SYNAPSES = 2**31 - 1  # in one projection: Brian2 counts them in 32 bits
LARGEST_SCALE = 1e30  # largest factor on the distance law; fits single precision, its square double
ROWS_PER_BLOCK = 64  # presynaptic neurons drawn from one random stream; another number gives another wiring


def wire(
    pre: np.ndarray,
    post: np.ndarray,
    projection: Projection,
    seeds: np.random.SeedSequence,
    *,
    recurrent: bool,
    dtype: type = np.float64,
) -> csr_array:
    """Draw the weights of a projection and scale every neuron's incoming sum to the projection's strength.

    Parameters
    ----------
    pre, post : shape (n_pre, 2) and (n_post, 2)
        Positions in metres.
    projection
        Range, strength and wiring rule.
    seeds
        Source of randomness. The result does not depend on the number of threads.
    recurrent
        Whether `pre` and `post` are the same neurons, which then do not connect to themselves.
    dtype
        Type of the weights.

    Returns
    -------
    csr_array, shape (n_pre, n_post)
        Weight magnitudes in volts.
    """
    pre, post = pre.astype(dtype), post.astype(dtype)
    starts = range(0, len(pre), ROWS_PER_BLOCK)
    children = seeds.spawn(len(starts))
    columns = np.arange(len(post), dtype=np.int32)
    connection_scale = _connection_scale(pre, post, projection, recurrent)

    def block(start: int, child: np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rows = slice(start, start + ROWS_PER_BLOCK)
        law = _distance_law(pre[rows], post, projection.sigma)
        rng = np.random.default_rng(child)
        weight = np.abs(rng.standard_normal(law.shape, dtype=dtype))
        if connection_scale is None:
            weight *= law
            connected = weight >= projection.wiring.cutoff  # type: ignore[union-attr]
        else:
            connected = rng.random(law.shape, dtype=dtype) < law * connection_scale
        if recurrent:
            np.fill_diagonal(connected[:, start:], False)
        weight *= connected
        column = np.broadcast_to(columns, connected.shape)[connected]
        return np.count_nonzero(connected, axis=1), column, weight[connected], weight.sum(axis=0, dtype=np.float64)

    with ThreadPoolExecutor(cores()) as threads:
        count, column, weight, total = zip(*threads.map(block, starts, children), strict=True)
    incoming = np.sum(total, axis=0)
    gain = (projection.strength / np.where(incoming > 0, incoming, 1)).astype(dtype)
    for w, c in zip(weight, column, strict=True):
        w *= gain[c]
    if sum(map(len, column)) > MOST_SYNAPSES:
        raise ValueError(f"{sum(map(len, column))} synapses in one projection; allowed: {MOST_SYNAPSES}")
    row_start = np.concatenate([[0], np.cumsum(np.concatenate(count))]).astype(np.int32)
    shape = (len(pre), len(post))
    weights = csr_array((np.concatenate(weight), np.concatenate(column), row_start), shape=shape)
    weights.has_sorted_indices = True
    return weights


def _distance_law(pre: np.ndarray, post: np.ndarray, sigma: float) -> np.ndarray:
    """exp(-d^2 / 2 sigma^2) for all pairs, shape (n_pre, n_post)."""
    law = np.subtract.outer(pre[:, 0], post[:, 0]) ** 2
    law += np.subtract.outer(pre[:, 1], post[:, 1]) ** 2
    law *= -0.5 / sigma**2
    return np.exp(law, out=law)


def _connection_scale(pre: np.ndarray, post: np.ndarray, projection: Projection, recurrent: bool) -> np.ndarray | None:
    """Factor per postsynaptic neuron that turns the distance law into connection probabilities (sparse rule only).

    The expected fan-in sum_i min(1, scale law_i) equals the requested one if that many neurons lie within reach.
    """
    match projection.wiring:
        case DenseWiring():
            return None
        case SparseWiring(fan_in=fan_in):
            scale = np.empty(len(post), pre.dtype)
            for start in range(0, len(post), ROWS_PER_BLOCK):
                columns = slice(start, start + ROWS_PER_BLOCK)
                law = _distance_law(pre.astype(np.float64), post[columns].astype(np.float64), projection.sigma)
                if recurrent:
                    np.fill_diagonal(law[start:], 0)
                scale[columns] = _solve_scale(law, fan_in)
            return scale


def _solve_scale(law: np.ndarray, fan_in: int) -> np.ndarray:
    """Solve sum_i min(1, scale law_i) = fan_in for every column of `law` by fixed-point iteration.

    Where too few neurons lie within reach, the scale ends at `LARGEST_SCALE`: all of them connect.
    """
    scale = np.minimum(fan_in / np.maximum(law.sum(axis=0), 1 / LARGEST_SCALE), LARGEST_SCALE)
    for _ in range(50):
        reached = np.minimum(1, scale * law).sum(axis=0)
        update = fan_in / np.maximum(reached, 1 / LARGEST_SCALE)
        scale = np.minimum(scale * update, LARGEST_SCALE)
        if np.all(np.abs(update - 1) < 1e-4):
            break
    return scale
