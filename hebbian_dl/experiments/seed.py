"""What the trainings of one seed of a semi-supervised experiment share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from hebbian_dl.images.in_memory import Examples, Images, Splits, labelled_order
from hebbian_dl.training.generators import seed_torch
from protocols.runs.reporting import Watch, unwatched
from protocols.runs.run_directory import Run
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.random_streams import stream

Part = dict[str, np.ndarray]


@dataclass(frozen=True)
class Seed:
    """Protocol, images, run directory and device that the trainings of one seed share."""

    protocol: NetworkProtocol
    seed: int
    splits: Splits[Images]
    plain: Callable[[], Splits[Images]]  # the same images without whitening
    run: Run
    device: torch.device
    watch: Watch = unwatched
    read: dict[str, Splits[Examples]] = field(default_factory=dict)  # features by method, for a linear readout

    @property
    def log(self) -> Path:
        """Log of all epochs, one JSON line each."""
        return self.run.partial / f"log_seed_{self.seed}.jsonl"

    def drawing(self, name: str) -> None:
        """Seed torch's generator from the random stream of this name."""
        seed_torch(np.random.default_rng(stream(name, self.seed)))

    def label_order(self) -> np.ndarray:
        """Indices of the training images in the order in which they get labels."""
        labels = self.splits.training.labels.cpu().numpy()
        rng = np.random.default_rng(stream("labels", self.seed))
        return labelled_order(labels, self.protocol.network.finetuning.labels, rng)
