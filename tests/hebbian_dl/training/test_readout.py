"""Linear readout: the same as training a classifier on top of a frozen network; features computed once."""

import numpy as np
import pytest
import torch
from torch import nn

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.layers.hebbian import hebbian_layers
from hebbian_dl.networks.build import build, n_features
from hebbian_dl.retrieval.codes import Frozen
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.readout import features_of, readout
from hebbian_dl.training.supervised import supervised_training
from protocols.spec.nets.descent import Finetuning
from protocols.spec.nets.layers import Convolution, Normalisation
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.rules import SoftHebb, SoftWTA

LAYERS = (Convolution(conv=6, kernel=3, triangle=0.7), Normalisation(norm="plain"), Convolution(conv=5, kernel=3))
SHAPE, N_CLASSES = (1, 8, 8), 3


def drawn(n: int, seed: int) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(N_CLASSES, (n,), generator=generator)
    return Examples(torch.randn(n, *SHAPE, generator=generator) + labels[:, None, None, None], labels)


def images() -> Splits[Examples]:
    return Splits(drawn(60, 0), drawn(20, 1), drawn(20, 2))


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return build(LAYERS, SHAPE, SoftWTA())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_readout_is_a_classifier_on_a_frozen_network(optimizer: str) -> None:
    spec = Finetuning(train="head", epochs=3, batch=8, learning_rate=0.01, dropout=0.0)
    spec = spec.model_copy(update={"optimizer": optimizer})
    splits, labelled = images(), torch.randperm(60)[:40]
    features = features_of(network(), splits, labelled, spec)
    width = n_features(LAYERS, SHAPE)
    torch.manual_seed(4)
    head = readout(width, N_CLASSES, 0.0)
    torch.manual_seed(4)
    linear = nn.Linear(width, N_CLASSES)
    whole = nn.Sequential(Frozen(network()), linear)
    for model, few, parts in ((head, features.training, features), (whole, splits.training.take(labelled), splits)):
        supervised_training("a", model, spec, few, parts).run(5, None, None, lambda fraction: None)
    torch.testing.assert_close(head[-1].weight, linear.weight)
    assert not torch.equal(linear.weight, nn.Linear(width, N_CLASSES).weight)


def test_features_are_those_of_the_network_which_stays_as_it_is() -> None:
    learned, splits = network(), images()
    before = {name: tensor.clone() for name, tensor in learned.state_dict().items()}
    labelled = torch.tensor([7, 3, 50])
    found = features_of(learned, splits, labelled, Finetuning(train="head"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in learned.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(found.training.images, learned.eval()(splits.training.images[labelled]))
        torch.testing.assert_close(found.test.images, learned(splits.test.images))
    assert torch.equal(found.training.labels, splits.training.labels[labelled])
    half = features_of(learned, splits, labelled, Finetuning(train="head", features="bfloat16"))
    torch.testing.assert_close(half.validation.images, found.validation.images.bfloat16())


def test_the_last_epoch_is_kept_where_nothing_is_to_be_chosen() -> None:
    spec = Finetuning(train="head", epochs=4, selection="last")
    splits = features_of(network(), images(), torch.arange(60), spec)
    training = supervised_training(
        "a", readout(n_features(LAYERS, SHAPE), N_CLASSES, 0.5), spec, splits.training, splits
    )
    training.run(0, None, None, lambda fraction: None)
    assert training.best_epoch == 3


def test_each_layer_learns_at_its_own_rate() -> None:
    """The change of the weights is linear in the rate: twice the rate of the second layer, twice its change."""

    def changes(rates: tuple[float, ...]) -> list[np.ndarray]:
        model = build(LAYERS, SHAPE, [SoftHebb(temperature=2.0), SoftHebb()])
        start = [layer.weight.detach().clone() for _, layer in hebbian_layers(model)]
        spec = HebbianPretraining(rule=SoftHebb(), learning_rate=rates, batch=60, epochs=1)
        hebbian_training("a", model, spec, images(), N_CLASSES).run(0, None, None, lambda fraction: None)
        after = [layer.weight.detach() for _, layer in hebbian_layers(model)]
        return [(b - a).numpy() for a, b in zip(start, after, strict=True)]

    torch.manual_seed(0)
    once = changes((0.01, 0.02))
    torch.manual_seed(0)
    other = changes((0.03, 0.04))
    np.testing.assert_allclose(other[0], 3 * once[0], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(other[1], 2 * once[1], rtol=1e-3, atol=1e-7)
