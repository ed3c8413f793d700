"""Images in memory: normalised, taken in batches, and ordered for growing numbers of labels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from hebbian_dl import processes
from hebbian_dl.images import whitening
from hebbian_dl.images.prepare import Prepare
from protocols.images.datasets import LabelledImages
from protocols.images.examples import ImageSplits


def channels_last(images: Tensor) -> Tensor:
    """Images, or volumes, with their channels side by side in memory, as convolutions are fastest."""
    return images.contiguous(memory_format=torch.channels_last if images.dim() == 4 else torch.channels_last_3d)


class Images(Protocol):
    """Images and their classes, in memory (`Examples`) or in files (`hebbian_dl.images.streaming.Streamed`)."""

    @property
    def labels(self) -> Tensor:
        """Class indices from 0, int64, shape (n,)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, rows and columns of an image."""

    def __len__(self) -> int:
        """Number of images."""

    def take(self, index: Tensor) -> "Images":
        """The images with these indices."""

    def batches(self, size: int, order: Tensor | None = None, draw: int | None = None) -> Iterator["Examples"]:
        """All images in batches, in the given order; of each batch only this process's share.

        `draw` seeds random crops and reflections, where the protocol has them; None for the images as they are.
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
        """The images with these indices."""
        return Examples(self.images[index], self.labels[index])

    def batches(self, size: int, order: Tensor | None = None, draw: int | None = None) -> Iterator["Examples"]:
        """As in `Images`; where an order is given, a last batch of one image, which has no variance, is left out."""
        if order is None:
            for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
                yield Examples(processes.own(images), processes.own(labels))
        else:
            for index in order.to(self.labels.device).split(size):
                if len(index) > 1 or size == 1:
                    yield self.take(processes.own(index))


def in_parts(batch: Examples, at_a_time: int | None) -> Iterator[tuple[Examples, bool]]:
    """Split a batch into parts of `at_a_time` images; gives each part, and whether it is the last.

    A single image left over has no variance to normalise by: it joins the part before it. With several processes
    `at_a_time` counts the images of all of them, and each process gets its share of every part.
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
    """Indices of `count` of `n` images, evenly spread, since files are sorted by class."""
    return torch.arange(count) * n // max(1, count)


AnyImages = TypeVar("AnyImages", bound=Images, covariant=True)


@dataclass(frozen=True)
class Splits(Generic[AnyImages]):
    """Training, validation and test images; `prepare`: how their pixels became inputs of a network."""

    training: AnyImages
    validation: AnyImages
    test: AnyImages
    prepare: Prepare | None = None


def normalised(splits: ImageSplits, device: torch.device, dtype: torch.dtype = torch.float32) -> Splits[Examples]:
    """Normalise channels to mean 0 and variance 1 over the training images; validation and test images likewise."""
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

    prepare = Prepare(shift.to(device), scale.to(device))
    return Splits(on_device(splits.training), on_device(splits.validation), on_device(splits.test), prepare)


def whitened(splits: Splits[Examples], epsilon: float, side: int | None = None) -> Splits[Examples]:
    """Whiten images in memory by the statistics of the training images."""
    white = whitening.fit(splits.training.images, epsilon, side)

    def applied(part: Examples) -> Examples:
        return replace(part, images=white(part.images))

    prepare = splits.prepare and replace(splits.prepare, white=white)
    return Splits(applied(splits.training), applied(splits.validation), applied(splits.test), prepare)


def labelled_order(labels: np.ndarray, order: str, rng: np.random.Generator) -> np.ndarray:
    """Order in which the training images get labels: each labelled fraction contains all smaller ones.

    Parameters
    ----------
    labels : int, shape (n,)
    order
        ``shuffled``, or ``stratified``: classes alternate, each in random order.
    """
    shuffled = rng.permutation(len(labels))
    if order == "shuffled":
        return shuffled
    rank = np.empty(len(labels), np.int64)  # how many images of the same class come before
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        rank[members] = np.arange(len(members))
    return shuffled[np.argsort(rank[shuffled], kind="stable")]
