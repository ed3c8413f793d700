"""Competition between the neurons of a layer: softmax, winner-take-all, k-winners, rank-based.

Scores and results have one row per patch, with neurons along the last dimension.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

PART = 5 * 2**18  # scores: several passes over so many are done mostly in the cache of a processor
NEURONS = -1  # dimension of neurons in scores of shape (groups, P, n_neurons / groups)


def soft(scores: Tensor) -> Tensor:
    """Softmax over the neurons: shares that sum to 1."""
    return torch.softmax(scores, NEURONS)


def soft_against(scores: Tensor) -> Tensor:
    """Softmax over the neurons, negative for all but the neuron with the highest score (the first of ties)."""
    share = soft(scores)
    best = share.max(NEURONS, keepdim=True)
    return share.neg_().scatter_(NEURONS, best.indices, best.values)


def hard(scores: Tensor) -> Tensor:
    """1 for the neuron with the highest score (the first of ties), 0 for the others."""
    return torch.zeros_like(scores).scatter_(NEURONS, scores.argmax(NEURONS, keepdim=True), 1.0)


def top(scores: Tensor, k: int) -> Tensor:
    """1 for the `k` highest scores, 0 for the others; 1 for all neurons if there are at most `k`."""
    winners = scores.topk(min(k, scores.shape[NEURONS]), NEURONS).indices
    return torch.zeros_like(scores).scatter_(NEURONS, winners, 1.0)


def first_against(scores: Tensor, rank: int, strength: float) -> Tensor:
    """1 for the highest score, -`strength` for the one at `rank` (counted from 1), 0 for the others."""
    order = scores.topk(min(rank, scores.shape[NEURONS]), NEURONS).indices
    signal = torch.zeros_like(scores)
    if order.shape[NEURONS] == rank:
        signal.scatter_(NEURONS, order.narrow(NEURONS, rank - 1, 1), -strength)
    return signal.scatter_(NEURONS, order.narrow(NEURONS, 0, 1), 1.0)


def parts(drive: Tensor) -> Iterator[slice]:
    """Images to work on together, (n, n_neurons, ...): all on a GPU, on a CPU parts with about `PART` scores each."""
    n = len(drive)
    size = n if drive.is_cuda else -(-n // max(1, -(-drive.numel() // PART)))
    return (slice(start, start + size) for start in range(0, max(1, n), max(1, size)))  # one part if there is no image
