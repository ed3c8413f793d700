"""Semi-supervised learning by one method in one seed: pre-training, fine-tuning on each labelled fraction, test."""

import time
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import nn

from hebbian_dl import processes
from hebbian_dl.experiments import cost
from hebbian_dl.experiments.few_labels import codes_of, finetuned
from hebbian_dl.experiments.seed import Part, Seed
from hebbian_dl.images.in_memory import Images, Splits, channels_last
from hebbian_dl.images.prepared import inputs_of, unreadable
from hebbian_dl.layers.hebbian import stop_learning
from hebbian_dl.networks import reuse, saved
from hebbian_dl.networks.forward_forward import LocalNetwork, forward_forward_training
from hebbian_dl.networks.vae import BetaVae, vae_training
from hebbian_dl.training import checkpoint, diagnostics
from hebbian_dl.training.evaluation import batch_for
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.loop import Training
from protocols.runs.reporting import Report, Watch, share_of, unwatched
from protocols.runs.run_directory import Run
from protocols.spec.nets.pretraining import (
    ForwardForward,
    HebbianPretraining,
    Method,
    NoPretraining,
    VaePretraining,
    Whitens,
)
from protocols.spec.network import n_labelled, regime_name
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.random_streams import stream

STATISTICS_BATCH = 64
Act = Callable[[Seed, str, nn.Sequential, np.ndarray, Report], Part]


def tasks(protocol: NetworkProtocol) -> list[tuple[int, str]]:
    """Independent trainings, which can run side by side: (seed, name of a method)."""
    return [(seed, name) for seed in protocol.seed_list for name in protocol.network.methods]


def run_method(
    protocol: NetworkProtocol, device: str, run: Run, seed: int, name: str, report: Report, watch: Watch = unwatched
) -> Part:
    """Run one method in one seed; finished regimes are saved in the run's partial directory.

    `watch` is called with ``validation/<method>/<fraction>`` after every epoch of fine-tuning.

    Returns
    -------
    dict
        ``top1``, ``top5``, ``validation``, ``epoch``, ``wall_s`` and ``n_labels`` (one entry per regime), ``filters``
        (weights of the first layer), ``pretraining/<record>`` (one entry per epoch), ``unreadable`` (names of images
        in files that were left out); with retrieval, ``map/<K>/<normalisation>``, ``retrieval/...`` and
        ``retrieved/...`` (`hebbian_dl.retrieval.examples`), one entry per regime.
    """
    method = protocol.network.methods[name]
    whitens = isinstance(method, Whitens) and method.whitening is not None
    splits = inputs_of(protocol.data, method, torch.device(device))

    def plain() -> Splits[Images]:
        return inputs_of(protocol.data, NoPretraining(), torch.device(device)) if whitens else splits

    return _method(Seed(protocol, seed, splits, plain, run, torch.device(device), watch), name, method, report)


def _method(state: Seed, name: str, method: Method, report: Report) -> Part:
    """Pre-train, or load the network that was pre-trained earlier, then fine-tune on each regime."""
    network_spec, order = state.protocol.network, state.label_order()
    sought = network_spec.retrieval is not None
    of_pretraining, *of_regimes = cost.shares(network_spec, name, len(order), len(state.splits.validation))
    network, pretraining = _pretrained(state, name, method, share_of(report, 0, of_pretraining))
    results, done = [], of_pretraining
    for regime, share in zip(network_spec.regimes, of_regimes, strict=True):
        labelled = order[: n_labelled(regime, len(order))]
        what = f"{name}/{regime_name(regime)}"
        result: Part = {}
        acts = ((what, finetuned), (f"{what}/retrieval", codes_of))[: 1 + sought]
        for task, act in acts:
            result |= _kept(state, task, network, labelled, act, share_of(report, done, share / len(acts)))
            done += share / len(acts)
            report(done)
        results.append(result)
    summary = {key: np.stack([result[key] for result in results]) for key in results[0]}
    first = next(p for n, p in network.named_parameters() if n.endswith("weight") and p.dim() > 1)
    left_out = np.array(unreadable(state.splits.training), dtype=np.str_)
    return summary | pretraining | {"filters": first.detach().cpu().float().numpy(), "unreadable": left_out}


def _kept(state: Seed, task: str, network: nn.Sequential, labelled: np.ndarray, act: Act, report: Report) -> Part:
    """Result of a training in a regime: loaded if it was saved, else trained; leaves the network as pre-trained."""
    part = f"seed_{state.seed}_{task.replace('/', '_')}"
    result = state.run.load_part(part)
    if processes.agreed(result is None):
        before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
        result = act(state, task, network, labelled, report)
        network.load_state_dict(before)
        state.run.save_part(part, result)
    checkpoint.delete(state.run.partial / f"{part}.safetensors")
    return cast(Part, result)


def _pretrained(state: Seed, name: str, method: Method, report: Report) -> tuple[nn.Sequential, Part]:
    """The network after pre-training, and the scores of its epochs."""
    drawn = saved.draw(state.protocol, method, state.seed)
    drawn.learner.to(state.device)
    if isinstance(method, NoPretraining):
        take_statistics(drawn.features, state.splits.training, state.seed)
        return drawn.features, {}
    finished = saved.path_of(state.run.partial, name, state.seed)
    path = state.run.partial / f"seed_{state.seed}_{name}.safetensors"
    finished.parent.mkdir(exist_ok=True)
    if processes.rank() == 0:
        reuse.adopt(state.protocol, name, state.seed, finished)
    if processes.agreed(finished.exists()):
        facts = saved.restore(drawn, finished, name, state.seed)
    else:
        started = time.monotonic()
        training = _training(state, name, method, drawn)
        training.run(state.seed, path, state.log, report)
        facts = {"method": name, "seed": state.seed, "history": training.history, "epoch": training.best_epoch}
        facts["wall_s"] = round(time.monotonic() - started, 3)
        facts["diagnostics"] = diagnostics.table(training)
        checkpoint.save(finished, drawn.learner.state_dict(), facts)
    if state.splits.prepare is not None:
        kept = saved.inputs_path(state.run.partial, name, state.seed)
        checkpoint.save(kept, state.splits.prepare.tensors(), {"method": name, "seed": state.seed})
    checkpoint.delete(path)  # also the one of a run that ended between saving the network and deleting it
    history = facts["history"]
    records = {f"pretraining/{key}": np.array([record[key] for record in history]) for key in history[0]}
    records |= {f"diagnostics/{key}": np.array(values) for key, values in facts.get("diagnostics", {}).items()}
    return drawn.features, records | {f"pretraining/{key}": np.array(facts[key]) for key in ("epoch", "wall_s")}


@torch.no_grad()
def take_statistics(network: nn.Sequential, images: Images, seed: int = 0) -> None:
    """Estimate the running statistics of batch normalisation in one pass over images; no weight changes.

    The order is random: files are sorted by class, and the last batches have most of the weight.
    """
    stop_learning(network)
    network.train()
    size = max(2, batch_for(images.shape, STATISTICS_BATCH))
    order = torch.from_numpy(np.random.default_rng(stream("statistics", seed)).permutation(len(images)))
    for batch in images.batches(size, order):
        if sum(processes.counts(len(batch.labels))) > 1:  # unreadable images may leave a batch too small
            network(channels_last(batch.images))


def _training(
    state: Seed, name: str, method: HebbianPretraining | VaePretraining | ForwardForward, drawn: saved.Drawn
) -> Training:
    match method:
        case HebbianPretraining():
            n_classes = len(state.protocol.data.class_list)
            return hebbian_training(name, drawn.features, method, state.splits, n_classes)
        case VaePretraining():
            return vae_training(name, cast(BetaVae, drawn.learner), method, state.splits)
        case ForwardForward():
            return forward_forward_training(name, cast(LocalNetwork, drawn.learner), method, state.splits)
