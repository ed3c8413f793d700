"""Sparse codes of patches: the minimum over a of |x - B'a|^2 / 2 + threshold * |a|_1, for a dictionary B of atoms.

Inference needs the drives Bx and the Gram matrix BB' of the atoms, never the patches themselves. Both methods converge
to the same codes: LCA (Rozell et al. 2008) by the dynamics of neurons that inhibit each other as far as their atoms
overlap; ISTA (Daubechies et al. 2004) by gradient steps on the reconstruction error, each followed by a shrinkage.
"""

import torch
from torch import Tensor

from hebbian_dl.layers import patch_sums
from hebbian_dl.layers.geometry import Geometry
from protocols.spec.rules import SparseCoding

SQUARINGS = 4  # of the Gram matrix: the bound is at most n_atoms^(1/32) times the largest eigenvalue


def codes(rule: SparseCoding, inputs: Tensor, weights: Tensor, geometry: Geometry) -> Tensor:
    """Sparse codes of all patches in the precision of the weights, shape (n, n_neurons, *positions); differentiable."""
    dictionary = atoms(rule, weights, geometry)
    drive = geometry.project(inputs, dictionary.to(inputs.dtype))
    found = infer(rule, geometry.patches(drive).to(weights.dtype), geometry.rows(dictionary))
    return geometry.maps(found, drive.shape)


def atoms(rule: SparseCoding, weights: Tensor, geometry: Geometry) -> Tensor:
    """The weights; where the rule keeps atoms at unit norm, w / |w|."""
    return weights * geometry.spread(geometry.inverse_norms(weights), weights) if rule.unit_norm else weights


def explained(rule: SparseCoding, found: Tensor, weights: Tensor, geometry: Geometry) -> Tensor:
    """A'A B: the reconstructions of all patches times their codes A, in the shape of the weights."""
    rows = geometry.rows(atoms(rule, weights, geometry))
    return geometry.from_rows(patch_sums.explained(geometry.patches(found), rows), weights)


def infer(rule: SparseCoding, drive: Tensor, dictionary: Tensor) -> Tensor:
    """Codes of patches after the rule's number of iterations, differentiable.

    Parameters
    ----------
    rule
        Method, number of iterations, threshold and sign of the codes.
    drive
        Projections Bx of the patches on the atoms, shape (groups, P, n_atoms).
    dictionary
        B, shape (groups, n_atoms, M).

    Returns
    -------
    Tensor, shape (groups, P, n_atoms)
    """
    gram, step = dictionary @ dictionary.transpose(1, 2), step_size(dictionary)
    one = torch.eye(len(gram[0]), dtype=gram.dtype, device=gram.device)
    pushed, found = step * drive, torch.zeros_like(drive)
    if rule.inference == "ista":
        kept = one - step * gram
        for _ in range(rule.iterations):
            found = _shrunk(torch.baddbmm(pushed, found, kept), step * rule.threshold, rule)
        return found
    inhibition, potential = step * (one - gram), torch.zeros_like(drive)
    for _ in range(rule.iterations):
        potential = torch.baddbmm(pushed, found, inhibition) + (1 - step) * potential
        found = _shrunk(potential, torch.full_like(step, rule.threshold), rule)
    return found


@torch.no_grad()
def step_size(dictionary: Tensor) -> Tensor:
    """1 / L for a bound L >= 1 on the largest eigenvalue of BB', so that both methods converge, shape (groups, 1, 1).

    The Frobenius norm of (BB')^16, to the power 1/16; B'B has the same eigenvalues, and the smaller matrix is used.
    """
    _, n_atoms, fan_in = dictionary.shape
    left, right = dictionary, dictionary.transpose(1, 2)
    power = right @ left if n_atoms > fan_in else left @ right
    bound, exponent = power.new_ones(len(power), 1, 1), 1.0
    for _ in range(SQUARINGS):
        norm = _norm(power)
        bound, exponent, power = bound * norm**exponent, exponent / 2, (power / norm) @ (power / norm)
    return 1 / (bound * _norm(power) ** exponent).clamp_min(1)


def _norm(matrices: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True)
    return norm.clamp_min(torch.finfo(norm.dtype).tiny)


def _shrunk(values: Tensor, threshold: Tensor, rule: SparseCoding) -> Tensor:
    """Soft threshold: values move towards 0 by the threshold; negative ones to 0 where codes are not negative."""
    return (values - threshold).relu() if rule.non_negative else values - values.clamp(-threshold, threshold)
