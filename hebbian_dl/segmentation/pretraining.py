"""Pre-training of a U-Net without masks: by Hebbian rules, by denoising, as a VAE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.layers.hebbian import LEARNABLE, hebbian_layers
from hebbian_dl.layers.hebbianize import hebbianize
from hebbian_dl.networks.architectures.unet import EncoderDecoder
from hebbian_dl.networks.saved import redraw
from hebbian_dl.networks.vae import divergence
from hebbian_dl.segmentation.segmenter import Segmenter, network_of
from hebbian_dl.training.descent import Descent
from hebbian_dl.training.evaluation import outputs
from hebbian_dl.training.generators import seed_torch
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.loop import Record, Training
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.masks import MaskData
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.nets.segmentation import DenoisingPretraining, MapVaePretraining, MaskMethod, Segmentation
from protocols.spec.random_streams import stream
from protocols.spec.rules import Rule


def drawn(spec: Segmentation, data: MaskData, method: MaskMethod, seed: int) -> EncoderDecoder:
    """The network with its initial weights: the same ones for all methods, unless a method asks for others."""
    seed_torch(np.random.default_rng(stream("network", seed)))
    network = network_of(spec, data)
    redraw(network, method)
    return network


def pretraining(name: str, network: EncoderDecoder, spec: Segmentation, images: Splits[Examples]) -> Training:
    """The training of a network by the method of this name; its layers keep their names in `state_dict`.

    Raises
    ------
    ProtocolFault
        If the plan of a Hebbian method names a layer that is not there.
    """
    method = spec.methods[name]
    match method:
        case HebbianPretraining():
            return hebbian_training(name, hebbian(name, network, method), method, images, None)
        case DenoisingPretraining():
            return denoising_training(name, network, method, images)
        case MapVaePretraining():
            return vae_training(name, network, method, images)
    raise TypeError(type(method))


def hebbian(name: str, network: EncoderDecoder, method: HebbianPretraining) -> nn.Sequential:
    """The network with all its convolutions and transposed convolutions Hebbian, or those that the plan names."""
    try:
        rule = cast(Rule, method.rule)  # a list of rules is of `network.layers`
        learner = hebbianize(network, method.plan | {"*": method.plan.get("*", rule)})
    except ValueError as error:
        raise ProtocolFault([f"segmentation.methods.{name}: {error}"]) from None
    return nn.Sequential(learner, nn.Flatten())


@torch.no_grad()
def rescale(network: nn.Module, norms: Mapping[str, float]) -> None:
    """Scale the weights of each neuron of a layer to the norm of that name."""
    for name, layer in hebbian_layers(network):
        inverse = layer.geometry.inverse_norms(layer.weight)
        layer.weight.mul_(norms[name] * layer.geometry.spread(inverse, layer.weight))


def mean_norms(network: nn.Module) -> dict[str, float]:
    """Mean norm of the weights of a neuron, by layer."""
    return {
        name: Geometry.of(layer).norms(layer.weight).mean().item()
        for name, layer in network.named_modules()
        if isinstance(layer, LEARNABLE)
    }


def check(spec: Segmentation, data: MaskData) -> None:
    """Refuse Hebbian methods whose plan names a layer that is not there.

    Raises
    ------
    ProtocolFault
        With one line.
    """
    with torch.random.fork_rng(devices=[]):
        for name, method in spec.methods.items():
            if isinstance(method, HebbianPretraining):
                hebbian(name, network_of(spec, data), method)


def denoising_training(
    name: str, network: EncoderDecoder, spec: DenoisingPretraining, images: Splits[Examples]
) -> Training:
    """Restoration of noisy images; the noise on validation images is the same in every epoch."""
    channels = images.training.shape[0]
    model = Segmenter(network, channels).to(images.training.images.device)
    descent = Descent(model, spec)
    generator = torch.Generator().manual_seed(0)
    still = torch.randn(images.validation.images.shape, generator=generator).to(images.validation.images.device)
    noisy = Examples(images.validation.images + spec.noise * still, images.validation.labels)

    def loss_of(batch: Examples) -> Tensor:
        noise = spec.noise * torch.randn_like(batch.images)
        return (model(batch.images + noise) - batch.images).square().mean()

    def step(batch: Examples) -> Tensor:
        return descent.step(batch, loss_of)

    def score() -> Record:
        model.eval()
        restored = outputs(model, noisy)[0]
        return {"negative_loss": -(restored - images.validation.images).square().mean().item()}

    return Training(
        *(name, model, images.training, spec.batch, spec.epochs, step, score),
        *("negative_loss", descent.optimizer, descent.begin_epoch),
    )


@dataclass(frozen=True)
class Reconstruction:
    """Images as a VAE reconstructs them, and mean and log-variance of their latents, both flattened."""

    images: Tensor
    mean: Tensor
    log_variance: Tensor


class MapVae(nn.Module):
    """The U-Net as a VAE: latent maps in place of the deepest ones, zeros in place of the others.

    Parameters
    ----------
    network
        Encoder and decoder.
    channels, latents
        Channels of an image, and number of latent maps.
    """

    def __init__(self, network: EncoderDecoder, channels: int, latents: int) -> None:
        super().__init__()
        self.network = network
        deepest = network.width * 2 ** len(network.up)
        convolution = network.layers.convolution
        self.mean, self.log_variance = convolution(deepest, latents, 1), convolution(deepest, latents, 1)
        self.expand = convolution(latents, deepest, 1)
        self.head = convolution(network.width, channels, 1)

    def forward(self, images: Tensor) -> Reconstruction:
        """Reconstruction from one sample of the latents in training mode, from their means else."""
        *above, deepest = self.network.encode(images)
        mean, log_variance = self.mean(deepest), self.log_variance(deepest)
        latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        maps = self.network.decode([*map(torch.zeros_like, above), self.expand(latents)])
        return Reconstruction(self.head(maps), mean.flatten(1), log_variance.flatten(1))

    def loss(self, images: Tensor, beta: float) -> Tensor:
        """Squared error plus beta times the divergence of each image, shape (n, 1)."""
        found = self(images)
        error = (found.images - images).square().flatten(1).sum(1)
        return (error + beta * divergence(found.mean, found.log_variance))[:, None]


def vae_training(name: str, network: EncoderDecoder, spec: MapVaePretraining, images: Splits[Examples]) -> Training:
    """The training as a VAE."""
    model = MapVae(network, images.training.shape[0], spec.latents).to(images.training.images.device)
    descent = Descent(model, spec)

    def step(batch: Examples) -> Tensor:
        return descent.step(batch, lambda part: model.loss(part.images, spec.beta).mean())

    def score() -> Record:
        model.eval()
        found = outputs(lambda part: model.loss(part, spec.beta), images.validation)[0]
        return {"negative_loss": -found.mean().item()}

    return Training(
        *(name, model, images.training, spec.batch, spec.epochs, step, score),
        *("negative_loss", descent.optimizer, descent.begin_epoch),
    )
