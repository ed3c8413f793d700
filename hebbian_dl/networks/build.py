"""Torch networks from the layer list of a protocol."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.layers.hebbian import Hebbian
from hebbian_dl.networks.normalisation import BatchNorm1d, BatchNorm2d, RelativeBatchNorm
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation, Pooling, map_sizes
from protocols.spec.rules import Rule

SMALLEST = 1e-30  # base of a power: at 0 the gradient of a power below 1 is infinite


class MaxPool(nn.Module):
    """Max pooling over squares that do not overlap; incomplete squares at the border are dropped."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, channels, height, width) -> (n, channels, height // size, width // size)."""
        if inputs.requires_grad or self.size != 2 or inputs.is_cuda:
            return functional.max_pool2d(inputs, self.size)
        height, width = (side // 2 * 2 for side in inputs.shape[2:])  # on a CPU twice as fast as max_pool2d
        rows = torch.maximum(inputs[:, :, 0:height:2], inputs[:, :, 1:height:2])
        return torch.maximum(rows[..., 0:width:2], rows[..., 1:width:2])


class Triangle(nn.Module):
    """Activation max(0, u_i - mean(u))^power, with the mean over the neurons of a position (Coates et al. 2011)."""

    def __init__(self, power: float) -> None:
        super().__init__()
        self.power = power

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, n_neurons, *positions) -> the same."""
        above = (inputs - inputs.mean(1, keepdim=True)).relu()
        return above if self.power == 1 else above.clamp_min(SMALLEST) ** self.power


def build(
    layers: Sequence[Layer],
    shape: tuple[int, int, int],
    rule: Rule | Sequence[Rule] | None,
    momentum: float = 0.1,
) -> nn.Sequential:
    """The network of a layer list, without classifier.

    Weights are drawn from U(+-1/sqrt(fan-in)), torch's default, by torch's global generator. Hebbian layers have no
    biases.

    Parameters
    ----------
    layers
        The ``layers:`` of a protocol.
    shape
        Channels, rows and columns of an image.
    rule
        The rule of the layers with neurons, or that of each; None for relu(w.x + bias), to be trained by backprop.
    momentum
        Momentum of batch normalisation, in torch's convention.

    Returns
    -------
    nn.Sequential
        Images (n, *shape) -> features (n, n_features); a final map is flattened.
    """
    network = nn.Sequential()
    before, flat = shape, False
    rules = iter(rule) if isinstance(rule, Sequence) else itertools.repeat(rule)
    for layer, after in zip(layers, map_sizes(tuple(layers), *shape), strict=True):
        if isinstance(layer, Dense) and not flat:
            network.append(nn.Flatten())
            before, flat = (before[0] * before[1] * before[2], 1, 1), True
        if isinstance(layer, Convolution | Dense):
            network.extend(_with_neurons(layer, before[0], next(rules)))
        else:
            network.append(_without(layer, before[0], momentum, flat=flat))
        before = after
    if not flat:
        network.append(nn.Flatten())
    return network


def _with_neurons(layer: Convolution | Dense, channels: int, rule: Rule | None) -> list[nn.Module]:
    """A layer for inputs with this number of channels, and its activation."""
    made: nn.Module
    match layer:
        case Convolution(conv=neurons, kernel=kernel, stride=stride, padding=padding, border=border):
            made = nn.Conv2d(channels, neurons, kernel, stride, padding, bias=rule is None, padding_mode=border)
        case Dense(dense=neurons):
            made = nn.Linear(channels, neurons, bias=rule is None)
    if rule is None:
        return [nn.Sequential(made, nn.ReLU() if layer.triangle is None else Triangle(layer.triangle))]
    if layer.triangle is None:
        return [Hebbian(made, rule)]
    return [Hebbian(made, rule, activated=False), Triangle(layer.triangle)]


def _without(layer: Pooling | Normalisation, channels: int, momentum: float, *, flat: bool) -> nn.Module:
    """A layer without neurons, for inputs with this number of channels."""
    match layer:
        case Pooling(pool=size, stride=stride, padding=padding, take="mean"):
            return nn.AvgPool2d(size, stride, padding)
        case Pooling(pool=size, stride=None, padding=0):
            return MaxPool(size)
        case Pooling(pool=size, stride=stride, padding=padding):
            return nn.MaxPool2d(size, stride, padding)
        case Normalisation(norm=kind, affine=affine):
            norm = (BatchNorm1d if flat else BatchNorm2d)(channels, momentum=momentum, affine=affine)
            return RelativeBatchNorm(norm) if kind == "relative" else norm


def n_features(layers: Sequence[Layer], shape: tuple[int, int, int]) -> int:
    """Number of features per image of the network that `build` gives."""
    channels, height, width = map_sizes(tuple(layers), *shape)[-1]
    return channels * height * width
