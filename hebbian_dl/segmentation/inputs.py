"""Images and masks as a network's inputs: normalised by the training images' channels."""

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.images.prepare import Prepare
from hebbian_dl.segmentation.patches import Patches, Size
from protocols.images.masks.examples import Masked, load_masks
from protocols.spec.nets.masks import MaskData

#: parts of the last data set that this process used: its trainings share them
_loaded = functools.lru_cache(maxsize=1)(load_masks)


@dataclass(frozen=True)
class MaskInputs:
    """Inputs of a network.

    Parameters
    ----------
    masked
        Images with masks, which take the place of labels: class indices, int64, shape (n, rows, columns) or
        (n, slices, rows, columns).
    unmasked
        The same images, and after the training images those without masks, for pre-training; labels are zeros.
    prepare
        What turned pixels from 0 to 1 into inputs.
    """

    masked: Splits[Examples]
    unmasked: Splits[Examples]
    prepare: Prepare


def inputs_of(data: MaskData, device: torch.device, patch: Size | None = None) -> MaskInputs:
    """Images of a protocol, with mean 0 and variance 1 over the training images, masked or not.

    With `patch`, batches of training images hold crops of that size; validation images without masks are their middle.

    Raises
    ------
    ProtocolFault
        If images or masks are missing or wrong.
    """
    splits = _loaded(data)
    every = np.concatenate([splits.training.images, splits.unlabelled])
    but_channels = (0, *range(2, every.ndim))
    mean, sd = (measure(every, axis=but_channels, dtype=np.float64) for measure in (np.mean, np.std))
    shift, scale = (
        torch.tensor(v, dtype=torch.float32, device=device).reshape(1, -1, *(1,) * data.dimensions)
        for v in (mean, 1 / np.maximum(sd, 1e-12))
    )
    prepare = Prepare(shift, scale)

    def inputs(images: np.ndarray) -> Tensor:
        return prepare(torch.from_numpy(images).to(device))

    def with_masks(part: Masked) -> Examples:
        return Examples(inputs(part.images), torch.from_numpy(part.masks).to(device, torch.int64))

    masked = Splits(with_masks(splits.training), with_masks(splits.validation), with_masks(splits.test))
    unmasked = Splits(
        _without_masks(torch.cat([masked.training.images, inputs(splits.unlabelled)])),
        _without_masks(masked.validation.images),
        _without_masks(masked.test.images),
    )
    if patch is not None:
        masked, unmasked = (
            replace(part, training=Patches(part.training.images, part.training.labels, patch))
            for part in (masked, unmasked)
        )
        whole = unmasked.validation
        unmasked = replace(unmasked, validation=Patches(whole.images, whole.labels, patch).central())
    return MaskInputs(masked, unmasked, prepare)


def _without_masks(images: Tensor) -> Examples:
    return Examples(images, torch.zeros(len(images), dtype=torch.int64, device=images.device))
