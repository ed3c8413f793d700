"""U-Net (Ronneberger, Fischer and Brox 2015): encoder and decoder, with connections between maps of equal size.

Of images, and of volumes (Cicek et al. 2016).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.networks.architectures.convolutions import LAYERS, TwoConvolutions
from protocols.spec.nets.architecture import UNet

GRID = 4  # cells along each axis over which the last maps are averaged


class Level(TwoConvolutions):
    """Two convolutions, each followed by a ReLU."""

    def __init__(self, before: int, after: int, momentum: float, dimensions: int) -> None:
        super().__init__(before, after, 1, momentum, dimensions)

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, before, ...) -> (n, after, ...)."""
        return functional.relu(super().forward(inputs))


class EncoderDecoder(nn.Module):
    """Levels down with pooling, levels up with transposed convolutions.

    Parameters
    ----------
    spec
        Its sizes.
    channels
        Of an image.
    momentum
        Of batch normalisation, in torch's convention.
    dimensions
        2 for images of shape (n, channels, height, width), 3 for volumes (n, channels, depth, height, width).

    Attributes
    ----------
    width : int
        Channels of the decoder's last maps.
    layers : Layers
        What it is made of.
    """

    def __init__(self, spec: UNet, channels: int, momentum: float, dimensions: int = 2) -> None:
        super().__init__()
        self.width, self.layers = spec.width, LAYERS[dimensions]
        widths = [spec.width * 2**level for level in range(spec.depth + 1)]
        sizes = zip([channels, *widths], widths, strict=False)
        self.down = nn.ModuleList(Level(before, after, momentum, dimensions) for before, after in sizes)
        pairs = list(zip(widths[1:], widths, strict=False))[::-1]  # from the deepest level up
        self.enlarge = nn.ModuleList(self.layers.transposed(below, above, 2, 2) for below, above in pairs)
        self.up = nn.ModuleList(Level(2 * above, above, momentum, dimensions) for _, above in pairs)

    def encode(self, images: Tensor) -> list[Tensor]:
        """The maps of every level, from the first, of the size of the images, to the deepest."""
        passed: list[Tensor] = []
        signal = images
        for depth, level in enumerate(self.down):
            signal = level(self.layers.max_pool(signal, 2) if depth else signal)
            passed.append(signal)
        return passed

    def decode(self, passed: Sequence[Tensor]) -> Tensor:
        """The decoder's last maps, of `width` channels, from the maps of every level."""
        *above, signal = passed
        for enlarge, level, beside in zip(self.enlarge, self.up, reversed(above), strict=True):
            signal = level(torch.cat([enlarge(signal), beside], 1))
        return signal

    def maps(self, images: Tensor) -> Tensor:
        """The decoder's last maps: (n, channels, ...) -> (n, width, ...)."""
        return self.decode(self.encode(images))

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, channels, ...) -> features, means over a grid: (n, 16 * width), of volumes (n, 64 * width)."""
        return self.layers.mean_over_grid(self.maps(images), GRID).flatten(1)
