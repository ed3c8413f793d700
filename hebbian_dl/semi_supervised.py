"""One method of a network's protocol in one seed: pre-trained, fine-tuned on every fraction of the labels, tested."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from hebbian_dl import checkpoint, networks
from hebbian_dl.data import Images, Splits, labelled_order
from hebbian_dl.evaluation import batch_for, evaluate
from hebbian_dl.finetune import classifier, supervised_training
from hebbian_dl.inputs import inputs_of, unreadable
from hebbian_dl.layers import hebbian_layers
from hebbian_dl.pretrain import hebbian_training
from hebbian_dl.seeding import seed_torch
from hebbian_dl.training import Training
from hebbian_dl.vae import BetaVae, vae_training
from protocols.network import HebbianPretraining, Method, NoPretraining, VaePretraining, n_labelled, regime_name
from protocols.schema import NetworkProtocol
from protocols.seeds import stream
from protocols.store import Run
from protocols.watching import Report, Watch, unwatched

STATISTICS_BATCH = 64
Part = dict[str, np.ndarray]


@dataclass(frozen=True)
class Seed:
    """What one seed works with."""

    protocol: NetworkProtocol
    seed: int
    splits: Splits[Images]
    run: Run
    device: torch.device
    watch: Watch = unwatched

    @property
    def log(self) -> Path:
        """JSON lines, one an epoch."""
        return self.run.partial / f"log_seed_{self.seed}.jsonl"

    def drawing(self, name: str) -> None:
        """Set torch's generator for one named use."""
        seed_torch(np.random.default_rng(stream(name, self.seed)))


def tasks(protocol: NetworkProtocol) -> list[tuple[int, str]]:
    """What shares nothing and can run side by side: (seed, name of a method)."""
    return [(seed, name) for seed in protocol.seed_list for name in protocol.network.methods]


def run_method(
    protocol: NetworkProtocol, device: str, run: Run, seed: int, name: str, report: Report, watch: Watch = unwatched
) -> Part:
    """Run one method; what is finished is kept in the run's partial directory, regime by regime.

    `watch` is told ``validation/<method>/<fraction>`` after every epoch of fine-tuning.

    Returns
    -------
    dict
        ``top1``, ``top5``, ``validation``, ``epoch`` and ``wall_s`` (one entry a regime), ``n_labels``, ``filters``
        (weights of the first layer), ``pretraining/<record>`` (one entry an epoch), ``unreadable`` (names of images
        in files that were left out).
    """
    method = protocol.network.methods[name]
    splits = inputs_of(protocol.data, method, torch.device(device))
    return _method(Seed(protocol, seed, splits, run, torch.device(device), watch), name, method, report)


def _method(state: Seed, name: str, method: Method, report: Report) -> Part:
    """Pre-train, or find the network pre-trained earlier, then fine-tune on each regime."""
    regimes = state.protocol.network.regimes
    shares = 1 + len(regimes)
    network, pretraining = _pretrained(state, name, method, _share(report, 0, shares))
    order = _label_order(state)
    results = []
    for index, regime in enumerate(regimes):
        part = f"seed_{state.seed}_{name}_{regime_name(regime)}"
        result = state.run.load_part(part)
        if result is None:
            labelled = order[: n_labelled(regime, len(order))]
            what = f"{name}/{regime_name(regime)}"
            result = _finetuned(state, what, network, labelled, _share(report, index + 1, shares))
            state.run.save_part(part, result)
        results.append(result)
        report((index + 2) / shares)
    summary = {key: np.stack([result[key] for result in results]) for key in results[0]}
    first = next(p for n, p in network.named_parameters() if n.endswith("weight"))
    left_out = np.array(unreadable(state.splits.training), dtype=np.str_)
    return summary | pretraining | {"filters": first.detach().cpu().float().numpy(), "unreadable": left_out}


def _share(report: Report, index: int, shares: int) -> Report:
    """Progress within one of several equal shares."""
    return lambda fraction: report((index + fraction) / shares)


def _label_order(state: Seed) -> np.ndarray:
    labels = state.splits.training.labels.cpu().numpy()
    rng = np.random.default_rng(stream("labels", state.seed))
    return labelled_order(labels, state.protocol.network.finetuning.labels, rng)


def _pretrained(state: Seed, name: str, method: Method, report: Report) -> tuple[nn.Sequential, Part]:
    """The network after pre-training, and the scores of its epochs."""
    drawn = networks.draw(state.protocol, method, state.seed)
    drawn.learner.to(state.device)
    if isinstance(method, NoPretraining):
        take_statistics(drawn.features, state.splits.training)
        return drawn.features, {}
    finished = networks.path_of(state.run.partial, name, state.seed)
    path = state.run.partial / f"seed_{state.seed}_{name}.safetensors"
    finished.parent.mkdir(exist_ok=True)
    if finished.exists():
        facts = networks.restore(drawn, finished, name, state.seed)
    else:
        started = time.monotonic()
        training = _training(state, name, method, drawn)
        training.run(state.seed, path, state.log, report)
        facts = {"method": name, "seed": state.seed, "history": training.history, "epoch": training.best_epoch}
        facts["wall_s"] = round(time.monotonic() - started, 3)
        checkpoint.save(finished, drawn.learner.state_dict(), facts)
    path.unlink(missing_ok=True)  # also where an earlier run ended between the two
    history = facts["history"]
    records = {f"pretraining/{key}": np.array([record[key] for record in history]) for key in history[0]}
    return drawn.features, records | {f"pretraining/{key}": np.array(facts[key]) for key in ("epoch", "wall_s")}


@torch.no_grad()
def take_statistics(network: nn.Sequential, images: Images) -> None:
    """One pass over images for the running statistics of batch normalisation alone; no weight changes."""
    for _, layer in hebbian_layers(network):
        layer.plastic = False
    network.train()
    for batch in images.batches(batch_for(images.shape, STATISTICS_BATCH), torch.arange(len(images))):
        network(batch.images.contiguous(memory_format=torch.channels_last))


def _training(state: Seed, name: str, method: HebbianPretraining | VaePretraining, drawn: networks.Drawn) -> Training:
    match method:
        case HebbianPretraining():
            n_classes = len(state.protocol.data.class_list)
            return hebbian_training(name, drawn.features, method, state.splits, n_classes)
        case VaePretraining():
            return vae_training(name, cast(BetaVae, drawn.learner), method, state.splits)


def _finetuned(state: Seed, name: str, network: nn.Sequential, labelled: np.ndarray, report: Report) -> Part:
    """Accuracy on the test images of the epoch that is best on the validation images."""
    protocol, spec = state.protocol, state.protocol.network.finetuning
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    state.drawing(f"classifier/{name.rpartition('/')[2]}")
    with torch.no_grad():
        network.eval()
        width = network(torch.zeros(1, *protocol.data.shape, device=state.device)).shape[1]
    model = classifier(network, width, len(protocol.data.class_list), spec.dropout)
    index = torch.from_numpy(labelled).to(state.device)
    training = supervised_training(name, model, spec, state.splits.training.take(index), state.splits)
    training.watch = lambda record: state.watch(f"validation/{name}", record["validation_top1"])
    started = time.monotonic()
    path = state.run.partial / f"seed_{state.seed}_{name.replace('/', '_')}.safetensors"
    training.run(state.seed, path, state.log, report)
    tested = evaluate(model, state.splits.test)
    network.load_state_dict(before)
    path.unlink()
    best = training.history[training.best_epoch]
    return {
        "top1": np.array(tested["top1"]),
        "top5": np.array(tested["top5"]),
        "validation": np.array(best["validation_top1"]),
        "epoch": np.array(training.best_epoch),
        "n_labels": np.array(len(labelled)),
        "wall_s": np.array(time.monotonic() - started),
    }
