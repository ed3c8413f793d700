"""The same layers trained by backprop on the same presentations: what the label, propagated back, can teach."""

import numpy as np
import torch
from torch import Tensor, nn

from hebbian_dl.networks.build import build
from hebbian_dl.training.evaluation import BATCH
from hebbian_dl.training.finite import NOT_FINITE_LOSS
from hebbian_dl.training.loop import Diverged
from protocols.spec.network import AssociativeNetwork


class GradientAssociator:
    """Hidden layers with biases and ReLU, and a linear label layer; one step of gradient descent per presentation.

    The loss is the cross-entropy of the scores. The label layer starts at 0, so that all scores are 0 before the first
    presentation; it has its own learning rate, as in the Hebbian network.

    Parameters
    ----------
    spec
        The ``network:`` section.
    shape
        Channels, rows and columns of an image.
    n_classes
        Neurons of the label layer.
    """

    def __init__(self, spec: AssociativeNetwork, shape: tuple[int, int, int], n_classes: int) -> None:
        self.spec = spec
        self.hidden = build(spec.layers, shape, None)
        width = self.features(torch.zeros(1, *shape)).shape[1]
        self.label = nn.Linear(width, n_classes)
        nn.init.zeros_(self.label.weight)
        nn.init.zeros_(self.label.bias)

    def present(self, image: Tensor, label: int, learning: float) -> None:
        """Present an image, shape (channels, rows, columns), with its label; `learning`: factor on the rates.

        Raises
        ------
        Diverged
            If the loss is NaN or infinite.
        """
        loss = nn.functional.cross_entropy(self.label(self.hidden(image[None])), torch.tensor([label]))
        if not torch.isfinite(loss):
            raise Diverged(NOT_FINITE_LOSS)
        rates = ((self.hidden, self.spec.learning_rate), (self.label, self.spec.label_learning_rate))
        steps = [(weights, rate) for layer, rate in rates for weights in layer.parameters()]
        gradients = torch.autograd.grad(loss, [weights for weights, _ in steps])
        with torch.no_grad():
            for (weights, rate), gradient in zip(steps, gradients, strict=True):
                weights.sub_(gradient, alpha=rate * learning)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Output of the hidden layers for images, shape (n, n_features)."""
        return torch.cat([self.hidden(part) for part in images.split(BATCH)])

    @torch.no_grad()
    def scores(self, images: Tensor) -> np.ndarray:
        """Output of the label layer, shape (n, n_classes)."""
        return self.label(self.features(images)).numpy()
