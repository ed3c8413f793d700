"""Inputs of a method's network: the protocol's images, normalised, and whitened where the method asks for it."""

import numpy as np
import torch

from hebbian_dl.images.in_memory import Images, Splits, normalised, whitened
from hebbian_dl.images.streaming import Streamed, streamed
from protocols.images import datasets
from protocols.images.examples import load_images
from protocols.images.splits import find_images, fingerprints
from protocols.spec.data import ImageData
from protocols.spec.file_data import FileData
from protocols.spec.nets.pretraining import Method, Whitens


def inputs_of(data: ImageData | FileData, method: Method, device: torch.device) -> Splits[Images]:
    """The images of a method: held in memory, or streamed from files.

    Raises
    ------
    ProtocolFault
        If images are missing, or differ from what the protocol says.
    TooManyCorrupt
        If more images cannot be read than the protocol allows.
    """
    epsilon, side = None, None
    if isinstance(method, Whitens):
        epsilon, side = method.whitening, method.whitening_patch
    if isinstance(data, FileData):
        return streamed(find_images(data), data, device, epsilon, side)
    splits = normalised(load_images(data), device)
    return splits if epsilon is None else whitened(splits, epsilon, side)


def unreadable(images: Images) -> list[str]:
    """Sorted names of the images of a data set that could not be read so far."""
    return sorted(images.skipped.reasons) if isinstance(images, Streamed) else []


def readable(images: Images) -> np.ndarray:
    """Indices of the images that could be read in a pass over all, shape (n,): those of `evaluation.outputs`."""
    if not isinstance(images, Streamed) or not images.skipped.reasons:
        return np.arange(len(images))
    return np.array([i for i in range(len(images)) if images.files.name(i) not in images.skipped.reasons], np.intp)


def checksums(data: ImageData | FileData) -> dict[str, str]:
    """Checksums for the provenance: of each file of a published data set, or of each split of images in files."""
    return fingerprints(data) if isinstance(data, FileData) else datasets.checksums(data.source)
