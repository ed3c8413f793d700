"""U-Net (Ronneberger, Fischer and Brox 2015): encoder and decoder, with connections between maps of equal size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.networks.architectures.convolutions import TwoConvolutions
from protocols.spec.nets.architecture import UNet

GRID = 4  # rows and columns over which the last maps are averaged


class Level(TwoConvolutions):
    """Two convolutions, each followed by a ReLU."""

    def __init__(self, before: int, after: int, momentum: float) -> None:
        super().__init__(before, after, 1, momentum)

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, before, height, width) -> (n, after, height, width)."""
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

    Attributes
    ----------
    width : int
        Channels of the decoder's last maps.
    """

    def __init__(self, spec: UNet, channels: int, momentum: float) -> None:
        super().__init__()
        self.width = spec.width
        widths = [spec.width * 2**level for level in range(spec.depth + 1)]
        sizes = zip([channels, *widths], widths, strict=False)
        self.down = nn.ModuleList(Level(before, after, momentum) for before, after in sizes)
        pairs = list(zip(widths[1:], widths, strict=False))[::-1]  # from the deepest level up
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, 2) for below, above in pairs)
        self.up = nn.ModuleList(Level(2 * above, above, momentum) for _, above in pairs)

    def encode(self, images: Tensor) -> list[Tensor]:
        """The maps of every level, from the first (n, width, height, width) to the deepest."""
        passed: list[Tensor] = []
        signal = images
        for depth, level in enumerate(self.down):
            signal = level(functional.max_pool2d(signal, 2) if depth else signal)
            passed.append(signal)
        return passed

    def decode(self, passed: Sequence[Tensor]) -> Tensor:
        """The decoder's last maps, (n, width, height, width), from the maps of every level."""
        *above, signal = passed
        for enlarge, level, beside in zip(self.enlarge, self.up, reversed(above), strict=True):
            signal = level(torch.cat([enlarge(signal), beside], 1))
        return signal

    def maps(self, images: Tensor) -> Tensor:
        """The decoder's last maps: (n, channels, height, width) -> (n, width, height, width)."""
        return self.decode(self.encode(images))

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, channels, height, width) -> features (n, 16 * width)."""
        return functional.adaptive_avg_pool2d(self.maps(images), GRID).flatten(1)
