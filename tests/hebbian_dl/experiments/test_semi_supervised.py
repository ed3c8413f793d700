"""Start of a network without pre-training: initial weights, running statistics of the data."""

import torch

from hebbian_dl.experiments.semi_supervised import take_statistics
from hebbian_dl.images.in_memory import Examples
from hebbian_dl.networks.build import build
from protocols.spec.nets.layers import Convolution, Dense, Normalisation
from protocols.spec.rules import HebbianPCA

LAYERS = (Convolution(conv=4, kernel=3), Normalisation(norm="plain"), Dense(dense=6), Normalisation(norm="relative"))


def test_without_pretraining_only_the_running_statistics_are_taken() -> None:
    """Without this, few labels would leave the initial statistics in place, and pre-training would seem better."""
    torch.manual_seed(0)
    images = 3 * torch.randn(64 * 60, 1, 8, 8) + 1
    network = build(LAYERS, (1, 8, 8), HebbianPCA())
    weights = {name: parameter.clone() for name, parameter in network.named_parameters()}
    take_statistics(network, Examples(images, torch.zeros(len(images), dtype=torch.int64)))
    assert all(torch.equal(parameter, weights[name]) for name, parameter in network.named_parameters())
    (norm,) = (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    with torch.no_grad():
        seen = network.eval()[0](images)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, seen.mean((0, 2, 3)), rtol=0.1, atol=0.05)
    torch.testing.assert_close(norm.running_var, seen.var((0, 2, 3)), rtol=0.1, atol=0.05)
