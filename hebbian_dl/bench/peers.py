"""Training steps that the benchmark compares: the package's own, and the rules as written without FastHebb.

Matrix form ("im2col"): patches are stored as a matrix, everything is a dense product (equations 7 and 9 of Lagani et
al.). Ordinary form: the updates of all patches are stored before they are averaged (equations 6 and 8, first line).

Notation as in `hebbian_dl.layers.rules`: C (P x M) patches, B (Q x M) weights, S and A (P x Q) signals.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.layers.hebbian import Hebbian
from hebbian_dl.layers.patch_sums import BLOCK
from hebbian_dl.memory.work import forward_flop
from hebbian_dl.networks.build import build, n_features
from hebbian_dl.networks.vae import BetaVae, vae_training
from hebbian_dl.training.hebbian import hebbian_training, mixed_precision
from hebbian_dl.training.supervised import classifier, supervised_training
from protocols.spec.nets.layers import Layer, map_sizes
from protocols.spec.nets.pretraining import HebbianPretraining, VaePretraining
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.rules import HebbianPCA, Rule, SoftWTA

MOST_BYTES = 4 * 10**9  # of the stored updates of patches; more patches are processed in parts
ORDINARY_BATCH = {"cpu": 2, "cuda": 64}  # images; batch normalisation needs two, a GPU more to be busy


class Step(StrEnum):
    """Steps that are measured; all but the first learn."""

    FORWARD = "forward"
    SGD = "SGD"
    VAE = "VAE"
    SWTA = "SWTA"
    HPCA = "HPCA"
    SWTA_IM2COL = "SWTA im2col"
    HPCA_IM2COL = "HPCA im2col"
    SWTA_ORDINARY = "SWTA ordinary"
    HPCA_ORDINARY = "HPCA ordinary"


ORDINARY = (Step.SWTA_ORDINARY, Step.HPCA_ORDINARY)


@dataclass(frozen=True)
class Setting:
    """Network, device, threads, number of images per step and ``float32`` or ``bfloat16`` of a measurement."""

    protocol: NetworkProtocol
    device: str
    threads: int
    batch: int
    precision: str = "float32"

    def of(self, step: Step) -> "Setting":
        """The setting in which a step is measured: the ordinary forms on a smaller batch."""
        return replace(self, batch=min(self.batch, ORDINARY_BATCH[self.device])) if step in ORDINARY else self

    def images(self, n: int) -> Examples:
        """Random images with random labels."""
        data, device = self.protocol.data, torch.device(self.device)
        labels = torch.randint(len(data.class_list), (n,), device=device)
        return Examples(torch.randn(n, *data.shape, device=device), labels)


def prepared(step: Step, setting: Setting) -> Callable[[Examples], object]:
    """A step with a new model: a function that is called with a batch."""
    torch.manual_seed(0)
    spec, shape, few = setting.protocol.network, setting.protocol.data.shape, setting.images(2)
    splits, n_classes = Splits(few, few, few), len(setting.protocol.data.class_list)

    def network(rule: Rule | None) -> nn.Sequential:
        return build(spec.used_layers, shape, rule, spec.batch_norm_momentum).to(setting.device)

    match step:
        case Step.FORWARD:
            model = network(HebbianPCA()).eval()
            forward = torch.no_grad()(mixed_precision(model, setting.precision))
            return lambda batch: forward(batch.images, len(model))
        case Step.SGD:
            width = n_features(spec.used_layers, shape)
            supervised = classifier(network(HebbianPCA()), width, n_classes, spec.finetuning.dropout)
            _autocast(supervised, setting)
            training = supervised_training(step, supervised, spec.finetuning, few, splits)
        case Step.VAE:
            vae_spec = next((m for m in spec.methods.values() if isinstance(m, VaePretraining)), VaePretraining())
            vae = BetaVae(network(None), spec.used_layers, shape, vae_spec.latents).to(setting.device)
            _autocast(vae, setting)
            still = vae_spec.model_copy(update={"learning_rate": 1e-12})  # a diverging loss takes no step
            training = vae_training(step, vae, still, splits)
        case Step.SWTA | Step.HPCA:
            method = _method(step, setting)
            training = hebbian_training(step, network(cast(Rule, method.rule)), method, splits, n_classes)
        case _:
            method = _method(step, setting)
            rate = method.learning_rate[0] if isinstance(method.learning_rate, tuple) else method.learning_rate
            peers = with_peers(network(cast(Rule, method.rule)), rate, ordinary=step in ORDINARY)
            return lambda batch: peers(batch.images.contiguous(memory_format=torch.channels_last))
    training.begin_epoch(0)
    return training.step


def _method(step: Step, setting: Setting) -> HebbianPretraining:
    """The protocol's method with the rule of the step; if there is none, the rule with its defaults."""
    rule = SoftWTA if step.startswith("SWTA") else HebbianPCA
    methods = [m for m in setting.protocol.network.methods.values() if isinstance(m, HebbianPretraining)]
    found = (method for method in methods if isinstance(method.rule, rule))
    method = next(found, HebbianPretraining(rule=rule(), learning_rate=0.01))
    return method.model_copy(update={"precision": setting.precision})


def _autocast(model: nn.Module, setting: Setting) -> None:
    """Make a model's forward pass, and with it the backward pass, use torch's mixed precision in ``bfloat16``."""
    if setting.precision == "bfloat16":
        model.forward = torch.autocast(setting.device, torch.bfloat16)(model.forward)


def flop(step: Step, layers: tuple[Layer, ...], shape: tuple[int, int, int], batch: int) -> float:
    """Multiplications and additions in the matrix products of a step, without classifier and latents.

    For the package's own steps, products with triangular matrices count half: the other half is not needed.
    """
    total, first, before = 0.0, True, shape
    for layer, after in zip(layers, map_sizes(layers, *shape), strict=True):
        if forward := batch * forward_flop((layer,), before):
            P, Q = batch * after[1] * after[2], after[0]
            total += _layer_flop(step, forward, P, Q)
            if first and step in (Step.SGD, Step.VAE):  # no gradient of the image is needed
                total -= forward
            first = False
        before = after
    return total


def _layer_flop(step: Step, forward: float, P: int, Q: int) -> float:
    M = forward / (2 * P * Q)
    match step:
        case Step.FORWARD:
            return forward
        case Step.SGD:  # and the gradients of inputs and weights
            return 3 * forward
        case Step.VAE:  # and the decoder
            return 6 * forward
        case Step.SWTA | Step.SWTA_IM2COL:  # and S'C
            return 2 * forward
        case Step.HPCA:
            gram, scan = P * Q**2 + Q**2 * M, forward + (P + M) * Q * min(BLOCK, Q)
            return 2 * forward + min(gram, scan)
        case Step.HPCA_IM2COL:
            return 2 * forward + 2 * P * Q**2 + 2 * Q**2 * M
        case Step.SWTA_ORDINARY:  # subtract, multiply, add
            return forward + 3 * P * Q * M
        case Step.HPCA_ORDINARY:  # multiply, add up over neurons, subtract, multiply, add
            return forward + 5 * P * Q * M
    raise TypeError(step)


class Peer(nn.Module):
    """A Hebbian layer without FastHebb, which learns in place; it takes over the weights of another layer.

    Parameters
    ----------
    layer
        Linear or two-dimensional convolution, learning by soft WTA or Hebbian PCA.
    learning_rate
        Factor on the updates.
    ordinary
        Whether it stores the update of every patch (ordinary form), or uses the matrix form.
    """

    def __init__(self, layer: Hebbian, learning_rate: float, *, ordinary: bool) -> None:
        super().__init__()
        self.geometry, self.weight = layer.geometry, layer.weight
        self.rule = cast(SoftWTA | HebbianPCA, layer.rule)
        self.learning_rate, self.ordinary = learning_rate, ordinary

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, channels, height, width) or (n, channels) -> (n, n_neurons, ...)."""
        C, B = self.patches(inputs), self.weight.flatten(1)
        match self.rule:
            case SoftWTA() as rule:
                output, S = competition(rule, C, B)
                update = (ordinary_swta if self.ordinary else matrix_swta)(C, B, S)
            case HebbianPCA() as rule:
                output = C @ B.t()
                output = output.relu_() if rule.activation == "relu" else output
                update = (ordinary_hpca if self.ordinary else matrix_hpca)(C, B, output)
                update = update / C.shape[1] ** 0.5 if rule.divide_by_root_fan_in else update
        self.weight.add_(update.reshape(self.weight.shape), alpha=self.learning_rate)
        if not self.geometry.n_dims:
            return output
        height, width = self._positions(inputs)
        return output.reshape(len(inputs), height, width, -1).permute(0, 3, 1, 2)

    def patches(self, inputs: Tensor) -> Tensor:
        """All patches, shape (P, M)."""
        if not self.geometry.n_dims:
            return inputs
        (top, left), (rows, columns) = self.geometry.padding, self.geometry.stride
        height, width = self.weight.shape[2:]
        padded = functional.pad(inputs, (left, left, top, top)) if top or left else inputs
        # faster than functional.unfold, which has to be transposed
        windows = padded.unfold(2, height, rows).unfold(3, width, columns)
        return windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, self.weight[0].numel())

    def _positions(self, inputs: Tensor) -> tuple[int, ...]:
        place = zip(inputs.shape[2:], self.weight.shape[2:], self.geometry.padding, self.geometry.stride, strict=True)
        return tuple((size + 2 * padding - kernel) // stride + 1 for size, kernel, padding, stride in place)


def with_peers(network: nn.Sequential, learning_rate: float, *, ordinary: bool) -> nn.Sequential:
    """Replace every Hebbian layer of a network by a `Peer`; the network is changed in place and returned."""
    for index, module in enumerate(network):
        if isinstance(module, Hebbian):
            network[index] = Peer(module, learning_rate, ordinary=ordinary)
    return network


def competition(rule: SoftWTA, C: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """The output relu(w.x / |w|) and the shares S, the softmax over neurons."""
    drive = C @ B.t() / B.norm(dim=1).clamp_min(1e-30)
    scores = drive
    if rule.score == "cosine":
        scores = ((drive / C.norm(dim=1, keepdim=True).clamp_min(1e-30) + 1) / 2).square()
    return drive.relu(), torch.softmax(scores / rule.temperature, 1)


def shares_of_mean(S: Tensor) -> Tensor:
    """D S with D = S / sum_p S: the weight of a patch in a neuron's mean update, times the neuron's share of it."""
    total = S.sum(0)
    return torch.where(total > 0, S / total, 0) * S


def matrix_swta(C: Tensor, B: Tensor, S: Tensor) -> Tensor:
    """(DS)'C - (sum_p DS) B."""
    DS = shares_of_mean(S)
    return DS.t() @ C - DS.sum(0)[:, None] * B


def matrix_hpca(C: Tensor, B: Tensor, A: Tensor) -> Tensor:
    """[A'C - tril(A'A) B] / P."""
    return (A.t() @ C - (A.t() @ A).tril() @ B) / len(C)


def ordinary_swta(C: Tensor, B: Tensor, S: Tensor) -> Tensor:
    """sum_p DS (C - B), with C - B stored as P x Q x M."""
    update = torch.zeros_like(B)
    for c, ds in _parts(B, C, shares_of_mean(S)):
        change = c[:, None, :] - B
        update += change.mul_(ds[:, :, None]).sum(0)
    return update


def ordinary_hpca(C: Tensor, B: Tensor, A: Tensor) -> Tensor:
    """sum_p A (C - sum_{k <= q} A_k B_k) / P, with the residual of each neuron stored as P x Q x M."""
    update = torch.zeros_like(B)
    for c, a in _parts(B, C, A):
        left = (a[:, :, None] * B).cumsum_(1).neg_().add_(c[:, None, :])
        update += left.mul_(a[:, :, None]).sum(0)
    return update / len(C)


def _parts(B: Tensor, C: Tensor, signal: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Patches and their signals, in parts whose updates fit into `MOST_BYTES`."""
    most = max(1, MOST_BYTES // (B.numel() * B.element_size()))
    return zip(C.split(most), signal.split(most), strict=True)
