"""Networks from layer lists: shapes as documented, pooling and normalisation against torch and their formulas."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.layers.hebbian import Hebbian, hebbian_layers
from hebbian_dl.networks.build import MaxPool, RelativeBatchNorm, Triangle, build, n_features
from protocols.loading.loader import load
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation, Pooling, map_sizes
from protocols.spec.network import Network
from protocols.spec.rules import HebbianPCA, SoftHebb, SoftWTA
from tests.hebbian_dl.layers.test_rules import assert_close, draw_normal

SMALL = (
    Convolution(conv=6, kernel=3),
    Pooling(pool=2),
    Normalisation(norm="plain"),
    Convolution(conv=5, kernel=3, padding=1),
    Normalisation(norm="relative"),
    Dense(dense=7),
    Normalisation(norm="relative"),
    Dense(dense=4),
)


def drawn(
    layers: tuple[Layer, ...], shape: tuple[int, int, int], *, backprop: bool = False, seed: int = 0
) -> nn.Module:
    torch.manual_seed(seed)
    return build(layers, shape, None if backprop else SoftWTA()).double()


SOFTHEBB = (
    Normalisation(norm="plain", affine=False),
    Convolution(conv=6, kernel=5, padding=2, border="reflect", triangle=0.7),
    Pooling(pool=4, stride=2, padding=1),
    Convolution(conv=8, kernel=3, padding=1, border="reflect", triangle=1.4),
    Pooling(pool=2, take="mean"),
    Dense(dense=5, triangle=1.0),
)


def triangle(u: np.ndarray, power: float) -> np.ndarray:
    return np.maximum(0, u - u.mean(1, keepdims=True)) ** power


def test_the_layers_of_softhebb_are_their_literal_formulas() -> None:
    """Against numpy: padding, patches, matrix products and windows written out."""
    network = drawn(SOFTHEBB, (3, 8, 8)).eval()
    images = draw_normal(2, 3, 8, 8, seed=3)
    norm = network[0]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.weight is None
    weights = [layer.weight.detach().numpy() for _, layer in hebbian_layers(network)]

    def convolved(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        side = w.shape[2] // 2
        padded = np.pad(x, ((0, 0), (0, 0), (side, side), (side, side)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))
        return np.einsum("nchwij,qcij->nqhw", windows, w)

    x = images.numpy() / np.sqrt(1 + norm.eps)
    x = triangle(convolved(x, weights[0]), 0.7)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), (2, 3))[:, :, ::2, ::2].max((-2, -1))
    x = triangle(convolved(x, weights[1]), 1.4)
    x = x.reshape(2, 8, 2, 2, 2, 2).mean((3, 5))
    x = triangle(x.reshape(2, -1) @ weights[2].T, 1.0)
    assert x.shape[1] == n_features(SOFTHEBB, (3, 8, 8)) == 5
    with torch.no_grad():
        assert_close(network(images), x, "features")


def test_the_gradient_of_triangle_is_finite_where_it_is_zero() -> None:
    inputs = draw_normal(3, 4, 2, 2).requires_grad_()
    Triangle(0.7)(inputs).sum().backward()
    assert inputs.grad is not None
    assert torch.isfinite(inputs.grad).all()
    assert torch.autograd.gradcheck(Triangle(1.4), draw_normal(3, 4, seed=1).requires_grad_())


def test_a_list_of_rules_gives_each_layer_its_own() -> None:
    rules = [SoftHebb(temperature=t) for t in (1.0, 2.0, 3.0)]
    found = [layer.rule for _, layer in hebbian_layers(build(SOFTHEBB, (3, 8, 8), rules))]
    assert found == rules


def shapes_on_the_way(network: nn.Sequential, signal: Tensor) -> list[tuple[str, tuple[int, ...]]]:
    found = []
    with torch.no_grad():
        for module in network:
            signal = module(signal)
            found.append((type(module).__name__, tuple(signal.shape[1:])))
    return found


def test_the_6_layer_network_has_the_documented_maps() -> None:
    protocol = load("fasthebb_cifar10")
    network = build(protocol.network.layers, (3, 32, 32), SoftWTA()).eval()
    assert shapes_on_the_way(network, torch.zeros(1, 3, 32, 32)) == [
        ("Hebbian", (96, 28, 28)),
        ("MaxPool", (96, 14, 14)),
        ("BatchNorm2d", (96, 14, 14)),
        ("Hebbian", (128, 12, 12)),
        ("BatchNorm2d", (128, 12, 12)),
        ("Hebbian", (192, 10, 10)),
        ("MaxPool", (192, 5, 5)),
        ("RelativeBatchNorm", (192, 5, 5)),
        ("Hebbian", (256, 3, 3)),
        ("RelativeBatchNorm", (256, 3, 3)),
        ("Flatten", (2304,)),
        ("Hebbian", (4096,)),
        ("RelativeBatchNorm", (4096,)),
    ]
    weights = [tuple(layer.weight.shape) for _, layer in hebbian_layers(network)]
    assert weights == [(96, 3, 5, 5), (128, 96, 3, 3), (192, 128, 3, 3), (256, 192, 3, 3), (4096, 2304)]
    assert all(layer.bias is None for _, layer in hebbian_layers(network))


def test_backprop_trains_the_same_layers_with_bias_and_relu() -> None:
    images = draw_normal(3, 2, 9, 8)
    network = drawn(SMALL, (2, 9, 8), backprop=True).eval()
    assert not list(hebbian_layers(network))
    w = dict(network.named_parameters())
    signal = functional.conv2d(images, w["0.0.weight"], w["0.0.bias"]).relu()
    assert_close(network[0](images).detach(), signal.detach(), "conv")
    signal = functional.max_pool2d(signal, 2) / (1 + 1e-5) ** 0.5  # running statistics before any batch: 0 and 1
    signal = functional.conv2d(signal, w["3.0.weight"], w["3.0.bias"], padding=1).relu() / (1 + 1e-5) ** 0.5
    signal = functional.linear(signal.flatten(1), w["6.0.weight"], w["6.0.bias"]).relu() / (1 + 1e-5) ** 0.5
    signal = functional.linear(signal, w["8.0.weight"], w["8.0.bias"]).relu()
    assert_close(network(images).detach(), signal.detach(), "network")


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("margin", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("trained", [False, True])
def test_pooling_is_torchs(size: int, margin: tuple[int, int], memory: torch.memory_format, trained: bool) -> None:
    inputs = draw_normal(2, 3, 2 * size + margin[0], 3 * size + margin[1]).contiguous(memory_format=memory)
    inputs[0, 0, 0, 0] = float("nan")
    found = MaxPool(size)(inputs.requires_grad_(trained))
    wanted = functional.max_pool2d(inputs.detach(), size)
    assert found.shape == wanted.shape == (2, 3, 2, 3)
    assert torch.equal(found.detach().nan_to_num(99), wanted.nan_to_num(99))


def norm_of(n: int, dims: int, momentum: float = 0.1, eps: float = 1e-5) -> RelativeBatchNorm:
    kind = nn.BatchNorm1d if dims == 0 else nn.BatchNorm2d
    return RelativeBatchNorm(kind(n, eps=eps, momentum=momentum).double())


def signal_of(dims: int, seed: int = 0) -> Tensor:
    """Neurons of very different means and variances."""
    scale = torch.tensor([0.5, 1, 4, 2], dtype=torch.float64).reshape(-1, *(1,) * dims)
    return draw_normal(20, 4, *(3, 5)[:dims], seed=seed) * scale + 3 * scale


def over_neurons(values: np.ndarray, dims: int) -> np.ndarray:
    return values.reshape(-1, *(1,) * dims)


@pytest.mark.parametrize("dims", [0, 2])
def test_relative_normalisation_is_its_formula_in_training_and_evaluation(dims: int) -> None:
    momentum = 0.3
    module, x = norm_of(4, dims, momentum, eps=1e-12), signal_of(dims)
    axes = (0, *range(2, x.dim()))

    def formula(y: np.ndarray, mean: np.ndarray, var: np.ndarray) -> np.ndarray:
        normal = (y - over_neurons(mean, dims)) / np.sqrt(over_neurons(var, dims))
        return normal * over_neurons(np.sqrt(var / var.mean()), dims)

    first = x.numpy()
    assert_close(module(x).detach(), formula(first, first.mean(axes), first.var(axes)), "training", 1e-10)
    count = first.size / 4  # torch's convention: new = (1 - momentum) old + momentum * (unbiased) statistics of a batch
    mean, var = momentum * first.mean(axes), 1 - momentum + momentum * first.var(axes) * count / (count - 1)
    other = signal_of(dims, seed=1)
    assert_close(module.eval()(other).detach(), formula(other.numpy(), mean, var), "evaluation", 1e-10)


@pytest.mark.parametrize("dims", [0, 2])
def test_neurons_keep_their_relative_variances(dims: int) -> None:
    x = signal_of(dims)
    axes = (0, *range(2, x.dim()))
    found = norm_of(4, dims)(x).detach().numpy().var(axes)
    assert np.allclose(found / found.mean(), x.numpy().var(axes) / x.numpy().var(axes).mean(), rtol=1e-4)
    assert found.mean() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("silent", [[1], [0, 1, 2, 3]])
@pytest.mark.parametrize("training", [True, False])
def test_silent_neurons_stay_silent_and_finite(silent: list[int], training: bool) -> None:
    module, x = norm_of(4, 2), signal_of(2)
    x[:, silent] = 0
    module(x)
    module.norm.running_mean[silent], module.norm.running_var[silent] = 0, 0
    x.requires_grad_()
    output = module.train(training)(x)
    assert torch.equal(output[:, silent].detach(), torch.zeros_like(x[:, silent]))
    output.square().sum().backward()
    assert output.isfinite().all()
    assert x.grad.isfinite().all()


def test_the_momentum_of_a_protocol_is_torchs() -> None:
    network = build(SMALL, (2, 9, 8), SoftWTA(), momentum=0.25)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert [norm.momentum for norm in norms] == [0.25] * 3
    features = network[:2](torch.rand(5, 2, 9, 8))
    network[2](features)
    assert torch.allclose(network[2].running_mean, 0.25 * features.mean((0, 2, 3)), atol=1e-6)


@pytest.mark.parametrize(("depth", "n_used"), [(1, 3), (2, 5), (3, 7), (4, 8), (9, 8), (None, 8)])
def test_depth_keeps_layers_with_neurons_and_what_follows_them(depth: int | None, n_used: int) -> None:
    used = Network(layers=SMALL, depth=depth, methods={"a": {"pretraining": "none"}}).used_layers
    assert used == SMALL[:n_used]
    whole, images = drawn(SMALL, (2, 9, 8)).eval(), draw_normal(3, 2, 9, 8)
    n_modules = n_used + (n_used > 5)  # and the flattening before the dense layer
    wanted = whole[:n_modules](images).flatten(1)
    assert_close(drawn(used, (2, 9, 8)).eval()(images).detach(), wanted.detach(), depth)
    assert n_features(used, (2, 9, 8)) == wanted.shape[1]


norms = st.builds(Normalisation, norm=st.sampled_from(["plain", "relative"]))
convolutions = st.builds(
    Convolution,
    conv=st.integers(1, 4),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
)
maps = st.lists(st.one_of(convolutions, st.builds(Pooling, pool=st.integers(2, 3)), norms), max_size=4)
denses = st.builds(Dense, dense=st.integers(1, 4))


@given(
    first=st.one_of(convolutions, denses),
    more=maps,
    last=st.lists(st.one_of(denses, norms), max_size=3),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
    backprop=st.booleans(),
)
def test_the_maps_are_those_of_the_forward_pass(
    first: Layer, more: list[Layer], last: list[Layer], shape: tuple[int, int, int], backprop: bool
) -> None:
    layers = (first, *(more if isinstance(first, Convolution) else ()), *last)
    try:
        wanted = map_sizes(layers, *shape)
    except ValueError:
        with pytest.raises((RuntimeError, ValueError)):  # torch cannot do it either
            forward_in_torch(layers, shape)
        assume(False)
    network = drawn(layers, shape, backprop=backprop).eval()
    images = draw_normal(2, *shape)
    found = [size for kind, size in shapes_on_the_way(network, images) if kind != "Flatten"]
    assert [(*size, 1, 1)[:3] for size in found] == wanted
    assert network(images).shape == (2, n_features(layers, shape))


def forward_in_torch(layers: tuple[Layer, ...], shape: tuple[int, int, int]) -> None:
    signal = torch.zeros(1, *shape)
    for layer in layers:
        match layer:
            case Convolution():
                size = layer.kernel, layer.stride, layer.padding
                signal = nn.Conv2d(signal.shape[1], layer.conv, *size)(signal)
            case Pooling():
                signal = nn.MaxPool2d(layer.pool)(signal)


@pytest.mark.parametrize("backprop", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_memory_format_of_the_images_does_not_matter(backprop: bool, training: bool) -> None:
    images = draw_normal(5, 2, 9, 8)
    network, other = (drawn(SMALL, (2, 9, 8), backprop=backprop).train(training) for _ in range(2))
    wanted = network(images).detach()
    found = other(images.contiguous(memory_format=torch.channels_last)).detach()
    assert_close(found, wanted, "output", 1e-10)
    for (name, mine), (_, theirs) in zip(hebbian_layers(network), hebbian_layers(other), strict=True):
        assert (mine.weight.grad is None) is not training
        if training:
            assert_close(theirs.weight.grad, mine.weight.grad, name, 1e-10)


@pytest.mark.parametrize("rule", [HebbianPCA(), None])
def test_weights_are_drawn_uniformly_within_the_inverse_root_of_the_fan_in(rule: HebbianPCA | None) -> None:
    torch.manual_seed(0)
    network = build((Convolution(conv=100, kernel=5), Dense(dense=60)), (3, 8, 8), rule)
    for layer, fan_in in ((network[0], 3 * 25), (network[2], 100 * 16)):
        weights = (layer if isinstance(layer, Hebbian) else layer[0]).weight.detach().flatten().double() * fan_in**0.5
        assert weights.abs().max() <= 1 + 1e-6
        assert stats.kstest(weights.numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_the_seed_draws_the_weights() -> None:
    first, again, other = (drawn(SMALL, (2, 9, 8), seed=seed).state_dict() for seed in (1, 1, 2))
    weights = [name for name in first if name.endswith("weight") and first[name].dim() > 1]
    assert len(weights) == 4
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in weights)
