"""Fine-tuning: the whole network and a linear classifier, by backprop, on a labelled fraction of the images."""

from collections.abc import Callable

from torch import Tensor, nn

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples, Images, Splits, channels_last, evenly
from hebbian_dl.layers.hebbian import stop_learning
from hebbian_dl.training.descent import Descent
from hebbian_dl.training.evaluation import evaluate
from hebbian_dl.training.loop import Record, Training
from protocols.spec.nets.descent import Finetuning


class ChannelsLast(nn.Module):
    """Puts images into torch's channels-last memory format, in which convolutions are fastest."""

    def forward(self, images: Tensor) -> Tensor:
        """The same images."""
        return channels_last(images)


class Dropout(nn.Dropout):
    """torch's dropout; processes that share a batch drop the same units as a single process would."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, ...) -> the same."""
        if not self.training or processes.world() == 1:
            return super().forward(inputs)

        def mask(n: int) -> Tensor:
            return nn.functional.dropout(inputs.new_ones(n, *inputs.shape[1:]), self.p)

        return inputs * processes.drawn(mask, len(inputs))


def classifier(network: nn.Module, n_features: int, n_classes: int, dropout: float) -> nn.Sequential:
    """A network with dropout and a linear layer on top, whose weights torch's global generator draws."""
    device = next(network.parameters()).device
    stop_learning(network)
    head = nn.Linear(n_features, n_classes)
    return nn.Sequential(ChannelsLast(), network, Dropout(dropout), head).to(device)


def supervised_training(
    name: str,
    model: nn.Module,
    spec: Finetuning,
    labelled: Images,
    splits: Splits[Images],
    loss_of: Callable[[Examples], Tensor] | None = None,
) -> Training:
    """Training of a classifier on labelled images; the epoch that the settings select is kept.

    `loss_of` gives the loss of a batch; None for the cross-entropy with its labels.
    """
    validation = splits.validation
    if spec.validation is not None and spec.validation < len(validation):
        validation = validation.take(evenly(spec.validation, len(validation)))
    descent = Descent(model, spec, spec.weight_decay)

    def cross_entropy(batch: Examples) -> Tensor:
        return nn.functional.cross_entropy(model(batch.images), batch.labels)

    def step(batch: Examples) -> Tensor:
        return descent.step(batch, loss_of or cross_entropy)

    def score() -> Record:
        found = evaluate(model, validation)
        return {f"validation_{name}": value for name, value in found.items()}

    return Training(
        *(name, model, labelled, spec.batch, spec.epochs, step, score),
        *("validation_top1" if spec.selection == "validation" else None, descent.optimizer, descent.begin_epoch),
    )
