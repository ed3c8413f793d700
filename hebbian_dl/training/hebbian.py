"""Hebbian pre-training: all layers at once, or one by one, without labels."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples, Images, Splits, channels_last, in_parts
from hebbian_dl.layers.hebbian import Hebbian, hebbian_layers
from hebbian_dl.training import queued
from hebbian_dl.training.diagnostics import Diagnostics
from hebbian_dl.training.evaluation import RANKED, answers, effective_rank, nearest_class_mean
from hebbian_dl.training.loop import Record, Training
from protocols.spec.nets.pretraining import HebbianPretraining

LABELLED, LABEL_FREE = "class_mean_accuracy", "effective_rank"
BEST_BY = {"last": None, "labelled": LABELLED, "label_free": LABEL_FREE}


class ClassMeans:
    """The supervised Hebbian last layer at a learning rate of 1/n: the mean features of each class in an epoch.

    It scores an epoch; the layers that are pre-trained without labels learn nothing from it.

    Attributes
    ----------
    gathered : dict
        ``sums`` of the features of each class, shape (n_classes, n_features), from the first batch on.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes
        self.gathered: dict[str, Tensor] = {}

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add a batch to the sums, which serve as means: cosines do not depend on the factor between them."""
        if "sums" not in self.gathered:
            self.gathered["sums"] = torch.zeros(self.n_classes, features.shape[1], device=features.device)
        self.gathered["sums"].index_add_(0, labels, features.float())

    def right(self, features: Tensor, labels: Tensor) -> int:
        """Number of images whose nearest class mean is that of their class."""
        if "sums" not in self.gathered:
            raise RuntimeError("no class mean was learned yet")
        return int((nearest_class_mean(features, self.gathered["sums"]) == labels).sum())


def hebbian_training(
    name: str, network: nn.Sequential, method: HebbianPretraining, splits: Splits[Images], n_classes: int | None
) -> Training:
    """The training of a network by its layers' rules.

    Parameters
    ----------
    name
        Name of the method.
    network
        As `hebbian_dl.networks.saved.draw` gives it; its Hebbian layers are set to learn in place.
    splits
        Images as the method needs them, whitened or not.
    n_classes
        None for images without classes: epochs are scored by the features' effective rank alone.
    """
    stages = _stages(network, splits.training.shape) if method.layers == "one_by_one" else [_whole(network)]
    means, stage = None if n_classes is None else ClassMeans(n_classes), stages[0]
    forward = mixed_precision(network, method.precision)
    layers = [layer for _, layer in hebbian_layers(network)]
    given = method.learning_rate
    for layer, rate in zip(layers, given if isinstance(given, tuple) else itertools.repeat(given), strict=False):
        layer.learning_rate = rate
        layer.checked = queued.readable(layer.weight)

    def begin_epoch(epoch: int) -> None:
        nonlocal stage
        stage = stages[epoch // method.epochs]
        network.eval()
        for module in stage.modules:
            module.train()

    def step(batch: Examples) -> None:
        with torch.no_grad():
            for part, last in in_parts(batch, method.at_a_time):
                for layer in layers:
                    layer.more_to_come = not last
                features = forward(part.images, stage.stop)
                if means is not None and stage is stages[-1]:
                    means.add(processes.gathered(features.float()), processes.gathered(part.labels))

    def score() -> Record:
        if stage is not stages[-1]:
            return dict.fromkeys((LABEL_FREE,) if means is None else (LABELLED, LABEL_FREE), 0.0)
        network.eval()
        n = len(splits.validation)
        ranked = torch.linspace(0, n - 1, min(RANKED, n)).long()
        right, kept, start = 0, [], 0
        answered = answers(lambda images: forward(images, len(network)).float(), splits.validation)
        for features, labels in answered:  # features of all images may not fit into memory
            right += 0 if means is None else means.right(features, labels)
            kept.append(features[ranked[(ranked >= start) & (ranked < start + len(labels))] - start])
            start += len(labels)
        rank = {LABEL_FREE: effective_rank(torch.cat(kept))}
        return rank if means is None else {LABELLED: right / start} | rank

    epochs, best_by = method.epochs * len(stages), BEST_BY[method.selection]
    return Training(
        *(name, network, splits.training, method.batch, epochs, step, score, best_by),
        begin_epoch=begin_epoch,
        gathered={} if means is None else means.gathered,
        diagnose=Diagnostics(network, splits.validation, lambda images: forward(images, len(network))),
    )


@dataclass(frozen=True)
class Stage:
    """A part of a pre-training that goes layer by layer.

    Parameters
    ----------
    modules
        Modules in training mode: those that learn, and the normalisations after them.
    stop
        Number of the network's modules that its forward passes go through.
    """

    modules: tuple[nn.Module, ...]
    stop: int


def _whole(network: nn.Sequential) -> Stage:
    """The stage in which all layers learn at the same time."""
    return Stage((network,), len(network))


def _stages(network: nn.Sequential, shape: tuple[int, ...]) -> list[Stage]:
    """One stage for each Hebbian layer: it, and the modules called after it up to the next one."""
    modules, nested = list(network), False
    if layers := [layer for _, layer in hebbian_layers(network) if layer not in modules]:
        modules, nested = list(in_order(network, torch.zeros(1, *shape, device=layers[0].weight.device))), True
    learning = [isinstance(module, Hebbian) and module.weight.requires_grad for module in modules]
    starts = [index for index, learns in enumerate(learning) if learns]
    bounds = zip([0, *starts[1:]], [*starts[1:], len(modules)], strict=True)
    return [Stage(tuple(modules[a:b]), len(network) if nested else b) for a, b in bounds]


def in_order(network: nn.Module, images: Tensor) -> Iterable[nn.Module]:
    """The modules without children that the network calls for these images, in the order of their first calls."""
    order: dict[nn.Module, None] = {}
    leaves = [module for module in network.modules() if not any(True for _ in module.children())]
    handles = [leaf.register_forward_pre_hook(lambda module, _: order.setdefault(module)) for leaf in leaves]
    try:
        with torch.no_grad():
            network.eval()(images)
    finally:
        for handle in handles:
            handle.remove()
    return order


def mixed_precision(network: nn.Sequential, precision: str) -> Callable[[Tensor, int], Tensor]:
    """Forward pass through the first `stop` modules; in ``bfloat16``, rules still sum in float32."""
    dtype = torch.bfloat16 if precision == "bfloat16" else None

    def forward(images: Tensor, stop: int) -> Tensor:
        signal = channels_last(images)
        for module in list(network)[:stop]:
            if dtype is not None:
                signal = signal.to(dtype if isinstance(module, Hebbian) else torch.float32)
            signal = cast(Tensor, module(signal))
        return signal

    return forward
