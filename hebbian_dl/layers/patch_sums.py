"""Sums over patches, from which weights are updated: as such, or not yet computed.

The weights of a large dense layer far outnumber its inputs and outputs, and reading and writing them takes as long as
the arithmetic. What such a layer learned is therefore kept as the factors of a product, from which the weights can be
updated without storing sums of their size. The sums follow where they are needed, to be added to those of others.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hebbian_dl.layers.geometry import DENSE, Geometry

BLOCK = 64  # neurons of a scan; on a CPU the fastest of 32 to 512 for 4096 neurons with 2304 inputs
GPU_BLOCK = 256  # each block is several kernels: fewer launches; not measured yet


class Learned(Protocol):
    """What a layer learned from a batch; valid until the weights, inputs or outputs of the batch change."""

    @property
    def weight(self) -> Tensor:
        """As in `Sums`."""

    def sums(self, weights: Tensor) -> "Sums":
        """The sums, computed."""

    def add_to(self, weights: Tensor, scale: Tensor) -> None:
        """Add the sums times a scale, which broadcasts with the weights: shape () or one value for each neuron."""


@dataclass(frozen=True)
class Sums:
    """Sums of a rule over patches.

    Parameters
    ----------
    total
        Sum of the updates of all patches, in the shape of the weights.
    weight
        Divisor of `total`: the number of patches, shape (), or a sum for each neuron, shape (n_neurons,).
    """

    total: Tensor
    weight: Tensor

    def __add__(self, other: "Sums") -> "Sums":
        """The sums over the patches of both."""
        return Sums(self.total + other.total, self.weight + other.weight)

    def sums(self, weights: Tensor) -> "Sums":
        """Themselves."""
        return self

    def add_to(self, weights: Tensor, scale: Tensor) -> None:
        """One pass over memory."""
        weights.addcmul_(self.total, scale)


@dataclass(frozen=True)
class Driven:
    """sum_p signal C - decay B of a dense layer: signal (P, Q), inputs C (P, M), decay (Q,) or None for none."""

    signal: Tensor
    inputs: Tensor
    decay: Tensor | None
    weight: Tensor

    def sums(self, weights: Tensor) -> Sums:
        """The product, less the decayed weights."""
        total = DENSE.correlate(self.inputs, self.signal, weights)
        return Sums(subtract_decay(total, self.decay, weights), self.weight)

    def add_to(self, weights: Tensor, scale: Tensor) -> None:
        """B <- (1 - scale decay) B + scale signal'C, the product added in place."""
        scale = scale.reshape(-1)
        if self.decay is not None:
            weights.mul_((1 - scale * self.decay)[:, None])
        signal = (self.signal * scale).to(self.inputs.dtype).t()
        if self.inputs.dtype == weights.dtype:
            weights.addmm_(signal, self.inputs)
        else:
            weights.add_(signal @ self.inputs)


@dataclass(frozen=True)
class Scan:
    """A'C - tril(A'A) B of a dense layer: a block of neurons learns from what those before it leave of the inputs."""

    signal: Tensor
    inputs: Tensor
    weight: Tensor

    def sums(self, weights: Tensor) -> Sums:
        """All blocks, side by side."""
        total = torch.zeros_like(weights)
        self._add(total, weights, torch.ones_like(self.weight))
        return Sums(total, self.weight)

    def add_to(self, weights: Tensor, scale: Tensor) -> None:
        """Block by block, in the processor's cache; later blocks do not depend on the weights of earlier ones."""
        self._add(weights, weights, scale)

    def _add(self, result: Tensor, weights: Tensor, scale: Tensor) -> None:
        left = self.inputs.clone()
        size = block_size(weights)
        for start in range(0, len(weights), size):
            block = slice(start, start + size)
            own, synapses = self.signal[:, block], weights[block]
            change = own.t() @ left
            change.addmm_((own.t() @ own).tril_(), synapses, alpha=-1)
            left.addmm_(own, synapses, alpha=-1)
            result[block].addcmul_(change, scale[block] if scale.dim() else scale)


def subtract_decay(total: Tensor, decay: Tensor | None, weights: Tensor, geometry: Geometry = DENSE) -> Tensor:
    """Subtract decay B from sums, in place, for a decay of each neuron, shape (n_neurons,), or None."""
    if decay is not None:
        total.addcmul_(weights, geometry.spread(decay, weights), value=-1)
    return total


def block_size(weights: Tensor) -> int:
    """Neurons in a block of a scan on the device of the weights."""
    return GPU_BLOCK if weights.is_cuda else BLOCK


def explained(signal: Tensor, weights: Tensor) -> Tensor:
    """A'A B, what the reconstructions AB of patches add up to, in the order that needs fewer operations.

    Signal (groups, P, n_neurons / groups) and weights (groups, n_neurons / groups, M) -> the shape of the weights.
    """
    (_, p, q), m = signal.shape, weights.shape[2]
    if q * (p + m) < 2 * p * m:
        return (signal.transpose(1, 2) @ signal) @ weights
    return signal.transpose(1, 2) @ (signal @ weights)
