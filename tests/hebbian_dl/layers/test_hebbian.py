"""Hebbian layers against the literal rules; networks changed by `hebbianize` against the original ones."""

import copy
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

from hebbian_dl.layers import rules
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.layers.hebbian import Hebbian, NotFinite, hebbian_layers
from hebbian_dl.layers.hebbianize import hebbianize
from protocols.spec import rules as specs
from tests.hebbian_dl.layers.test_rules import (
    RULES,
    assert_close,
    convolution,
    dense,
    draw_normal,
    expected_of_all,
    reference_view,
    rows,
)
from tests.reference import hebbian

FEW = settings.default.max_examples // 10  # every example is of all rules, patch by patch
PLACES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense": (lambda: nn.Linear(4, 3, bias=False), (4,)),
    "large": (lambda: nn.Linear(12, 70, bias=False), (12,)),  # more weights than inputs and outputs of five images
    "conv2d": (lambda: nn.Conv2d(4, 6, (2, 3), (2, 1), (1, 0), groups=2, bias=False), (4, 4, 5)),
    "transposed1d": (lambda: nn.ConvTranspose1d(2, 3, 3, 2, bias=False), (2, 4)),
}
FEATURED = [specs.SoftWTA(), specs.HebbianPCA()]
VARIED = [
    *FEATURED,
    specs.Oja(),
    specs.HardWTA(),
    specs.KrotovHopfield(),
    specs.SparseCoding(iterations=5),
]  # each other way from inputs to update


def layer_of(place: str, rule: specs.Rule, **options: object) -> Hebbian:
    torch.manual_seed(0)
    return Hebbian(PLACES[place][0]().double(), rule, **options)


def inputs_of(place: str, n: int, seed: int = 0) -> Tensor:
    return draw_normal(n, *PLACES[place][1], seed=seed)


def literal(layer: nn.Module, rule: specs.Rule, inputs: Tensor) -> np.ndarray | None:
    """The update, one row per neuron; None where the rule does not say which of two ties wins."""
    C, B = reference_view(layer, inputs)
    try:
        return expected_of_all(rule, C, B)
    except hebbian.TiedError:
        return None


@pytest.mark.parametrize("kind", ["dense", "conv1d", "conv2d", "transposed2d"])
@given(data=st.data())
@settings(max_examples=FEW)
def test_the_update_as_published_lands_in_grad_and_sgd_applies_it(kind: str, data: st.DataObject) -> None:
    plain, shape = data.draw(dense() if kind == "dense" else convolution(kind))
    inputs = draw_normal(*shape, seed=data.draw(st.integers(0, 2**31)))
    start = draw_normal(*plain.weight.shape, seed=1) / 2
    for rule in RULES:
        plain.weight = nn.Parameter(start.clone())
        wanted = literal(plain, rule, inputs)
        if wanted is None:
            continue
        layer = Hebbian(plain, rule)
        layer(inputs)
        assert torch.equal(layer.weight, start), rule
        assert_close(torch.from_numpy(rows(plain, layer.weight.grad)), -wanted, rule)
        torch.optim.SGD(layer.parameters(), lr=1).step()
        assert_close(torch.from_numpy(rows(plain, layer.weight.detach() - start)), wanted, rule)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("set_to_none", [True, False])
def test_forwards_before_zero_grad_are_one_batch(place: str, set_to_none: bool) -> None:
    for rule in RULES:
        several, once = layer_of(place, rule), layer_of(place, rule)
        optimizer = torch.optim.SGD(several.parameters(), lr=1)
        for round_, sizes in enumerate([(2, 1, 4), (3, 2)]):  # a round starts afresh
            inputs = inputs_of(place, sum(sizes), seed=round_)
            optimizer.zero_grad(set_to_none=set_to_none)
            for part in inputs.split(sizes):
                several(part)
            once.weight.grad = None
            once(inputs)
            assert_close(several.weight.grad, once.weight.grad, rule)


@pytest.mark.parametrize("place", ["dense", "conv2d", "transposed1d"])
@pytest.mark.parametrize("rule", FEATURED, ids=lambda rule: rule.rule)
def test_a_batch_split_over_forwards_is_not_the_sum_of_the_updates(place: str, rule: specs.Rule) -> None:
    together, alone = layer_of(place, rule), layer_of(place, rule)
    total = torch.zeros_like(together.weight)
    for part in inputs_of(place, 6).split(3):
        together(part)
        alone.weight.grad = None
        alone(part)
        total += alone.weight.grad
    assert (together.weight.grad - total).norm() > 0.1 * total.norm()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("activated", [True, False])
def test_learning_in_place_is_what_sgd_does(place: str, activated: bool) -> None:
    for rule in RULES:
        direct, stepped = (layer_of(place, rule, activated=activated) for _ in range(2))
        direct.learning_rate = 0.1
        optimizer = torch.optim.SGD(stepped.parameters(), lr=0.1)
        start = direct.weight.detach().clone()
        for step in range(3):
            inputs = inputs_of(place, 5, seed=step)
            optimizer.zero_grad()
            assert_close(direct(inputs), stepped(inputs), rule)  # by the weights before the step
            optimizer.step()
            if isinstance(rule, specs.SparseCoding) and rule.unit_norm:  # which SGD knows nothing of
                stepped.weight.data /= stepped.geometry.spread(stepped.geometry.norms(stepped.weight), stepped.weight)
            assert_close(direct.weight.detach(), stepped.weight.detach(), rule)
        assert direct.weight.grad is None, rule
        assert (direct.weight - start).norm() > 1e-3, rule


@pytest.mark.parametrize("place", PLACES)
def test_a_batch_in_two_forwards_learns_as_in_one(place: str) -> None:
    inputs = inputs_of(place, 5)
    for rule in RULES:
        once, twice = layer_of(place, rule), layer_of(place, rule)
        once.learning_rate = twice.learning_rate = 0.1
        once(inputs)
        for part, more in ((inputs[:2], True), (inputs[2:], False)):
            twice.more_to_come = more
            twice(part)
        assert_close(twice.weight.detach(), once.weight.detach(), rule)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("chunk", [1, 3, 5, 100])
def test_the_chunk_size_does_not_matter(place: str, chunk: int) -> None:
    inputs = inputs_of(place, 5)
    for rule in RULES:
        whole, parts = layer_of(place, rule), layer_of(place, rule, chunk=chunk)
        assert_close(parts(inputs), whole(inputs), rule)
        assert_close(parts.weight.grad, whole.weight.grad, rule)


def test_a_chunk_is_all_that_the_rule_sees_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    learn = rules.respond_and_learn
    monkeypatch.setattr(
        rules, "respond_and_learn", lambda rule, x, *rest, **more: sizes.append(len(x)) or learn(rule, x, *rest, **more)
    )
    layer_of("conv2d", specs.SoftWTA(), chunk=3)(inputs_of("conv2d", 8))
    assert sizes == [3, 3, 2]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("frozen", ["eval", "not plastic"])
def test_a_frozen_layer_does_not_change_and_is_differentiable(place: str, frozen: str) -> None:
    inputs = inputs_of(place, 2)
    for rule in RULES:
        layer = layer_of(place, rule)
        learned = layer(inputs)
        layer.zero_grad()
        layer.learning_rate = 0.1
        layer.train(frozen != "eval")
        layer.plastic = frozen == "eval"
        before = layer.weight.detach().clone()
        output = layer(inputs)
        assert torch.equal(layer.weight, before), rule
        assert layer.weight.grad is None, rule
        assert not learned.requires_grad, rule
        assert_close(output.detach(), learned, rule)
        output.sum().backward()
        assert layer.weight.grad.any(), rule


@pytest.mark.parametrize("place", PLACES)
def test_gradients_of_the_output_are_finite_differences(place: str) -> None:
    geometry = Geometry.of(PLACES[place][0]())
    inputs = inputs_of(place, 1).requires_grad_()
    for rule in (specs.SoftWTA(), specs.HebbianPCA(), specs.Oja()):  # one of each kind of output
        weights = layer_of(place, rule).weight

        def respond(x: Tensor, w: Tensor, rule: specs.Rule = rule) -> Tensor:
            return rules.respond(rule, x, w, geometry)

        assert torch.autograd.gradcheck(respond, (inputs, weights)), rule


@pytest.mark.parametrize(
    ("place", "shape", "allowed"),
    [
        ("dense", (5, 3), 4),
        ("dense", (2, 4, 5), 4),
        ("dense", (4,), 4),
        ("conv2d", (2, 3, 5, 5), 4),
        ("conv2d", (3,), 4),
        ("transposed1d", (1, 3, 7), 2),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_wrong_channels_are_named_with_what_is_allowed(
    place: str, shape: tuple[int, ...], allowed: int, training: bool
) -> None:
    with pytest.raises(ValueError) as fault:  # noqa: PT011  (the whole message is compared)
        layer_of(place, specs.SoftWTA()).train(training)(torch.zeros(shape, dtype=torch.float64))
    assert str(fault.value) == f"inputs of shape {shape}; allowed: {allowed} channels"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("rate", [None, 0.1])
@pytest.mark.parametrize("n", [1, 30])  # fewer and more inputs and outputs than weights
@pytest.mark.parametrize("place", PLACES)
def test_inputs_that_are_not_finite_leave_the_weights_alone(place: str, n: int, rate: float | None, bad: float) -> None:
    inputs = inputs_of(place, n)
    inputs.view(-1)[5 % inputs.numel()] = bad
    for rule in VARIED:
        layer = layer_of(place, rule)
        layer.learning_rate = rate
        with torch.no_grad():
            layer.weight.abs_()  # so that -inf drives all neurons to a silence that looks finite
        before = layer.weight.detach().clone()
        with pytest.raises(NotFinite, match=r"^the update holds NaN or infinity$") as fault:
            layer(inputs)
        assert fault.value.layer is layer, rule
        assert torch.equal(layer.weight, before), rule
        assert layer.weight.grad is None, rule


@pytest.mark.parametrize("rate", [None, 0.1])
@pytest.mark.parametrize("n", [1, 30])
@pytest.mark.parametrize("place", PLACES)
def test_weights_that_are_not_finite_are_told_from_inputs(place: str, n: int, rate: float | None) -> None:
    for rule in VARIED:
        layer = layer_of(place, rule)
        layer.learning_rate = rate
        with torch.no_grad():
            layer.weight.view(-1)[0] = float("nan")
        before = layer.weight.detach().clone()
        with pytest.raises(NotFinite, match=r"^the weights hold NaN or infinity$"):
            layer(inputs_of(place, n))
        assert torch.equal(layer.weight.isnan(), before.isnan()), rule


def test_dense_layers_see_each_time_step_as_a_patch() -> None:
    inputs = draw_normal(3, 5, 2, 4)
    for rule, activated in itertools.product(RULES, (True, False)):
        steps, flat = (layer_of("dense", rule, activated=activated) for _ in range(2))
        output = steps(inputs)
        assert output.shape == (3, 5, 2, 3)
        assert_close(output, flat(inputs.reshape(30, 4)).reshape(3, 5, 2, 3), rule)
        assert_close(steps.weight.grad, flat.weight.grad, rule)


def test_a_copy_learns_by_itself_and_starts_afresh() -> None:
    layer, fresh = layer_of("conv2d", specs.SoftWTA()), layer_of("conv2d", specs.SoftWTA())
    layer(inputs_of("conv2d", 2))
    before = layer.weight.grad.clone()
    twin = copy.deepcopy(layer)  # torch copies no .grad
    for other in (twin, fresh):
        other(inputs_of("conv2d", 3, seed=1))
    assert torch.equal(layer.weight.grad, before)
    assert torch.equal(twin.weight.grad, fresh.weight.grad)


def test_a_layer_converted_to_double_precision_learns_in_it() -> None:
    torch.manual_seed(0)
    layer = Hebbian(nn.Linear(4, 3, bias=False), specs.HebbianPCA())
    layer(inputs_of("dense", 2).float())
    layer.zero_grad()
    layer.to(torch.float64)
    inputs = inputs_of("dense", 5)
    layer(inputs)
    assert layer.weight.grad.dtype == torch.float64
    wanted = literal(nn.Linear(4, 3).requires_grad_(False), specs.HebbianPCA(), inputs)  # of other weights
    assert np.abs(layer.weight.grad.numpy() + wanted).max() > 1e-3
    plain = nn.Linear(4, 3, bias=False)
    plain.weight = nn.Parameter(layer.weight.detach())
    assert_close(layer.weight.grad, -literal(plain, specs.HebbianPCA(), inputs), "double")


@pytest.mark.parametrize("bias", [True, False])
def test_the_state_is_that_of_the_torch_layer(bias: bool) -> None:
    plain = nn.Conv2d(2, 3, 2, bias=bias)
    state = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    layer = Hebbian(plain, specs.SoftWTA())
    layer(torch.ones(1, 2, 4, 4))
    assert layer.state_dict().keys() == state.keys()
    nn.Conv2d(2, 3, 2, bias=bias).load_state_dict(layer.state_dict())


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.BatchNorm2d(3), nn.Bilinear(2, 2, 2)])
def test_other_layers_are_refused(layer: nn.Module) -> None:
    with pytest.raises(TypeError, match=f"{type(layer).__name__}; allowed: Linear, Conv1d to Conv3d"):
        Hebbian(layer, specs.SoftWTA())


def test_a_weight_without_gradient_does_not_learn_until_it_has_one() -> None:
    for rate in (None, 0.1):
        layer = layer_of("conv2d", specs.HebbianPCA(), activated=False)
        layer.learning_rate = rate
        before = layer.weight.detach().clone()
        layer.weight.requires_grad_(False)
        inputs = inputs_of("conv2d", 3).requires_grad_()
        layer(inputs).sum().backward()
        assert inputs.grad.any()
        assert torch.equal(layer.weight, before)
        assert layer.weight.grad is None
        layer.weight.requires_grad_(True)
        layer(inputs)
        assert (layer.weight.grad is None) == (rate is not None)
        assert torch.equal(layer.weight, before) == (rate is None)


PADDED: list[tuple[type[nn.Module], dict, tuple[int, ...]]] = [
    (nn.Conv1d, {"kernel_size": 3, "padding": 2, "padding_mode": "reflect"}, (2, 2)),
    (nn.Conv1d, {"kernel_size": 4, "padding": "same", "padding_mode": "zeros"}, (1, 2)),
    (nn.Conv2d, {"kernel_size": 3, "padding": 1, "padding_mode": "circular", "groups": 2}, (1, 1, 1, 1)),
    (nn.Conv2d, {"kernel_size": (2, 3), "padding": (1, 0), "padding_mode": "replicate"}, (0, 0, 1, 1)),
    (nn.Conv2d, {"kernel_size": (2, 3), "padding": "same", "padding_mode": "reflect", "dilation": 3}, (3, 3, 1, 2)),
    (nn.Conv3d, {"kernel_size": 2, "padding": "same", "padding_mode": "circular"}, (0, 1, 0, 1, 0, 1)),
]


@pytest.mark.parametrize(("kind", "place", "pads"), PADDED, ids=str)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_the_patches_at_the_border_are_those_of_the_padded_input(
    kind: type[nn.Module], place: dict, pads: tuple[int, ...]
) -> None:
    """As a layer without padding sees them whose inputs were padded before."""
    torch.manual_seed(0)
    plain = kind(4, 6, **place).double()
    bare = kind(4, 6, **place | {"padding": 0, "padding_mode": "zeros"}).double()
    bare.load_state_dict(plain.state_dict())
    inputs = draw_normal(3, 4, *(6,) * (len(pads) // 2))
    mode = place["padding_mode"].replace("zeros", "constant")
    padded = functional.pad(inputs, pads, mode)
    wanted = plain(inputs).detach()
    for rule, chunk in itertools.product(RULES, (None, 2)):
        found, other = Hebbian(plain, rule, activated=False, chunk=chunk), Hebbian(bare, rule, activated=False)
        plain.weight.grad = None
        assert_close(found(inputs), wanted, rule)
        assert_close(found.eval()(inputs).detach(), wanted, rule)
        bare.weight.grad = None
        other(padded)
        assert_close(found.weight.grad, other.weight.grad, rule)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.along = nn.Conv1d(2, 3, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.along(self.up(inputs).relu().flatten(2))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.ReLU())
        self.block = Block()
        self.head = nn.Linear(3 * 62, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.block(self.stem(inputs)).tanh().flatten(1))


ALL = {"stem.0", "block.up", "block.along", "head"}


def network() -> Network:
    torch.manual_seed(0)
    return Network().double()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rate", [None, 0.1])
@pytest.mark.parametrize("rule", FEATURED, ids=lambda rule: rule.rule)
def test_a_hebbianized_network_computes_what_it_computed(training: bool, rate: float | None, rule: specs.Rule) -> None:
    plain = network().train(training)
    learning = hebbianize(copy.deepcopy(plain), rule)
    for _, layer in hebbian_layers(learning):
        layer.learning_rate = rate
    assert {name for name, _ in hebbian_layers(learning)} == ALL
    assert [n for n, _ in learning.named_parameters()] == [n for n, _ in plain.named_parameters()]
    assert learning.state_dict().keys() == plain.state_dict().keys()
    images = draw_normal(4, 3, 4, 4)
    assert_close(learning(images).detach(), plain(images).detach(), rule)


def test_each_layer_of_a_hebbianized_network_learns_what_it_sees() -> None:
    rule = specs.HebbianPCA()
    model = hebbianize(network(), rule)
    seen: dict[str, Tensor] = {}
    for name, layer in hebbian_layers(model):
        layer.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0].detach()}))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model(draw_normal(2, 3, 4, 4))
    plain = dict(network().named_modules())
    wanted = {name: literal(plain[name], rule, seen[name]) for name in ALL - {"stem.0"}}  # 'same' is torch's own word
    for name, update in wanted.items():
        grad = model.get_submodule(name).weight.grad
        assert_close(torch.from_numpy(rows(plain[name], grad)), -update, name)
    torch.optim.SGD(model.parameters(), lr=1).step()
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {f"{name}.weight" for name in ALL}  # neither biases nor batch normalisation


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (["head"], ALL - {"head"}),
        (["block"], {"stem.0", "head"}),
        (["block.up", "stem"], {"block.along", "head"}),
        (["stem.1"], ALL),
        ([], ALL),
    ],
)
def test_layers_are_excluded_by_their_name_or_a_parents(exclude: list[str], left: set[str]) -> None:
    model = hebbianize(network(), specs.SoftWTA(), exclude=exclude)
    assert {name for name, _ in hebbian_layers(model)} == left


def test_a_name_that_begins_like_an_excluded_one_is_another() -> None:
    model = nn.ModuleDict({name: nn.Linear(2, 2) for name in ("fc", "fc1")})
    assert [name for name, _ in hebbian_layers(hebbianize(model, specs.SoftWTA(), exclude=["fc"]))] == ["fc1"]


def test_an_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"^exclude: no module 'block\.down'; allowed: stem, stem\.0, .*, head$"):
        hebbianize(network(), specs.SoftWTA(), exclude=["head", "block.down"])


@pytest.mark.parametrize(
    ("model", "exclude"),
    [(nn.Linear(2, 2), []), (nn.Sequential(nn.ReLU()), []), (network(), ["stem", "block", "head"])],
)
def test_a_network_without_anything_to_learn_is_refused(model: nn.Module, exclude: list[str]) -> None:
    with pytest.raises(ValueError, match="no linear or convolutional layer below the network itself"):
        hebbianize(model, specs.SoftWTA(), exclude=exclude)


def test_a_layer_used_in_two_places_stays_one_layer() -> None:
    shared = nn.Linear(4, 4).double()
    model = nn.Sequential(shared, nn.Tanh(), shared)
    inputs = inputs_of("dense", 3)
    wanted = model(inputs).detach()
    hebbianize(model, specs.HebbianPCA())
    assert isinstance(model[0], Hebbian)
    assert model[0] is model[2]
    assert_close(model(inputs), wanted, "output")
    both = torch.cat([inputs, shared(inputs).tanh().detach()])
    assert_close(model[0].weight.grad, -literal(shared, specs.HebbianPCA(), both), "update")


def test_two_layers_with_one_weight_are_refused_unless_one_is_excluded() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    with pytest.raises(ValueError, match=r"^layer '2': its weights are those of '0'; .*exclude="):
        hebbianize(model, specs.HebbianPCA())
    assert type(model[0]) is nn.Linear
    assert [name for name, _ in hebbian_layers(hebbianize(model, specs.HebbianPCA(), exclude=["0"]))] == ["2"]


class Scaled(nn.Linear):
    def forward(self, inputs: Tensor) -> Tensor:
        return 2 * super().forward(inputs)


class Standardised(nn.Conv2d):
    def _conv_forward(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(inputs, weight - weight.mean(), bias)


def with_forward(layer: nn.Module) -> nn.Module:
    layer.forward = lambda inputs: inputs  # type: ignore[method-assign]
    return layer


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: parametrizations.weight_norm(nn.Linear(4, 3)), "ParametrizedLinear computes its weight"),
        (lambda: parametrizations.spectral_norm(nn.Conv2d(4, 3, 2)), "ParametrizedConv2d computes its weight"),
        (lambda: parametrizations.orthogonal(nn.Linear(4, 3)), "ParametrizedLinear computes its weight"),
        (lambda: parametrizations.weight_norm(nn.Linear(4, 3), "bias", dim=None), "computes its weight or bias"),
        (lambda: nn.utils.spectral_norm(nn.Linear(4, 3)), "Linear computes its weight"),
        (lambda: prune.identity(nn.Linear(4, 3), "weight"), "Linear computes its weight"),
        (lambda: nn.LazyLinear(3), "LazyLinear has no weights yet"),
        (lambda: nn.LazyConv2d(3, 2), "LazyConv2d has no weights yet"),
        (lambda: nn.LazyConvTranspose1d(3, 2), "LazyConvTranspose1d has no weights yet"),
        (lambda: Scaled(4, 3), "Scaled has a forward of its own"),
        (lambda: Standardised(4, 3, 2), "Standardised has a forward of its own"),
        (lambda: with_forward(nn.Linear(4, 3)), "Linear has a forward of its own"),
    ],
)
def test_a_layer_that_cannot_learn_is_named_and_the_network_left_as_it_was(
    make: Callable[[], nn.Module], cause: str
) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ModuleDict({"part": make()}))
    with pytest.raises(ValueError, match=cause) as fault:
        hebbianize(model, specs.HebbianPCA())
    message = str(fault.value)
    assert message.startswith("layer '1.part': ")
    assert "exclude" in message
    assert "\n" not in message
    assert len(message) < 200
    assert not list(hebbian_layers(model))
    with pytest.raises(ValueError, match=cause):
        Hebbian(make(), specs.HebbianPCA())
    assert [name for name, _ in hebbian_layers(hebbianize(model, specs.HebbianPCA(), exclude=["1.part"]))] == ["0"]


def test_hook_based_weight_norm_is_refused() -> None:
    with pytest.warns(FutureWarning):
        layer = nn.utils.weight_norm(nn.Linear(4, 3))
    with pytest.raises(ValueError, match="layer '0': Linear computes its weight"):
        hebbianize(nn.Sequential(layer), specs.HebbianPCA())


def test_a_lazy_layer_learns_once_it_has_weights() -> None:
    model = nn.Sequential(nn.LazyLinear(3))
    model(torch.ones(2, 5))
    hebbianize(model, specs.HebbianPCA())(torch.ones(2, 5))
    assert model[0].weight.grad.any()


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_layers_of_a_transformer_learn_or_are_named(norm_first: bool) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=norm_first)
    plain = nn.Sequential(layer, nn.Linear(8, 3))
    with pytest.warns(UserWarning, match=r"^not Hebbian: 0\.self_attn\.out_proj: .*exclude="):
        model = hebbianize(copy.deepcopy(plain), specs.HebbianPCA())
    names = ["0.linear1", "0.linear2", "1"]
    assert [name for name, _ in hebbian_layers(model)] == names
    inputs = torch.randn(4, 7, 8)
    torch.testing.assert_close(model(inputs), plain(inputs))
    assert all(model.get_submodule(name).weight.grad.any() for name in names)
    with torch.no_grad():  # where torch's fused kernel reads the weights
        torch.testing.assert_close(model.eval()(inputs), plain.eval()(inputs))
    hebbianize(copy.deepcopy(plain), specs.HebbianPCA(), exclude=["0.self_attn"])  # which warns of nothing


class Reading(nn.Module):
    """Uses one layer as it should be, and another by its weights alone."""

    def __init__(self) -> None:
        super().__init__()
        self.called, self.read = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        read = functional.linear(inputs, self.read.weight, self.read.bias)
        return read + functional.linear(self.called(inputs), self.called.weight.t())


def test_a_layer_whose_weights_are_only_read_is_named_at_the_first_learning_pass() -> None:
    model = hebbianize(nn.Sequential(Reading()), specs.HebbianPCA())
    twin = copy.deepcopy(model)
    model.eval()(torch.ones(2, 4))
    with pytest.warns(UserWarning, match=r"^did not learn: 0\.read: .*exclude="):
        model.train()(torch.ones(2, 4))
    model(torch.ones(2, 4))  # once is enough
    with pytest.warns(UserWarning, match=r"0\.read"):
        twin(torch.ones(2, 4))
    hebbianize(nn.Sequential(Reading()), specs.HebbianPCA(), exclude=["0.read"])(torch.ones(2, 4))


def test_a_hebbian_layer_keeps_the_mode_the_hooks_and_the_sizes_of_the_layer() -> None:
    plain, seen = nn.Conv2d(3, 4, 3, stride=2), []
    handle = plain.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    model = hebbianize(nn.Sequential(plain).eval(), specs.HebbianPCA())
    model(torch.ones(1, 3, 5, 5))
    assert model[0].weight.grad is None
    assert seen == [(1, 4, 2, 2)]
    handle.remove()
    model.train()(torch.ones(1, 3, 5, 5))
    assert len(seen) == 1
    assert (model[0].in_channels, model[0].out_channels, model[0].stride) == (3, 4, (2, 2))
