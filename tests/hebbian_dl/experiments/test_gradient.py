"""Association by backprop: each presentation is a step of gradient descent, by loops and by hand-written gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from hebbian_dl.experiments.association import run_seed
from hebbian_dl.experiments.gradient import GradientAssociator
from hebbian_dl.training.loop import Diverged
from protocols.loading.loader import load
from protocols.plan.curriculum import expand_association
from protocols.spec.faults import ProtocolFault
from protocols.spec.network import AssociativeNetwork
from protocols.spec.protocol import AssociationProtocol
from protocols.spec.random_streams import stream
from tests.hebbian_dl.experiments.test_association import SMALL

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.whole]
BACKPROP = (
    "network.rule={rule: backprop}",
    "network.learning_rate=0.02",
    "network.label_learning_rate=0.1",
    "association.training.learning_rate={factor: 0.2, schedule: linear}",
)


def digits01(*overrides: str) -> AssociationProtocol:
    protocol = load("digits01", (*SMALL, *BACKPROP, *overrides))
    assert isinstance(protocol, AssociationProtocol)
    return protocol


def test_a_run_is_the_literal_gradient_descent_over_the_presentations_of_the_culture() -> None:
    protocol = digits01()
    plan = expand_association(protocol, 3)
    found = run_seed(protocol, 3, lambda fraction: None)

    torch.manual_seed(int(np.random.default_rng(stream("network", 3)).integers(2**63)))
    drawn = nn.Linear(36, 12)
    w, b = (parameter.detach().numpy().astype(np.float64) for parameter in (drawn.weight, drawn.bias))
    u, c = np.zeros((2, 12)), np.zeros(2)
    training = plan.splits.training.images
    mean, sd = training.mean(), training.std()
    test = ((plan.splits.test.images - mean) / sd).reshape(-1, 36)
    expected = []
    for k in range(91):
        if k in (0, 30, 60, 90):
            expected.append(np.maximum(test @ w.T + b, 0) @ u.T + c)
        if k < 90:
            x = ((training[plan.example[k]] - mean) / sd).ravel()
            h = np.maximum(w @ x + b, 0)
            score = np.exp(u @ h + c)
            error = score / score.sum()  # gradient of the cross-entropy with respect to the scores
            error[int(plan.splits.training.labels[plan.example[k]])] -= 1
            back = (u.T @ error) * (h > 0)
            factor = 1 - k / 90  # on the network's own rates, whatever the culture's rate is
            u -= 0.1 * factor * np.outer(error, h)
            c -= 0.1 * factor * error
            w -= 0.02 * factor * np.outer(back, x)
            b -= 0.02 * factor * back
    np.testing.assert_allclose(found["scores/test"], np.stack(expected), atol=2e-4)
    np.testing.assert_allclose(found["filters"].reshape(12, 36), w, atol=2e-5)
    assert not found["scores/test"][0].any()  # no scores before the first label
    assert np.abs(w - drawn.weight.detach().numpy()).max() > 0.01


def test_a_loss_that_is_not_finite_is_one_line_with_the_presentation(monkeypatch: pytest.MonkeyPatch) -> None:
    image, present, shown = torch.full((1, 6, 6), torch.inf), GradientAssociator.present, []

    def third(self: GradientAssociator, given: torch.Tensor, label: int, learning: float) -> None:
        shown.append(label)
        present(self, image if len(shown) == 3 else given, label, learning)

    monkeypatch.setattr(GradientAssociator, "present", third)
    line = "presentation 2: the loss is NaN or infinite; allowed: a smaller learning rate"
    with pytest.raises(Diverged, match=f"^{line}$"):
        run_seed(digits01(), 0, lambda fraction: None)


def test_without_learning_nothing_changes() -> None:
    spec = AssociativeNetwork.model_validate({"layers": [{"dense": 7}], "rule": {"rule": "backprop"}})
    network = GradientAssociator(spec, (1, 6, 6), 2)
    before = [parameter.detach().clone() for parameter in network.hidden.parameters()]
    network.present(torch.randn(1, 6, 6), 1, 0.0)
    assert all(torch.equal(now, then) for now, then in zip(network.hidden.parameters(), before, strict=True))
    assert not network.label.weight.any()


def test_an_unknown_rule_is_one_line() -> None:
    with pytest.raises(ProtocolFault) as caught:
        load("digits01", ["network.rule={rule: backprob}"])
    (line,) = caught.value.lines
    assert line.startswith("network.rule")
    assert "backprop" in line


def test_backprop_does_not_pretrain() -> None:
    """It is a rule of association alone: pre-training is without labels."""
    with pytest.raises(ProtocolFault, match="backprop"):
        load("digits_hebb", ["network.methods.HPCA.rule={rule: backprop}"])
