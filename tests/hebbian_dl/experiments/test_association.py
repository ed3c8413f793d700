"""Association by a network: the culture's presentations, layers against loops, the same results in any process."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hebbian_dl.experiments.association import Associator, run_seed
from hebbian_dl.run import app
from hebbian_dl.training.loop import Diverged
from protocols.loading.loader import load
from protocols.plan.curriculum import expand_association
from protocols.spec.network import AssociativeNetwork
from protocols.spec.protocol import AssociationProtocol
from protocols.spec.random_streams import stream
from tests.command import exit_code

SMALL = (
    "association.training.presentations=90",
    "association.evaluation={every: 30, averaged: 2}",
    "association.probe={per_label: 1, random: 2}",
    "data.validation=20",
    "data.test=30",
    "network.layers=[{dense: 12}]",
)

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.whole]


def digits01(*overrides: str) -> AssociationProtocol:
    protocol = load("digits01", (*SMALL, *overrides))
    assert isinstance(protocol, AssociationProtocol)
    return protocol


def command(out: Path, *arguments: str) -> int:
    settings = [part for override in SMALL for part in ("--set", override)]
    return exit_code(app, "digits01", *settings, "--seeds", "2", "--out", str(out), *arguments)


def only_run(out: Path) -> Path:
    (found,) = [path for path in (out / "digits01").iterdir() if path.is_dir()]
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    assert command(out, "--jobs", "1") == 0
    return only_run(out)


def arrays_of(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "arrays.npz") as file:
        return dict(file)


def soft_wta(weights: np.ndarray, image: np.ndarray, temperature: float, rate: float) -> np.ndarray:
    """Output for one presentation, neuron by neuron (Lagani et al., equation 2); changes the weights in place."""
    outputs, scores = [], []
    for weight in weights:
        product = sum(w * x for w, x in zip(weight, image, strict=True))
        length = sum(w * w for w in weight) ** 0.5
        outputs.append(max(product / length, 0.0))
        scores.append(((product / length / sum(x * x for x in image) ** 0.5 + 1) / 2) ** 2 / temperature)
    shares = [np.exp(score - max(scores)) for score in scores]
    for weight, share in zip(weights, shares, strict=True):
        weight += rate * share / sum(shares) * (image - weight)
    return np.array(outputs)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_run_is_the_literal_loop_over_the_presentations_of_the_culture(seed: int) -> None:
    protocol = digits01("association.training.learning_rate={factor: 0.2, schedule: linear}")
    assert protocol.network is not None
    plan = expand_association(protocol, seed)
    told: list[float] = []
    found = run_seed(protocol, seed, told.append)

    torch.manual_seed(int(np.random.default_rng(stream("network", seed)).integers(2**63)))
    weights = nn.Linear(36, 12, bias=False).weight.detach().numpy().astype(np.float64)
    label = np.zeros((2, 12))
    training = plan.splits.training.images
    mean, sd = training.mean(), training.std()
    expected: dict[str, list[np.ndarray]] = {"validation": [], "test": []}
    for k in range(91):
        if k in (0, 30, 60, 90):
            for name, part in (("validation", plan.splits.validation), ("test", plan.splits.test)):
                standard = ((part.images - mean) / sd).reshape(-1, 36)
                features = np.maximum(standard @ weights.T / np.linalg.norm(weights, axis=1), 0)
                lengths = np.linalg.norm(features, axis=1)[:, None] * np.linalg.norm(label, axis=1)
                expected[name].append(np.divide(features @ label.T, lengths, out=lengths * 0, where=lengths > 0))
        if k < 90:
            factor = 1 - k / 90  # on the network's own rates, whatever the culture's rate is
            shown = ((training[plan.example[k]] - mean) / sd).ravel()
            features = soft_wta(weights, shown, 0.02, 0.05 * factor)
            which = int(plan.splits.training.labels[plan.example[k]])
            label[which] += 0.05 * factor * (features - label[which])
    for name, scores in expected.items():
        np.testing.assert_allclose(found[f"scores/{name}"], np.stack(scores), atol=2e-4)
        assert np.ptp(scores[-1]) > 0.1
    np.testing.assert_allclose(found["filters"].reshape(12, 36), weights, atol=2e-4)
    np.testing.assert_array_equal(found["evaluate_after"], [0, 30, 60, 90])
    np.testing.assert_array_equal(found["labels/test"], plan.splits.test.labels)
    assert told == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert not found["scores/test"][0].any()  # no scores before the first label


def test_with_a_rate_of_one_over_k_the_label_layer_holds_class_means() -> None:
    """Class means of the features at the time of each presentation, since the hidden layer goes on learning."""
    rng = np.random.default_rng(0)
    spec = AssociativeNetwork.model_validate(
        {"layers": [{"conv": 4, "kernel": 3}, {"pool": 2}, {"dense": 7}], "label_learning_rate": 1.0}
    )
    torch.manual_seed(0)
    network = Associator(spec, (1, 8, 8), 4)
    before = [parameter.detach().clone() for parameter in network.hidden.parameters()]
    seen: dict[int, list[np.ndarray]] = {0: [], 1: [], 2: []}
    for label in rng.integers(0, 3, 40).tolist():
        image = torch.from_numpy(rng.standard_normal((1, 8, 8))).float()
        seen[label].append(network.features(image[None])[0].numpy())
        network.present(image, label, 1 / len(seen[label]))
    for label, features in seen.items():
        mean = [sum(float(feature[i]) for feature in features) / len(features) for i in range(7)]
        np.testing.assert_allclose(network.label[label].numpy(), mean, rtol=1e-4, atol=1e-6)
    assert not network.label[3].any()  # never shown
    assert all((now - then).abs().max() > 1e-3 for now, then in zip(network.hidden.parameters(), before, strict=True))


def test_without_learning_nothing_changes() -> None:
    torch.manual_seed(0)
    network = Associator(AssociativeNetwork.model_validate({"layers": [{"dense": 7}]}), (1, 6, 6), 2)
    before = [parameter.detach().clone() for parameter in network.hidden.parameters()]
    network.present(torch.randn(1, 6, 6), 1, 0.0)
    network.scores(torch.randn(5, 1, 6, 6))
    assert all(torch.equal(now, then) for now, then in zip(network.hidden.parameters(), before, strict=True))
    assert not network.label.any()


def test_several_processes_give_the_same_arrays(finished: Path, tmp_path: Path) -> None:
    assert command(tmp_path, "--jobs", "2") == 0
    assert only_run(tmp_path).name == finished.name
    found, expected = arrays_of(only_run(tmp_path)), arrays_of(finished)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert (only_run(tmp_path) / "metrics.json").read_text() == (finished / "metrics.json").read_text()
    assert not np.array_equal(expected["seed_0/scores/test"][-1], expected["seed_1/scores/test"][-1])


def test_metrics_follow_from_the_kept_scores(finished: Path) -> None:
    """The table's numbers by loops over images, with the decision by the largest response."""
    from protocols.results import learning

    arrays = arrays_of(finished)
    parts = [{name[7:]: arrays[name] for name in arrays if name.startswith(f"seed_{seed}/")} for seed in (0, 1)]
    metrics = learning.summarise(digits01("seeds=2", "association.decision=largest_response"), parts, [])
    for seed, part in enumerate(parts):
        right = []
        for scores in part["scores/test"]:
            points = 0.0
            for score, truth in zip(scores, part["labels/test"], strict=True):
                winners = [index for index in (0, 1) if score[index] == max(score)]
                points += (truth in winners) / len(winners)
            right.append(points / len(scores))
        assert metrics["accuracy/curve"]["per_seed"][seed] == pytest.approx(right)
        assert metrics["accuracy/test"]["per_seed"][seed] == pytest.approx((right[-1] + right[-2]) / 2)
        assert metrics["accuracy/untrained"]["per_seed"][seed] == 0.5  # all answers tied
    assert metrics["accuracy/test"]["mean"] > 0.9


def test_the_table_speaks_of_no_culture(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(finished.parents[1]) == 0
    captured = capsys.readouterr()
    assert "Reusing" in captured.err
    metrics = json.loads((finished / "metrics.json").read_text())
    for path, title in {
        "accuracy/test": "test images, last 2 evaluations",
        "accuracy/undecided": "answers tied",
        "ceiling/activity": "logistic readout of all neurons",
    }.items():
        (line,) = [line for line in captured.out.splitlines() if title in line]
        low, high = metrics[path]["ci95"]
        assert line.split(title)[1].split() == [f"{metrics[path]['mean']:.3f}", f"{low:.3f}", "-", f"{high:.3f}", "2"]
    assert f"(AUC of its score {metrics['separation/1']['auc']['mean']:.3f})" in captured.out
    assert not re.search(r"region|culture|electrode|spike", captured.out.split("Run directory")[0])


def test_the_network_is_given_the_presentations_of_the_culture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and labels are compared, in order."""
    protocol, seed = digits01(), 1
    plan, given = expand_association(protocol, seed), []
    monkeypatch.setattr(Associator, "present", lambda self, image, label, rate: given.append((image, label, rate)))
    run_seed(protocol, seed, lambda fraction: None)
    training = plan.splits.training
    assert [label for _, label, _ in given] == [int(training.labels[index]) for index in plan.example]
    for (image, _, rate), index, factor in zip(given, plan.example, plan.learning, strict=True):
        standard = (training.images[index] - training.images.mean()) / training.images.std()
        np.testing.assert_allclose(image[0].numpy(), standard, rtol=1e-5, atol=1e-6)
        assert rate == pytest.approx(factor / plan.learning[0])


def test_a_rate_that_diverges_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ("network.learning_rate=1e6", "network.rule={rule: oja}", "network.layers=[{dense: 9}, {dense: 5}]")
    with pytest.raises(Diverged, match=r"^presentation \d+, layer \d: .* NaN or infinity$"):
        run_seed(digits01(*settings), 0, lambda fraction: None)
    arguments = [part for setting in settings for part in ("--set", setting)]
    assert command(tmp_path, *arguments, "--jobs", "1") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"error: presentation \d+, layer \d: .* NaN or infinity", last)
    assert not list(tmp_path.rglob("metrics.json"))
