"""U-Net (Ronneberger, Fischer and Brox 2015): encoder and decoder, with connections between maps of equal size."""

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
    """

    def __init__(self, spec: UNet, channels: int, momentum: float) -> None:
        super().__init__()
        widths = [spec.width * 2**level for level in range(spec.depth + 1)]
        sizes = zip([channels, *widths], widths, strict=False)
        self.down = nn.ModuleList(Level(before, after, momentum) for before, after in sizes)
        pairs = list(zip(widths[1:], widths, strict=False))[::-1]  # from the deepest level up
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, 2) for below, above in pairs)
        self.up = nn.ModuleList(Level(2 * above, above, momentum) for _, above in pairs)

    def maps(self, images: Tensor) -> Tensor:
        """The decoder's last maps: (n, channels, height, width) -> (n, width, height, width)."""
        passed: list[Tensor] = []
        signal = images
        for depth, level in enumerate(self.down):
            signal = level(functional.max_pool2d(signal, 2) if depth else signal)
            passed.append(signal)
        passed.pop()
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            signal = level(torch.cat([enlarge(signal), passed.pop()], 1))
        return signal

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, channels, height, width) -> features (n, 16 * width)."""
        return functional.adaptive_avg_pool2d(self.maps(images), GRID).flatten(1)
