"""What a pre-trained network learns from a labelled fraction of the images: classes, or binary codes."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from hebbian_dl.experiments.seed import Part, Seed
from hebbian_dl.images.in_memory import Examples, Images, Splits, evenly
from hebbian_dl.retrieval import examples, hamming
from hebbian_dl.retrieval.codes import coder, codes
from hebbian_dl.retrieval.precision import mean_average_precision
from hebbian_dl.training.consistency import Unlabelled, consistent_loss
from hebbian_dl.training.evaluation import evaluate
from hebbian_dl.training.loop import Record
from hebbian_dl.training.readout import features_of, readout
from hebbian_dl.training.supervised import classifier, supervised_training
from protocols.runs.reporting import Report
from protocols.spec.network import n_labelled


def finetuned(state: Seed, name: str, network: nn.Sequential, labelled: np.ndarray, report: Report) -> Part:
    """Fine-tune, or train the readout; gives the test accuracy at the epoch that the settings select."""
    protocol, spec = state.protocol, state.protocol.network.finetuning
    n_classes, (method, _, regime) = len(protocol.data.class_list), name.partition("/")
    if spec.train == "head":
        splits: Splits[Images] = _features(state, method, network)
        few = torch.arange(len(labelled))  # features are in the order in which images get labels
        state.drawing(f"classifier/{regime}")
        model = readout(splits.training.shape[0], n_classes, spec.dropout).to(state.device)
    else:
        splits, few = state.splits, torch.from_numpy(labelled)
        state.drawing(f"classifier/{regime}")
        model = classifier(network, _width(state, network), n_classes, spec.dropout)

    def told(record: Record) -> None:
        state.watch(f"validation/{name}", record["validation_top1"])

    learned = _learned(state, name, model, few, splits, report, told)
    tested = evaluate(model, splits.test)
    return learned | {key: np.array(tested[key]) for key in ("top1", "top5")}


def _features(state: Seed, method: str, network: nn.Sequential) -> Splits[Examples]:
    """The features that readouts of all regimes learn from, in the order in which images get labels."""
    if method not in state.read:
        order, regimes = state.label_order(), state.protocol.network.regimes
        labelled = torch.from_numpy(order[: n_labelled(max(regimes), len(order))])
        state.read[method] = features_of(network, state.splits, labelled, state.protocol.network.finetuning)
    return state.read[method]


def codes_of(state: Seed, name: str, network: nn.Sequential, labelled: np.ndarray, report: Report) -> Part:
    """Train binary codes; gives their mean average precision at the epoch with the best validation accuracy."""
    protocol, spec = state.protocol, state.protocol.network.retrieval
    if spec is None:
        raise TypeError("a protocol without retrieval")
    state.drawing(f"coder/{name.split('/')[1]}")
    n_classes, dropout = len(protocol.data.class_list), protocol.network.finetuning.dropout
    model = coder(network, _width(state, network), n_classes, spec, dropout)
    learned = _learned(state, name, model, torch.from_numpy(labelled), state.splits, report)
    test = state.splits.test
    database = codes(model, state.splits.training)
    queries = codes(model, test.take(evenly(spec.queries, len(test))) if spec.queries else test)
    learned |= {"database": np.array(len(database.labels)), "queries": np.array(len(queries.labels))}
    search = hamming.of_backend(spec.backend)
    tops = spec.tops(len(database.labels), n_classes)
    precision = mean_average_precision(database, queries, tops, search)
    shown = examples.retrieved(database, queries, spec.shown, search, state.plain)
    return (
        {f"map/{key}": np.array(value) for key, value in precision.items()}
        | {f"retrieval/{key}": value for key, value in learned.items()}
        | {f"retrieved/{key}": value for key, value in shown.items()}
    )


def _width(state: Seed, network: nn.Sequential) -> int:
    """Number of features of the network."""
    with torch.no_grad():
        return network.eval()(torch.zeros(1, *state.protocol.data.shape, device=state.device)).shape[1]


def _learned(
    state: Seed,
    name: str,
    model: nn.Module,
    labelled: Tensor,
    splits: Splits[Images],
    report: Report,
    told: Callable[[Record], None] = lambda record: None,
) -> Part:
    """Train a classifier on labelled images; its checkpoint stays until `_kept` has saved the result."""
    spec, few, loss_of = state.protocol.network.finetuning, splits.training.take(labelled.to(state.device)), None
    if spec.consistency is not None and spec.consistency.learns and len(few) < len(splits.training):
        rest = Unlabelled.besides(labelled.numpy(), state.plain(), splits.prepare)
        loss_of = consistent_loss(model, spec.consistency, rest)
    training = supervised_training(name, model, spec, few, splits, loss_of)
    training.watch = told
    started = time.monotonic()
    path = state.run.partial / f"seed_{state.seed}_{name.replace('/', '_')}.safetensors"
    training.run(state.seed, path, state.log, report)
    return {
        "validation": np.array(training.history[training.best_epoch]["validation_top1"]),
        "epoch": np.array(training.best_epoch),
        "n_labels": np.array(len(labelled)),
        "wall_s": np.array(time.monotonic() - started),
    }
