"""The Hebbian rules in matrix form (FastHebb): no patch is stored, no update of a single patch is computed.

Each rule computes from inputs and weights the layer's output and sums over patches, from which the update follows.
Sums can be added over parts of a batch, over batches and over processes; updates cannot.

Notation of Lagani et al. (equations 2 to 9): A (P x Q) signals of Q neurons for P patches, C (P x M) the patches,
B (Q x M) the weights.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from hebbian_dl.layers import competition, patch_sums, sparse_codes
from hebbian_dl.layers.geometry import DENSE, Geometry
from hebbian_dl.layers.patch_sums import Driven, Learned, Scan, Sums
from protocols.spec import rules as specs

Signal = tuple[Tensor, Tensor, Tensor]
"""Signal of every neuron and patch, decay and divisor of every neuron, from which `Sums` follow."""


@torch.no_grad()
def learn(
    rule: specs.Rule, inputs: Tensor, weights: Tensor, geometry: Geometry = DENSE, *, activated: bool = True
) -> tuple[Tensor, Sums]:
    """The output of a layer and the sums of its rule: `respond_and_learn`, with the sums computed."""
    output, learned = respond_and_learn(rule, inputs, weights, geometry, activated=activated)
    return output, learned.sums(weights)


@torch.no_grad()
def respond_and_learn(
    rule: specs.Rule, inputs: Tensor, weights: Tensor, geometry: Geometry = DENSE, *, activated: bool = True
) -> tuple[Tensor, Learned]:
    """The output of a layer, and what it learned by its rule.

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
    learned : Learned
        To be used before the output, the inputs or the weights change.
    """
    match rule:
        case specs.SoftWTA() | specs.HardWTA() | specs.TopWTA():
            return _competitive(rule, inputs, weights, geometry, activated=activated)
        case specs.KrotovHopfield():
            return _krotov_hopfield(rule, inputs, weights, geometry, activated=activated)
        case specs.SparseCoding():
            codes = sparse_codes.codes(rule, inputs, weights, geometry)
            sums = _driven(inputs, codes, weights, geometry).sums(weights)
            sums.total.sub_(sparse_codes.explained(rule, codes, weights, geometry))
            own = codes if activated else geometry.project(inputs, weights.to(inputs.dtype))
            return own.to(inputs.dtype), sums
    drive = geometry.project(inputs, weights.to(inputs.dtype))
    match rule:
        case specs.Hebb():
            return drive, _driven(inputs, drive, weights, geometry)
        case specs.Oja():
            decay = geometry.patches(drive).to(weights.dtype).square().sum(1).flatten()
            return drive, _driven(inputs, drive, weights, geometry, decay)
        case specs.HebbianPCA():
            signal = drive
            if rule.activation == "relu":
                signal = drive.relu_() if activated else drive.relu()
            return signal if activated else drive, hebbian_pca(inputs, signal, weights, geometry)
        case specs.HebbianICA():
            signal = drive.tanh() if rule.nonlinearity == "tanh" else drive**3
            sums = _driven(inputs, signal, weights, geometry).sums(weights)
            explained = patch_sums.explained(geometry.patches(signal).to(weights.dtype), geometry.rows(weights))
            sums.total.sub_(geometry.from_rows(explained, weights))
            return drive, sums
        case specs.SoftHebb():
            learned = _in_parts(functools.partial(_soft_hebb, rule), inputs, drive, weights, geometry)
            if rule.divide_by_largest:
                learned = learned.sums(weights)
            return drive.relu() if activated else drive, learned
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


def factors(rule: specs.Rule, learned: Learned, weights: Tensor, geometry: Geometry = DENSE) -> Tensor:
    """Factors that turn sums into the update, shape () or (n_neurons,); 0 where there was no (share of a) patch."""
    match rule:
        case specs.KrotovHopfield():
            return _inverse_of_largest(learned.sums(weights).total)
        case specs.SoftHebb():
            largest = rule.divide_by_largest
            scale = _inverse_of_largest(learned.sums(weights).total) if largest else _inverse(learned.weight)
            exponent = rule.norm_exponent
            return scale if exponent == 0 else scale * (geometry.norms(weights) - 1).abs() ** exponent
        case specs.HebbianPCA(divide_by_root_fan_in=True):
            return _inverse(learned.weight) / geometry.fan_in(weights) ** 0.5
    return _inverse(learned.weight)


def _inverse(weight: Tensor) -> Tensor:
    """1 / weight, or 0 for a weight so small that its inverse may be infinite."""
    return torch.where(weight >= torch.finfo(weight.dtype).tiny, 1 / weight, 0)


def _inverse_of_largest(total: Tensor) -> Tensor:
    return 1 / total.abs().amax().clamp_min(torch.finfo(total.dtype).tiny)


def update_of(rule: specs.Rule, sums: Sums, weights: Tensor, geometry: Geometry = DENSE) -> Tensor:
    """The update of the weights, before the learning rate."""
    return sums.total * geometry.spread(factors(rule, sums, weights, geometry), sums.total)


@torch.no_grad()
def apply(rule: specs.Rule, learned: Learned, weights: Tensor, rate: float, geometry: Geometry = DENSE) -> None:
    """Add the update times a learning rate to the weights, where possible without storing it."""
    scale = rate * geometry.spread(factors(rule, learned, weights, geometry), weights)
    learned.add_to(weights, scale)
    if isinstance(rule, specs.SparseCoding):
        weights.copy_(sparse_codes.atoms(rule, weights, geometry))


def update(rule: specs.Rule, inputs: Tensor, weights: Tensor, geometry: Geometry = DENSE) -> Tensor:
    """The update of the weights for a batch: `learn`, then `update_of`."""
    return update_of(rule, learn(rule, inputs, weights, geometry)[1], weights, geometry)


def hebbian_pca(inputs: Tensor, signal: Tensor, weights: Tensor, geometry: Geometry) -> Learned:
    """A'C - tril(A'A) B (equation 9).

    Dense layers use either the Gram matrix A'A or a scan over blocks of neurons, whichever needs fewer operations;
    convolutions, whose patches are not stored, use the Gram matrix.
    """
    count = _count(weights, geometry.n_patches(signal))
    if not geometry.n_dims:
        (p, q), m, block = signal.shape, weights.shape[1], patch_sums.block_size(weights)
        if p * m + block * (p + m) < q * (p + m):
            return Scan(signal.to(weights.dtype), inputs.to(weights.dtype), count)
    rows = geometry.patches(signal).to(weights.dtype)
    gram = (rows.transpose(1, 2) @ rows).tril_()
    explained = geometry.from_rows(gram @ geometry.rows(weights), weights)
    return Sums(geometry.correlate(inputs, signal, weights).sub_(explained), count)


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
    activated: bool,
) -> tuple[Tensor, Learned]:
    """sum_p D S (C - B), weighted by D = S / sum_p S (equation 7), for shares S from a competition of neurons."""
    drive = _unit_projection(inputs, weights, geometry)

    def compete(inputs: Tensor, scores: Tensor) -> Signal:
        share = _shares(rule, inputs, scores, weights, geometry)
        weight = share.sum(1).flatten()
        share.square_()
        return share, share.sum(1).flatten(), weight

    learned = _in_parts(compete, inputs, drive, weights, geometry)
    output = drive.relu_() if activated else drive.mul_(geometry.per_neuron(geometry.norms(weights).to(drive.dtype)))
    return output, learned


def _shares(
    rule: specs.SoftWTA | specs.HardWTA | specs.TopWTA,
    inputs: Tensor,
    scores: Tensor,
    weights: Tensor,
    geometry: Geometry,
) -> Tensor:
    """Shares of the neurons in patches, from their scores w.x / |w|; both (groups, P, n_neurons / groups)."""
    if isinstance(rule, specs.SoftWTA) and rule.score == "activation":
        return competition.soft(scores / rule.temperature)
    norms = geometry.squared_norms(inputs.to(weights.dtype), weights).sqrt_()
    inverse_norms = torch.where(norms > 0, 1 / norms, 0)  # (groups, P, 1)
    match rule:
        case specs.SoftWTA():
            root = 0.5 * rule.temperature**-0.5  # ((cos + 1) / 2)^2 / T in three passes over memory
            return competition.soft((scores * (root * inverse_norms)).add_(root).square_())
        case specs.HardWTA():
            return competition.hard(scores * inverse_norms)
        case specs.TopWTA():
            return competition.top(scores * inverse_norms, rule.k)


def _soft_hebb(rule: specs.SoftHebb, _: Tensor, current: Tensor) -> Signal:
    """S and sum_p S w.x, with the number of patches as the divisor."""
    compete = competition.soft_against if rule.anti_hebbian else competition.soft
    share = compete(current / rule.temperature)
    return share, (share * current).sum(1).flatten(), _count(current, current.shape[1])


def _in_parts(
    compete: Callable[[Tensor, Tensor], Signal], inputs: Tensor, drive: Tensor, weights: Tensor, geometry: Geometry
) -> Learned:
    """sum_p signal C - decay B, one part of the images after another, whose signals stay in a processor's cache.

    Parameters
    ----------
    compete
        Called with the inputs of a part, (n, channels, *size), and the drives of its neurons,
        (groups, P, n_neurons / groups); returns their signals in the shape of the drives, decay and divisor.
    """
    signals, total = [], None
    decay, weight = weights.new_zeros(()), weights.new_zeros(())
    for images in competition.parts(drive):
        part = drive[images]
        signal, own_decay, own_weight = compete(inputs[images], geometry.patches(part).to(weights.dtype))
        decay, weight = decay + own_decay, weight + own_weight
        mapped = geometry.maps(signal, part.shape)
        if not geometry.n_dims:
            signals.append(mapped)
            continue
        more = geometry.correlate(inputs[images], mapped, weights)
        total = more if total is None else total.add_(more)
    if total is None:
        signal = signals[0] if len(signals) == 1 else torch.cat(signals)
        return _driven(inputs, signal, weights, geometry, decay, weight)
    return Sums(patch_sums.subtract_decay(total, decay, weights, geometry), weight)


def _krotov_hopfield(
    rule: specs.KrotovHopfield, inputs: Tensor, weights: Tensor, geometry: Geometry, *, activated: bool
) -> tuple[Tensor, Learned]:
    synapses = weights if rule.p == 2 else weights.sign() * weights.abs() ** (rule.p - 1)
    drive = geometry.project(inputs, synapses.to(inputs.dtype)).to(weights.dtype)
    current = geometry.patches(drive)
    signal = competition.first_against(current, rule.rank, rule.strength)
    decay = (signal * current).sum(1).flatten()
    output = geometry.project(inputs, weights.to(inputs.dtype)) if rule.p != 2 else drive
    sums = _driven(inputs, geometry.maps(signal, drive.shape), weights, geometry, decay).sums(weights)
    return output.relu() if activated else output, sums


def _driven(
    inputs: Tensor,
    signal: Tensor,
    weights: Tensor,
    geometry: Geometry,
    decay: Tensor | None = None,
    weight: Tensor | None = None,
) -> Learned:
    """sum_p signal C - decay B, over P patches; divided by their number, or by a weight of each neuron."""
    if weight is None:
        weight = _count(weights, geometry.n_patches(signal))
    decay = None if decay is None else decay.to(weights.dtype)
    if not geometry.n_dims:
        return Driven(signal.to(inputs.dtype), inputs, decay, weight)
    total = geometry.correlate(inputs, signal, weights)
    return Sums(patch_sums.subtract_decay(total, decay, weights, geometry), weight)


def _unit_projection(inputs: Tensor, weights: Tensor, geometry: Geometry) -> Tensor:
    """w.x / |w|; 0 for a dead neuron, whose weights are all 0."""
    inverse = geometry.inverse_norms(weights)
    if geometry.n_dims:
        return geometry.project(inputs, (weights * geometry.spread(inverse, weights)).to(inputs.dtype))
    return geometry.project(inputs, weights.to(inputs.dtype)) * inverse.to(inputs.dtype)  # outputs: fewer than weights


def _count(like: Tensor, n: int) -> Tensor:
    """A number on the device and in the precision of a tensor, without a copy to a GPU."""
    return torch.full((), n, dtype=like.dtype, device=like.device)
