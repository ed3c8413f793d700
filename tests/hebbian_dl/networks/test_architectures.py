"""Architectures: against published sizes and torch's own attention; every layer learns, as its rule says literally."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.layers.hebbian import Hebbian, hebbian_layers
from hebbian_dl.networks import own, saved
from hebbian_dl.networks.architectures.resnet import Residual
from hebbian_dl.networks.architectures.transformer import Attention
from hebbian_dl.training.hebbian import hebbian_training, in_order
from protocols.loading.loader import load
from protocols.spec.nets.architecture import ResNet18
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.network import Network
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.rules import HebbianPCA, SoftWTA
from tests.hebbian_dl.layers.test_hebbian import literal
from tests.hebbian_dl.layers.test_rules import assert_close, rows

SMALL = {
    "resnet18": "{net: resnet18, width: 2}",
    "vit": "{net: vit, patch: 4, width: 8, depth: 2, heads: 2}",
    "unet": "{net: unet, width: 2, depth: 2}",
}
NUMBER = {"resnet18": 20, "vit": 1 + 2 * 6, "unet": 2 * (3 + 2) + 2}  # of layers that learn


def protocol_of(net: str, *overrides: str) -> NetworkProtocol:
    form = ["network.layers=[]", f"network.architecture={SMALL[net]}", *overrides]
    return load("digits_hebb", form)


def network(name: str, **sizes: int) -> Network:
    base = load("digits_hebb").network.model_dump() | {"layers": (), "architecture": {"net": name} | sizes}
    return Network.model_validate(base)


def _unet_parameters(channels: int, widths: list[int]) -> int:
    """Number of parameters of a U-Net with two convolutions and normalisations per level, without its last layer."""

    def level(before: int, after: int) -> int:
        return 9 * before * after + 9 * after * after + 4 * after

    down = sum(level(a, b) for a, b in zip([channels, *widths], widths, strict=False))
    up = sum(4 * below * above + above + level(2 * above, above) for above, below in itertools.pairwise(widths))
    return down + up


@pytest.mark.parametrize(
    ("name", "sizes", "n_parameters", "n_features"),
    [
        ("resnet18", {}, 11_173_962 - 5130, 512),  # that of CIFAR-10, without its classifier
        # DeiT-Ti without its classifier, class token and its position
        (
            "vit",
            {"patch": 16, "width": 192, "depth": 12, "heads": 3, "expansion": 4},
            5_717_416 - 193_000 - 2 * 192,
            192,
        ),
        ("unet", {"width": 64, "depth": 4}, _unet_parameters(3, [64, 128, 256, 512, 1024]), 1024),
    ],
)
def test_sizes_are_the_published_ones(name: str, sizes: dict[str, int], n_parameters: int, n_features: int) -> None:
    shape = (3, 224, 224) if name == "vit" else (3, 32, 32)
    with torch.device("meta"):
        made = own.assembled(network(name, **sizes), shape)
        assert made(torch.empty(2, *shape)).shape == (2, n_features)
    assert sum(p.numel() for p in made.parameters()) == n_parameters


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        parts = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    tokens = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(tokens), theirs(tokens, tokens, tokens)[0])


def test_a_residual_block_adds_its_input() -> None:
    block = Residual(4, 4, 1, 0.1).eval()
    nn.init.zeros_(block.conv2.weight)
    inputs = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(inputs), functional.relu(inputs))


def drawn(net: str, rule: str, layers: str = "together") -> tuple[NetworkProtocol, HebbianPretraining, nn.Sequential]:
    protocol = protocol_of(
        net, f"network.methods.HPCA.rule={{rule: {rule}}}", f"network.methods.HPCA.layers={layers}",
        "network.methods.HPCA.epochs=1",
    )  # fmt: skip
    method = protocol.network.methods["HPCA"]
    assert isinstance(method, HebbianPretraining)
    return protocol, method, saved.draw(protocol, method, 0).features


def images() -> Splits[Examples]:
    torch.manual_seed(1)
    part = Examples(torch.randn(8, 1, 8, 8), torch.arange(8) % 2)
    return Splits(part, part, part)


@pytest.mark.parametrize("layers", ["together", "one_by_one"])
@pytest.mark.parametrize("net", SMALL)
def test_every_layer_learns_at_once_or_one_after_the_other(net: str, layers: str) -> None:
    _, method, model = drawn(net, "hpca", layers)
    splits, before = images(), {name: p.clone() for name, p in model.named_parameters()}
    training = hebbian_training("", model, method, splits, 2)
    learning = [name for name, _ in hebbian_layers(model)]
    assert len(learning) == NUMBER[net]
    order = [layer for layer in in_order(model, splits.test.images) if isinstance(layer, Hebbian)]
    assert training.epochs == (1 if layers == "together" else len(order))
    for epoch in range(training.epochs):
        held = [layer.weight.clone() for layer in order]
        training.begin_epoch(epoch)
        training.step(splits.training)
        changed = [not torch.equal(layer.weight, old) for layer, old in zip(order, held, strict=True)]
        assert changed == ([True] * len(order) if layers == "together" else [k == epoch for k in range(len(order))])
    after = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert after == {f"{name}.weight" for name in learning}
    assert training.score()["class_mean_accuracy"] > 0


@pytest.mark.parametrize("rule", [HebbianPCA(), SoftWTA()], ids=lambda rule: rule.rule)
@pytest.mark.parametrize(
    ("net", "name"),
    [
        ("resnet18", "0.stages.1.0.conv1"),
        ("resnet18", "0.stages.1.0.around.0"),
        ("vit", "0.blocks.1.attention.key"),
        ("vit", "0.embed"),
        ("unet", "0.enlarge.0"),
    ],
)
def test_a_layer_learns_what_its_rule_says_literally(net: str, name: str, rule: HebbianPCA | SoftWTA) -> None:
    _, method, model = drawn(net, rule.rule)
    model, seen = model.double(), list[Tensor]()
    layer = model.get_submodule(name)
    layer.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    before, part = layer.weight.detach().clone(), images().training
    part = Examples(part.images[:2].double(), part.labels[:2])
    hebbian_training("", model, method, Splits(part, part, part), 2).step(part)
    learned = (layer.weight - before).detach() / method.learning_rate
    plain = torch_layer(layer)
    plain.weight = nn.Parameter(before)
    inputs = seen[0].flatten(0, -2) if isinstance(plain, nn.Linear) else seen[0]
    assert_close(torch.from_numpy(rows(plain, learned)), literal(plain, rule, inputs), name)


def torch_layer(layer: Hebbian) -> nn.Module:
    """The torch layer with the sizes of a Hebbian one."""
    kinds: dict[str, Callable[..., nn.Module]] = {
        "Linear": nn.Linear,
        "Conv2d": nn.Conv2d,
        "ConvTranspose2d": nn.ConvTranspose2d,
    }
    if layer.kind == "Linear":
        return kinds["Linear"](layer.in_features, layer.out_features).double()
    sizes = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
    return kinds[layer.kind](*sizes).double()


def test_an_architecture_by_name_has_its_published_sizes() -> None:
    protocol = load("digits_hebb", ["network.layers=[]", "network.architecture=resnet18"])
    assert protocol.network.architecture == ResNet18(width=64)
