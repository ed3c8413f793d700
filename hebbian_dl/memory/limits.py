"""Memory check before training: estimates each part of the work and names the setting to reduce."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from hebbian_dl.environment import n_processes
from hebbian_dl.experiments.semi_supervised import STATISTICS_BATCH
from hebbian_dl.images.streaming import MEASURED_AT_A_TIME, WHITENED
from hebbian_dl.memory.sizes import coding_bytes, evaluation_bytes, finetuning_bytes, model_bytes, pretraining_bytes
from hebbian_dl.memory.work import n_images
from hebbian_dl.networks.own import n_features
from hebbian_dl.training.evaluation import RANKED, batch_for
from protocols.runs.machine import cores_of_each
from protocols.spec.data import ImageData
from protocols.spec.faults import ProtocolFault
from protocols.spec.file_data import FileData
from protocols.spec.nets.descent import Finetuning
from protocols.spec.nets.pretraining import (
    ForwardForward,
    HebbianPretraining,
    Method,
    NoPretraining,
    VaePretraining,
    Whitens,
)
from protocols.spec.network import n_labelled
from protocols.spec.protocol import NetworkProtocol

#: bytes of a process that has loaded torch, and freed memory that its allocator keeps; builds for a GPU map more
RESIDENT = (530 if torch.version.cuda is None else 860) * 10**6
WORKER = 60 * 10**6  # bytes of a decoding process that it does not share with the one it was forked from
AHEAD = 3  # batches of a worker: two that wait, one that is being decoded


@dataclass(frozen=True)
class Steps:
    """Memory of the steps of one training.

    Parameters
    ----------
    protocol, method
        The protocol and method of the network.
    spec
        Settings of the training.
    path
        Path of these settings in the protocol.
    kept
        Bytes that the process holds beside the training.
    """

    protocol: NetworkProtocol
    method: Method
    spec: HebbianPretraining | VaePretraining | ForwardForward | Finetuning
    path: str
    kept: int

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
        others = 4 * math.prod(self.protocol.data.shape) * (self.spec.batch - batch) // n_processes()
        own = self.spec.model_copy(update={"at_a_time": at_a_time, "batch": batch})
        if isinstance(own, Finetuning):
            return self.kept + others + finetuning_bytes(self.protocol, self.method, own)
        return self.kept + others + pretraining_bytes(self.protocol, own)

    def at(self, n: int) -> "Steps":
        """The same steps with another number of images."""
        return replace(self, spec=self.spec.model_copy(update={self.key: n}))

    def largest(self, free: int) -> int:
        """Largest number of images, below the given one, with which the steps fit; 0 if there is none."""
        least = 2 if self.protocol.network.normalises else 1
        fits, too_many = least - 1, self.given
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self.at(middle).total <= free:
                fits = middle
            else:
                too_many = middle
        return fits if fits >= least else 0


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


def needs(protocol: NetworkProtocol, name: str) -> Iterator[Need]:
    """Peak memory of the parts of a method's work, one after the other."""
    network, data = protocol.network, protocol.data
    method, tuning = network.methods[name], network.finetuning
    yield Need(f"preparing images for {name}", RESIDENT + preparing_bytes(data, method, largest_batch(protocol)))
    model, kept = model_bytes(protocol, method), RESIDENT + images_bytes(data, largest_batch(protocol))
    if isinstance(method, NoPretraining):
        n = batch_for(data.shape, STATISTICS_BATCH)
        yield Need(f"taking statistics for {name}, {n} images at a time", kept + pretraining_bytes(protocol, method))
    elif network.pretrained is None:
        steps = Steps(protocol, method, method, f"network.methods.{name}", kept + model)  # weights of the best epoch
        yield Need(f"a step of {name} at batch {method.batch}", steps.total, steps)
    # weights of the best epoch, and those of the network that all fine-tunings start from
    if tuning.train == "head":
        kept += features_bytes(protocol)
        yield Need(f"the features of {name}", kept + 2 * model + evaluation_bytes(protocol, method))
    steps = Steps(protocol, method, tuning, "network.finetuning", kept + 2 * model)
    yield Need(f"a step of its fine-tuning at batch {tuning.batch}", steps.total, steps)
    if network.retrieval is not None:
        what = f"a step of its codes' training at batch {tuning.batch}"
        yield Need(what, kept + 2 * model + coding_bytes(protocol, method, tuning))
    ranked = min(RANKED, data.validation) * n_features(network, data.shape) * 12  # float32, float64
    scores = 3 * data.validation * len(data.class_list) * 4
    what = f"evaluation, {batch_for(data.shape)} images at a time"
    yield Need(what, kept + 2 * model + evaluation_bytes(protocol, method) + max(ranked, scores))


def features_bytes(protocol: NetworkProtocol) -> int:
    """Bytes of the features that a linear readout learns from, and is validated and tested with."""
    network, (n, n_validation, n_test) = protocol.network, n_images(protocol.data)
    read = n_labelled(max(network.regimes), n) + n_validation + n_test
    return read * n_features(network, protocol.data.shape) * (2 if network.finetuning.features == "bfloat16" else 4)


def largest_batch(protocol: NetworkProtocol) -> int:
    """Largest batch in all the work on the images: a worker decodes whole batches, even if `at_a_time` is smaller."""
    trained = [method for method in protocol.network.methods.values() if not isinstance(method, NoPretraining)]
    learned = [] if protocol.network.pretrained else [method.batch for method in trained]
    return max(batch_for(protocol.data.shape), protocol.network.finetuning.batch, *learned)


def images_bytes(data: ImageData | FileData, batch: int) -> int:
    """Bytes of images during learning: all of them, normalised; with images in files, workers and decoded batches."""
    if isinstance(data, FileData):
        workers = cores_of_each() if data.workers is None else data.workers
        return workers * (WORKER + AHEAD * batch * math.prod(data.shape))
    return 4 * math.prod(data.shape) * sum(n_images(data))


def preparing_bytes(data: ImageData | FileData, method: Method, batch: int) -> int:
    """Peak bytes while all images, or the sample of those in files, are normalised and whitened."""
    n_pixels, held = math.prod(data.shape), images_bytes(data, batch)
    whitening, matrix = False, 0
    if isinstance(method, Whitens) and method.whitening is not None:
        whitening = True
        matrix = 6 * 8 * n_pixels**2 if method.whitening_patch is None else 0  # and its eigenvectors
    if isinstance(data, FileData):
        return held + matrix + (2 * 4 * WHITENED if whitening else MEASURED_AT_A_TIME * n_pixels * 24)
    return matrix + (2 * held if whitening else held * 3 // 2)  # float32, and twice uint8


class NotKnown(Exception):
    """The network of one's own does not run without contents: no memory can be computed before the first step."""


def needs_of_all(protocol: NetworkProtocol) -> list[tuple[str, list[Need]]]:
    """Name of each method, and the peak memory of the parts of its work.

    Raises
    ------
    NotKnown
        If the network of one's own does not run on torch's meta device.
    """
    try:
        return [(name, list(needs(protocol, name))) for name in protocol.network.methods]
    except Exception as error:
        if protocol.network.module is None:
            raise
        raise NotKnown(f"memory: not known before the first step ({type(error).__name__} on the meta device)") from None


def most_bytes(protocol: NetworkProtocol) -> int:
    """Peak bytes of a process, over all methods; 0 if it is not known."""
    try:
        return max(need.total for _, found in needs_of_all(protocol) for need in found)
    except NotKnown:
        return 0


def check(protocol: NetworkProtocol, free: int | None) -> None:
    """Refuse a protocol that needs more than `free` bytes; None, where that is not known, refuses nothing.

    Raises
    ------
    ProtocolFault
        For the first part that does not fit, with the largest setting that does.
    """
    if free is None:
        return
    with contextlib.suppress(NotKnown):
        for _, found in needs_of_all(protocol):
            for need in found:
                if need.total > free:
                    raise ProtocolFault([_fault(need, free)])


def _fault(need: Need, free: int) -> str:
    needed = f"needs about {_gb(need.total)}, {_gb(free)} are free"
    if need.steps is None:
        return f"data: {need.what} {needed}; allowed: fewer or smaller images (data.size)"
    steps = need.steps
    largest = steps.largest(free)
    if not largest:
        return f"{steps.path}.{steps.key}: {steps.given} {needed}; allowed: more memory, or smaller images (data.size)"
    or_parts = f", or at_a_time: {largest}" if steps.key == "batch" else ""
    return f"{steps.path}.{steps.key}: {steps.given} {needed}; allowed: at most {largest}{or_parts}"


def outline(protocol: NetworkProtocol) -> list[str]:
    """Memory of each method, one line each."""
    try:
        found = needs_of_all(protocol)
    except NotKnown as reason:
        return [str(reason)]
    return ["memory: " + ", ".join(f"{_gb(need.total)} for {need.what}" for need in parts) for _, parts in found]


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.{1 if n_bytes < 1e10 else 0}f} GB"
