"""Measures of features and classifiers against numpy and cases worked out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.training.evaluation import BATCH, effective_rank, evaluate, nearest_class_mean
from tests.hebbian_dl.layers.test_rules import draw_normal


@pytest.mark.parametrize("n", [1, BATCH, 2 * BATCH + 3])
@pytest.mark.parametrize("n_classes", [2, 5, 12])
def test_accuracies_are_those_of_sorted_scores(n: int, n_classes: int) -> None:
    scores = draw_normal(n, n_classes).float()
    labels = torch.arange(n) % n_classes
    found = evaluate(nn.Identity(), Examples(scores, labels))
    logits, truth = scores.double().numpy(), labels.numpy()
    order = np.argsort(-logits, axis=1)
    assert found["top1"] == pytest.approx(np.mean(order[:, 0] == truth), abs=1e-12)
    assert found["top5"] == pytest.approx(np.mean((order[:, :5] == truth[:, None]).any(1)), abs=1e-12)
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found["loss"] == pytest.approx(-np.log(probability[np.arange(n), truth]).mean(), rel=1e-5)


def test_a_model_is_evaluated_without_dropout() -> None:
    model = nn.Sequential(nn.Dropout(0.9)).train()
    scores = 5 * torch.eye(8).repeat(20, 1)
    assert evaluate(model, Examples(scores, torch.arange(8).repeat(20)))["top1"] == 1


def test_the_nearest_class_mean_is_that_of_the_largest_cosine() -> None:
    means = torch.tensor([[1.0, 0.0], [30.0, 40.0], [0.0, 0.0]])  # the last class was never seen
    features = torch.tensor([[5.0, 1.0], [2.0, 2.1], [0.1, 9.0], [-3.0, 0.1]])
    # cosines with (1, 0), (0.6, 0.8), 0: 0.98 0.75 0; 0.69 0.993 0; 0.01 0.81 0; -1 -0.57 0
    for labels, wanted in (([0, 1, 1, 2], 1.0), ([1, 1, 1, 2], 0.75), ([1, 0, 0, 0], 0.0), ([0, 0, 0, 0], 0.25)):
        assert (nearest_class_mean(features, means) == torch.tensor(labels)).double().mean() == wanted


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_effective_rank_of_orthonormal_features_is_their_number(n: int) -> None:
    rows = np.linalg.qr(draw_normal(9, n).numpy())[0].T
    assert effective_rank(torch.from_numpy(rows.copy())) == pytest.approx(n, rel=1e-6)
    assert effective_rank(3 * torch.from_numpy(rows.copy()).float()) == pytest.approx(n, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [3, 400])
def test_collapsed_features_have_the_effective_rank_1(dtype: torch.dtype, n: int) -> None:
    features = torch.outer(draw_normal(n), draw_normal(30, seed=1)).to(dtype)
    assert effective_rank(features) == pytest.approx(1, abs=0.01)


def test_the_effective_rank_is_the_exponential_of_the_entropy_of_the_singular_values() -> None:
    features = draw_normal(8, 5) * torch.tensor([1, 2, 4, 8, 0.1])
    share = np.linalg.svd(features.numpy(), compute_uv=False)
    share = share / share.sum()
    assert effective_rank(features) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-6)


def test_the_effective_rank_of_silence_is_finite() -> None:
    assert effective_rank(torch.zeros(4, 3)) == 1
