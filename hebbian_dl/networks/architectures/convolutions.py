"""Two 3 x 3 convolutions, of which residual networks and U-Nets are made."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.networks.normalisation import BatchNorm2d


class TwoConvolutions(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation, and a ReLU between them; none at the end.

    Parameters
    ----------
    before, after
        Channels of input and output.
    stride
        Of the first convolution.
    momentum
        Of batch normalisation, in torch's convention.
    """

    def __init__(self, before: int, after: int, stride: int, momentum: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = BatchNorm2d(after, momentum=momentum)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = BatchNorm2d(after, momentum=momentum)

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, before, height, width) -> (n, after, height / stride, width / stride)."""
        return cast(Tensor, self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(inputs))))))
