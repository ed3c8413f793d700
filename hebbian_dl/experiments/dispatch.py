"""Dispatch by kind of protocol: independent trainings, how each is run, and the metrics of all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hebbian_dl.environment import set_up_torch
from hebbian_dl.experiments import association, segmentation, segmentation_summary, semi_supervised, summary
from hebbian_dl.images.prepared import checksums
from hebbian_dl.networks import own, reuse
from hebbian_dl.networks.architectures.unet import EncoderDecoder
from protocols.images.masks.examples import fingerprints
from protocols.loading.published import Target
from protocols.results import learning
from protocols.runs.reporting import Report, Watch, unwatched
from protocols.runs.run_directory import Run
from protocols.spec.nets.layers import Convolution, Dense
from protocols.spec.protocol import AssociationProtocol, NetworkProtocol, Protocol, SegmentationProtocol

Part = dict[str, np.ndarray]


def task_names(protocol: Protocol) -> list[str]:
    """Names of the independent trainings, which can run side by side; each result is saved in the run by this name."""
    match protocol:
        case NetworkProtocol():
            return [f"seed_{seed}_{method}" for seed, method in semi_supervised.tasks(protocol)]
        case SegmentationProtocol():
            return [f"seed_{seed}_{method}" for seed, method in segmentation.tasks(protocol)]
        case AssociationProtocol():
            return [f"seed_{seed}" for seed in protocol.seed_list]
    raise TypeError(type(protocol))


def array_names(protocol: Protocol) -> list[str]:
    """Path prefix of each training's arrays among the run's arrays."""
    match protocol:
        case NetworkProtocol():
            return [f"seed_{seed}/{method}" for seed, method in semi_supervised.tasks(protocol)]
        case SegmentationProtocol():
            return [f"seed_{seed}/{method}" for seed, method in segmentation.tasks(protocol)]
    return task_names(protocol)


def run_task(
    protocol: Protocol, device: str, threads: int, run: Run, index: int, report: Report, watch: Watch = unwatched
) -> Part:
    """Run one training, given by its index in `task_names`; returns its arrays by path."""
    set_up_torch(threads, tiny_is_zero=not isinstance(protocol, AssociationProtocol))
    match protocol:
        case NetworkProtocol():
            seed, method = semi_supervised.tasks(protocol)[index]
            return semi_supervised.run_method(protocol, device, run, seed, method, report, watch)
        case SegmentationProtocol():
            seed, method = segmentation.tasks(protocol)[index]
            return segmentation.run_method(protocol, device, run, seed, method, report, watch)
        case AssociationProtocol():
            return association.run_seed(protocol, protocol.seed_list[index], report, watch)
    raise TypeError(type(protocol))


def summarise(protocol: Protocol, parts: Sequence[Part], targets: list[Target]) -> dict[str, Any]:
    """The metrics of a run from the arrays of its trainings."""
    match protocol:
        case NetworkProtocol():
            tasks = semi_supervised.tasks(protocol)
            return summary.summarise(protocol, dict(zip(tasks, parts, strict=True)), targets)
        case SegmentationProtocol():
            by_task = dict(zip(segmentation.tasks(protocol), parts, strict=True))
            return segmentation_summary.summarise(protocol, by_task, targets)
        case AssociationProtocol():
            return learning.summarise(protocol, parts, targets)
    raise TypeError(type(protocol))


def facts(protocol: Protocol, run_dir: Path) -> dict[str, Any]:
    """Provenance: checksums of the data, number of neurons, and the networks that `run_dir` took from another run."""
    taken: dict[str, Any] = {}
    match protocol:
        case SegmentationProtocol(data=masks, segmentation=spec):
            unet = EncoderDecoder(spec.network, masks.channels, spec.batch_norm_momentum)
            return {"data": fingerprints(masks), "neurons": own.neurons_of(unet) + masks.n_classes}
        case NetworkProtocol(data=data, network=network):
            layers, taken = network.used_layers, reuse.facts(protocol, run_dir)
            if not layers:
                return {"data": checksums(data), "neurons": own.n_neurons(network, data.shape)} | taken
        case AssociationProtocol(data=data, network=network) if network is not None:
            layers = network.layers
        case _:
            raise TypeError(type(protocol))
    neurons = sum(
        layer.conv if isinstance(layer, Convolution) else layer.dense
        for layer in layers
        if isinstance(layer, Convolution | Dense)
    )
    return {"data": checksums(data), "neurons": neurons} | taken
