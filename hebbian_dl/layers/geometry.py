"""Receptive fields of a layer: its neurons see the whole input (dense) or patches of it (convolutions).

A Hebbian rule needs three linear maps, each of which torch computes without storing patches: the projection of every
patch on the weights of every neuron, the correlation of patches with a signal of the neurons (the weight gradient of
the projection), and the squared norms of the patches.

Shapes: inputs (n, channels, *size), signals (n, n_neurons, *positions); dense inputs (n, channels). P = n * positions
is the number of patches, M the number of weights of a neuron.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


@dataclass(frozen=True)
class Geometry:
    """Dense (no dimensions), convolutional, or transposed convolutional.

    A transposed convolution is a convolution of its input with zeros inserted between and around its elements; its
    neurons see patches of this enlarged input.

    Parameters
    ----------
    stride, padding, dilation, output_padding
        One entry per dimension.
    groups
        Groups of channels; neurons of different groups see different channels, and do not compete.
    pad_first
        Padding that the convolution itself cannot do, in the order of `torch.nn.functional.pad`; empty for none.
    pad_mode
        How `pad_first` fills: ``"constant"`` (zeros), ``"reflect"``, ``"replicate"`` or ``"circular"``.
    """

    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    transposed: bool = False
    output_padding: tuple[int, ...] = ()
    pad_first: tuple[int, ...] = ()
    pad_mode: str = "constant"

    @classmethod
    def of(cls, layer: nn.Module) -> "Geometry":
        """The geometry of a torch layer.

        Raises
        ------
        TypeError
            If it is neither linear nor a convolution.
        """
        if isinstance(layer, nn.Linear):
            return DENSE
        if not isinstance(layer, _ConvNd):
            raise TypeError(f"{type(layer).__name__}; allowed: Linear, Conv1d to Conv3d, ConvTranspose1d to 3d")
        sides = _padding(layer)
        symmetric = all(before == after for before, after in sides)
        within = symmetric and (layer.padding_mode == "zeros" or not any(before for before, _ in sides))
        return cls(
            tuple(layer.stride),
            tuple(before for before, _ in sides) if within else (0,) * len(sides),
            tuple(layer.dilation),
            layer.groups,
            isinstance(layer, _ConvTransposeNd),
            tuple(layer.output_padding),
            () if within else tuple(side for pair in reversed(sides) for side in pair),
            "constant" if within or layer.padding_mode == "zeros" else layer.padding_mode,
        )

    @property
    def n_dims(self) -> int:
        """Dimensions of the map: 0 for a dense layer, 2 for images."""
        return len(self.stride)

    def project(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """The projection w.x of every patch on the weights of every neuron, shape (n, n_neurons, *positions)."""
        if not self.n_dims:
            return functional.linear(inputs, weights)
        if self.transposed:
            place = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
            return TRANSPOSED[self.n_dims](inputs, weights, None, *place)
        convolve, padded = CONVOLUTIONS[self.n_dims], self._padded(inputs)
        return convolve(padded, weights, None, self.stride, self.padding, self.dilation, self.groups)

    def correlate(self, inputs: Tensor, signal: Tensor, weights: Tensor) -> Tensor:
        """sum_p signal_pq x_p, in shape and type of `weights`, multiplied in the precision of the inputs."""
        signal = signal.to(inputs.dtype)
        if not self.n_dims:
            return (signal.t() @ inputs).to(weights.dtype)
        return torch.ops.aten.convolution_backward(
            *(signal, self._padded(inputs), weights.to(inputs.dtype), None),
            *(self.stride, self.padding, self.dilation, self.transposed),
            *(self.output_padding or (0,) * self.n_dims, self.groups, [False, True, False]),
        )[1].to(weights.dtype)

    def squared_norms(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """|x_p|^2 of every patch, shape (groups, P, 1)."""
        n, channels, *size = inputs.shape
        energy = inputs.square().reshape(n, self.groups, channels // self.groups, *size).sum(2)
        if not self.n_dims:
            return self.patches(energy)
        ones = torch.ones(self.groups, 1, *weights.shape[2:], dtype=inputs.dtype, device=inputs.device)
        return self.patches(self.project(energy, ones))

    def _padded(self, inputs: Tensor) -> Tensor:
        """The inputs with `pad_first` around them."""
        return functional.pad(inputs, self.pad_first, self.pad_mode) if self.pad_first else inputs

    def rows(self, weights: Tensor) -> Tensor:
        """The weights with one row per neuron, shape (groups, n_neurons / groups, M); a view where possible."""
        if not self.transposed:
            return weights.reshape(self.groups, weights.shape[0] // self.groups, -1)
        inputs, neurons, *_ = weights.shape
        return weights.reshape(self.groups, inputs // self.groups, neurons, -1).transpose(1, 2).flatten(2)

    def from_rows(self, rows: Tensor, weights: Tensor) -> Tensor:
        """The inverse of `rows`, for weights of the given shape."""
        if not self.transposed:
            return rows.reshape(weights.shape)
        inputs, neurons, *_ = weights.shape
        return rows.reshape(self.groups, neurons, inputs // self.groups, -1).transpose(1, 2).reshape(weights.shape)

    def spread(self, factors: Tensor, weights: Tensor) -> Tensor:
        """Reshape a factor per neuron, shape (n_neurons,), to broadcast with the weights; a scalar stays a scalar."""
        if not factors.dim():
            return factors
        if self.transposed:
            factors = factors.reshape(self.groups, -1).repeat_interleave(len(weights) // self.groups, 0)
            return factors.reshape(*factors.shape, *(1,) * self.n_dims)
        return factors.reshape(-1, *(1,) * (weights.dim() - 1))

    def per_neuron(self, values: Tensor) -> Tensor:
        """Reshape a value per neuron, shape (n_neurons,), to broadcast with a signal."""
        return values.reshape(-1, *(1,) * self.n_dims)

    def norms(self, weights: Tensor) -> Tensor:
        """|w| of each neuron, shape (n_neurons,)."""
        return torch.linalg.vector_norm(self.rows(weights), dim=2).flatten()

    def inverse_norms(self, weights: Tensor) -> Tensor:
        """1 / |w| of each neuron, shape (n_neurons,); 0 for a dead neuron, whose weights are all 0."""
        norms = self.norms(weights)
        return torch.where(norms > 0, 1 / norms.clamp_min(torch.finfo(norms.dtype).tiny), 0)

    def patches(self, signal: Tensor) -> Tensor:
        """A signal with one row per patch, shape (groups, P, n_neurons / groups); a view if channels come last."""
        grouped = signal.unflatten(1, (self.groups, -1))
        grouped = grouped.flatten(3) if self.n_dims else grouped[..., None]
        return grouped.permute(1, 0, 3, 2).flatten(1, 2)  # (n, g, q, l) -> (g, n l, q)

    def maps(self, patches: Tensor, shape: torch.Size) -> Tensor:
        """The inverse of `patches`, for signals of the given shape (n, n_neurons, *positions)."""
        split = patches.unflatten(1, (shape[0], math.prod(shape[2:])))
        return split.permute(1, 0, 3, 2).reshape(shape)  # (g, n l, q) -> (n, g, q, l)

    def fan_in(self, weights: Tensor) -> int:
        """M, the number of weights of a neuron."""
        return weights.numel() // self.n_neurons(weights)

    def n_neurons(self, weights: Tensor) -> int:
        """Neurons of the layer."""
        return weights.shape[1] * self.groups if self.transposed else weights.shape[0]

    def channels(self, weights: Tensor) -> int:
        """Channels of the input."""
        return weights.shape[0] if self.transposed else weights.shape[1] * self.groups

    def n_patches(self, signal: Tensor) -> int:
        """P, the number of patches of a signal."""
        return signal.shape[0] * math.prod(signal.shape[2:])


def _padding(layer: _ConvNd) -> list[tuple[int, int]]:
    """Elements added before and after each dimension of the input."""
    if layer.padding == "valid":
        return [(0, 0)] * len(layer.stride)
    if layer.padding == "same":  # with an even span torch adds the odd element after
        spans = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return [(span // 2, span - span // 2) for span in spans]
    return [(int(width), int(width)) for width in layer.padding]


DENSE = Geometry()
