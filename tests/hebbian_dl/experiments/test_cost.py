"""Arithmetic of trainings, counted by hand."""

import pytest

from hebbian_dl.experiments import cost
from protocols.loading.loader import load

CHANGES = (
    *("network.regimes=[0.1, 0.5]", "network.finetuning.epochs=5", "network.finetuning.validation=40"),
    *("network.methods.HPCA.epochs=2", "network.methods.VAE.epochs=3"),
)


@pytest.mark.parametrize(
    ("name", "alone"), [("none", 0), ("HPCA", 2 * (2 * 1000 + 100)), ("VAE", 3 * (6 * 1000 + 100))]
)
def test_shares_are_forward_passes(name: str, alone: int) -> None:
    network = load("fasthebb_cifar10", CHANGES).network
    few, many = 5 * (3 * 100 + 40), 5 * (3 * 500 + 40)
    total = alone + few + many
    assert cost.shares(network, name, 1000, 100) == pytest.approx([alone / total, few / total, many / total])


def test_a_readout_is_no_arithmetic_of_the_network() -> None:
    network = load("softhebb_cifar10_quarter", ["network.regimes=[0.1, 1.0]"]).network
    assert cost.shares(network, "SoftHebb", 1000, 100) == pytest.approx([1 / 3] * 3)
    assert cost.shares(network, "none", 1000, 100) == pytest.approx([0, 1 / 2, 1 / 2])


def test_consistency_needs_images_without_labels() -> None:
    network = load("digits_consistency", ["network.finetuning.epochs=1", "network.finetuning.validation=40"]).network
    ratio = network.finetuning.consistency.ratio
    assert cost.of_finetuning(network, 1.0, 1000, 100) == 3 * 1000 + 40
    assert cost.of_finetuning(network, 0.1, 1000, 100) == (3 + ratio * 4) * 100 + 40
