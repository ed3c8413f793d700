"""Features of images by a pre-trained network of a finished run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.features.pixels import Pixels
from hebbian_dl.images.prepare import Prepare
from hebbian_dl.networks import saved
from hebbian_dl.training.evaluation import batch_for
from protocols.loading.loader import load
from protocols.spec.faults import ProtocolFault, listed
from protocols.spec.nets.pretraining import NoPretraining
from protocols.spec.protocol import NetworkProtocol


class Stop(Exception):
    """A forward pass has reached the layer whose output is wanted."""


@dataclass(frozen=True)
class Extractor:
    """A pre-trained network with all that it needs to see new images.

    Parameters
    ----------
    network
        Images to features, in evaluation mode.
    prepare
        Turns pixels into its inputs.
    protocol, method, seed
        Of the run.
    """

    network: nn.Sequential
    prepare: Prepare
    protocol: NetworkProtocol
    method: str
    seed: int

    @classmethod
    def of_run(
        cls, run_dir: Path | str, method: str | None = None, seed: int | None = None, *, allow_code: bool = False
    ) -> "Extractor":
        """The network of a run directory.

        Parameters
        ----------
        run_dir
            Of a finished run.
        method, seed
            Which of its networks; None for the only pre-trained method, and for the first seed.
        allow_code
            Whether code that the run's protocol names may run (`network.module`).

        Raises
        ------
        ProtocolFault
            If there is no such network, or there are several to choose from.
        """
        path = Path(run_dir)
        if not (path / "protocol.yaml").is_file():
            raise ProtocolFault([f"{path}: no run directory; allowed: one that hebbian_dl.run has left"])
        protocol = load(str(path / "protocol.yaml"), allow_code=allow_code)
        if not isinstance(protocol, NetworkProtocol):
            raise ProtocolFault([f"{path}: a run of '{protocol.name}'; allowed: a run of a network's protocol"])
        methods = [n for n, each in protocol.network.methods.items() if not isinstance(each, NoPretraining)]
        chosen = methods[0] if method is None and len(methods) == 1 else method
        if chosen not in methods:
            given = "no method given" if method is None else f"method '{method}'"
            raise ProtocolFault([f"{path}: {given}; allowed: {listed(methods) or 'none, nothing was pre-trained'}"])
        first = protocol.seed_list[0] if seed is None else seed
        network = saved.load_network(path, chosen, first, allow_code=allow_code)
        prepare = saved.inputs_of_run(path, protocol, chosen, first)
        return cls(network, prepare, protocol, chosen, first)

    def layers(self) -> list[str]:
        """Names of the modules whose output can be asked for."""
        return [name for name, _ in self.network.named_modules() if name]

    def __call__(self, pixels: Pixels, layer: str | None = None) -> np.ndarray:
        """Features, float32, shape (n, n_features).

        Parameters
        ----------
        pixels
            Shape (n, channels, rows, columns), uint8.
        layer
            Name of the module whose output is wanted, flattened; None for the last.

        Raises
        ------
        ProtocolFault
            If the network has no such layer.
        """
        if layer is not None and layer not in self.layers():
            raise ProtocolFault([f"layer '{layer}': not in the network; allowed: {listed(self.layers())}"])
        device = next(self.network.parameters()).device
        batches = torch.from_numpy(pixels).split(batch_for(self.protocol.data.shape))
        with torch.no_grad():
            rows = [self.respond(self.prepare(part.to(device)), layer).float().cpu() for part in batches if len(part)]
            width = 0 if rows else self.respond(self.prepare(torch.zeros(1, *pixels.shape[1:])), layer).shape[1]
        return torch.cat(rows).numpy() if rows else np.empty((0, width), np.float32)

    def respond(self, images: Tensor, layer: str | None = None, grid: int | None = None) -> Tensor:
        """Output of a module for prepared images, flattened; maps averaged over `grid` x `grid` fields, if given."""
        if layer is None:
            return self.network(images)
        seen: list[Tensor] = []

        def keep(module: nn.Module, given: object, output: Tensor) -> None:
            if grid is not None and output.dim() == 4 and max(output.shape[2:]) > grid:
                output = functional.adaptive_avg_pool2d(output, grid)
            seen.append(output.flatten(1))
            raise Stop

        handle = self.network.get_submodule(layer).register_forward_hook(keep)
        try:
            self.network(images)
        except Stop:
            return seen[0]
        finally:
            handle.remove()
        raise ProtocolFault([f"layer '{layer}': was not called; allowed: {listed(self.layers())}"])
