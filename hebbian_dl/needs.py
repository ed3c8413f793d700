"""Whether a protocol's trainings fit into memory: said before the first step, with the number to change."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hebbian_dl.evaluation import RANKED
from hebbian_dl.memory import evaluation_bytes, finetuning_bytes, model_bytes, pretraining_bytes
from hebbian_dl.models import n_features
from protocols.faults import ProtocolFault
from protocols.network import Finetuning, HebbianPretraining, Method, NoPretraining, Normalisation, VaePretraining
from protocols.schema import NetworkProtocol

RESIDENT = 350 * 10**6  # of a process that has loaded torch and its libraries


@dataclass(frozen=True)
class Steps:
    """The steps of one training.

    Parameters
    ----------
    protocol, method
        Whose network.
    spec
        How it is trained.
    path, name
        Of the training: in the protocol, and in words.
    """

    protocol: NetworkProtocol
    method: Method
    spec: HebbianPretraining | VaePretraining | Finetuning
    path: str
    name: str

    @property
    def key(self) -> str:
        """What in the protocol says how many images are in the network at once."""
        return "batch" if self.spec.at_a_time is None else "at_a_time"

    @property
    def given(self) -> int:
        """How many these are."""
        return self.spec.at_a_time or self.spec.batch

    @property
    def total(self) -> int:
        """Most bytes of the process that takes the steps."""
        kept = RESIDENT + images_bytes(self.protocol) + model_bytes(self.protocol, self.method)  # the best so far
        if isinstance(self.spec, Finetuning):
            return kept + finetuning_bytes(self.protocol, self.method, self.spec)
        return kept + pretraining_bytes(self.protocol, self.spec)

    def at(self, n: int) -> "Steps":
        """The same with another number of images."""
        return replace(self, spec=self.spec.model_copy(update={self.key: n}))

    def largest(self, free: int) -> int:
        """The largest number of images, smaller than what is given, whose steps fit into so many bytes; 0 for none."""
        low = 1 if any(isinstance(layer, Normalisation) for layer in self.protocol.network.used_layers) else 0
        high = self.given  # low fits, or is what is not allowed; high does not fit
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.at(middle).total <= free else (low, middle)
        return low if low > 1 or (low and self.at(low).total <= free) else 0
