"""Forward-Forward: each layer's gradient by hand, none across layers, hybrids pixel by pixel, learning, features."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.networks import saved
from hebbian_dl.networks.build import build
from hebbian_dl.networks.forward_forward import (
    Hybrids,
    LocalNetwork,
    blurring,
    evidence,
    forward_forward_training,
    losses,
)
from hebbian_dl.training.loop import Training
from protocols.loading.loader import load
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation, Pooling
from protocols.spec.nets.pretraining import ForwardForward
from tests.hebbian_dl.layers.test_rules import assert_close, draw_normal

SHAPE = (2, 7, 6)
LISTS: dict[str, tuple[Layer, ...]] = {
    "dense": (Dense(dense=9), Dense(dense=8), Dense(dense=5)),
    "maps": (
        Convolution(conv=4, kernel=3, padding=1),
        Pooling(pool=2),
        Normalisation(norm="relative"),
        Convolution(conv=3, kernel=2),
    ),
    "both": (Convolution(conv=4, kernel=3), Normalisation(norm="plain"), Pooling(pool=2), Dense(dense=9)),
}


def network_of(case: str, *, later: bool = True) -> LocalNetwork:
    torch.manual_seed(0)
    return LocalNetwork(build(LISTS[case], SHAPE, None), later=later).double()


def training_of(case: str, spec: ForwardForward, n: int = 12) -> tuple[Training, Examples]:
    part = Examples(draw_normal(n, *SHAPE, seed=3).cumsum(2), torch.zeros(n, dtype=torch.long))
    return forward_forward_training("FF", network_of(case), spec, Splits(part, part, part)), part


def weights_and_bias(network: LocalNetwork, layer: int) -> tuple[Tensor, Tensor]:
    learning = network.layers[layer][0]
    return learning.weight, learning.bias


@pytest.mark.parametrize("goodness", ["sum", "mean"])
def test_the_gradient_of_each_layer_is_the_literal_formula(goodness: str) -> None:
    """d/dw_q of softplus(-+(goodness - threshold)) is -+share * 2 y_q x, for a ReLU y_q = relu(w_q x + b_q)."""
    spec, network = ForwardForward(goodness=goodness, threshold=0.3), network_of("dense")
    images, negative = draw_normal(4, *SHAPE), draw_normal(4, *SHAPE, seed=1)
    torch.stack(losses(network, images, negative, spec)).sum().backward()
    signals = [(image.flatten().numpy(), sign) for sign, part in ((1, images), (-1, negative)) for image in part]
    for layer in range(3):
        weight, bias = weights_and_bias(network, layer)
        wanted, of_bias = np.zeros(weight.shape), np.zeros(bias.shape)
        passed = []
        for signal, sign in signals:
            x = signal / math.sqrt(np.mean(signal**2) + 1e-8)
            y = np.maximum(weight.detach().numpy() @ x + bias.detach().numpy(), 0)
            scale = 1 if goodness == "sum" else 1 / len(y)
            logit = scale * (np.sum(y**2) - 0.3 * len(y))
            share = 1 / (1 + math.exp(sign * logit))  # the probability given to the wrong answer
            wanted -= sign * share * scale * 2 * np.outer(y, x) / len(signals)
            of_bias -= sign * share * scale * 2 * y / len(signals)
            passed.append((y, sign))
        signals = passed
        assert_close(weight.grad, wanted, layer)
        assert_close(bias.grad, of_bias, layer)


@pytest.mark.parametrize("case", LISTS)
def test_no_gradient_crosses_layers(case: str) -> None:
    spec, network = ForwardForward(), network_of(case)
    images, negative = draw_normal(5, *SHAPE), draw_normal(5, *SHAPE, seed=1)
    parts = losses(network, images, negative, spec)
    for layer, part in enumerate(parts):
        found = torch.autograd.grad(part, list(network.parameters()), retain_graph=True, allow_unused=True)
        own = {id(p) for p in network.layers[layer].parameters()}
        for parameter, gradient in zip(network.parameters(), found, strict=True):
            assert (gradient is not None and bool(gradient.any())) == (id(parameter) in own)


@pytest.mark.parametrize("case", LISTS)
def test_a_step_of_a_layer_does_not_depend_on_the_weights_above_it(case: str) -> None:
    spec = ForwardForward(learning_rate=0.01, batch=12)
    plain, part = training_of(case, spec)
    other, _ = training_of(case, spec)
    with torch.no_grad():
        weights_and_bias(other.model, -1)[0].add_(draw_normal(1, seed=7))
    before = copy.deepcopy(plain.model)
    for work in (plain, other):
        torch.manual_seed(1)
        work.begin_epoch(0)
        work.step(part)
    for layer in range(len(plain.model.layers) - 1):
        start, found, wanted = (weights_and_bias(net, layer)[0] for net in (before, other.model, plain.model))
        assert torch.equal(found, wanted)
        assert not torch.equal(found, start)
    assert not torch.equal(weights_and_bias(other.model, -1)[0], weights_and_bias(plain.model, -1)[0])


@pytest.mark.parametrize("case", LISTS)
def test_the_length_of_the_activities_below_does_not_reach_the_layer_above(case: str) -> None:
    images, network = draw_normal(5, *SHAPE), network_of(case).eval().requires_grad_(False)
    for layer, activities in enumerate(network.activities(images)):
        assert_close(network.activities(7 * images)[layer], activities, layer, 1e-5)
    longer = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in weights_and_bias(longer, 0):
            parameter *= 3
    if case == "dense":  # batch normalisation shifts activities, too
        assert_close(longer.activities(images)[1], network.activities(images)[1], "second layer", 1e-5)
        assert_close(longer.activities(images)[0], 3 * network.activities(images)[0], "first layer")


@pytest.mark.parametrize("blurs", [0, 1, 3])
def test_hybrids_are_one_image_where_the_blurred_bits_exceed_a_half_and_the_next_elsewhere(blurs: int) -> None:
    images = draw_normal(3, *SHAPE)
    bits = (draw_normal(3, 1, *SHAPE[1:], seed=1) > 0).double()
    found = Hybrids.of(SHAPE, blurs, images)(images, bits)
    rows, columns = SHAPE[1:]
    for n in range(3):
        mask = bits[n, 0].numpy()
        for _ in range(blurs):
            padded = np.pad(mask, 1, mode="edge")
            mask = np.zeros((rows, columns))
            for (i, a), (j, b) in itertools.product(enumerate((1, 2, 1)), repeat=2):
                mask += a * b / 16 * padded[i : i + rows, j : j + columns]
        chosen = torch.from_numpy(mask > 0.5)
        assert 0 < int(chosen.sum()) < rows * columns
        assert torch.equal(found[n], torch.where(chosen, images[n], images[(n + 1) % 3]))


def test_a_mask_s_patches_grow_with_the_blurs_and_the_mean_stays() -> None:
    bits = (draw_normal(200, 1, 20, 20) > 0).double()

    def edges(blurs: int) -> float:
        mask = blurring(20, blurs) @ bits.numpy() @ blurring(20, blurs) > 0.5
        assert abs(mask.mean() - 0.5) < 0.02 + 0.1 * (blurs == 1)  # a single blur often gives exactly a half
        return float((mask[..., 1:] != mask[..., :-1]).mean())

    found = [edges(blurs) for blurs in (0, 1, 4, 16)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 3 * found[-1]
    assert np.array_equal(blurring(1, 5), [[1]])


@pytest.mark.parametrize("case", LISTS)
@pytest.mark.parametrize(("goodness", "rate"), [("sum", 0.002), ("mean", 0.3)])
def test_a_few_steps_reduce_the_loss_and_tell_images_from_hybrids(case: str, goodness: str, rate: float) -> None:
    spec = ForwardForward(goodness=goodness, learning_rate=rate, blurs=2, halve_from=10**6, batch=60)
    training, part = training_of(case, spec, 60)
    torch.manual_seed(1)
    before = training.score()
    training.begin_epoch(0)
    found = [training.step(part).item() for _ in range(60)]
    after = training.score()
    assert sum(found[-5:]) < 0.95 * sum(found[:5])
    assert after["negative_loss"] > before["negative_loss"]
    assert not training.model.training
    n_layers = len(training.model.layers)
    assert all(0 <= after[f"pairs_told_apart_{layer}"] <= 1 for layer in range(n_layers))
    assert after["pairs_told_apart_0"] > before["pairs_told_apart_0"]


def test_the_score_is_that_of_the_same_hybrids_after_every_epoch() -> None:
    spec = ForwardForward(blurs=1)
    training, part = training_of("dense", spec)
    state = torch.get_rng_state()
    first = training.score()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert training.score() == first
    bits = torch.rand(12, 1, *SHAPE[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(0)) > 0.5
    negative = Hybrids.of(SHAPE, 1, part.images)(part.images, bits.double())
    network = training.model
    assert first["negative_loss"] == pytest.approx(-sum(losses(network, part.images, negative, spec)).item())
    good, bad = (evidence(network.activities(images)[1], spec) for images in (part.images, negative))
    assert first["pairs_told_apart_1"] == pytest.approx((good > bad).double().mean().item())


@pytest.mark.parametrize("case", LISTS)
@pytest.mark.parametrize("later", [True, False])
def test_features_are_the_normalised_activities_of_the_layers_asked_for(case: str, later: bool) -> None:
    network, images = network_of(case, later=later).eval().requires_grad_(False), draw_normal(5, *SHAPE)
    parts = []
    for after, activities in zip(network.between[1:], network.activities(images), strict=True):
        signal = activities
        for module in list(after)[:-1]:
            signal = module(signal)
        flat = signal.flatten(1)
        parts.append(flat / (flat.square().mean(1, keepdim=True) + 1e-8).sqrt())
    wanted = torch.cat(parts[1:], 1) if later else parts[-1]
    assert_close(network(images), wanted, case)


def test_fine_tuning_reaches_all_layers() -> None:
    network = network_of("dense", later=False)
    network(draw_normal(5, *SHAPE)).square().mul(draw_normal(5, 5, seed=1)).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize(("features", "width"), [("later", 12 + 7), ("last", 7)])
def test_a_protocol_s_network_has_the_features_it_asks_for(features: str, width: int) -> None:
    method = f"network.methods={{FF: {{pretraining: forward_forward, features: {features}}}}}"
    layers = "network.layers=[{conv: 4, kernel: 3}, {dense: 12}, {norm: plain}, {dense: 7}]"
    protocol = load("digits_hebb", [method, layers])
    drawn = saved.draw(protocol, protocol.network.methods["FF"], seed=0)
    assert isinstance(drawn.features, nn.Sequential)
    assert drawn.features.eval()(torch.rand(3, 1, 8, 8)).shape == (3, width)
    assert drawn.features[0] is drawn.learner
