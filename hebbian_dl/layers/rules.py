"""The Hebbian rules in matrix form (FastHebb): no patch is stored, no update of a single patch is computed.

Each rule computes from inputs and weights the layer's output and sums over patches, from which the update follows.
Sums can be added over parts of a batch, over batches and over processes; updates cannot.

Notation of Lagani et al. (equations 2 to 9): A (P x Q) signals of Q neurons for P patches, C (P x M) the patches,
B (Q x M) the weights.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hebbian_dl.layers import competition, sparse_codes
from hebbian_dl.layers.geometry import DENSE, Geometry
from protocols.spec import rules as specs

SCAN_BLOCK = 64  # neurons in a block of `_scan`; on a CPU the fastest of 64 to 512 for 4096 neurons
GPU_SCAN_BLOCK = 256  # each block is five kernels: fewer launches; not measured yet


@dataclass(frozen=True)
class Sums:
    """Sums of a rule over patches.

    Parameters
    ----------
    total
        Sum of the updates of all patches, in the shape of the weights.
    weight
        Divisor of `total`: the number of patches, shape (), or a sum for each neuron, shape (n_neurons,).
    """

    total: Tensor
    weight: Tensor

    def __add__(self, other: "Sums") -> "Sums":
        """The sums over the patches of both."""
        return Sums(self.total + other.total, self.weight + other.weight)


@torch.no_grad()
def learn(
    rule: specs.Rule, inputs: Tensor, weights: Tensor, geometry: Geometry = DENSE, *, activated: bool = True
) -> tuple[Tensor, Sums]:
    """The output of a layer and the sums of its rule.

    Parameters
    ----------
    rule
        The rule and its parameters.
    inputs
        Shape (n, channels, *size); may have lower precision than the weights, in whose precision sums are kept.
    weights
        In the layout of the torch layer of that geometry.
    activated
        Whether the output is the rule's, or w.x.

    Returns
    -------
    output : Tensor, shape (n, n_neurons, *positions)
    sums : Sums
    """
    match rule:
        case specs.SoftWTA(score="activation"):
            return _competitive(rule, inputs, weights, geometry, cosine=False, activated=activated)
        case specs.SoftWTA() | specs.HardWTA() | specs.TopWTA():
            return _competitive(rule, inputs, weights, geometry, cosine=True, activated=activated)
        case specs.KrotovHopfield():
            return _krotov_hopfield(rule, inputs, weights, geometry, activated=activated)
        case specs.SparseCoding():
            codes = sparse_codes.codes(rule, inputs, weights, geometry)
            sums = _sums(inputs, codes, weights, geometry)
            sums.total.sub_(sparse_codes.explained(rule, codes, weights, geometry))
            own = codes if activated else geometry.project(inputs, weights.to(inputs.dtype))
            return own.to(inputs.dtype), sums
    drive = geometry.project(inputs, weights.to(inputs.dtype))
    match rule:
        case specs.Hebb():
            return drive, _sums(inputs, drive, weights, geometry)
        case specs.Oja():
            decay = geometry.patches(drive).to(weights.dtype).square().sum(1).flatten()
            return drive, _sums(inputs, drive, weights, geometry, decay)
        case specs.HebbianPCA():
            signal = drive
            if rule.activation == "relu":
                signal = drive.relu_() if activated else drive.relu()
            return signal if activated else drive, hebbian_pca(inputs, signal, weights, geometry)
        case specs.HebbianICA():
            signal = drive.tanh() if rule.nonlinearity == "tanh" else drive**3
            gram = _gram(geometry.patches(signal).to(weights.dtype))
            sums = _sums(inputs, signal, weights, geometry)
            sums.total.sub_(geometry.from_rows(gram @ geometry.rows(weights), weights))
            return drive, sums
        case specs.SoftHebb():
            current = geometry.patches(drive).to(weights.dtype)
            compete = competition.soft_against if rule.anti_hebbian else competition.soft
            share = compete(current / rule.temperature)
            decay = (share * current).sum(1).flatten()
            sums = _sums(inputs, geometry.maps(share, drive.shape), weights, geometry, decay)
            return drive.relu() if activated else drive, sums
    raise TypeError(type(rule))


def respond(rule: specs.Rule, inputs: Tensor, weights: Tensor, geometry: Geometry = DENSE) -> Tensor:
    """The output of a layer without learning, differentiable."""
    match rule:
        case specs.SoftWTA() | specs.HardWTA() | specs.TopWTA():
            return _unit_projection(inputs, weights, geometry).relu()
        case specs.HebbianPCA(activation="relu") | specs.SoftHebb() | specs.KrotovHopfield():
            return geometry.project(inputs, weights.to(inputs.dtype)).relu()
        case specs.SparseCoding():
            return sparse_codes.codes(rule, inputs, weights, geometry).to(inputs.dtype)
    return geometry.project(inputs, weights.to(inputs.dtype))


def factors(rule: specs.Rule, sums: Sums, weights: Tensor, geometry: Geometry = DENSE) -> Tensor:
    """Factors that turn sums into the update, shape () or (n_neurons,); 0 for neurons that won no share of a patch."""
    match rule:
        case specs.KrotovHopfield():
            return _inverse_of_largest(sums.total)
        case specs.SoftHebb():
            scale = _inverse_of_largest(sums.total) if rule.divide_by_largest else 1 / sums.weight
            exponent = rule.norm_exponent
            return scale if exponent == 0 else scale * (geometry.norms(weights) - 1).abs() ** exponent
        case specs.HebbianPCA(divide_by_root_fan_in=True):
            return 1 / (sums.weight * geometry.fan_in(sums.total) ** 0.5)
    if not sums.weight.dim():
        return 1 / sums.weight
    smallest = torch.finfo(sums.weight.dtype).tiny  # the inverse of a smaller number may be infinite
    return torch.where(sums.weight >= smallest, 1 / sums.weight, 0)


def _inverse_of_largest(total: Tensor) -> Tensor:
    return 1 / total.abs().amax().clamp_min(torch.finfo(total.dtype).tiny)


def update_of(rule: specs.Rule, sums: Sums, weights: Tensor, geometry: Geometry = DENSE) -> Tensor:
    """The update of the weights, before the learning rate."""
    return sums.total * geometry.spread(factors(rule, sums, weights, geometry), sums.total)


@torch.no_grad()
def apply(rule: specs.Rule, sums: Sums, weights: Tensor, rate: float, geometry: Geometry = DENSE) -> None:
    """Add the update times a learning rate to the weights, in one pass over memory."""
    weights.addcmul_(sums.total, geometry.spread(factors(rule, sums, weights, geometry), sums.total), value=rate)
    if isinstance(rule, specs.SparseCoding):
        weights.copy_(sparse_codes.atoms(rule, weights, geometry))


def update(rule: specs.Rule, inputs: Tensor, weights: Tensor, geometry: Geometry = DENSE) -> Tensor:
    """The update of the weights for a batch: `learn`, then `update_of`."""
    return update_of(rule, learn(rule, inputs, weights, geometry)[1], weights, geometry)


def hebbian_pca(inputs: Tensor, signal: Tensor, weights: Tensor, geometry: Geometry) -> Sums:
    """A'C - tril(A'A) B (equation 9).

    Dense layers use either the Gram matrix A'A or a scan over blocks of neurons, whichever needs fewer operations;
    convolutions, whose patches are not stored, use the Gram matrix.
    """
    count = torch.full((), geometry.n_patches(signal), dtype=weights.dtype, device=weights.device)
    if not geometry.n_dims:
        (p, q), m, block = signal.shape, weights.shape[1], scan_block(weights)
        if p * m + block * (p + m) < q * (p + m):
            return Sums(_scan(inputs.to(weights.dtype), signal.to(weights.dtype), weights), count)
    gram = _gram(geometry.patches(signal).to(weights.dtype)).tril_()
    explained = geometry.from_rows(gram @ geometry.rows(weights), weights)
    total = geometry.correlate(inputs, signal.to(inputs.dtype), weights.to(inputs.dtype)).to(weights.dtype)
    return Sums(total.sub_(explained), count)


@torch.no_grad()
def class_means(inputs: Tensor, weights: Tensor, labels: Tensor) -> Sums:
    """The supervised rule of the last layer: one neuron per class, which wins every input of its class.

    sum_p S (C - B) with S one-hot, so that a learning rate of 1 gives the mean of each class.
    """
    share = torch.nn.functional.one_hot(labels, len(weights)).to(weights.dtype)
    weight = share.sum(0)
    return Sums(share.t() @ inputs.to(weights.dtype) - weight[:, None] * weights, weight)


def _competitive(
    rule: specs.SoftWTA | specs.HardWTA | specs.TopWTA,
    inputs: Tensor,
    weights: Tensor,
    geometry: Geometry,
    *,
    cosine: bool,
    activated: bool,
) -> tuple[Tensor, Sums]:
    """sum_p D S (C - B), weighted by D = S / sum_p S (equation 7), for shares S from a competition of neurons."""
    drive = _unit_projection(inputs, weights, geometry)
    scores, inverse_norms = geometry.patches(drive).to(weights.dtype), torch.ones(())
    if cosine:
        norms = geometry.squared_norms(inputs.to(weights.dtype), weights).sqrt_()
        inverse_norms = torch.where(norms > 0, 1 / norms, 0)
    match rule:
        case specs.SoftWTA(score="cosine"):
            root = 0.5 * rule.temperature**-0.5  # ((cos + 1) / 2)^2 / T in three passes over memory
            share = competition.soft((scores * (root * inverse_norms)).add_(root).square_())
        case specs.SoftWTA():
            share = competition.soft(scores / rule.temperature)
        case specs.HardWTA():
            share = competition.hard(scores * inverse_norms)
        case specs.TopWTA():
            share = competition.top(scores * inverse_norms, rule.k)
    weight = share.sum(1).flatten()
    share.square_()
    sums = _sums(inputs, geometry.maps(share, drive.shape), weights, geometry, share.sum(1).flatten())
    output = drive.relu_() if activated else drive.mul_(geometry.per_neuron(geometry.norms(weights).to(drive.dtype)))
    return output, Sums(sums.total, weight)


def _krotov_hopfield(
    rule: specs.KrotovHopfield, inputs: Tensor, weights: Tensor, geometry: Geometry, *, activated: bool
) -> tuple[Tensor, Sums]:
    synapses = weights if rule.p == 2 else weights.sign() * weights.abs() ** (rule.p - 1)
    drive = geometry.project(inputs, synapses.to(inputs.dtype)).to(weights.dtype)
    current = geometry.patches(drive)
    signal = competition.first_against(current, rule.rank, rule.strength)
    decay = (signal * current).sum(1).flatten()
    output = geometry.project(inputs, weights.to(inputs.dtype)) if rule.p != 2 else drive
    sums = _sums(inputs, geometry.maps(signal, drive.shape), weights, geometry, decay)
    return output.relu() if activated else output, sums


def _sums(inputs: Tensor, signal: Tensor, weights: Tensor, geometry: Geometry, decay: Tensor | None = None) -> Sums:
    """sum_p signal C - decay B, over P patches."""
    total = geometry.correlate(inputs, signal.to(inputs.dtype), weights.to(inputs.dtype)).to(weights.dtype)
    if decay is not None:
        total.addcmul_(weights, geometry.spread(decay.to(weights.dtype), weights), value=-1)
    return Sums(total, torch.full((), geometry.n_patches(signal), dtype=weights.dtype, device=weights.device))


def _unit_projection(inputs: Tensor, weights: Tensor, geometry: Geometry) -> Tensor:
    """w.x / |w|; 0 for a dead neuron, whose weights are all 0."""
    inverse = geometry.inverse_norms(weights)
    if geometry.n_dims:
        return geometry.project(inputs, (weights * geometry.spread(inverse, weights)).to(inputs.dtype))
    return geometry.project(inputs, weights.to(inputs.dtype)) * inverse.to(inputs.dtype)  # outputs: fewer than weights


def _gram(signal: Tensor) -> Tensor:
    """A'A for each group, from a signal of shape (groups, P, n_neurons)."""
    return signal.transpose(1, 2) @ signal


def scan_block(weights: Tensor) -> int:
    """Neurons in a block of `_scan` on the device of the weights."""
    return GPU_SCAN_BLOCK if weights.is_cuda else SCAN_BLOCK


def _scan(inputs: Tensor, signal: Tensor, weights: Tensor) -> Tensor:
    """A'C - tril(A'A) B by blocks of neurons: each block learns from the residual that those before it leave."""
    left = inputs.clone()
    total = torch.empty_like(weights)
    size = scan_block(weights)
    for start in range(0, len(weights), size):
        block = slice(start, start + size)
        own, synapses = signal[:, block], weights[block]
        torch.mm(own.t(), left, out=total[block])
        total[block].addmm_((own.t() @ own).tril_(), synapses, alpha=-1)
        left.addmm_(own, synapses, alpha=-1)
    return total
