"""Binary codes of images, from a layer of units that is trained on top of a network."""

import torch
from torch import Tensor, nn

from hebbian_dl.images.in_memory import Images
from hebbian_dl.images.prepared import readable
from hebbian_dl.layers.hebbian import stop_learning
from hebbian_dl.networks.normalisation import BatchNorm1d
from hebbian_dl.retrieval.hamming import packed
from hebbian_dl.retrieval.precision import Coded
from hebbian_dl.training.evaluation import outputs
from hebbian_dl.training.supervised import ChannelsLast, Dropout
from protocols.spec.retrieval import Retrieval


class Frozen(nn.Module):
    """A network in evaluation mode for good: its weights and running statistics stay as they are."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval()

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Images to features, without gradients."""
        return self.network(images)


def coder(network: nn.Module, n_features: int, n_classes: int, spec: Retrieval, dropout: float) -> nn.Sequential:
    """A network with dropout, the units of a code and a linear classifier.

    Torch's global generator draws the weights of units and classifier.

    Returns
    -------
    nn.Sequential
        Images to scores of classes; without its last module, images to the units' activations.
    """
    device = next(network.parameters()).device
    stop_learning(network)
    units = nn.Sequential(nn.Linear(n_features, spec.bits))
    match spec.head:
        case "tanh":
            units.append(nn.Tanh())
        case "batch_norm":
            units.extend([nn.ReLU(), BatchNorm1d(spec.bits)])
    below = Frozen(network) if spec.train == "head" else network
    model = nn.Sequential(ChannelsLast(), below, Dropout(dropout), units, nn.Linear(spec.bits, n_classes))
    return model.to(device)


def codes(model: nn.Sequential, images: Images) -> Coded:
    """Codes of images, in their order: each bit says whether a unit of the `coder` is above 0."""
    model.eval()

    def bits(part: Tensor) -> Tensor:
        return torch.from_numpy(packed((model[:-1](part) > 0).cpu().numpy())).to(part.device)

    found, labels = outputs(bits, images)
    return Coded(found.cpu().numpy(), labels.cpu().numpy(), readable(images))
