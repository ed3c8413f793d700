"""Deep networks that learn by Hebbian rules, in PyTorch (FastHebb).

from hebbian_dl import Hebbian, hebbianize, load_network
from protocols.spec.rules import HebbianPCA, SoftWTA

model = hebbianize(torchvision.models.vgg11(), rule=HebbianPCA(), exclude=["classifier.6"])
optimizer = torch.optim.SGD(model.parameters(), 1e-2)
model.train()
optimizer.zero_grad()
model(images)  # every Hebbian layer leaves its update in .grad
optimizer.step()
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hebbian_dl.features.estimator import HebbianFeatures
    from hebbian_dl.layers.hebbian import Hebbian, hebbian_layers
    from hebbian_dl.layers.hebbianize import hebbianize
    from hebbian_dl.layers.layer_table import layer_table
    from hebbian_dl.networks.build import build
    from hebbian_dl.networks.saved import load_network

__all__ = ["Hebbian", "HebbianFeatures", "build", "hebbian_layers", "hebbianize", "layer_table", "load_network"]

_HOME = {
    "Hebbian": "layers.hebbian",
    "HebbianFeatures": "features.estimator",
    "hebbian_layers": "layers.hebbian",
    "hebbianize": "layers.hebbianize",
    "layer_table": "layers.layer_table",
    "build": "networks.build",
    "load_network": "networks.saved",
}


def __getattr__(name: str) -> Any:
    """Import torch lazily, on first use: faults in the input are reported before that import."""
    if name not in _HOME:
        raise AttributeError(f"module 'hebbian_dl' has no attribute '{name}'")
    return getattr(importlib.import_module(f"hebbian_dl.{_HOME[name]}"), name)
