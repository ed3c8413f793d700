"""Networks of a protocol's methods: drawn with initial weights, or loaded from a finished run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hebbian_dl.images.prepare import Prepare
from hebbian_dl.images.prepared import inputs_of
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.layers.hebbian import LEARNABLE, Hebbian
from hebbian_dl.networks import own
from hebbian_dl.networks.build import build
from hebbian_dl.networks.forward_forward import LocalNetwork
from hebbian_dl.networks.vae import BetaVae
from hebbian_dl.training import checkpoint
from hebbian_dl.training.generators import seed_torch
from protocols.loading.loader import load
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.pretraining import ForwardForward, HebbianPretraining, Method, NoPretraining, VaePretraining
from protocols.spec.nets.segmentation import MaskMethod
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.random_streams import stream
from protocols.spec.rules import HebbianPCA

FOLDER = "networks"  # of a run directory


@dataclass(frozen=True)
class Drawn:
    """A method's network with its initial weights.

    Parameters
    ----------
    features
        Images to features: the part that is fine-tuned.
    learner
        The module that is pre-trained: `features` itself, a VAE around it, or what it contains.
    """

    features: nn.Sequential
    learner: nn.Module


def draw(protocol: NetworkProtocol, method: Method, seed: int) -> Drawn:
    """Draw the network of a method; all methods without biases start from the same weights, except with Xavier's."""
    spec, shape = protocol.network, protocol.data.shape
    seed_torch(np.random.default_rng(stream("network", seed)))
    if not spec.layers:
        network = own.learner(spec, shape, method)
        redraw(network, method)
        return Drawn(network, network)
    if isinstance(method, VaePretraining):
        network = build(spec.used_layers, shape, None, spec.batch_norm_momentum)
        vae = BetaVae(network, spec.used_layers, shape, method.latents)
        return Drawn(nn.Sequential(network, vae.mean) if method.features == "latents" else network, vae)
    if isinstance(method, ForwardForward):
        plain = build(spec.used_layers, shape, None, spec.batch_norm_momentum)
        local = LocalNetwork(plain, later=method.features == "later")
        return Drawn(nn.Sequential(local), local)
    rule = method.rule if isinstance(method, HebbianPretraining) else HebbianPCA()
    network = build(spec.used_layers, shape, rule, spec.batch_norm_momentum)
    redraw(network, method)
    return Drawn(network, network)


def redraw(network: nn.Module, method: Method | MaskMethod) -> None:
    """Draw the weights of all layers that can learn anew, where the method asks for others."""
    layers: list[Any] = [layer for layer in network.modules() if isinstance(layer, (Hebbian, *LEARNABLE))]
    match method:
        case NoPretraining(weights="xavier"):
            for layer in layers:
                nn.init.xavier_uniform_(layer.weight)
        case NoPretraining(initial_norm=float(norm)) | HebbianPretraining(initial_norm=float(norm)):
            for layer in layers:
                geometry = layer.geometry if isinstance(layer, Hebbian) else Geometry.of(layer)
                nn.init.normal_(layer.weight, std=norm / geometry.fan_in(layer.weight) ** 0.5)


def path_of(run_dir: Path, method: str, seed: int) -> Path:
    """File of a pre-trained network in a run directory."""
    return run_dir / FOLDER / f"seed_{seed}_{method}.safetensors"


def inputs_path(run_dir: Path, method: str, seed: int) -> Path:
    """File of what prepares the images for a pre-trained network."""
    return run_dir / FOLDER / f"inputs_seed_{seed}_{method}.safetensors"


def inputs_of_run(run_dir: Path, protocol: NetworkProtocol, method: str, seed: int) -> Prepare:
    """What turned the pixels of a run's images into inputs; computed from the images where the run did not save it.

    Raises
    ------
    ProtocolFault
        If the images are needed, and missing.
    """
    path = inputs_path(run_dir, method, seed)
    if path.is_file():
        return Prepare.from_tensors(checkpoint.load(path)[0])
    found = inputs_of(protocol.data, protocol.network.methods[method], torch.device("cpu")).prepare
    if not isinstance(found, Prepare):
        raise TypeError(type(found))
    return found


def load_network(run_dir: Path | str, method: str, seed: int = 0, *, allow_code: bool = False) -> nn.Sequential:
    """Load a pre-trained network of a finished run, in evaluation mode: images to features.

    Its images must be prepared as in the run (`inputs_of_run`; `hebbian_dl.features` does it). The network of a run
    with `network.module` is made by that module: `allow_code` says that it may run.

    Raises
    ------
    ProtocolFault
        If the run has no such network.
    CheckpointError
        If the file is damaged or holds another network.
    """
    run_dir = Path(run_dir)
    path = path_of(run_dir, method, seed)
    if not path.is_file():
        found = sorted(file.stem for file in (run_dir / FOLDER).glob("seed_*.safetensors"))
        raise ProtocolFault([f"{path}: no such network; allowed: {', '.join(found) or 'none is there'}"])
    protocol = load(str(run_dir / "protocol.yaml"), allow_code=allow_code)
    if not isinstance(protocol, NetworkProtocol):
        raise ProtocolFault([f"{run_dir}: a run of '{protocol.name}'; allowed: a run of a network's protocol"])
    with torch.random.fork_rng(devices=[]):  # leaves the caller's random state as it was
        drawn = draw(protocol, protocol.network.methods[method], seed)
    restore(drawn, path, method, seed)
    return drawn.features.eval()


def restore(drawn: Drawn, path: Path, method: str, seed: int) -> dict[str, Any]:
    """Load the weights of a pre-trained network into a drawn one; returns the other facts in the file.

    Raises
    ------
    CheckpointError
        If the file is damaged, or holds a network of another shape, method or seed.
    """
    tensors, facts = checkpoint.load(path)
    checkpoint.check_facts(path, facts, {"method": method, "seed": seed})
    checkpoint.restore(drawn.learner, tensors, path)
    return facts
