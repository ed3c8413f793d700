"""Linear readout: a classifier by backprop on the features of a network that stays as it is."""

import torch
from torch import Tensor, nn

from hebbian_dl.images.in_memory import Examples, Images, Splits, channels_last
from hebbian_dl.layers.hebbian import stop_learning
from hebbian_dl.training.evaluation import answers
from hebbian_dl.training.supervised import Dropout
from protocols.spec.nets.descent import Finetuning

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class InSinglePrecision(nn.Module):
    """Features as float32, in whatever precision they are kept."""

    def forward(self, features: Tensor) -> Tensor:
        """Shape (n, n_features) -> the same."""
        return features.float()


def readout(n_features: int, n_classes: int, dropout: float) -> nn.Sequential:
    """Features to scores of classes: dropout and a linear layer, whose weights torch's global generator draws."""
    return nn.Sequential(InSinglePrecision(), Dropout(dropout), nn.Linear(n_features, n_classes))


def features_of(network: nn.Module, images: Splits[Images], labelled: Tensor, spec: Finetuning) -> Splits[Examples]:
    """The features of a network, computed once and kept in memory; its weights and statistics stay as they are.

    Parameters
    ----------
    network
        Images to features.
    images
        Prepared for the network.
    labelled
        Indices of the training images whose features are wanted, in this order.
    spec
        Says in which precision they are kept.
    """
    stop_learning(network)
    network.eval()
    dtype = DTYPES[spec.features]
    training = _kept(network, images.training.take(labelled), dtype)
    return Splits(training, _kept(network, images.validation, dtype), _kept(network, images.test, dtype))


def _kept(network: nn.Module, images: Images, dtype: torch.dtype) -> Examples:
    """Features of images: rows are filled as they come, because two copies may not fit into memory."""
    features, labels, n = torch.empty(0), torch.empty(0, dtype=torch.long), 0
    for found, classes in answers(lambda part: network(channels_last(part)), images):
        if not n:
            features = torch.empty(len(images), found.shape[1], dtype=dtype, device=found.device)
            labels = torch.empty(len(images), dtype=torch.long, device=found.device)
        features[n : n + len(found)], labels[n : n + len(found)] = found, classes
        n += len(found)
    return Examples(features[:n], labels[:n])
