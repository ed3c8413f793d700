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
