"""Scores by which the neurons of a layer compete for a patch, as their rule computes them; only to observe a layer."""

import torch
from torch import Tensor

from hebbian_dl.layers import sparse_codes
from hebbian_dl.layers.geometry import Geometry
from protocols.spec import rules as specs

SOFT = (specs.SoftWTA, specs.SoftHebb)
#: rules under which neurons compete; of the others the neuron that responds most counts as the winner
COMPETITIVE = (*SOFT, specs.HardWTA, specs.TopWTA, specs.KrotovHopfield)


def scores(rule: specs.Rule, inputs: Tensor, weights: Tensor, geometry: Geometry, patches: Tensor) -> Tensor:
    """Scores of some patches, shape (groups, P, n_neurons / groups): the highest wins.

    Of rules with a softmax, its argument; of rules without a competition, the size of the learning signal, which is 0
    where the neuron does not respond.

    Parameters
    ----------
    inputs
        Shape (n, channels, *size); dense: (n, channels).
    patches
        Indices of the patches, counted through all places of the first image, then of the next.
    """
    inputs = inputs.to(weights.dtype)
    if isinstance(rule, specs.KrotovHopfield):
        weights = weights.sign() * weights.abs() ** (rule.p - 1)
    if isinstance(rule, specs.SparseCoding):
        return geometry.patches(sparse_codes.codes(rule, inputs, weights, geometry))[:, patches].abs()
    drive = geometry.patches(geometry.project(inputs, weights))[:, patches]

    def cosine() -> Tensor:
        sizes = geometry.squared_norms(inputs, weights)[:, patches].sqrt()
        return _per(_per(drive, _norms(weights, geometry)), sizes)

    match rule:
        case specs.SoftWTA(score="activation"):
            return _per(drive, _norms(weights, geometry)) / rule.temperature
        case specs.SoftWTA():
            return ((cosine() + 1) / 2) ** 2 / rule.temperature
        case specs.HardWTA() | specs.TopWTA():
            return cosine()
        case specs.SoftHebb():
            return drive / rule.temperature
        case specs.KrotovHopfield():
            return drive
        case specs.HebbianPCA(activation="relu"):
            return drive.relu()
    return drive.abs()


def _norms(weights: Tensor, geometry: Geometry) -> Tensor:
    """|w|, to broadcast with scores."""
    return geometry.norms(weights).reshape(geometry.groups, 1, -1)


def _per(values: Tensor, norms: Tensor) -> Tensor:
    """Values divided by norms; 0 where the norm is 0."""
    return torch.where(norms > 0, values / norms, 0)
