"""Run a protocol on Hebbian networks: ``python -m hebbian_dl.run protocols/fasthebb_cifar10.yaml``."""

import contextlib
import functools
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from figures.after_run import make_if_possible
from hebbian_dl import environment, torchrun
from protocols.images.masks import examples as masks
from protocols.images.splits import check_unchanged, fingerprints
from protocols.loading.published import read_targets
from protocols.plan.curriculum import expand_association
from protocols.runs import cli, run_directory, scratch
from protocols.runs.machine import available_memory_bytes, cores
from protocols.runs.progress import SeedProgress
from protocols.runs.seed_processes import run_seeds
from protocols.spec.faults import ProtocolFault, installation
from protocols.spec.file_data import FileData
from protocols.spec.network import AssociativeNetwork, n_labelled, regime_name
from protocols.spec.protocol import AssociationProtocol, NetworkProtocol, Protocol, SegmentationProtocol

PRELOAD = ("hebbian_dl.experiments.dispatch", "torch.optim", "sklearn.datasets")  # slow to import


class NetworkLearner:
    """Learner of the command (`protocols.runs.cli.Learner`) for networks: from a protocol to metrics and arrays."""

    packages: tuple[str, ...] = ("hebbian_dl", "protocols")
    devices: tuple[str, ...] = ("auto", "cpu", "cuda")

    def check(self, protocol: Protocol, options: cli.Options) -> None:
        """Refuse a missing device, missing images, too few labels, and trainings that do not fit into memory."""
        _check_network(protocol)
        check_installed()
        environment.device_of(options.device)
        torchrun.check(protocol, options)
        match protocol:
            case NetworkProtocol():
                _check_own(protocol)
                _check_regimes(protocol)
                _check_consistency(protocol)
                _check_retrieval(protocol)
                _check_pretrained(protocol)
                _check_memory(protocol, options)
            case SegmentationProtocol():
                _check_segmentation(protocol)
                _check_memory(protocol, options)
            case AssociationProtocol():
                expand_association(protocol)

    def check_data(self, protocol: Protocol, run: run_directory.Run) -> None:
        """Refuse a run whose image files were other ones: the hash of a run does not cover them."""
        known, place = run.recorded_data(), run.path if run.complete else run.partial
        match protocol:
            case NetworkProtocol(data=FileData() as data) if known:
                check_unchanged(data, known, place)
            case SegmentationProtocol(data=data) if known:
                masks.check_unchanged(data, known, place)

    def plan(self, protocol: Protocol, options: cli.Options) -> list[str]:
        """Outline for ``--dry-run``: images, layers, methods, operations and memory."""
        _check_network(protocol)
        check_installed()
        from hebbian_dl.memory.work import outline

        if isinstance(protocol, NetworkProtocol):
            scratch.claim()  # torch makes a folder in the temporary directory
            _check_own(protocol)
        lines = outline(protocol)
        if isinstance(protocol, NetworkProtocol | SegmentationProtocol):
            from hebbian_dl.memory import limits

            lines += limits.outline(protocol)
        return lines

    def execute(
        self, protocol: Protocol, run: run_directory.Run, options: cli.Options, console: Console
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
        """Run the trainings that are not finished yet, one for each seed and method, then summarise all of them."""
        from hebbian_dl.experiments import dispatch

        names = dispatch.task_names(protocol)
        parts = {index: part for index, name in enumerate(names) if (part := run.load_part(name)) is not None}
        missing = [index for index in range(len(names)) if index not in parts]
        if missing:
            torchrun.check_begun(run)
            match protocol:
                case NetworkProtocol(data=FileData() as data):
                    run.record_data(fingerprints(data))
                case SegmentationProtocol(data=data):
                    run.record_data(masks.fingerprints(data))
        if parts:
            console.print(f"Resuming: {len(parts)} of {len(names)} trainings are finished already.")
        device = environment.device_of(options.device)
        if missing:
            jobs, threads = _shares(min(_jobs(protocol, options), len(missing)))
            share = f", {n} processes to each" if (n := environment.n_processes()) > 1 else ""
            console.print(f"{len(missing)} trainings on {device}, {jobs} at a time{share}, {threads} threads each.")
            task = torchrun.leading(functools.partial(dispatch.run_task, protocol, device, threads, run), device)
            with (
                SeedProgress(console, missing, "training") as progress,
                contextlib.closing(run_seeds(task, missing, jobs, progress.report, PRELOAD, names)) as results,
            ):
                for index, part in results:
                    run.save_part(names[index], part)
                    parts[index] = part
                    progress.report(index, 1.0)
        torchrun.end(run)
        targets = read_targets(options.targets) if options.targets else []
        ordered = [parts[index] for index in range(len(names))]
        metrics = dispatch.summarise(protocol, ordered, targets)
        arrays = {
            f"{name}/{path}": array
            for name, part in zip(dispatch.array_names(protocol), ordered, strict=True)
            for path, array in part.items()
        }
        facts = {"learner": "hebbian_dl", "seeds": list(protocol.seed_list), "device": device}
        facts |= dispatch.facts(protocol, run.partial)
        return metrics, facts | {"processes": environment.n_processes()}, arrays

    def show(self, metrics: dict[str, Any], console: Console) -> None:
        """Print the results beside published values."""
        from hebbian_dl.experiments import table

        table.show(metrics, console)

    def figures(self, run_dir: Path, console: Console) -> None:
        """Draw the figures, if matplotlib is installed."""
        make_if_possible(run_dir, console.print)


def _check_network(protocol: Protocol) -> None:
    match protocol:
        case NetworkProtocol() | SegmentationProtocol() | AssociationProtocol(network=AssociativeNetwork()):
            return
    raise ProtocolFault(
        [f"network: missing in '{protocol.name}'; allowed: a protocol with one, or python -m culture_sim.run"]
    )


def check_installed() -> None:
    """Refuse to go on without PyTorch and what it needs, in one line."""
    for package in ("torch", "safetensors", "sklearn", "PIL"):
        if importlib.util.find_spec(package) is None:
            raise ProtocolFault([f"network: {package} is not installed ({installation('deep,data')})"])


def _shares(jobs: int) -> tuple[int, int]:
    """Number of trainings that run side by side, and threads of each."""
    if environment.n_processes() > 1:
        return 1, environment.threads()
    return jobs, int(os.environ.get("OMP_NUM_THREADS") or max(1, cores() // jobs))


def _check_own(protocol: NetworkProtocol) -> None:
    """Refuse a module of one's own that makes no network for these images, or one in which nothing can learn."""
    if not protocol.network.layers:
        from hebbian_dl.networks import own

        own.check(protocol)


def _check_segmentation(protocol: SegmentationProtocol) -> None:
    """Refuse missing or too few images, names in plans that no layer has, and several processes."""
    if environment.n_processes() > 1:
        raise ProtocolFault(["segmentation: learns in one process; allowed: 1 process, without torchrun"])
    masks.counts(protocol.data)
    from hebbian_dl.segmentation.pretraining import check

    check(protocol.segmentation, protocol.data)


def _check_regimes(protocol: NetworkProtocol) -> None:
    """Refuse labelled fractions with fewer images than classes, or than processes."""
    from hebbian_dl.memory.work import n_images

    n, n_classes = n_images(protocol.data)[0], len(protocol.data.class_list)
    for regime in protocol.network.regimes:
        if (labelled := n_labelled(regime, n)) < n_classes:
            raise ProtocolFault(
                [
                    f"network.regimes: {regime:g} ({regime_name(regime)}) of {n} images are {labelled}; "
                    f"allowed: at least one for each of {n_classes} classes"
                ]
            )
        if labelled < (least := environment.n_processes()):
            raise ProtocolFault(
                [
                    f"network.regimes: {regime:g} ({regime_name(regime)}) of {n} images are {labelled}; "
                    f"allowed: at least {least}, the number of processes"
                ]
            )


def _check_consistency(protocol: NetworkProtocol) -> None:
    """Refuse to share batches with unlabelled images among processes."""
    spec, n = protocol.network.finetuning.consistency, environment.n_processes()
    if spec is not None and spec.learns and n > 1:
        raise ProtocolFault([f"network.finetuning.consistency: in {n} processes; allowed: null, or one process"])


def _check_memory(protocol: NetworkProtocol | SegmentationProtocol, options: cli.Options) -> None:
    """Refuse a batch that does not fit into memory; of several processes only the leader checks, before training."""
    from hebbian_dl.memory import limits

    if not environment.leads():
        return
    if environment.device_of(options.device) == "cuda":
        import torch

        limits.check(protocol, torch.cuda.mem_get_info()[0])
    else:
        free = available_memory_bytes()
        limits.check(protocol, None if free is None else free // environment.n_here())


def _jobs(protocol: Protocol, options: cli.Options) -> int:
    """Number of trainings side by side: as requested (default: one a core, on a GPU one), but no more than fit."""
    from hebbian_dl.memory import limits

    default = 1 if environment.device_of(options.device) == "cuda" else cores()
    jobs, free = options.jobs or default, available_memory_bytes()
    if jobs == 1 or free is None or not isinstance(protocol, NetworkProtocol | SegmentationProtocol):
        return jobs
    return max(1, min(jobs, free // max(1, limits.most_bytes(protocol))))


def _check_retrieval(protocol: NetworkProtocol) -> None:
    """Refuse retrieval of more images than the data set has, or by a library that is not installed."""
    retrieval = protocol.network.retrieval
    if retrieval is None:
        return
    from hebbian_dl.memory.work import n_images

    n, _, n_test = n_images(protocol.data)
    for index, top in enumerate(retrieval.at):
        if isinstance(top, int) and top > n:
            raise ProtocolFault([f"network.retrieval.at.{index}: {top}; allowed: at most the {n} training images"])
    if retrieval.queries is not None and retrieval.queries > n_test:
        raise ProtocolFault(
            [f"network.retrieval.queries: {retrieval.queries}; allowed: at most the {n_test} test images"]
        )
    if retrieval.backend == "faiss":
        from hebbian_dl.retrieval.hamming import check_faiss

        check_faiss()


def _check_pretrained(protocol: NetworkProtocol) -> None:
    """Refuse pre-trained networks of a run that does not match this protocol."""
    if protocol.network.pretrained is not None:
        from hebbian_dl.networks import reuse

        reuse.check(protocol)


app = cli.command(NetworkLearner(), torchrun.carry_out)

if __name__ == "__main__":
    torchrun.main(app)
