"""ResNet-18 for images of about 32 x 32 pixels (He, Zhang, Ren and Sun 2016, in the form for CIFAR)."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.networks.architectures.convolutions import TwoConvolutions
from hebbian_dl.networks.normalisation import BatchNorm2d
from protocols.spec.nets.architecture import ResNet18

BLOCKS = 2  # in each stage


class Residual(TwoConvolutions):
    """Two convolutions around which the input is added, through one of 1 x 1 where its shape changes."""

    def __init__(self, before: int, after: int, stride: int, momentum: float) -> None:
        super().__init__(before, after, stride, momentum)
        self.around: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            around = nn.Conv2d(before, after, 1, stride, bias=False)
            self.around = nn.Sequential(around, BatchNorm2d(after, momentum=momentum))

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, before, height, width) -> (n, after, height / stride, width / stride)."""
        return functional.relu(super().forward(inputs) + self.around(inputs))


class ResNet(nn.Module):
    """Stem, four stages of two residual blocks, mean over positions.

    Parameters
    ----------
    spec
        Its sizes.
    channels
        Of an image.
    momentum
        Of batch normalisation, in torch's convention.
    """

    def __init__(self, spec: ResNet18, channels: int, momentum: float) -> None:
        super().__init__()
        widths = [spec.width * 2**stage for stage in range(4)]
        self.stem = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.norm = BatchNorm2d(widths[0], momentum=momentum)
        self.stages = nn.Sequential()
        for before, after, stride in zip([widths[0], *widths], widths, (1, 2, 2, 2), strict=False):
            stage = [Residual(before, after, stride, momentum)]
            stage += [Residual(after, after, 1, momentum) for _ in range(BLOCKS - 1)]
            self.stages.append(nn.Sequential(*stage))

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, channels, height, width) -> features (n, 8 * width)."""
        maps = self.stages(functional.relu(self.norm(self.stem(images))))
        return cast(Tensor, maps.mean((2, 3)))
