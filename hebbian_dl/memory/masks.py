"""Memory of segmentation before its first step: images and masks, pre-training, fine-tuning, prediction."""

import math
from collections.abc import Iterator

import torch
from torch import nn

from hebbian_dl.experiments.semi_supervised import STATISTICS_BATCH, take_statistics
from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.memory.needs import RESIDENT, Need, Steps, Trained
from hebbian_dl.memory.sizes import counted, take_steps
from hebbian_dl.segmentation.finetuning import finetuning
from hebbian_dl.segmentation.pretraining import drawn, pretraining
from hebbian_dl.segmentation.segmenter import Segmenter
from hebbian_dl.training.evaluation import batch_for
from protocols.images.masks.examples import counts, n_unlabelled
from protocols.spec.nets.pretraining import NoPretraining
from protocols.spec.nets.segmentation import MaskFinetuning, n_masks
from protocols.spec.protocol import SegmentationProtocol


def needs(protocol: SegmentationProtocol, name: str) -> Iterator[Need]:
    """Peak memory of the parts of a method's work, one after the other; files are listed, but not read."""
    spec, data = protocol.segmentation, protocol.data
    method, tuning, shape = spec.methods[name], spec.finetuning, spec.input_shape(data)
    n_train = counts(data)[0]
    kept, model = RESIDENT + images_bytes(protocol), model_bytes(protocol, name)
    yield Need("images and masks", kept)
    if isinstance(method, NoPretraining):
        n = min(batch_for(shape, STATISTICS_BATCH), n_train + n_unlabelled(data))
        yield Need(f"taking statistics for {name}, {n} images at a time", kept + statistics_bytes(protocol, name, n))
    else:
        path, held = f"segmentation.methods.{name}", kept + 2 * model  # to be fine-tuned, and of the best epoch
        steps = Steps(method, path, held, shape, 2, lambda own: learned_bytes(protocol, name, own))
        yield Need(f"a step of {name} at batch {method.batch}", steps.total, steps)
    # the weights that all fine-tunings start from, those of the best epoch, and the images of an epoch
    most = max(n_masks(max(spec.regimes), n_train), tuning.epoch_images or tuning.batch)
    kept += 2 * model + most * example_bytes(protocol)
    steps = Steps(tuning, "segmentation.finetuning", kept, shape, 2, lambda own: tuning_bytes(protocol, name, own))
    yield Need(f"a step of its fine-tuning at batch {tuning.batch}", steps.total, steps)
    n = predicted_at_once(protocol)
    units = "images" if spec.patch is None else "tiles"
    yield Need(f"prediction, {n} {units} at a time", kept + answers_bytes(protocol, name))


def images_bytes(protocol: SegmentationProtocol) -> int:
    """Bytes of all images, as they are read and as inputs; training images once more for pre-training."""
    data = protocol.data
    n_train, n_validation, n_test = counts(data)
    without, masked = n_unlabelled(data), n_train + n_validation + n_test
    image, mask = 4 * math.prod(data.shape), math.prod(data.size)
    return image * (2 * masked + n_train + n_validation * (protocol.segmentation.patch is not None)) + (
        image * 3 * without + (1 + 8) * mask * masked
    )


def example_bytes(protocol: SegmentationProtocol) -> int:
    """Bytes of an image with its mask as the network gets them."""
    return 4 * math.prod(protocol.data.shape) + 8 * math.prod(protocol.data.size)


def model_bytes(protocol: SegmentationProtocol, name: str) -> int:
    """Bytes of the weights and running statistics of a segmenter."""
    with counted():
        tensors = _segmenter(protocol, name).state_dict().values()
    return sum(tensor.nbytes for tensor in tensors)


def statistics_bytes(protocol: SegmentationProtocol, name: str, n: int) -> int:
    """Peak bytes of a forward pass for the statistics of batch normalisation, including the network and a batch."""
    with counted() as live:
        network = drawn(protocol.segmentation, protocol.data, protocol.segmentation.methods[name], 0)
        take_statistics(nn.Sequential(network), _without_masks(protocol, n))
    return live.peak


def learned_bytes(protocol: SegmentationProtocol, name: str, own: Trained) -> int:
    """Peak bytes of a step of pre-training with these settings, including the network and a batch."""
    spec = protocol.segmentation
    changed = spec.model_copy(update={"methods": {name: own}})
    with counted() as live:
        network = drawn(changed, protocol.data, changed.methods[name], 0)
        images = _without_masks(protocol, own.batch)
        take_steps(pretraining(name, network, changed, Splits(images, images, images)), images)
    return live.peak


def tuning_bytes(protocol: SegmentationProtocol, name: str, own: Trained) -> int:
    """Peak bytes of a step of fine-tuning with these settings, including the segmenter, its companion and a batch."""
    if not isinstance(own, MaskFinetuning):
        raise TypeError(type(own))
    with counted() as live:
        images = _without_masks(protocol, own.batch)
        masked = Examples(images.images, torch.zeros(own.batch, *images.shape[1:], dtype=torch.int64))
        settings = own.model_copy(update={"epoch_images": None})  # counted with what is kept
        take_steps(finetuning(name, _segmenter(protocol, name), settings, masked, masked, images), masked)
    return live.peak


def predicted_at_once(protocol: SegmentationProtocol) -> int:
    """Largest number of images or tiles in a forward pass of the prediction."""
    return min(batch_for(protocol.segmentation.input_shape(protocol.data)), max(counts(protocol.data)[1:]))


def answers_bytes(protocol: SegmentationProtocol, name: str) -> int:
    """Peak bytes of the prediction of a batch, including the segmenter, and of all that is predicted at once."""
    data = protocol.data
    with counted() as live, torch.no_grad():
        images = _without_masks(protocol, predicted_at_once(protocol))
        _segmenter(protocol, name).eval()(images.images).softmax(1)
    _, n_validation, n_test = counts(data)
    return live.peak + 2 * 4 * data.n_classes * math.prod(data.size) * max(n_validation, n_test)


def _segmenter(protocol: SegmentationProtocol, name: str) -> Segmenter:
    spec, data = protocol.segmentation, protocol.data
    return Segmenter(drawn(spec, data, spec.methods[name], 0), data.n_classes)


def _without_masks(protocol: SegmentationProtocol, n: int) -> Examples:
    shape = protocol.segmentation.input_shape(protocol.data)
    return Examples(torch.empty(n, *shape), torch.zeros(n, dtype=torch.int64))
