"""The Hebbian rules as published, written down literally: patch by patch, neuron by neuron, weight by weight.

Slow, and independent of the package: it shares neither code nor formulation (the package has no patches, only matrix
products and convolutions). C is the patches of one group of channels, shape (P, M); B its neurons, shape (Q, M).
"""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

Array = np.ndarray


class TiedError(Exception):
    """Raised if two neurons win equally, so that the order depends on rounding."""


def patches(
    inputs: Array,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> list[Array]:
    """Patches of a convolution: the input at each position of each image, for each group of channels."""
    size = inputs.shape[2:]
    positions = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    ]

    def source(position: tuple[int, ...], tap: tuple[int, ...]) -> tuple[int, ...] | None:
        places = zip(position, tap, stride, padding, dilation, strict=True)
        return _within(size, [i * s - p + k * d for i, k, s, p, d in places])

    return _gather(inputs, positions, kernel, groups, source)


def transposed_patches(
    inputs: Array,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
    output_padding: tuple[int, ...],
) -> list[Array]:
    """Patches of a transposed convolution: the input i that tap k scatters to position i s - p + k d."""
    size = inputs.shape[2:]
    positions = [
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, k, s, p, d, o in zip(size, kernel, stride, padding, dilation, output_padding, strict=True)
    ]

    def source(position: tuple[int, ...], tap: tuple[int, ...]) -> tuple[int, ...] | None:
        scattered = [i + p - k * d for i, k, p, d in zip(position, tap, padding, dilation, strict=True)]
        if any(i % s for i, s in zip(scattered, stride, strict=True)):
            return None
        return _within(size, [i // s for i, s in zip(scattered, stride, strict=True)])

    return _gather(inputs, positions, kernel, groups, source)


def neurons(weights: Array, groups: int, transposed: bool) -> list[Array]:
    """The weights of each neuron in a row, for each group; transposed, torch keeps channels first, neurons second."""
    if not transposed:
        return [np.array([neuron.ravel() for neuron in group]) for group in np.split(weights, groups)]
    return [
        np.array([group[:, q].ravel() for q in range(weights.shape[1])]) for group in np.split(weights, groups, axis=0)
    ]


def hebb(C: Array, B: Array) -> Array:
    """a_q c, averaged over patches."""
    return _mean(C, B, lambda c, q: _dot(B[q], c) * c)


def oja(C: Array, B: Array) -> Array:
    """a_q (c - a_q b_q), averaged over patches."""
    return _mean(C, B, lambda c, q: _dot(B[q], c) * (c - _dot(B[q], c) * B[q]))


def hpca(C: Array, B: Array, activation: Callable[[float], float]) -> Array:
    """Equation 4: a_q (c - sum_{k <= q} a_k b_k), averaged over patches."""

    def change(c: Array, q: int) -> Array:
        a = [activation(_dot(b, c)) for b in B]
        return a[q] * (c - sum(a[k] * B[k] for k in range(q + 1)))

    return _mean(C, B, change)


def ica(C: Array, B: Array, nonlinearity: Callable[[float], float]) -> Array:
    """Nonlinear PCA: g_q (c - sum_k g_k b_k), averaged over patches."""

    def change(c: Array, q: int) -> Array:
        g = [nonlinearity(_dot(b, c)) for b in B]
        return g[q] * (c - sum(g[k] * B[k] for k in range(len(B))))

    return _mean(C, B, change)


def softhebb(C: Array, B: Array, temperature: float, anti_hebbian: bool) -> Array:
    """y_q (c - u_q b_q), averaged over patches; anti-Hebbian, y_q is negative for all but the winner."""

    def change(c: Array, q: int) -> Array:
        u = [_dot(b, c) for b in B]
        y = softmax(u, temperature)
        if anti_hebbian:
            y = [share if k == first(u) else -share for k, share in enumerate(y)]
        return y[q] * (c - u[q] * B[q])

    return _mean(C, B, change)


def swta(C: Array, B: Array, temperature: float, cosine: bool) -> Array:
    """Equation 2, averaged as in equation 7, with the score of the authors' code or that of the paper."""
    scores = [[((_cosine(b, c) + 1) / 2) ** 2 if cosine else _dot(_unit(b), c) for b in B] for c in C]
    return _weighted(C, B, [softmax(score, temperature) for score in scores])


def k_wta(C: Array, B: Array, k: int) -> Array:
    """Equation 2 with shares of 1 for the k neurons of the highest cosine, 0 for the others."""
    return _weighted(C, B, [[float(q in _top([_cosine(b, c) for b in B], k)) for q in range(len(B))] for c in C])


def krotov_hopfield(C: Array, B: Array, p: float, rank: int, strength: float) -> Array:
    """g_q (c - <b_q, c> b_q), summed over patches, <b, c> = sum_i |b_i|^(p - 2) b_i c_i; before the division."""
    total = np.zeros_like(B)
    for c in C:
        h = [_dot(np.abs(b) ** (p - 2) * b, c) for b in B]
        for place, q in enumerate(_order(h), start=1):
            g = {1: 1.0, rank: -strength}.get(place, 0.0)
            total[q] += g * (c - h[q] * B[q])
    return total


def sparse_coding(
    C: Array, B: Array, inference: str, iterations: int, threshold: float, non_negative: bool, unit_norm: bool
) -> Array:
    """a_q (c - sum_k a_k b_k), averaged over patches, for the codes a after the given number of steps."""
    if unit_norm:
        B = np.array([_unit(b) for b in B])
    return _mean(C, B, lambda c, q: _codes(c, q, B, inference, iterations, threshold, non_negative))


def _codes(c: Array, q: int, B: Array, inference: str, iterations: int, threshold: float, non_negative: bool) -> Array:
    a = sparse_codes(c, B, inference, iterations, threshold, non_negative)
    return a[q] * (c - sum(a[k] * B[k] for k in range(len(B))))


def sparse_codes(c: Array, B: Array, inference: str, iterations: int, threshold: float, non_negative: bool) -> Array:
    """Codes of a patch by ISTA or LCA, with steps of 1 / max(1, |(BB')^16|^(1/16)), Frobenius' norm."""
    step = 1 / max(1.0, np.linalg.norm(np.linalg.matrix_power(B @ B.T, 16)) ** (1 / 16))

    def shrunk(value: float, by: float) -> float:
        return math.copysign(max(abs(value) - by, 0.0), value) * float(value > 0 or not non_negative)

    a, u = np.zeros(len(B)), np.zeros(len(B))
    for _ in range(iterations):
        left = c - sum(a[k] * B[k] for k in range(len(B)))
        pushed = np.array([_dot(b, left) for b in B])
        if inference == "ista":
            a = np.array([shrunk(value, step * threshold) for value in a + step * pushed])
        else:  # neuron k excites itself as far as its drive goes beyond what the other neurons explain
            u = u + step * (pushed + a - u)
            a = np.array([shrunk(value, threshold) for value in u])
    return a


def softmax(scores: list[float], temperature: float) -> list[float]:
    top = max(scores)
    terms = [math.exp((score - top) / temperature) for score in scores]
    return [term / sum(terms) for term in terms]


def first(scores: list[float]) -> int:
    """Index of the highest score; the first one if several are equal."""
    return _order(scores)[0]


def _mean(C: Array, B: Array, change: Callable[[Array, int], Array]) -> Array:
    return sum(np.array([change(c, q) for q in range(len(B))]) for c in C) / len(C)


def _weighted(C: Array, B: Array, shares: list[list[float]]) -> Array:
    """The mean of s_q (c - b_q), each patch weighted by s_q / sum_p s_q (equation 7)."""
    update = np.zeros_like(B)
    for q, b in enumerate(B):
        total = sum(share[q] for share in shares)
        for c, share in zip(C, shares, strict=True):
            if total > 0:
                update[q] += share[q] / total * share[q] * (c - b)
    return update


def _top(scores: list[float], k: int) -> list[int]:
    order = _order(scores)
    if k < len(order) and abs(scores[order[k - 1]] - scores[order[k]]) < 1e-9 and (any(scores) or k > 1):
        raise TiedError
    return order[:k]


def _order(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda q: -scores[q])  # a stable sort


def _cosine(b: Array, c: Array) -> float:
    return _dot(_unit(b), _unit(c))


def _unit(vector: Array) -> Array:
    norm = math.sqrt(_dot(vector, vector))
    return vector / norm if norm > 0 else vector


def _dot(b: Array, c: Array) -> float:
    return float(np.sum(b * c))


def _within(size: tuple[int, ...], place: list[int]) -> tuple[int, ...] | None:
    return tuple(place) if all(0 <= i < n for i, n in zip(place, size, strict=True)) else None


def _gather(
    inputs: Array,
    positions: list[int],
    kernel: tuple[int, ...],
    groups: int,
    source: Callable[[tuple[int, ...], tuple[int, ...]], tuple[int, ...] | None],
) -> list[Array]:
    """Patches, image by image and position by position; where there is no source, zero."""

    def patch(image: Array, channels: range, position: tuple[int, ...]) -> Iterator[float]:
        for channel, tap in itertools.product(channels, itertools.product(*map(range, kernel))):
            place = source(position, tap)
            yield 0.0 if place is None else image[(channel, *place)]

    of_group = inputs.shape[1] // groups
    return [
        np.array(
            [
                list(patch(image, range(g * of_group, (g + 1) * of_group), position))
                for image in inputs
                for position in itertools.product(*map(range, positions))
            ]
        )
        for g in range(groups)
    ]
