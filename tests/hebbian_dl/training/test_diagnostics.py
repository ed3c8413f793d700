"""Diagnostics of layers against literal formulas with numpy and scipy; they change neither weights nor randomness."""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.layers import rules, winners
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.layers.hebbian import Hebbian, hebbian_layers
from hebbian_dl.layers.hebbianize import hebbianize
from hebbian_dl.networks.build import build
from hebbian_dl.training import diagnostics, loop
from hebbian_dl.training.diagnostics import MEASURES, Diagnostics, evenness, mean_cosine, stable_rank
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.loop import Training
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.network import Network
from protocols.spec.rules import (
    HardWTA,
    HebbianICA,
    HebbianPCA,
    KrotovHopfield,
    Rule,
    SoftHebb,
    SoftWTA,
    SparseCoding,
    TopWTA,
)
from tests.reference import hebbian

N, SHAPE = 12, (2, 6, 6)
LAYERS: list[dict[str, Any]] = [{"conv": 5, "kernel": 3}, {"norm": "plain"}, {"dense": 7}]
NETWORK = Network.model_validate({"layers": LAYERS, "methods": {"none": {"pretraining": "none"}}})
SWTA = SoftWTA()
RULES: list[Rule] = [
    *(SoftWTA(temperature=0.1), SoftWTA(temperature=0.3, score="activation"), SoftHebb(temperature=0.7)),
    *(HardWTA(), TopWTA(k=2), KrotovHopfield(p=3), HebbianPCA(), HebbianICA()),
    SparseCoding(threshold=0.2, iterations=8),
]


def images_of(n: int = N, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    return Examples(torch.randn(n, *SHAPE, generator=generator), torch.arange(n) % 3)


def pretraining(rule: Rule, **options: Any) -> HebbianPretraining:
    asked = {"rule": rule.model_dump(), "learning_rate": 0.05, "epochs": 3, "batch": 4} | options
    return HebbianPretraining.model_validate(asked)


def training_of(rule: Rule = SWTA, *, diagnosed: bool = True, **options: Any) -> Training:
    torch.manual_seed(1)
    network = build(NETWORK.layers, SHAPE, rule)
    validation = images_of(10, 1)
    made = hebbian_training(
        "net", network, pretraining(rule, **options), Splits(images_of(), validation, validation), 3
    )
    if not diagnosed:
        made.diagnose = None
    return made


def fingerprint(model: nn.Module) -> str:
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in model.state_dict().values())).hexdigest()


def literal_scores(rule: Rule, patch: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Scores of one patch for all neurons, term by term."""
    norms, size = np.linalg.norm(weights, axis=1), np.linalg.norm(patch)
    match rule:
        case SoftWTA(score="cosine"):
            return ((weights @ patch / norms / size + 1) / 2) ** 2 / rule.temperature
        case SoftWTA():
            return weights @ patch / norms / rule.temperature
        case SoftHebb():
            return weights @ patch / rule.temperature
        case HardWTA() | TopWTA():
            return weights @ patch / norms / size
        case KrotovHopfield():
            return (np.sign(weights) * np.abs(weights) ** (rule.p - 1)) @ patch
        case HebbianPCA():
            return np.maximum(weights @ patch, 0)
        case SparseCoding():
            atoms = weights / np.maximum(norms, 1e-30)[:, None]
            return np.abs(hebbian.sparse_codes(patch, atoms, rule.inference, rule.iterations, rule.threshold, False))
    return np.abs(weights @ patch)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.rule}")
def test_every_measure_equals_its_literal_formula(rule: Rule) -> None:
    competitive = not isinstance(rule, HebbianPCA | HebbianICA | SparseCoding)
    soft = isinstance(rule, SoftWTA | SoftHebb)
    torch.manual_seed(2)
    layer = nn.Conv2d(2, 5, 3, stride=2)
    model = nn.Sequential(Hebbian(layer, rule, activated=False), nn.Flatten())
    found = Diagnostics(model, images_of(), model)
    with torch.no_grad():
        layer.weight += 0.3 * torch.randn_like(layer.weight)
        if not competitive:
            layer.weight[4] = 0  # dead
    measured = {measure: values[0] for measure, values in found().items()}
    weights = layer.weight.detach().flatten(1).double().numpy()
    patches = nn.functional.unfold(images_of().images, 3, stride=2).transpose(1, 2).flatten(0, 1).double().numpy()
    scores = np.stack([literal_scores(rule, patch, weights) for patch in patches])
    counted = scores if competitive else scores[scores.max(1) > 0]
    wins = np.bincount(counted.argmax(1), minlength=5)
    alive = wins > 0 if competitive else (scores > 0).any(0)
    assert measured["winner_entropy"] == pytest.approx(scipy.stats.entropy(wins, base=5), rel=1e-6)
    assert measured["dead_neurons"] == pytest.approx(1 - alive.mean())
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    expected = scipy.stats.entropy(shares, axis=1, base=5).mean() if soft else math.nan
    assert measured["softmax_entropy"] == pytest.approx(expected, rel=1e-5, nan_ok=True)
    features = patches @ weights.T + layer.bias.detach().double().numpy()
    singular = np.linalg.svd(features, compute_uv=False)
    assert measured["effective_rank"] == pytest.approx(math.exp(scipy.stats.entropy(singular)), rel=1e-4)
    assert measured["stable_rank"] == pytest.approx((singular**2).sum() / singular[0] ** 2, rel=1e-5)
    own = np.linalg.svd(weights, compute_uv=False)
    assert measured["weight_stable_rank"] == pytest.approx((own**2).sum() / own[0] ** 2, rel=1e-8)
    first = found.initial["0"].flatten(1).double().numpy()
    norms = np.linalg.norm(weights, axis=1) * np.linalg.norm(first, axis=1)
    cosines = (weights * first).sum(1) / np.maximum(norms, 1e-30)
    assert measured["cosine_to_initial"] == pytest.approx(cosines.mean(), rel=1e-6)


@pytest.mark.parametrize("temperature", [0.02, 1.0])
def test_the_shares_of_the_scores_are_those_the_rule_learns_with(temperature: float) -> None:
    """The update's weight of a neuron is the sum of its shares over patches (equation 2)."""
    torch.manual_seed(3)
    inputs, weights, rule = torch.randn(3, 2, 6, 6), torch.randn(5, 2, 3, 3), SoftWTA(temperature=temperature)
    geometry = Geometry.of(nn.Conv2d(2, 5, 3))
    shares = winners.scores(rule, inputs, weights, geometry, torch.arange(3 * 16)).softmax(2)
    torch.testing.assert_close(shares.sum(1).flatten(), rules.learn(rule, inputs, weights, geometry)[1].weight)


def test_stable_rank_of_matrices_with_a_gap_and_without() -> None:
    rng = np.random.default_rng(0)
    axes = [np.linalg.qr(rng.normal(size=(n, 40)))[0] for n in (300, 200)]
    for values in (np.ones(40), 0.9 ** np.arange(40), np.r_[3.0, np.ones(39)]):
        matrix = torch.from_numpy((axes[0] * values) @ axes[1].T)
        assert stable_rank(matrix) == pytest.approx((values**2).sum() / values[0] ** 2, rel=1e-9)
    noise = rng.normal(size=(400, 300))  # the largest singular values lie close together
    exact = (noise**2).sum() / np.linalg.norm(noise, 2) ** 2
    assert stable_rank(torch.from_numpy(noise)) == pytest.approx(exact, rel=1e-3)
    assert stable_rank(torch.zeros(3, 4)) == 0
    assert stable_rank(torch.ones(1, 1)) == 1


def test_evenness_and_cosine_at_their_ends() -> None:
    assert evenness(torch.tensor([5, 5, 5])) == pytest.approx(1)
    assert evenness(torch.tensor([0, 9, 0])) == 0
    assert evenness(torch.tensor([0, 0])) == 0
    rows = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    others = torch.tensor([[3.0, 0.0], [5.0, 0.0], [-1e-9, 0.0]])
    assert mean_cosine(rows, others) == pytest.approx(0)


@pytest.mark.parametrize("layers", ["together", "one_by_one"])
def test_a_training_is_the_same_bit_for_bit_with_and_without(layers: str) -> None:
    found = []
    for diagnosed in (True, False):
        training = training_of(diagnosed=diagnosed, layers=layers)
        training.run(0, None, None, lambda fraction: None)
        found.append((fingerprint(training.model), training.history, torch.rand(3).tolist()))
    assert found[0] == found[1]


def test_one_row_before_the_first_epoch_and_one_after_each() -> None:
    training = training_of(layers="one_by_one")
    training.run(0, None, None, lambda fraction: None)
    table = diagnostics.table(training)
    assert table.keys() == {*MEASURES, "layers", "neurons"}
    assert (table["layers"], table["neurons"]) == (["0", "3"], [5, 7])
    assert np.shape(table["winner_entropy"]) == (1 + 2 * 3, 2)
    cosines = np.array(table["cosine_to_initial"])
    np.testing.assert_allclose(cosines[:4, 1], 1, atol=1e-12)  # the second layer has not learned yet
    assert (np.diff(cosines[:4, 0]) < 0).all()
    assert cosines[4, 0] == cosines[6, 0]  # the first has learned
    assert cosines[6, 1] < cosines[3, 1]


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("at", [0.1, 0.4, 0.7])
def test_a_resumed_training_has_the_history_of_one_that_ran_through(
    at: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = training_of()
    whole.run(0, None, None, lambda fraction: None)
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1)

    def kill(fraction: float) -> None:
        if fraction > at:
            raise Killed

    with pytest.raises(Killed):
        training_of().run(0, tmp_path / "x.safetensors", None, kill)
    resumed = training_of()
    resumed.run(0, tmp_path / "x.safetensors", None, lambda fraction: None)
    assert resumed.diagnoses == whole.diagnoses
    assert len(resumed.diagnoses) == 4


def test_a_checkpoint_of_an_earlier_version_goes_on_without() -> None:
    training = training_of()
    training.history = [{"class_mean_accuracy": 0.5, "effective_rank": 2.0}]  # as such a checkpoint restores
    training.run(0, None, None, lambda fraction: None)
    assert diagnostics.table(training) == {}


class Shared(nn.Module):
    """Tokens through one layer twice, a grouped convolution, and a layer that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped, self.token, self.unused = nn.Conv2d(2, 4, 3, groups=2), nn.Linear(4, 4), nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.grouped(images).flatten(2).transpose(1, 2)  # (n, 16, 4)
        return self.token(self.token(tokens)).mean(1)


def test_networks_of_ones_own_are_observed_through_hooks() -> None:
    torch.manual_seed(4)
    model = hebbianize(Shared(), HardWTA())
    before = [len(layer._forward_hooks) for _, layer in hebbian_layers(model)]
    images = images_of()
    measured = Diagnostics(model, images, model)()
    assert [len(layer._forward_hooks) for _, layer in hebbian_layers(model)] == before
    assert all(math.isnan(values[2]) for values in measured.values())
    with torch.no_grad():
        tokens = model.grouped(images.images).flatten(2).transpose(1, 2).flatten(0, 1)
        both = torch.cat([tokens, model.token(tokens)])
    normal = nn.functional.normalize(model.token.weight.detach(), dim=1)
    wins = np.bincount((nn.functional.normalize(both, dim=1) @ normal.t()).argmax(1).numpy(), minlength=4)
    assert measured["winner_entropy"][1] == pytest.approx(scipy.stats.entropy(wins, base=4), rel=1e-6)
    won = []
    for group, weights in enumerate(model.grouped.weight.detach().flatten(1).split(2)):
        patches = nn.functional.unfold(images.images[:, group : group + 1], 3).transpose(1, 2).flatten(0, 1)
        best = (patches @ nn.functional.normalize(weights, dim=1).t()).argmax(1)
        won.append(np.bincount(best.numpy(), minlength=2))
    assert measured["winner_entropy"][0] == pytest.approx(scipy.stats.entropy(np.concatenate(won), base=4), rel=1e-6)
