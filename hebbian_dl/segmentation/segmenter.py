"""A U-Net for pixels: encoder and decoder, and a 1 x 1 convolution that gives the scores of the classes."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hebbian_dl.images.in_memory import channels_last
from hebbian_dl.networks.architectures.unet import EncoderDecoder
from hebbian_dl.segmentation.patches import Size, blended
from hebbian_dl.training.evaluation import batch_for
from protocols.spec.nets.masks import MaskData
from protocols.spec.nets.segmentation import Segmentation


class Segmenter(nn.Module):
    """The U-Net and its last layer, whose weights torch's global generator draws.

    Parameters
    ----------
    network
        Encoder and decoder, pre-trained or not.
    n_outputs
        Classes of pixels; in pre-training, channels of the image to be restored.
    """

    def __init__(self, network: EncoderDecoder, n_outputs: int) -> None:
        super().__init__()
        self.network = network
        self.head = network.layers.convolution(network.width, n_outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, channels, ...) -> scores (n, n_outputs, ...), pixel by pixel."""
        return cast(Tensor, self.head(self.network.maps(channels_last(images))))


def network_of(spec: Segmentation, data: MaskData) -> EncoderDecoder:
    """The U-Net of a protocol, of two or three dimensions; torch's global generator draws its weights."""
    return EncoderDecoder(spec.network, data.channels, spec.batch_norm_momentum, data.dimensions)


def forward_flop(spec: Segmentation, data: MaskData) -> float:
    """Multiplications and additions of the convolutions in the forward pass of one image, or of one patch."""
    with torch.random.fork_rng(devices=[]):
        model = Segmenter(network_of(spec, data), data.n_classes).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, *spec.input_shape(data)))
    return float(counter.get_total_flops())


@torch.no_grad()
def probabilities(model: Segmenter, images: Tensor, patch: Size | None = None) -> Tensor:
    """Probability of each class at each pixel, without learning; shape (n, n_classes, ...).

    `patch`: size of tiles, whose predictions are blended; None for the whole image at once.
    """
    model.eval()
    if patch is not None:
        return blended(lambda tiles: model(tiles).softmax(1), images, patch)
    return torch.cat([model(part).softmax(1) for part in images.split(batch_for(images.shape[1:]))])


def decided(shares: Tensor, threshold: float | None) -> Tensor:
    """Class of each pixel, shape (n, ...).

    Parameters
    ----------
    shares
        Probabilities of the classes, shape (n, n_classes, rows, columns).
    threshold
        Of two classes, the smallest probability of class 1 at which a pixel belongs to it; None for the most probable
        class.
    """
    return shares.argmax(1) if threshold is None else (shares[:, 1] >= threshold).long()
