"""Forward-Forward learning (Hinton 2022) without labels: each layer tells images from hybrids of two images.

Each layer lowers a loss of its own, from the squared activities that it has for positive data (images) and for negative
data (hybrids). Its inputs are normalised to mean square 1, so that the length of the activity vector below, which tells
the layer below all it needs, is of no use to the layer above. No gradient passes from one layer to another.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples, Images, Splits, channels_last
from hebbian_dl.training.descent import Descent
from hebbian_dl.training.evaluation import outputs
from hebbian_dl.training.loop import Record, Training
from protocols.spec.nets.pretraining import ForwardForward

SMALLEST = 1e-8  # mean square, added before the division


class LengthNormalisation(nn.Module):
    """Divides the activities of each image by the root of their mean square."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, ...) -> the same."""
        return inputs * (mean_square(inputs) + SMALLEST).rsqrt().reshape(-1, *(1,) * (inputs.dim() - 1))


class LocalNetwork(nn.Module):
    """Layers that each learn by themselves, with normalised inputs.

    Parameters
    ----------
    network
        As `hebbian_dl.networks.build.build` gives it for backprop (with biases and ReLU).
    later
        Whether the features are the normalised activities of all layers but the first, as Hinton's, or of the last.

    Attributes
    ----------
    layers, between : nn.ModuleList
        Each layer with its ReLU; pooling, batch normalisation and the like that follow it.
    """

    def __init__(self, network: nn.Sequential, *, later: bool) -> None:
        super().__init__()
        self.later = later
        layers, between = list[nn.Module](), [nn.Sequential()]
        for module in network:
            if isinstance(module, nn.Sequential):
                between[-1].append(LengthNormalisation())
                layers.append(module)
                between.append(nn.Sequential())
            else:
                between[-1].append(module)
        between[-1].append(LengthNormalisation())
        self.layers = nn.ModuleList(layers)
        self.between = nn.ModuleList(between)

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, channels, rows, columns) -> features (n, n_features)."""
        signal, found = self.between[0](images), []
        for layer, after in zip(self.layers, self.between[1:], strict=True):
            signal = after(layer(signal))
            found.append(signal.flatten(1))
        return torch.cat(found[1:], 1) if self.later else found[-1]

    def activities(self, images: Tensor) -> list[Tensor]:
        """Activities of each layer, shape (n, n_neurons, *positions), each a function of its own weights alone."""
        with torch.no_grad():
            signal, found = self.between[0](images), []
        for layer, after in zip(self.layers, self.between[1:], strict=True):
            found.append(layer(signal))
            with torch.no_grad():
                signal = after(found[-1])
        return found


def mean_square(activities: Tensor) -> Tensor:
    """Mean of the squared activities of each image, shape (n,)."""
    return activities.flatten(1).square().mean(1)


def evidence(activities: Tensor, spec: ForwardForward) -> Tensor:
    """Goodness minus its threshold: the logit of the probability that an image is positive, shape (n,)."""
    above = mean_square(activities) - spec.threshold
    return above * activities.shape[1:].numel() if spec.goodness == "sum" else above


def losses(network: LocalNetwork, images: Tensor, negative: Tensor, spec: ForwardForward) -> list[Tensor]:
    """Logistic loss of each layer, averaged over images and hybrids; it depends on the weights of this layer alone."""
    found, n = [], len(images)
    for activities in network.activities(torch.cat([images, negative])):
        logits = evidence(activities, spec)
        found.append(functional.softplus(torch.cat([-logits[:n], logits[n:]])).mean())
    return found


@dataclass(frozen=True)
class Hybrids:
    """Negative data: each image inside a random mask, the next image of the batch outside it (Hinton, section 3.2).

    Parameters
    ----------
    rows, columns
        Matrices that blur along rows and columns.
    """

    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, shape: tuple[int, ...], blurs: int, like: Tensor) -> "Hybrids":
        """For images of this shape (channels, rows, columns), on the device and in the precision of a tensor."""
        rows, columns = (torch.from_numpy(blurring(side, blurs)).to(like) for side in shape[1:])
        return cls(rows, columns)

    def __call__(self, images: Tensor, bits: Tensor) -> Tensor:
        """Hybrids of images of which this process has its share of a batch; as many.

        Parameters
        ----------
        images
            Shape (n, channels, height, width).
        bits
            0 or 1 with equal probability, shape (n, 1, height, width); the mask is where they exceed 1/2 once blurred.
        """
        others = processes.own(processes.gathered(images).roll(-1, 0))
        return torch.where(self.rows @ bits @ self.columns > 0.5, images, others)


def blurring(side: int, times: int) -> np.ndarray:
    """Matrix that blurs `times` times with the filter [1/4, 1/2, 1/4]; beyond the ends the last values go on."""
    places = np.arange(side)
    once = sum(np.eye(side)[np.clip(places + step, 0, side - 1)] for step in (-1, 0, 0, 1)) / 4
    return np.linalg.matrix_power(once, times)


def forward_forward_training(
    name: str, network: LocalNetwork, spec: ForwardForward, splits: Splits[Images]
) -> Training:
    """The training of all layers at once, each by its own loss; the last epoch is kept."""
    descent = Descent(network, spec)
    hybrids = Hybrids.of(splits.training.shape, spec.blurs, next(network.parameters()))

    def loss_of(batch: Examples) -> Tensor:
        images = channels_last(batch.images)
        bits = processes.drawn(lambda n: _bits(n, images), len(images))
        return torch.stack(losses(network, images, hybrids(images, bits), spec)).sum()

    def step(batch: Examples) -> Tensor:
        return descent.step(batch, loss_of)

    def score() -> Record:
        network.eval()
        generator = torch.Generator().manual_seed(0)  # the same masks after every epoch

        def measured(images: Tensor) -> Tensor:
            bits = processes.drawn(lambda n: _bits(n, images, generator), len(images))
            negative = hybrids(images, bits)
            both = [evidence(part, spec) for part in network.activities(torch.cat([images, negative]))]
            good, bad = torch.stack(both, 1).chunk(2)
            return torch.cat([functional.softplus(-good) + functional.softplus(bad), (good > bad).to(good)], 1)

        found = outputs(measured, splits.validation)[0].double().mean(0)
        of_loss, of_pairs = found.chunk(2)
        pairs = {f"pairs_told_apart_{layer}": share.item() for layer, share in enumerate(of_pairs)}
        return {"negative_loss": -of_loss.sum().item() / 2} | pairs

    return Training(
        *(name, network, splits.training, spec.batch, spec.epochs, step, score),
        *(None, descent.optimizer, descent.begin_epoch),
    )


def _bits(n: int, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Random bits for the masks of n images; drawn on the device of the images, or by a generator of the processor."""
    device = images.device if generator is None else "cpu"
    drawn = torch.rand(n, 1, *images.shape[2:], dtype=images.dtype, device=device, generator=generator)
    return (drawn > 0.5).to(images)
