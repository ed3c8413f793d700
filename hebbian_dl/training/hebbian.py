"""Hebbian pre-training: all layers at once, or one by one, without labels."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples, Images, Splits, in_parts
from hebbian_dl.layers.hebbian import Hebbian, hebbian_layers
from hebbian_dl.training.evaluation import RANKED, answers, effective_rank, nearest_class_mean
from hebbian_dl.training.loop import Record, Training
from protocols.spec.network import HebbianPretraining

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
    name: str, network: nn.Sequential, method: HebbianPretraining, splits: Splits[Images], n_classes: int
) -> Training:
    """The training of a network by its layers' rules.

    Parameters
    ----------
    name
        Name of the method.
    network
        As `hebbian_dl.networks.build.build` gives it; its Hebbian layers are set to learn in place.
    splits
        Images as the method needs them, whitened or not.
    """
    stages = _stages(network) if method.layers == "one_by_one" else [(0, len(network))]
    means, stage = ClassMeans(n_classes), stages[0]
    forward = mixed_precision(network, method.precision)
    layers = [layer for _, layer in hebbian_layers(network)]
    for layer in layers:
        layer.learning_rate = method.learning_rate

    def begin_epoch(epoch: int) -> None:
        nonlocal stage
        stage = stages[epoch // method.epochs]
        network.eval()
        for index in range(*stage):
            network[index].train()

    def step(batch: Examples) -> None:
        with torch.no_grad():
            for part, last in in_parts(batch, method.at_a_time):
                for layer in layers:
                    layer.more_to_come = not last
                features = forward(part.images, stage[1])
                if stage[1] == len(network):
                    means.add(processes.gathered(features.float()), processes.gathered(part.labels))

    def score() -> Record:
        if stage[1] < len(network):
            return dict.fromkeys((LABELLED, LABEL_FREE), 0.0)
        network.eval()
        n = len(splits.validation)
        ranked = torch.linspace(0, n - 1, min(RANKED, n)).long()
        right, kept, start = 0, [], 0
        answered = answers(lambda images: forward(images, len(network)).float(), splits.validation)
        for features, labels in answered:  # features of all images may not fit into memory
            right += means.right(features, labels)
            kept.append(features[ranked[(ranked >= start) & (ranked < start + len(labels))] - start])
            start += len(labels)
        return {LABELLED: right / start, LABEL_FREE: effective_rank(torch.cat(kept))}

    epochs, best_by = method.epochs * len(stages), BEST_BY[method.selection]
    return Training(
        *(name, network, splits.training, method.batch, epochs, step, score, best_by),
        begin_epoch=begin_epoch,
        gathered=means.gathered,
    )


def _stages(network: nn.Sequential) -> list[tuple[int, int]]:
    """First and last module (exclusive) of each stage: a Hebbian layer and the modules up to the next one."""
    starts = [index for index, module in enumerate(network) if isinstance(module, Hebbian)]
    return list(zip([0, *starts[1:]], [*starts[1:], len(network)], strict=True))


def mixed_precision(network: nn.Sequential, precision: str) -> Callable[[Tensor, int], Tensor]:
    """Forward pass through the first `stop` modules; in ``bfloat16``, rules still sum in float32."""
    dtype = torch.bfloat16 if precision == "bfloat16" else None

    def forward(images: Tensor, stop: int) -> Tensor:
        signal = images.contiguous(memory_format=torch.channels_last)
        for module in list(network)[:stop]:
            if dtype is not None:
                signal = signal.to(dtype if isinstance(module, Hebbian) else torch.float32)
            signal = cast(Tensor, module(signal))
        return signal

    return forward
