"""Two 3 x 3 convolutions, of which residual networks and U-Nets are made, in two or three dimensions."""

from collections.abc import Callable
from typing import NamedTuple, cast

from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.networks.normalisation import BatchNorm2d, BatchNorm3d


class Layers(NamedTuple):
    """What maps of one number of dimensions are made with."""

    convolution: type[nn.Conv2d] | type[nn.Conv3d]
    transposed: type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]
    norm: type[BatchNorm2d] | type[BatchNorm3d]
    max_pool: Callable[[Tensor, int], Tensor]
    mean_over_grid: Callable[[Tensor, int], Tensor]


#: by the number of dimensions: 2 for images, 3 for volumes
LAYERS = {
    2: Layers(*(nn.Conv2d, nn.ConvTranspose2d, BatchNorm2d), functional.max_pool2d, functional.adaptive_avg_pool2d),
    3: Layers(*(nn.Conv3d, nn.ConvTranspose3d, BatchNorm3d), functional.max_pool3d, functional.adaptive_avg_pool3d),
}


class TwoConvolutions(nn.Module):
    """Two 3 x 3 (x 3) convolutions with batch normalisation, and a ReLU between them; none at the end.

    Parameters
    ----------
    before, after
        Channels of input and output.
    stride
        Of the first convolution.
    momentum
        Of batch normalisation, in torch's convention.
    dimensions
        Of the maps, 2 or 3.
    """

    def __init__(self, before: int, after: int, stride: int, momentum: float, dimensions: int = 2) -> None:
        super().__init__()
        layers = LAYERS[dimensions]
        self.conv1 = layers.convolution(before, after, 3, stride, 1, bias=False)
        self.norm1 = layers.norm(after, momentum=momentum)
        self.conv2 = layers.convolution(after, after, 3, 1, 1, bias=False)
        self.norm2 = layers.norm(after, momentum=momentum)

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, before, height, width) -> (n, after, height / stride, width / stride); of volumes likewise."""
        return cast(Tensor, self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(inputs))))))
