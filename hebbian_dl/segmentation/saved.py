"""Segmenters of a run: saved with what they need to predict, and loaded from a finished run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hebbian_dl.images.prepare import Prepare
from hebbian_dl.networks.saved import FOLDER
from hebbian_dl.segmentation.segmenter import Segmenter, network_of
from hebbian_dl.training import checkpoint
from protocols.runs.run_directory import read_json, read_protocol
from protocols.spec.faults import ProtocolFault, listed, short
from protocols.spec.network import regime_name
from protocols.spec.protocol import SegmentationProtocol


@dataclass(frozen=True)
class Saved:
    """A segmenter of a run.

    Parameters
    ----------
    model
        In evaluation mode.
    prepare
        What turns pixels from 0 to 1 into its inputs.
    threshold
        As in `hebbian_dl.segmentation.segmenter.decided`.
    protocol, method, seed
        Where it is from.
    """

    model: Segmenter
    prepare: Prepare
    threshold: float | None
    protocol: SegmentationProtocol
    method: str
    seed: int


def path_of(run_dir: Path, method: str, seed: int) -> Path:
    """File of the segmenter that a method and seed gave with the most masks."""
    return run_dir / FOLDER / f"segmenter_seed_{seed}_{method}.safetensors"


def save(run_dir: Path, model: Segmenter, prepare: Prepare, facts: Mapping[str, Any]) -> None:
    """Save a segmenter; `facts` hold its method, seed, regime and threshold."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"prepare.{name}": tensor for name, tensor in prepare.tensors().items()}
    path = path_of(run_dir, facts["method"], facts["seed"])
    path.parent.mkdir(exist_ok=True)
    checkpoint.save(path, tensors, facts)


def load_segmenter(run_dir: Path, method: str | None = None, seed: int | None = None) -> Saved:
    """Load the segmenter that learned from the most masks in a finished run.

    Parameters
    ----------
    run_dir
        A run of a protocol with ``segmentation:``.
    method
        None for the one with the best Dice on validation images, averaged over seeds.
    seed
        None for the first.

    Raises
    ------
    ProtocolFault
        If it is no such run, or has no such method or seed.
    CheckpointError
        If the file is damaged or missing.
    """
    protocol = read_protocol(run_dir)
    if not isinstance(protocol, SegmentationProtocol):
        raise ProtocolFault([f"{run_dir}: a run of '{protocol.name}'; allowed: a run of a protocol with segmentation"])
    spec = protocol.segmentation
    method = method or best_method(protocol, read_json(run_dir / "metrics.json"))
    if method not in spec.methods:
        raise ProtocolFault([f"--method {short(method)}: allowed: {listed(spec.methods)}"])
    seed = protocol.first_seed if seed is None else seed
    if seed not in protocol.seed_list:
        raise ProtocolFault([f"--seed {seed}: allowed: {listed(map(str, protocol.seed_list))}"])
    path = path_of(run_dir, method, seed)
    tensors, facts = checkpoint.load(path)
    checkpoint.check_facts(path, facts, {"method": method, "seed": seed})
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "prepare": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    with torch.random.fork_rng(devices=[]):
        model = Segmenter(network_of(spec, protocol.data), protocol.data.n_classes)
    checkpoint.restore(model, parts["model"], path)
    prepare = Prepare.from_tensors(parts["prepare"])
    return Saved(model.eval(), prepare, facts["threshold"], protocol, method, seed)


def best_method(protocol: SegmentationProtocol, metrics: Mapping[str, Any]) -> str:
    """The method with the best mean Dice on validation images with the most masks; the first of equals."""
    regime = regime_name(max(protocol.segmentation.regimes))
    return max(protocol.segmentation.methods, key=lambda name: metrics[f"validation_dice/{name}/{regime}"]["mean"])
