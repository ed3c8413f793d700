"""The rules against their literal formulas, and against the known fixed point of each."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hebbian_dl.layers import competition, patch_sums, rules
from hebbian_dl.layers.geometry import Geometry
from protocols.spec import rules as specs
from tests.reference import hebbian

RULES: list[specs.Rule] = [
    specs.Hebb(),
    specs.Oja(),
    specs.HebbianPCA(),
    specs.HebbianPCA(activation="linear", divide_by_root_fan_in=False),
    specs.SoftWTA(),
    specs.SoftWTA(temperature=0.3, score="activation"),
    specs.HardWTA(),
    specs.TopWTA(k=2),
    specs.SoftHebb(),
    specs.SoftHebb(temperature=0.2, anti_hebbian=True),
    specs.SoftHebb(anti_hebbian=True, divide_by_largest=True, norm_exponent=0.5),
    specs.KrotovHopfield(),
    specs.KrotovHopfield(p=3.5, rank=3, strength=0.25),
    specs.HebbianICA(),
    specs.HebbianICA(nonlinearity="cube"),
    specs.SparseCoding(iterations=3, threshold=0.2),
    specs.SparseCoding(inference="lca", iterations=3, threshold=0.1, non_negative=True, unit_norm=False),
]
LAYERS = {
    "dense": nn.Linear,
    "conv1d": nn.Conv1d,
    "conv2d": nn.Conv2d,
    "conv3d": nn.Conv3d,
    "transposed1d": nn.ConvTranspose1d,
    "transposed2d": nn.ConvTranspose2d,
    "transposed3d": nn.ConvTranspose3d,
}


FEW = settings.default.max_examples * 2 // 5  # every example is of all rules


def relu(x: float) -> float:
    return max(x, 0.0)


def expected(rule: specs.Rule, C: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The update of one group's neurons."""
    match rule:
        case specs.Hebb():
            return hebbian.hebb(C, B)
        case specs.Oja():
            return hebbian.oja(C, B)
        case specs.HebbianPCA():
            update = hebbian.hpca(C, B, relu if rule.activation == "relu" else float)
            return update / math.sqrt(C.shape[1]) if rule.divide_by_root_fan_in else update
        case specs.SoftWTA():
            return hebbian.swta(C, B, rule.temperature, rule.score == "cosine")
        case specs.HardWTA():
            return hebbian.k_wta(C, B, 1)
        case specs.TopWTA():
            return hebbian.k_wta(C, B, rule.k)
        case specs.SoftHebb():
            return hebbian.softhebb(C, B, rule.temperature, rule.anti_hebbian)
        case specs.KrotovHopfield():
            return hebbian.krotov_hopfield(C, B, rule.p, rule.rank, rule.strength)
        case specs.HebbianICA():
            return hebbian.ica(C, B, math.tanh if rule.nonlinearity == "tanh" else lambda u: u**3)
        case specs.SparseCoding():
            options = (rule.inference, rule.iterations, rule.threshold, rule.non_negative, rule.unit_norm)
            return hebbian.sparse_coding(C, B, *options)


def by_largest(rule: specs.Rule) -> bool:
    """Whether the update is divided by its largest entry, over all groups."""
    return isinstance(rule, specs.KrotovHopfield) or getattr(rule, "divide_by_largest", False)


def expected_of_all(rule: specs.Rule, C: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The update of the neurons of all groups."""
    update = np.concatenate([expected(rule, c, b) for c, b in zip(C, B, strict=True)])
    if by_largest(rule):
        update = update / (np.abs(update).max() or 1)
    if isinstance(rule, specs.SoftHebb):
        norms = np.array([math.sqrt(sum(w * w for w in row)) for group in B for row in group])
        update = update * (np.abs(norms - 1) ** rule.norm_exponent)[:, None]
    return update


def assert_close(found: Tensor, wanted: np.ndarray | Tensor, name: object, tolerance: float = 1e-12) -> None:
    """Closer than the tolerance times the largest entry, or than the tolerance."""
    wanted = torch.as_tensor(wanted)
    assert found.shape == wanted.shape, name
    limit = tolerance * max(1.0, float(wanted.abs().max()))
    assert float((found - wanted).abs().max()) <= limit, name


def draw_normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def dense(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    inputs, neurons = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    return nn.utils.skip_init(nn.Linear, inputs, neurons, bias=False), (draw(st.integers(1, 5)), inputs)


@st.composite
def convolution(draw: st.DrawFn, kind: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A layer of the given kind, and the shape of an input that fits it."""
    n_dims, transposed = int(kind[-2]), kind.startswith("transposed")

    def each(lowest: int, highest: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(lowest, highest)) for _ in range(n_dims))

    groups = draw(st.integers(1, 2))
    channels, neurons = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 4))
    kernel, stride, dilation = each(1, 3 if n_dims < 3 else 2), each(1, 3), each(1, 2)
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    place: dict = {"stride": stride, "dilation": dilation, "groups": groups, "bias": False}
    if transposed:
        size = each(1, 3 if n_dims < 3 else 2)
        place["output_padding"] = tuple(
            draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
        )
        widths = [
            (n - 1) * s + span + o for n, s, span, o in zip(size, stride, spans, place["output_padding"], strict=True)
        ]
        place["padding"] = tuple(draw(st.integers(0, min(2, width // 2))) for width in widths)
    else:
        place["padding"] = each(0, 2)
        size = tuple(
            max(1, span + 1 - 2 * p) + extra
            for span, p, extra in zip(spans, place["padding"], each(0, 4 if n_dims < 3 else 1), strict=True)
        )
    layer = nn.utils.skip_init(LAYERS[kind], channels, neurons, kernel, **place)
    return layer, (draw(st.integers(1, 2)), channels, *size)


def reference_view(layer: nn.Module, inputs: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Patches and neurons of each group."""
    weights = layer.weight.detach().numpy()
    if isinstance(layer, nn.Linear):
        return [inputs.numpy()], [weights]
    place = (inputs.numpy(), layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups)
    if layer.transposed:
        return hebbian.transposed_patches(*place, layer.output_padding), hebbian.neurons(weights, layer.groups, True)
    return hebbian.patches(*place), hebbian.neurons(weights, layer.groups, False)


def rows(layer: nn.Module, update: Tensor) -> np.ndarray:
    if isinstance(layer, nn.Linear):
        return update.numpy()
    return np.concatenate(hebbian.neurons(update.numpy(), layer.groups, layer.transposed))


@pytest.mark.parametrize("kind", LAYERS)
@given(data=st.data())
@settings(max_examples=FEW)
def test_every_rule_is_its_literal_formula(kind: str, data: st.DataObject) -> None:
    layer, shape = data.draw(dense() if kind == "dense" else convolution(kind))
    seed = data.draw(st.integers(0, 2**31))
    inputs = draw_normal(*shape, seed=seed)
    if data.draw(st.booleans()):
        inputs[0] = 0
    fan_in = layer.weight.numel() // (shape[1] if kind.startswith("transposed") else len(layer.weight))
    weights = draw_normal(*layer.weight.shape, seed=seed + 1) / fan_in**0.5
    layer.weight = nn.Parameter(weights, requires_grad=False)
    C, B = reference_view(layer, inputs)
    if data.draw(st.booleans()):
        B[0][-1] = 0
        dead = layer.weight[: shape[1] // len(B), len(B[0]) - 1] if kind[0] == "t" else layer.weight[len(B[0]) - 1]
        dead.zero_()
    geometry = Geometry.of(layer)

    for rule in RULES:
        try:
            wanted = expected_of_all(rule, C, B)
        except hebbian.TiedError:
            continue
        before = inputs.clone(), layer.weight.clone()
        output, _ = rules.learn(rule, inputs, layer.weight, geometry)
        assert torch.equal(inputs, before[0]), rule
        assert torch.equal(layer.weight, before[1]), rule
        assert_close(torch.from_numpy(rows(layer, rules.update(rule, inputs, layer.weight, geometry))), wanted, rule)
        assert_close(output, rules.respond(rule, inputs, layer.weight, geometry), rule)
        if isinstance(rule, specs.Hebb):
            assert_close(output, layer(inputs), rule)


@pytest.mark.parametrize("n_dims", [2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_transposed_convolutions_of_a_unet_learn_by_the_literal_formula(n_dims: int, stride: int, padding: int) -> None:
    layer = LAYERS[f"transposed{n_dims}d"](3, 4, 3, stride, padding, bias=False).double()
    inputs = draw_normal(2, 3, *(3, 2, 2)[:n_dims], seed=stride)
    C, B = reference_view(layer, inputs)
    for rule in (specs.SoftWTA(), specs.SoftWTA(temperature=0.3, score="activation"), specs.HebbianPCA()):
        found = rules.update(rule, inputs, layer.weight.detach(), Geometry.of(layer))
        assert_close(torch.from_numpy(rows(layer, found)), expected_of_all(rule, C, B), rule)


def test_the_output_is_what_the_rule_says() -> None:
    inputs, weights = draw_normal(5, 3), draw_normal(4, 3, seed=1)
    drive = inputs @ weights.t()
    for rule in RULES:
        match rule:
            case specs.SoftWTA() | specs.HardWTA() | specs.TopWTA():
                wanted = (drive / weights.norm(dim=1)).relu()
            case specs.HebbianPCA(activation="relu") | specs.SoftHebb() | specs.KrotovHopfield():
                wanted = drive.relu()
            case specs.SparseCoding():
                atoms = weights / weights.norm(dim=1, keepdim=True) if rule.unit_norm else weights
                options = (rule.inference, rule.iterations, rule.threshold, rule.non_negative)
                found = [hebbian.sparse_codes(c, atoms.numpy(), *options) for c in inputs.numpy()]
                wanted = torch.from_numpy(np.array(found))
            case _:
                wanted = drive
        assert_close(rules.respond(rule, inputs, weights), wanted, rule)


@pytest.mark.parametrize("kind", ["conv2d", "transposed2d"])
def test_groups_are_layers_side_by_side(kind: str) -> None:
    parts = [LAYERS[kind](2, 3, 3, bias=False).double() for _ in range(2)]
    both = LAYERS[kind](4, 6, 3, groups=2, bias=False).double()
    both.weight = nn.Parameter(torch.cat([part.weight for part in parts]), requires_grad=False)
    inputs = draw_normal(2, 4, 5, 5)
    for rule in RULES:
        if by_largest(rule):
            continue
        alone = [
            rules.update(rule, x, part.weight.detach(), Geometry.of(part))
            for x, part in zip(inputs.chunk(2, 1), parts, strict=True)
        ]
        assert_close(rules.update(rule, inputs, both.weight, Geometry.of(both)), torch.cat(alone), rule)


@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize(("block", "neurons"), [(1, 5), (3, 9), (3, 10), (4, 11), (7, 7)])
def test_the_scan_is_the_gram_form(monkeypatch: pytest.MonkeyPatch, activation: str, block: int, neurons: int) -> None:
    rule = specs.HebbianPCA(activation=activation)
    inputs, weights = draw_normal(6, 4), draw_normal(neurons, 4, seed=1)
    monkeypatch.setattr(patch_sums, "BLOCK", 10**9)
    gram = rules.update(rule, inputs, weights)
    monkeypatch.setattr(patch_sums, "BLOCK", block)
    _, learned = rules.respond_and_learn(rule, inputs, weights)
    assert isinstance(learned, patch_sums.Scan) == (6 * 4 + block * (6 + 4) < neurons * (6 + 4))
    signal = rules.respond(rule, inputs, weights)
    scan = patch_sums.Scan(signal, inputs, torch.tensor(6.0, dtype=torch.float64))
    for found in (learned, scan):
        assert_close(rules.update_of(rule, found.sums(weights), weights), gram, rule)


CONVOLUTION = Geometry((2, 1), (1, 0), (1, 2), 2, False, (0, 0))


@given(cuts=st.sets(st.integers(1, 8), min_size=1), seed=st.integers(0, 2**31), images=st.booleans())
@settings(max_examples=FEW)
def test_sums_over_parts_of_a_batch_are_those_of_the_whole(cuts: set[int], seed: int, images: bool) -> None:
    geometry = CONVOLUTION if images else Geometry()
    inputs = draw_normal(9, 4, *((5, 5) if images else ()), seed=seed)
    weights = draw_normal(6, *((2, 3, 2) if images else (4,)), seed=seed + 1) / 3
    edges = [0, *sorted(cuts), 9]
    for rule in RULES:
        whole = rules.learn(rule, inputs, weights, geometry)[1]
        parts = [rules.learn(rule, inputs[a:b], weights, geometry)[1] for a, b in itertools.pairwise(edges)]
        added = sum(parts[1:], parts[0])
        assert_close(added.total, whole.total, rule)
        assert_close(added.weight, whole.weight, rule)
        updates = [rules.update_of(rule, sums, weights, geometry) for sums in (added, whole)]
        assert_close(*updates, rule, 1e-11)


@pytest.mark.parametrize("rule", [specs.SoftWTA(), specs.HardWTA(), specs.TopWTA(k=2)], ids=lambda rule: rule.rule)
def test_averaging_the_updates_of_two_halves_is_something_else(rule: specs.Rule) -> None:
    inputs, weights = draw_normal(8, 4), draw_normal(5, 4, seed=1)
    whole = rules.update(rule, inputs, weights)
    mean = (rules.update(rule, inputs[:4], weights) + rules.update(rule, inputs[4:], weights)) / 2
    assert (mean - whole).norm() > 0.05 * whole.norm()


def iterate(rule: specs.Rule, inputs: Tensor, weights: Tensor, steps: int, rate: float) -> Tensor:
    weights = weights.clone()
    for _ in range(steps):
        weights += rate * rules.update(rule, inputs, weights)
    return weights


def with_covariance(variances: list[float], n: int = 40) -> tuple[Tensor, np.ndarray]:
    """Centred data whose sample covariance has exactly these eigenvalues, and its eigenvectors in rows."""
    q = len(variances)
    white = np.linalg.qr(draw_normal(n, q + 1).numpy() - draw_normal(n, q + 1).numpy().mean(0))[0][:, :q] * n**0.5
    turn = np.linalg.qr(draw_normal(q, q, seed=1).numpy())[0]
    data = white * np.sqrt(variances) @ turn.T
    values, vectors = np.linalg.eigh(data.T @ data / n)
    assert np.allclose(values[::-1], variances)
    return torch.from_numpy(data), vectors.T[::-1]


def test_linear_hpca_finds_the_principal_components() -> None:
    data, vectors = with_covariance([4, 2, 1, 0.5, 0.2])
    rule = specs.HebbianPCA(activation="linear", divide_by_root_fan_in=False)
    weights = iterate(rule, data, draw_normal(4, 5, seed=2) / 4, 1200, 0.1).numpy()
    assert np.allclose(np.abs(weights @ vectors.T), np.eye(4, 5), atol=1e-8)


def test_the_components_of_linear_hpca_do_not_depend_on_later_neurons() -> None:
    data, _ = with_covariance([4, 2, 1, 0.5, 0.2])
    rule = specs.HebbianPCA(activation="linear", divide_by_root_fan_in=False)
    start = draw_normal(4, 5, seed=2) / 4
    assert_close(iterate(rule, data, start, 20, 0.1)[:2], iterate(rule, data, start[:2], 20, 0.1), rule)


def test_every_neuron_of_oja_finds_the_first_principal_component() -> None:
    data, vectors = with_covariance([3, 1, 0.5])
    weights = iterate(specs.Oja(), data, draw_normal(2, 3, seed=2) / 4, 300, 0.1).numpy()
    assert np.allclose(np.abs(weights @ vectors.T), [[1, 0, 0]] * 2, atol=1e-8)


def sources_and_neurons(rule: specs.HebbianICA, sources: Tensor, steps: int, rate: float) -> np.ndarray:
    """Absolute correlations of two mixed, whitened sources (rows) with the neurons that learned from the mixtures."""
    mixed = sources @ draw_normal(2, 2, seed=3)
    mixed = mixed - mixed.mean(0)
    values, vectors = torch.linalg.eigh(mixed.t() @ mixed / len(mixed))
    white = mixed @ vectors / values.sqrt()
    weights = iterate(rule, white, 0.3 * torch.eye(2, dtype=torch.float64), steps, rate)
    return np.abs(np.corrcoef(sources.t().numpy(), (white @ weights.t()).t().numpy())[:2, 2:])


def uniform(n: int) -> Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5


def laplace(n: int) -> Tensor:
    halves = uniform(n)
    return -halves.sign() * torch.log1p(-2 * halves.abs())


@pytest.mark.parametrize(("nonlinearity", "draw"), [("tanh", uniform), ("cube", laplace)])
def test_nonlinear_pca_separates_the_sources_its_nonlinearity_is_for(
    nonlinearity: str, draw: Callable[[int], Tensor]
) -> None:
    found = sources_and_neurons(specs.HebbianICA(nonlinearity=nonlinearity), draw(2000), 800, 0.05)
    assert sorted(found.argmax(1)) == [0, 1]
    assert found.max(1).min() > 0.98


def test_hard_wta_at_learning_rate_1_gives_the_means_of_the_patches_won() -> None:
    centres = 5 * torch.eye(3, 4, dtype=torch.float64)
    labels = torch.arange(12) % 3
    inputs = centres[labels] + 0.1 * draw_normal(12, 4)
    weights = centres + 0.5 * draw_normal(3, 4, seed=1)
    means = torch.stack([inputs[labels == k].mean(0) for k in range(3)])
    assert_close(weights + rules.update(specs.HardWTA(), inputs, weights), means, "means")


def test_class_means_at_learning_rate_1_gives_the_mean_of_each_class_present() -> None:
    inputs, weights = draw_normal(7, 4), draw_normal(4, 4, seed=1)
    labels = torch.tensor([2, 0, 0, 3, 2, 0, 2])
    learned = weights + rules.update_of(specs.HardWTA(), rules.class_means(inputs, weights, labels), weights)
    for k in (0, 2, 3):
        assert_close(learned[k], inputs[labels == k].mean(0), k)
    assert torch.equal(learned[1], weights[1])


@pytest.mark.parametrize("rank", [2, 3])
def test_the_largest_change_of_krotov_and_hopfield_is_1(rank: int) -> None:
    change = rules.update(specs.KrotovHopfield(rank=rank), draw_normal(9, 5), draw_normal(4, 5, seed=1))
    assert change.abs().max() == 1


def test_the_weights_of_krotov_and_hopfield_converge_to_norm_1_of_order_p() -> None:
    inputs, weights = draw_normal(1, 4), draw_normal(1, 4, seed=1) * draw_normal(1, 4).sign()
    rule = specs.KrotovHopfield(p=3, strength=0)
    for step in range(400):
        weights += 0.1 * 0.97**step * rules.update(rule, inputs, weights)
    assert float((weights.abs() ** 3).sum()) == pytest.approx(1, abs=1e-4)


def test_the_weights_of_softhebb_converge_to_unit_norm() -> None:
    inputs = draw_normal(40, 4) + torch.tensor([3.0, 0, 0, 0])
    weights = iterate(specs.SoftHebb(temperature=2), inputs, draw_normal(3, 4, seed=1), 400, 0.1)
    assert torch.allclose(weights.norm(dim=1), torch.ones(3, dtype=torch.float64), atol=1e-6)


ODD_CASES = {
    "zero patches": lambda x, w: (torch.zeros_like(x), w),
    "one zero patch": lambda x, w: (torch.cat([torch.zeros_like(x[:1]), x]), w),
    "dead neuron": lambda x, w: (x, torch.cat([w[:1], torch.zeros_like(w[:1]), w[1:]])),
    "all neurons dead": lambda x, w: (x, torch.zeros_like(w)),
    "identical inputs": lambda x, w: (x[:1].expand(4, *x.shape[1:]), w),
    "identical neurons": lambda x, w: (x, w[:1].repeat(4, *(1,) * (w.dim() - 1))),
    "one neuron": lambda x, w: (x, w[:1]),
    "one patch, one neuron": lambda x, w: (x[:1, ..., :2, :2] if x.dim() > 2 else x[:1], w[:1]),
    "tiny inputs": lambda x, w: (1e-30 * x, w),
    "tiny weights": lambda x, w: (x, 1e-30 * w),
}


@pytest.mark.parametrize("case", ODD_CASES)
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_odd_cases_stay_finite(case: str, images: bool, dtype: torch.dtype) -> None:
    geometry = Geometry((1, 1), (0, 0), (1, 1), 1, False, (0, 0)) if images else Geometry()
    inputs, weights = ODD_CASES[case](
        draw_normal(5, 3, *((4, 4) if images else ())), draw_normal(3, 3, *((2, 2) if images else ()), seed=1)
    )
    inputs, weights = inputs.to(dtype), weights.to(dtype)
    for rule in [*RULES, specs.TopWTA(k=10), specs.KrotovHopfield(rank=10), specs.SoftWTA(temperature=1e-4)]:
        output, sums = rules.learn(rule, inputs, weights, geometry)
        assert output.isfinite().all(), rule
        assert sums.total.isfinite().all(), rule
        update = rules.update_of(rule, sums, weights, geometry)
        assert update.isfinite().all(), rule
        assert update.shape == weights.shape
        trained = weights.clone().requires_grad_()
        rules.respond(rule, inputs, trained, geometry).sum().backward()
        assert trained.grad.isfinite().all(), rule


def test_a_dead_neuron_without_a_share_gets_no_update_and_nobody_else_notices() -> None:
    inputs, weights = draw_normal(6, 4).abs(), draw_normal(3, 4, seed=1).abs()
    with_dead = torch.cat([weights, torch.zeros(1, 4)])
    for rule in (specs.HardWTA(), specs.TopWTA(k=2), specs.KrotovHopfield(), specs.HebbianPCA(), specs.Oja()):
        update = rules.update(rule, inputs, with_dead)
        assert torch.equal(update[3], torch.zeros(4)), rule
        assert_close(update[:3], rules.update(rule, inputs, weights), rule)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_share_too_small_to_divide_by_is_no_share(dtype: torch.dtype) -> None:
    smallest = torch.finfo(dtype).tiny * torch.finfo(dtype).eps
    sums = rules.Sums(torch.zeros(2, 3, dtype=dtype), torch.tensor([1.0, smallest], dtype=dtype))
    assert sums.weight[1] > 0
    assert torch.equal(rules.update_of(specs.SoftWTA(), sums, sums.total), sums.total)


def test_more_winners_than_neurons_are_all_neurons() -> None:
    inputs, weights = draw_normal(6, 4), draw_normal(3, 4, seed=1)
    assert_close(rules.update(specs.TopWTA(k=10), inputs, weights), inputs.mean(0) - weights, "all win")


@pytest.mark.parametrize("n", [2, 17, 300])
def test_of_equals_the_first_wins(n: int) -> None:
    scores = torch.zeros(2, 3, n)
    share = competition.hard(scores)
    assert (share[..., 0] == 1).all()
    assert share.sum() == 6


@pytest.mark.parametrize("kind", ["dense", "conv2d"])
@pytest.mark.parametrize(
    "rule", [specs.SoftWTA(), specs.HebbianPCA(), specs.HebbianPCA(activation="linear")], ids=lambda rule: rule.rule
)
def test_bfloat16_inputs_give_sums_in_single_precision_within_2_percent(kind: str, rule: specs.Rule) -> None:
    images = kind == "conv2d"
    geometry = Geometry((1, 1), (0, 0), (1, 1), 1, False, (0, 0)) if images else Geometry()
    inputs = draw_normal(*((4, 8, 7, 7) if images else (100, 72))).float()
    weights = draw_normal(12, *((8, 3, 3) if images else (72,)), seed=1).float() / 72**0.5
    output, sums = rules.learn(rule, inputs.bfloat16(), weights, geometry)
    assert output.dtype == torch.bfloat16
    assert sums.total.dtype == sums.weight.dtype == torch.float32
    wanted = rules.update(rule, inputs, weights, geometry)
    assert (rules.update_of(rule, sums, weights, geometry) - wanted).norm() < 0.02 * wanted.norm()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_weights_that_change_at_once_change_by_the_sums(rule: specs.Rule) -> None:
    exact, start = draw_normal(6, 12).float(), draw_normal(90, 12, seed=1).float() / 12**0.5
    for inputs, tolerance in ((exact, 1e-4), (exact.bfloat16(), 0.02)):
        _, learned = rules.respond_and_learn(rule, inputs, start)
        at_once, added = start.clone(), start.clone()
        rules.apply(rule, learned.sums(start), added, 0.1)
        rules.apply(rule, learned, at_once, 0.1)
        assert at_once.dtype == torch.float32
        assert (at_once - added).norm() <= tolerance * (added - start).norm()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_batch_without_images_changes_nothing(rule: specs.Rule) -> None:
    weights = draw_normal(90, 12) / 10
    start = weights / weights.norm(dim=1, keepdim=True)  # where a rule keeps weights at norm 1
    weights = start.clone()
    rules.apply(rule, rules.respond_and_learn(rule, draw_normal(0, 12), weights)[1], weights, 0.1)
    assert_close(weights, start, rule)


def test_sums_of_every_rule_keep_the_precision_of_the_weights() -> None:
    inputs, weights = draw_normal(6, 4).bfloat16(), draw_normal(3, 4, seed=1).float()
    every = [rules.learn(rule, inputs, weights)[1] for rule in RULES]
    for sums in (*every, rules.class_means(inputs, weights, torch.arange(6) % 3)):
        assert sums.total.dtype == sums.weight.dtype == torch.float32
    for rule in RULES:
        assert torch.equal(rules.learn(rule, inputs, weights)[0], rules.respond(rule, inputs, weights)), rule


def test_classes_of_many_images_are_counted_in_full_in_bfloat16() -> None:
    sums = rules.class_means(torch.ones(601, 2).bfloat16(), torch.zeros(1, 2), torch.zeros(601, dtype=torch.long))
    assert sums.weight.tolist() == [601]
    assert sums.total.tolist() == [[601, 601]]


def test_learning_keeps_no_graph_for_weights_that_could_be_trained() -> None:
    inputs, weights = draw_normal(6, 4), nn.Parameter(draw_normal(300, 4, seed=1))
    for rule in RULES:
        output, sums = rules.learn(rule, inputs, weights)
        assert not output.requires_grad, rule
        assert not sums.total.requires_grad, rule
