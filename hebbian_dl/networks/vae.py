"""The beta-VAE baseline: the network as encoder, its mirror image as decoder, by backprop (Kingma and Welling 2013)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples, Images, Splits, channels_last
from hebbian_dl.networks.build import MaxPool, n_features
from hebbian_dl.networks.normalisation import BatchNorm1d, BatchNorm2d
from hebbian_dl.training.descent import Descent
from hebbian_dl.training.evaluation import outputs
from hebbian_dl.training.loop import Record, Training
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation, Pooling, map_sizes
from protocols.spec.nets.pretraining import VaePretraining


class BetaVae(nn.Module):
    """Encoder, Gaussian latent variables, decoder.

    The decoder mirrors the encoder: transposed convolutions, unpooling to the positions of the encoder's maxima, ReLU
    and plain batch normalisation; its last layer is linear.

    Parameters
    ----------
    encoder
        As `hebbian_dl.networks.build.build` gives it for backprop (with biases).
    layers, shape
        The layer list it was built from, and channels, rows and columns of an image.
    latents
        Number of latent variables.
    """

    def __init__(
        self, encoder: nn.Sequential, layers: Sequence[Layer], shape: tuple[int, int, int], latents: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        width = n_features(layers, shape)
        self.mean, self.log_variance = nn.Linear(width, latents), nn.Linear(width, latents)
        self.expand = nn.Sequential(nn.Linear(latents, width), nn.ReLU())
        self.decoder = _decoder(tuple(layers), shape)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor, list[tuple[Tensor, torch.Size]]]:
        """Mean and log-variance of the latents, and the positions of the maxima of each pooling."""
        signal, places = images, []
        for module in self.encoder:
            if isinstance(module, MaxPool):
                before = signal.shape
                signal, index = functional.max_pool2d(signal, module.size, return_indices=True)
                places.append((index, before))
            else:
                signal = module(signal)
        return self.mean(signal), self.log_variance(signal), places

    def decode(self, latents: Tensor, places: list[tuple[Tensor, torch.Size]]) -> Tensor:
        """Images from latents, and from the positions of maxima that `encode` gives."""
        signal, places = self.expand(latents), list(places)
        for module in self.decoder:
            if isinstance(module, MaxPool):
                index, before = places.pop()
                signal = functional.max_unpool2d(signal, index, (module.size, module.size), output_size=before[2:])
            else:
                signal = module(signal)
        return signal

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction from one sample of the latents, and their mean and log-variance."""
        mean, log_variance, places = self.encode(images)
        normal = processes.drawn(lambda n: mean.new_empty(n, mean.shape[1]).normal_(), len(mean))
        return self.decode(mean + normal * (0.5 * log_variance).exp(), places), mean, log_variance


def _decoder(layers: tuple[Layer, ...], shape: tuple[int, int, int]) -> nn.Sequential:
    """The layers of the encoder, mirrored: from features to images."""
    shapes = [shape, *map_sizes(layers, *shape)]
    decoder = nn.Sequential()
    if not _flat(layers, len(layers)):
        decoder.append(nn.Unflatten(1, shapes[-1]))
    for index in reversed(range(len(layers))):
        before, after = shapes[index], shapes[index + 1]
        learned: nn.Module | None = None
        match layers[index]:
            case Pooling(pool=size):
                decoder.append(MaxPool(size))
            case Normalisation():
                norm = BatchNorm1d if after[1:] == (1, 1) and _flat(layers, index) else BatchNorm2d
                decoder.append(norm(after[0]))
            case Convolution(kernel=kernel, stride=stride, padding=padding):
                left = tuple((side + 2 * padding - kernel) % stride for side in before[1:])
                learned = nn.ConvTranspose2d(after[0], before[0], kernel, stride, padding, cast(tuple[int, int], left))
            case Dense(dense=neurons):
                n_inputs = before[0] * before[1] * before[2]
                learned = nn.Linear(neurons, n_inputs)
        if learned is not None:
            decoder.append(learned)
            if index:
                decoder.append(nn.ReLU())
            if isinstance(layers[index], Dense) and not _flat(layers, index):
                decoder.append(nn.Unflatten(1, before))
    return decoder


def _flat(layers: tuple[Layer, ...], index: int) -> bool:
    """Whether a dense layer precedes the layer of this index."""
    return any(isinstance(layer, Dense) for layer in layers[:index])


def loss(reconstruction: Tensor, images: Tensor, mean: Tensor, log_variance: Tensor, spec: VaePretraining) -> Tensor:
    """Squared error + beta * Kullback-Leibler divergence from the standard normal distribution.

    Both are averaged over images. The divergence is summed over latents, in nats; the squared error is summed over
    an image's pixels or, as in the authors' code, averaged over them.
    """
    error = (reconstruction - images).square().flatten(1)
    error = error.sum(1) if spec.reconstruction == "sum" else error.mean(1)
    return (error + spec.beta * divergence(mean, log_variance)).mean()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each image's latents from the standard normal distribution, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def vae_training(name: str, vae: BetaVae, spec: VaePretraining, splits: Splits[Images]) -> Training:
    """The training of the VAE; the epoch with the lowest loss on validation images is kept."""
    descent = Descent(vae, spec)

    def loss_of(batch: Examples) -> Tensor:
        images = channels_last(batch.images)
        reconstruction, mean, log_variance = vae(images)
        return loss(reconstruction, images, mean, log_variance, spec)

    def step(batch: Examples) -> Tensor:
        return descent.step(batch, loss_of)

    def score() -> Record:
        vae.eval()

        def measured(images: Tensor) -> Tensor:
            reconstruction, mean, log_variance = vae(images)
            total = loss(reconstruction, images, mean, log_variance, spec)
            return torch.stack([total, divergence(mean, log_variance).mean()])[None].expand(len(images), -1)

        found = outputs(measured, splits.validation)[0].mean(0)
        return {"negative_loss": -found[0].item(), "divergence_nats": found[1].item()}

    return Training(
        *(name, vae, splits.training, spec.batch, spec.epochs, step, score),
        *("negative_loss", descent.optimizer, descent.begin_epoch),
    )
