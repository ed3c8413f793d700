"""Diagnostics of the layers of a Hebbian network: how neurons share the patches, ranks, distance from initial weights.

They are taken on a few validation images before the first epoch and after each one. The network only responds: no
weight, running statistic or random generator changes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Images, evenly
from hebbian_dl.layers import winners
from hebbian_dl.layers.hebbian import Hebbian, hebbian_layers
from hebbian_dl.training.evaluation import batch_for, effective_rank
from hebbian_dl.training.loop import Diagnosis, Training

IMAGES, AT_A_TIME = 1000, 250
PATCHES = 16_000  # of a layer, in which winners are counted
ROWS = 1000  # patches of a layer whose responses give the ranks
SKETCH, ITERATIONS = 8, 8  # vectors and iterations of `stable_rank`
MEASURES = (
    *("winner_entropy", "softmax_entropy", "dead_neurons"),
    *("effective_rank", "stable_rank", "weight_stable_rank", "cosine_to_initial"),
)


@dataclass
class Seen:
    """Responses of one layer to the images so far, of this process.

    Parameters
    ----------
    n_images
        Number of images that will be shown, which says how many patches of each are taken.
    wins, responses
        Number of patches that each neuron won, and to which it responded, shape (n_neurons,).
    entropy, n
        Sum over patches of the entropy of the softmax, and number of patches; those of each group of channels count.
    features
        Outputs of the layer, shape (P, n_neurons), one tensor per batch.
    """

    n_images: int
    wins: Tensor
    responses: Tensor
    entropy: Tensor
    n: Tensor
    features: list[Tensor] = field(default_factory=list)

    @classmethod
    def of(cls, layer: Hebbian, n_images: int) -> "Seen":
        """Nothing seen yet."""
        zeros = torch.zeros(layer.geometry.n_neurons(layer.weight), dtype=torch.float64, device=layer.weight.device)
        return cls(n_images, zeros, zeros.clone(), zeros.new_zeros(()), zeros.new_zeros(()))

    def add(self, layer: Hebbian, inputs: Tensor, output: Tensor) -> None:
        """Count the winners of a batch, and keep its outputs at some places."""
        n, geometry = len(inputs), layer.geometry
        if geometry.n_dims:
            places = math.prod(output.shape[2:])
        else:
            places = math.prod(output.shape[1:-1])
            inputs, output = inputs.flatten(0, -2), output.flatten(0, -2)
        some = self._some(ROWS, n, places)
        rows = geometry.patches(output)[:, some.flatten()].to(layer.weight.dtype).transpose(0, 1)
        rows = rows.reshape(*some.shape, len(self.wins))  # an image stays together: processes share images
        self.features.append(processes.gathered(rows).flatten(0, 1))
        some = self._some(PATCHES, n, places)
        scores = winners.scores(layer.rule, inputs, layer.weight, geometry, some.flatten())
        best = scores.max(2, keepdim=True)
        won = torch.zeros_like(scores).scatter_(2, best.indices, 1.0)
        if not isinstance(layer.rule, winners.COMPETITIVE):
            won *= best.values > 0  # nobody wins a patch to which nobody responds
        self.wins += won.sum(1).flatten()
        self.responses += (scores > 0).sum(1).flatten()
        self.n += scores.shape[0] * scores.shape[1]
        if isinstance(layer.rule, winners.SOFT):
            self.entropy += torch.special.entr(scores.softmax(2)).sum()

    def _some(self, most: int, n: int, places: int) -> Tensor:
        """Patches at evenly spread places of each of `n` images, shape (n, p); about `most` of all images."""
        some = evenly(min(places, -(-most // self.n_images)), places)
        return torch.arange(n)[:, None] * places + some

    def measures(self, layer: Hebbian, initial: Tensor) -> dict[str, float]:
        """The measures of the layer; NaN where its rule has none, it was not called, or responses are not finite."""
        if not all(torch.isfinite(part).all() for part in self.features) or not self.features:
            return dict.fromkeys(MEASURES, math.nan)
        processes.add_up(self.wins, self.responses, self.entropy, self.n)
        soft, competitive = (isinstance(layer.rule, kinds) for kinds in (winners.SOFT, winners.COMPETITIVE))
        competing = len(self.wins) // layer.geometry.groups
        features, rows = torch.cat(self.features), layer.geometry.rows(layer.weight).flatten(0, 1)
        return {
            "winner_entropy": evenness(self.wins),
            "softmax_entropy": (self.entropy / self.n).item() / math.log(max(2, competing)) if soft else math.nan,
            "dead_neurons": ((self.wins if competitive else self.responses) == 0).double().mean().item(),
            "effective_rank": effective_rank(features if len(features) <= features.shape[1] else features.t()),
            "stable_rank": stable_rank(features),
            "weight_stable_rank": stable_rank(rows),
            "cosine_to_initial": mean_cosine(rows, layer.geometry.rows(initial).flatten(0, 1)),
        }


class Diagnostics:
    """Measures of all Hebbian layers of a network as it is now, relative to the network as it was given.

    Parameters
    ----------
    network
        With its initial weights.
    images
        Validation images; at most `IMAGES` of them, evenly spread, are shown.
    respond
        Passes images through the network.
    """

    def __init__(self, network: nn.Module, images: Images, respond: Callable[[Tensor], Tensor]) -> None:
        self.network, self.images, self.respond = network, images, respond
        self.layers = dict(hebbian_layers(network))
        self.initial = {name: layer.weight.detach().clone() for name, layer in self.layers.items()}

    @torch.no_grad()
    def __call__(self) -> Diagnosis:
        """The measures, which leave the network in evaluation mode."""
        self.network.eval()
        n = min(IMAGES, len(self.images))
        seen = {name: Seen.of(layer, n) for name, layer in self.layers.items()}

        def watched(name: str) -> Callable[[Hebbian, tuple[Tensor, ...], Tensor], None]:
            return lambda layer, inputs, output: seen[name].add(layer, inputs[0], output)

        handles = [layer.register_forward_hook(watched(name)) for name, layer in self.layers.items()]
        try:
            for batch in self.images.take(evenly(n, len(self.images))).batches(batch_for(self.images.shape, AT_A_TIME)):
                self.respond(batch.images)
        finally:
            for handle in handles:
                handle.remove()
        found = [seen[name].measures(layer, self.initial[name]) for name, layer in self.layers.items()]
        return {measure: [layer[measure] for layer in found] for measure in MEASURES}


def table(training: Training) -> dict[str, list[Any]]:
    """What a training's diagnoses say, by measure: one row before the first epoch and one after each.

    ``layers`` and ``neurons`` name the columns. Empty if the training has none, or was resumed from a checkpoint of an
    earlier version, which has none.
    """
    if not training.diagnoses or len(training.diagnoses) <= len(training.history):
        return {}
    layers = dict(hebbian_layers(training.model))
    neurons = [layer.geometry.n_neurons(layer.weight) for layer in layers.values()]
    found = {key: [diagnosis[key] for diagnosis in training.diagnoses] for key in training.diagnoses[0]}
    return found | {"layers": list(layers), "neurons": neurons}


def evenness(counts: Tensor) -> float:
    """Entropy of the shares, in units of its largest value: 1 if all are equal, 0 if one has all or there are none."""
    shares = counts.double() / counts.sum().clamp_min(1)
    return torch.special.entr(shares).sum().item() / math.log(max(2, len(counts)))


def stable_rank(matrix: Tensor) -> float:
    """||F||_F^2 / ||F||_2^2 (Rudelson and Vershynin 2007); 0 for a matrix of zeros.

    The largest singular value comes from a block Krylov space (Musco and Musco 2015) that is started with the same
    vectors every time: a decomposition of large layers would cost more than the epoch may.
    """
    matrix = matrix.double()
    square = matrix.square().sum()
    if not square > 0:
        return 0.0 if square == 0 else math.nan
    start = torch.randn(matrix.shape[1], SKETCH, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    block, blocks = start.to(matrix.device), []
    for _ in range(ITERATIONS):
        block = torch.linalg.qr(matrix.t() @ (matrix @ block)).Q
        blocks.append(block)
    basis = torch.linalg.qr(torch.cat(blocks, 1)).Q
    return (square / torch.linalg.matrix_norm(matrix @ basis, 2) ** 2).item()


def mean_cosine(rows: Tensor, others: Tensor) -> float:
    """Mean over neurons of the cosine between two weight vectors, shape (n_neurons, M); 0 for vectors of zeros."""
    return nn.functional.cosine_similarity(rows.double(), others.double(), dim=1, eps=1e-30).mean().item()
