"""Memory check before training: estimates each part of the work and names the setting to reduce."""

import contextlib
import math
from collections.abc import Iterator
from typing import cast

from hebbian_dl.experiments.semi_supervised import STATISTICS_BATCH
from hebbian_dl.images.streaming import MEASURED_AT_A_TIME, WHITENED
from hebbian_dl.memory import masks
from hebbian_dl.memory.needs import RESIDENT, Need, Steps, Trained, fault, spelled
from hebbian_dl.memory.sizes import coding_bytes, evaluation_bytes, finetuning_bytes, model_bytes, pretraining_bytes
from hebbian_dl.memory.work import n_images
from hebbian_dl.networks.own import n_features
from hebbian_dl.training.evaluation import RANKED, batch_for
from protocols.runs.machine import cores_of_each
from protocols.spec.data import ImageData
from protocols.spec.file_data import FileData
from protocols.spec.nets.descent import Finetuning
from protocols.spec.nets.pretraining import (
    Method,
    NoPretraining,
    Whitens,
)
from protocols.spec.network import n_labelled
from protocols.spec.protocol import NetworkProtocol, SegmentationProtocol

WORKER = 60 * 10**6  # bytes of a decoding process that it does not share with the one it was forked from
AHEAD = 3  # batches of a worker: two that wait, one that is being decoded


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
        steps = steps_of(protocol, method, method, f"network.methods.{name}", kept + model)  # weights of the best epoch
        yield Need(f"a step of {name} at batch {method.batch}", steps.total, steps)
    # weights of the best epoch, and those of the network that all fine-tunings start from
    if tuning.train == "head":
        kept += features_bytes(protocol)
        yield Need(f"the features of {name}", kept + 2 * model + evaluation_bytes(protocol, method))
    steps = steps_of(protocol, method, tuning, "network.finetuning", kept + 2 * model)
    yield Need(f"a step of its fine-tuning at batch {tuning.batch}", steps.total, steps)
    if network.retrieval is not None:
        what = f"a step of its codes' training at batch {tuning.batch}"
        yield Need(what, kept + 2 * model + coding_bytes(protocol, method, tuning))
    ranked = min(RANKED, data.validation) * n_features(network, data.shape) * 12  # float32, float64
    scores = 3 * data.validation * len(data.class_list) * 4
    what = f"evaluation, {batch_for(data.shape)} images at a time"
    yield Need(what, kept + 2 * model + evaluation_bytes(protocol, method) + max(ranked, scores))


def steps_of(protocol: NetworkProtocol, method: Method, spec: Trained, path: str, kept: int) -> Steps:
    """Memory of the steps of a method's pre-training or fine-tuning; arguments as in `Steps`."""

    def bytes_of(own: Trained) -> int:
        if isinstance(own, Finetuning):
            return finetuning_bytes(protocol, method, own)
        return pretraining_bytes(protocol, cast(Method, own))

    return Steps(spec, path, kept, protocol.data.shape, 2 if protocol.network.normalises else 1, bytes_of)


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


def needs_of_all(protocol: NetworkProtocol | SegmentationProtocol) -> list[tuple[str, list[Need]]]:
    """Name of each method, and the peak memory of the parts of its work.

    Raises
    ------
    NotKnown
        If the network of one's own does not run on torch's meta device.
    """
    if isinstance(protocol, SegmentationProtocol):
        return [(name, list(masks.needs(protocol, name))) for name in protocol.segmentation.methods]
    try:
        return [(name, list(needs(protocol, name))) for name in protocol.network.methods]
    except Exception as error:
        if protocol.network.module is None:
            raise
        raise NotKnown(f"memory: not known before the first step ({type(error).__name__} on the meta device)") from None


def most_bytes(protocol: NetworkProtocol | SegmentationProtocol) -> int:
    """Peak bytes of a process, over all methods; 0 if it is not known."""
    try:
        return max(need.total for _, found in needs_of_all(protocol) for need in found)
    except NotKnown:
        return 0


def check(protocol: NetworkProtocol | SegmentationProtocol, free: int | None) -> None:
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
                    raise fault(need, free)


def outline(protocol: NetworkProtocol | SegmentationProtocol) -> list[str]:
    """Memory of each method, one line each."""
    try:
        found = needs_of_all(protocol)
    except NotKnown as reason:
        return [str(reason)]
    return [spelled(parts) for _, parts in found]
