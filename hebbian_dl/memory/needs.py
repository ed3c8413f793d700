"""Memory that the parts of a training need, and the largest setting that fits into what is free."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from hebbian_dl.environment import n_processes
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.descent import GradientDescent
from protocols.spec.nets.pretraining import HebbianPretraining

#: bytes of a process that has loaded torch, and freed memory that its allocator keeps; builds for a GPU map more
RESIDENT = (530 if torch.version.cuda is None else 860) * 10**6
Trained = HebbianPretraining | GradientDescent


@dataclass(frozen=True)
class Steps:
    """Memory of the steps of one training.

    Parameters
    ----------
    spec
        Settings of the training.
    path
        Path of these settings in the protocol.
    kept
        Bytes that the process holds beside the training.
    shape
        Channels, rows and columns of an image.
    least
        Smallest number of images in the network at once: two where batches are normalised.
    bytes_of
        Peak bytes of a step with such settings.
    """

    spec: Trained
    path: str
    kept: int
    shape: Sequence[int]
    least: int
    bytes_of: Callable[[Trained], int]

    @property
    def key(self) -> str:
        """Name of the setting that says how many images are in the network at once."""
        return "batch" if self.spec.at_a_time is None else "at_a_time"

    @property
    def given(self) -> int:
        """Value of that setting."""
        return self.spec.at_a_time or self.spec.batch

    @cached_property
    def total(self) -> int:
        """Peak bytes of the process that takes the steps."""
        at_a_time = self.spec.at_a_time and -(-self.spec.at_a_time // n_processes())
        # of a batch in parts, two parts are simulated: the others add nothing but their images
        batch = self.spec.batch if at_a_time is None else min(self.spec.batch, 2 * n_processes() * at_a_time)
        others = 4 * math.prod(self.shape) * (self.spec.batch - batch) // n_processes()
        return self.kept + others + self.bytes_of(self.spec.model_copy(update={"at_a_time": at_a_time, "batch": batch}))

    def at(self, n: int) -> "Steps":
        """The same steps with another number of images."""
        return replace(self, spec=self.spec.model_copy(update={self.key: n}))

    def largest(self, free: int) -> int:
        """Largest number of images, below the given one, with which the steps fit; 0 if there is none."""
        fits, too_many = self.least - 1, self.given
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self.at(middle).total <= free:
                fits = middle
            else:
                too_many = middle
        return fits if fits >= self.least else 0


@dataclass(frozen=True)
class Need:
    """Peak memory of one part of a method's work.

    Parameters
    ----------
    what
        The part, in words.
    total
        Peak bytes of the process.
    steps
        Where the part is a training.
    """

    what: str
    total: int
    steps: Steps | None = None


def fault(need: Need, free: int) -> ProtocolFault:
    """The fault of a part that does not fit, with the largest setting that does."""
    return ProtocolFault([_line(need, free)])


def spelled(parts: Sequence[Need]) -> str:
    """Memory of parts in one line."""
    return "memory: " + ", ".join(f"{_gb(need.total)} for {need.what}" for need in parts)


def _line(need: Need, free: int) -> str:
    needed = f"needs about {_gb(need.total)}, {_gb(free)} are free"
    if need.steps is None:
        return f"data: {need.what} {needed}; allowed: fewer or smaller images (data.size)"
    steps = need.steps
    largest = steps.largest(free)
    if not largest:
        return f"{steps.path}.{steps.key}: {steps.given} {needed}; allowed: more memory, or smaller images (data.size)"
    or_parts = f", or at_a_time: {largest}" if steps.key == "batch" else ""
    return f"{steps.path}.{steps.key}: {steps.given} {needed}; allowed: at most {largest}{or_parts}"


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.{1 if n_bytes < 1e10 else 0}f} GB"
