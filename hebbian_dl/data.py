"""Images as a network sees them: normalised, whitened where asked, all of them on the device."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from protocols.datasets import LabelledImages
from protocols.examples import ImageSplits

ROWS_AT_A_TIME = 4096  # of a product with the whitening matrix


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
        """All of them in batches, in some order.

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
        """All of them in batches, in some order; a last batch of one image, which has no variance, is left out."""
        for index in (torch.arange(len(self)) if order is None else order).split(size):
            if order is None:
                yield Examples(self.images[index[0] : index[-1] + 1], self.labels[index[0] : index[-1] + 1])
            elif len(index) > 1 or size == 1:
                yield self.take(index.to(self.labels.device))


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


def whitening_matrix(images: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Mean and ZCA matrix U (S + epsilon)^-1/2 U' of flattened images; U S U' is their covariance.

    Parameters
    ----------
    images
        Shape (n, ...).
    epsilon
        Added to the variances.

    Returns
    -------
    mean : Tensor, shape (n_pixels,)
    matrix : Tensor, shape (n_pixels, n_pixels)
    """
    flat = images.flatten(1)
    mean = flat.mean(0)
    covariance = torch.zeros(flat.shape[1], flat.shape[1], dtype=torch.float64, device=flat.device)
    for rows in flat.split(ROWS_AT_A_TIME):
        centred = rows - mean
        covariance += centred.t() @ centred
    variance, axes = torch.linalg.eigh(covariance / len(flat))
    matrix = (axes * (variance.clamp_min(0) + epsilon).rsqrt()) @ axes.t()
    return mean, matrix.to(images.dtype)


def whitened(splits: Splits[Examples], epsilon: float) -> Splits[Examples]:
    """Images decorrelated pixel by pixel (ZCA), by the statistics of the training images."""
    mean, matrix = whitening_matrix(splits.training.images, epsilon)

    def applied(part: Examples) -> Examples:
        images = torch.empty_like(part.images)
        for source, target in zip(
            part.images.flatten(1).split(ROWS_AT_A_TIME), images.flatten(1).split(ROWS_AT_A_TIME), strict=True
        ):
            torch.mm(source - mean, matrix, out=target)
        return replace(part, images=images)

    return Splits(applied(splits.training), applied(splits.validation), applied(splits.test))


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
