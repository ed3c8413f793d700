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

from hebbian_dl.layers import rules
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.layers.hebbian import Hebbian, NotFinite, hebbian_layers, hebbianize
from protocols.spec import rules as specs
from tests.hebbian_dl.layers.test_rules import (
    RULES,
    assert_close,
    convolution,
    dense,
    draw_normal,
    expected,
    reference_view,
    rows,
)
from tests.reference import hebbian

FEW = settings.default.max_examples // 10  # every example is of all rules, patch by patch
PLACES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense": (lambda: nn.Linear(4, 3, bias=False), (4,)),
    "conv2d": (lambda: nn.Conv2d(4, 6, (2, 3), (2, 1), (1, 0), groups=2, bias=False), (4, 4, 5)),
    "transposed1d": (lambda: nn.ConvTranspose1d(2, 3, 3, 2, bias=False), (2, 4)),
}
FEATURED = [specs.SoftWTA(), specs.HebbianPCA()]
VARIED = [*FEATURED, specs.Oja(), specs.HardWTA(), specs.KrotovHopfield()]  # each other way from inputs to update


def layer_of(place: str, rule: specs.Rule, **options: object) -> Hebbian:
    torch.manual_seed(0)
    return Hebbian(PLACES[place][0]().double(), rule, **options)


def inputs_of(place: str, n: int, seed: int = 0) -> Tensor:
    return draw_normal(n, *PLACES[place][1], seed=seed)


def literal(layer: nn.Module, rule: specs.Rule, inputs: Tensor) -> np.ndarray | None:
    """The update, one row per neuron; None where the rule does not say which of two ties wins."""
    C, B = reference_view(layer, inputs)
    try:
        wanted = np.concatenate([expected(rule, c, b) for c, b in zip(C, B, strict=True)])
    except hebbian.TiedError:
        return None
    return wanted / (np.abs(wanted).max() or 1) if isinstance(rule, specs.KrotovHopfield) else wanted


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


@pytest.mark.parametrize("place", PLACES)
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
            assert_close(direct.weight.detach(), stepped.weight.detach(), rule)
        assert direct.weight.grad is None, rule
        assert (direct.weight - start).norm() > 1e-3, rule


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
    learn = rules.learn
    monkeypatch.setattr(rules, "learn", lambda rule, x, *rest: sizes.append(len(x)) or learn(rule, x, *rest))
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
    assert_close(learning(images), plain(images).detach(), rule)


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
