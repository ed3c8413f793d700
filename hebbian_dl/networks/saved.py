"""The networks of a protocol's methods: as drawn, and as a finished run left them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hebbian_dl.layers.hebbian import hebbian_layers
from hebbian_dl.networks.build import build
from hebbian_dl.networks.vae import BetaVae
from hebbian_dl.training import checkpoint
from hebbian_dl.training.generators import seed_torch
from protocols.loading.loader import load
from protocols.spec.faults import ProtocolFault
from protocols.spec.network import HebbianPretraining, Method, NoPretraining, VaePretraining
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.random_streams import stream
from protocols.spec.rules import HebbianPCA, Rule

FOLDER = "networks"  # of a run directory


@dataclass(frozen=True)
class Drawn:
    """A method's network with its initial weights.

    Parameters
    ----------
    features
        Images to features: what is fine-tuned.
    learner
        What is pre-trained: the same, or a VAE around it.
    """

    features: nn.Sequential
    learner: nn.Module


def draw(protocol: NetworkProtocol, method: Method, seed: int) -> Drawn:
    """The network of a method; all methods without biases start from the same weights, but for Xavier's."""
    spec, shape = protocol.network, protocol.data.shape
    seed_torch(np.random.default_rng(stream("network", seed)))
    if isinstance(method, VaePretraining):
        network = build(spec.used_layers, shape, None, spec.batch_norm_momentum)
        vae = BetaVae(network, spec.used_layers, shape, method.latents)
        return Drawn(nn.Sequential(network, vae.mean) if method.features == "latents" else network, vae)
    rule: Rule = method.rule if isinstance(method, HebbianPretraining) else HebbianPCA()
    network = build(spec.used_layers, shape, rule, spec.batch_norm_momentum)
    if isinstance(method, NoPretraining) and method.weights == "xavier":
        for _, layer in hebbian_layers(network):
            nn.init.xavier_uniform_(layer.weight)
    return Drawn(network, network)


def path_of(run_dir: Path, method: str, seed: int) -> Path:
    """Where a run keeps a pre-trained network."""
    return run_dir / FOLDER / f"seed_{seed}_{method}.safetensors"


def load_network(run_dir: Path | str, method: str, seed: int = 0) -> nn.Sequential:
    """A pre-trained network of a finished run, in evaluation mode: images to features.

    Images are to be prepared as the run's were (`data.normalised`, and `whitening.whitened` where the method asks).

    Raises
    ------
    ProtocolFault
        If the run has no such network.
    CheckpointError
        If the file is damaged, or holds another network.
    """
    run_dir = Path(run_dir)
    path = path_of(run_dir, method, seed)
    if not path.is_file():
        found = sorted(file.stem for file in (run_dir / FOLDER).glob("*.safetensors"))
        raise ProtocolFault([f"{path}: no such network; allowed: {', '.join(found) or 'none is there'}"])
    protocol = load(str(run_dir / "protocol.yaml"))
    if not isinstance(protocol, NetworkProtocol):
        raise ProtocolFault([f"{run_dir}: a run of '{protocol.name}'; allowed: a run of a network's protocol"])
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers are none of ours
        drawn = draw(protocol, protocol.network.methods[method], seed)
    restore(drawn, path, method, seed)
    return drawn.features.eval()


def restore(drawn: Drawn, path: Path, method: str, seed: int) -> dict[str, Any]:
    """Put a pre-trained network's weights into a drawn one; gives what else the file says.

    Raises
    ------
    CheckpointError
        If the file is damaged, or holds another network, or that of another method or seed.
    """
    tensors, facts = checkpoint.load(path)
    checkpoint.check_facts(path, facts, {"method": method, "seed": seed})
    checkpoint.restore(drawn.learner, tensors, path)
    return facts
