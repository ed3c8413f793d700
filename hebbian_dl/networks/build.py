"""Torch networks from the layer list of a protocol."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.layers.hebbian import Hebbian
from hebbian_dl.networks.normalisation import BatchNorm1d, BatchNorm2d, RelativeBatchNorm
from protocols.spec.network import Convolution, Dense, Layer, Normalisation, Pooling, map_sizes
from protocols.spec.rules import Rule


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


def build(
    layers: Sequence[Layer], shape: tuple[int, int, int], rule: Rule | None, momentum: float = 0.1
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
        The rule of the layers with neurons; None for relu(w.x + bias), to be trained by backprop.
    momentum
        Momentum of batch normalisation, in torch's convention.

    Returns
    -------
    nn.Sequential
        Images (n, *shape) -> features (n, n_features); a final map is flattened.
    """
    network = nn.Sequential()
    before, flat = shape, False
    for layer, after in zip(layers, map_sizes(tuple(layers), *shape), strict=True):
        if isinstance(layer, Dense) and not flat:
            network.append(nn.Flatten())
            before, flat = (before[0] * before[1] * before[2], 1, 1), True
        network.append(_module(layer, before[0], rule, momentum, flat=flat))
        before = after
    if not flat:
        network.append(nn.Flatten())
    return network


def _module(layer: Layer, channels: int, rule: Rule | None, momentum: float, *, flat: bool) -> nn.Module:
    """One layer, for inputs with this number of channels."""
    match layer:
        case Convolution(conv=neurons, kernel=kernel, stride=stride, padding=padding):
            return _learning(nn.Conv2d(channels, neurons, kernel, stride, padding, bias=rule is None), rule)
        case Dense(dense=neurons):
            return _learning(nn.Linear(channels, neurons, bias=rule is None), rule)
        case Pooling(pool=size):
            return MaxPool(size)
        case Normalisation(norm=kind):
            norm = (BatchNorm1d if flat else BatchNorm2d)(channels, momentum=momentum)
            return RelativeBatchNorm(norm) if kind == "relative" else norm
    raise TypeError(type(layer))


def _learning(layer: nn.Module, rule: Rule | None) -> nn.Module:
    return nn.Sequential(layer, nn.ReLU()) if rule is None else Hebbian(layer, rule)


def n_features(layers: Sequence[Layer], shape: tuple[int, int, int]) -> int:
    """Number of features per image of the network that `build` gives."""
    channels, height, width = map_sizes(tuple(layers), *shape)[-1]
    return channels * height * width
