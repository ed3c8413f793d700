"""Sparse codes against scikit-learn's, and their update against autograd's gradient of the reconstruction error."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.layers import rules, sparse_codes
from hebbian_dl.layers.geometry import DENSE, Geometry
from hebbian_dl.layers.hebbian import Hebbian
from protocols.spec.rules import SparseCoding
from tests.hebbian_dl.layers.test_rules import assert_close, draw_normal

KINDS = [(inference, non_negative) for inference in ("ista", "lca") for non_negative in (False, True)]


def unit(weights: Tensor) -> Tensor:
    return weights / weights.flatten(1).norm(dim=1).reshape(-1, *(1,) * (weights.dim() - 1))


@pytest.mark.parametrize(("inference", "non_negative"), KINDS)
@pytest.mark.parametrize("unit_norm", [True, False])
def test_the_codes_converge_to_those_of_the_lasso(inference: str, non_negative: bool, unit_norm: bool) -> None:
    inputs, weights = draw_normal(8, 10), draw_normal(14, 10, seed=1)
    options = {"non_negative": non_negative, "unit_norm": unit_norm, "threshold": 0.7}
    found = rules.respond(SparseCoding(inference=inference, iterations=10_000, **options), inputs, weights)
    atoms = (unit(weights) if unit_norm else weights).numpy()
    lasso = Lasso(0.7 / 10, fit_intercept=False, positive=non_negative, tol=1e-14, max_iter=10**6)
    wanted = np.array([lasso.fit(atoms.T, x).coef_ for x in inputs.numpy()])
    assert 0.1 < (wanted != 0).mean() < 0.9
    assert_close(found, wanted, inference, 1e-7)
    assert ((found != 0).numpy() == (wanted != 0)).all()


@pytest.mark.parametrize(("inference", "non_negative"), KINDS)
@pytest.mark.parametrize("unit_norm", [True, False])
@pytest.mark.parametrize("images", [True, False])
def test_the_update_is_the_gradient_of_the_reconstruction_error_at_fixed_codes(
    inference: str, non_negative: bool, unit_norm: bool, images: bool
) -> None:
    layer: nn.Module = nn.Conv2d(2, 9, (3, 2), (1, 2), (1, 0), bias=False) if images else nn.Linear(7, 9, bias=False)
    inputs = draw_normal(4, 2, 6, 5) if images else draw_normal(11, 7)
    weights = draw_normal(*layer.weight.shape, seed=1)
    options = {"inference": inference, "non_negative": non_negative, "unit_norm": unit_norm, "iterations": 7}
    output, sums = rules.learn(SparseCoding(**options), inputs, weights, Geometry.of(layer))
    patches = functional.unfold(inputs, (3, 2), padding=(1, 0), stride=(1, 2)) if images else inputs[..., None]
    codes = output.flatten(2) if images else output[..., None]
    atoms = (unit(weights) if unit_norm else weights).flatten(1).requires_grad_()
    left = patches - torch.einsum("qm,nqp->nmp", atoms, codes)  # of each patch, by its own codes
    (0.5 * left.square().sum() / codes[:, 0].numel()).backward()
    assert 0.1 < float((codes != 0).double().mean()) < 0.9
    assert_close(rules.update_of(SparseCoding(**options), sums, Geometry.of(layer)).flatten(1), -atoms.grad, options)


def test_the_step_is_the_largest_eigenvalue_s_inverse_or_a_little_less() -> None:
    for n_atoms, fan_in in ((3, 30), (30, 3), (40, 40), (1, 1)):
        dictionary = draw_normal(2, n_atoms, fan_in)
        found = sparse_codes.step_size(dictionary)
        largest = torch.linalg.matrix_norm(dictionary, 2).square()
        assert (found.flatten() * largest <= 1 + 1e-12).all()
        assert (found.flatten() * largest > 40 ** (-1 / 32)).all() or n_atoms == 1


def test_a_dictionary_learns_the_sparse_causes_of_its_inputs() -> None:
    causes = unit(draw_normal(12, 16))
    active = (torch.rand(600, 12, generator=torch.Generator().manual_seed(2)) < 0.15).double()
    inputs = (active * draw_normal(600, 12, seed=3).sign()) @ causes
    rule, weights = SparseCoding(threshold=0.1, iterations=40), unit(draw_normal(12, 16, seed=4))
    before = (weights @ causes.t()).abs().amax(1)
    for _ in range(400):
        rules.apply(rule, rules.learn(rule, inputs, weights)[1], weights, 2.0)
    assert_close(weights.norm(dim=1), torch.ones(12), "norms")
    assert before.median() < 0.7
    assert (weights @ causes.t()).abs().amax(1).median() > 0.98


@pytest.mark.parametrize("unit_norm", [True, False])
def test_only_the_update_in_place_sets_the_norms(unit_norm: bool) -> None:
    rule = SparseCoding(unit_norm=unit_norm, threshold=0.1)
    layer = Hebbian(nn.Linear(6, 5, bias=False).double(), rule)
    start, inputs = layer.weight.detach().clone(), draw_normal(9, 6)
    layer(inputs)
    assert torch.equal(layer.weight, start)
    moved = start - 0.3 * layer.weight.grad
    layer.learning_rate = 0.3
    layer.weight.grad = layer._pending = None
    layer(inputs)
    assert_close(layer.weight.detach(), unit(moved) if unit_norm else moved, "weights")


@pytest.mark.parametrize("inference", ["ista", "lca"])
def test_fine_tuning_gets_the_derivative_of_the_codes(inference: str) -> None:
    rule = SparseCoding(inference=inference, iterations=150, threshold=0.2)
    inputs, weights = draw_normal(2, 4), draw_normal(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: rules.respond(rule, inputs, w, DENSE), weights)


def test_lower_precision_of_the_inputs_leaves_inference_and_sums_in_that_of_the_weights() -> None:
    rule, inputs, weights = SparseCoding(), draw_normal(6, 4).bfloat16(), draw_normal(5, 4, seed=1).float()
    output, sums = rules.learn(rule, inputs, weights)
    assert (output.dtype, sums.total.dtype) == (torch.bfloat16, torch.float32)
    assert_close(output.float(), rules.respond(rule, inputs.float(), weights), rule, 0.05)
