"""Images as a network sees them, all of them in memory; in which order they get labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from hebbian_dl import processes
from protocols.images.datasets import LabelledImages
from protocols.images.examples import ImageSplits


class Images(Protocol):
    """Images and their classes, wherever they are: in memory (`Examples`), or in files."""

    @property
    def labels(self) -> Tensor:
        """Class indices from 0, int64, shape (n,)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, rows and columns of an image."""

    def __len__(self) -> int:
        """Number of images."""

    def take(self, index: Tensor) -> "Images":
        """Some of them."""

    def batches(self, size: int, order: Tensor | None = None, draw: int | None = None) -> Iterator["Examples"]:
        """All of them in batches, in some order; of each batch only the share of this process.

        `draw` seeds random crops and reflections, where there are any; None for the images as they are.
        """


@dataclass(frozen=True)
class Examples:
    """Images and their classes in memory, on one device.

    Parameters
    ----------
    images
        Shape (n, channels, height, width).
    labels
        Class indices from 0, int64, shape (n,).
    """

    images: Tensor
    labels: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, rows and columns of an image."""
        return tuple(self.images.shape[1:])

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def take(self, index: Tensor) -> "Examples":
        """Some of them."""
        return Examples(self.images[index], self.labels[index])

    def batches(self, size: int, order: Tensor | None = None, draw: int | None = None) -> Iterator["Examples"]:
        """As in `Images`; a last batch of one image, which has no variance, is left out of an order."""
        if order is None:
            for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
                yield Examples(processes.own(images), processes.own(labels))
        else:
            for index in order.split(size):
                if len(index) > 1 or size == 1:
                    yield self.take(processes.own(index).to(self.labels.device))


def in_parts(batch: Examples, at_a_time: int | None) -> Iterator[tuple[Examples, bool]]:
    """A batch a part at a time, and whether it is the last one.

    A single image left over has no variance to normalise by: it goes with the part before it. Of several processes'
    batch each part is the part of all of them.
    """
    if at_a_time is None:
        yield batch, True
        return
    each = processes.counts(len(batch))
    bounds = processes.bounds(each, at_a_time)
    if len(bounds) > 2 and at_a_time > 1 and sum(bounds[-1]) - sum(bounds[-2]) == 1:
        del bounds[-2]
    for before, after in pairwise(bounds):
        own = slice(before[processes.rank()], after[processes.rank()])
        yield Examples(batch.images[own], batch.labels[own]), after == each


def evenly(count: int, n: int) -> Tensor:
    """The places of so many of `n` images, evenly spread: files lie class by class."""
    return torch.arange(count) * n // max(1, count)


AnyImages = TypeVar("AnyImages", bound=Images, covariant=True)


@dataclass(frozen=True)
class Splits(Generic[AnyImages]):
    """Training, validation and test images."""

    training: AnyImages
    validation: AnyImages
    test: AnyImages


def normalised(splits: ImageSplits, device: torch.device, dtype: torch.dtype = torch.float32) -> Splits[Examples]:
    """Channels of mean 0 and variance 1 over the training images; the same map for validation and test images."""
    pixels = splits.training.images
    axes = (0, 2, 3)
    mean = pixels.mean(axes, dtype=np.float64)
    sd = pixels.std(axes, dtype=np.float64)
    shift, scale = (torch.tensor(v, dtype=dtype).reshape(1, -1, 1, 1) for v in (mean, 1 / np.maximum(sd, 1e-12)))

    def on_device(part: LabelledImages) -> Examples:
        images = torch.from_numpy(part.images.copy()).to(device)
        return Examples(
            images.to(dtype).sub_(shift.to(device)).mul_(scale.to(device)),
            torch.from_numpy(part.labels.copy()).to(device),
        )

    return Splits(on_device(splits.training), on_device(splits.validation), on_device(splits.test))


def labelled_order(labels: np.ndarray, order: str, rng: np.random.Generator) -> np.ndarray:
    """All training images in the order in which they get labels: a small part lies within every larger one.

    Parameters
    ----------
    labels : int, shape (n,)
    order
        ``shuffled``, or ``stratified``: the classes take turns, each in random order.
    """
    shuffled = rng.permutation(len(labels))
    if order == "shuffled":
        return shuffled
    rank = np.empty(len(labels), np.int64)  # how many images of the same class come before
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        rank[members] = np.arange(len(members))
    return shuffled[np.argsort(rank[shuffled], kind="stable")]
