"""Patches of large images: random crops in training, tiles that overlap and are blended in prediction."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.training.evaluation import batch_for

Size = tuple[int, ...]


@dataclass(frozen=True)
class Patches(Examples):
    """Images of which a batch gets one random crop each; maps of classes are cropped along.

    Parameters
    ----------
    size
        Rows and columns of a crop; of volumes slices, rows and columns.
    """

    size: Size

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels and size of a crop."""
        return self.images.shape[1], *self.size

    def take(self, index: Tensor) -> "Patches":
        """The images with these indices, to be cropped."""
        return Patches(self.images[index], self.labels[index], self.size)

    def batches(self, size: int, order: Tensor | None = None, draw: int | None = None) -> Iterator[Examples]:
        """As in `hebbian_dl.images.in_memory.Images`; `draw` also seeds the places of the crops.

        The place depends on the image and `draw` alone, so that an epoch can begin anywhere.
        """
        generator = torch.Generator().manual_seed(0 if draw is None else draw)
        corners = torch.stack([torch.randint(room, (len(self),), generator=generator) for room in self._rooms], 1)
        order = torch.arange(len(self)) if order is None else order
        for index in order.split(size):
            if len(index) > 1 or size == 1 or draw is None:
                yield self._cropped(index, corners[index])

    def central(self) -> Examples:
        """The middle of every image."""
        middle = torch.tensor([(room - 1) // 2 for room in self._rooms])
        return self._cropped(torch.arange(len(self)), middle.expand(len(self), len(middle)))

    def some(self, n: int) -> Examples:
        """Crops of some of the images, drawn with replacement by torch's global generator."""
        device = self.images.device  # drawn there, since a GPU replays a step without what the processor draws
        corners = torch.stack([torch.randint(room, (n,), device=device) for room in self._rooms], 1)
        return self._cropped(torch.randint(len(self), (n,), device=device), corners)

    @property
    def _rooms(self) -> list[int]:
        """Number of places of a crop along each axis."""
        return [1 + whole - part for whole, part in zip(self.images.shape[2:], self.size, strict=True)]

    def _cropped(self, index: Tensor, corners: Tensor) -> Examples:
        """The crops of these images, whose first places along each axis are `corners`, shape (n, n_axes)."""
        device, ones = self.images.device, (1,) * len(self.size)
        index = index.to(device)
        places = [index.reshape(-1, *ones)]
        for axis, (first, n) in enumerate(zip(corners.to(device).unbind(1), self.size, strict=True)):
            along = (*ones[:axis], n, *ones[axis + 1 :])
            places.append(first.reshape(-1, *ones) + torch.arange(n, device=device).reshape(along))
        images = self.images.movedim(1, -1)[tuple(places)].movedim(-1, 1).contiguous()
        if self.labels.dim() == 1:
            return Examples(images, self.labels[index])
        return Examples(images, self.labels[tuple(places)])


def starts(whole: int, part: int) -> list[int]:
    """Places of tiles along an axis: from one end to the other, evenly, each overlapping the next by half or more."""
    n = -(-2 * (whole - part) // part) + 1
    return [round(k * (whole - part) / max(1, n - 1)) for k in range(n)]


def n_tiles(whole: Size, part: Size) -> int:
    """Number of tiles of an image."""
    return math.prod(len(starts(a, b)) for a, b in zip(whole, part, strict=True))


def blended(predict: Callable[[Tensor], Tensor], images: Tensor, size: Size) -> Tensor:
    """Maps of images from those of tiles: means weighted by the distance of a pixel to the edges of its tile.

    Parameters
    ----------
    predict
        Tiles (n, channels, *size) -> maps (n, n_maps, *size).
    images
        Shape (n, channels, rows, columns), of volumes (n, channels, slices, rows, columns).
    size
        Of a tile, along each axis.
    """
    whole = images.shape[2:]
    window = functools.reduce(lambda so_far, n: so_far[..., None] * _ramp(n), size, torch.ones((), dtype=torch.double))
    window = window.to(images.device, images.dtype)
    corners = itertools.product(*(starts(a, b) for a, b in zip(whole, size, strict=True)))
    total, weight = None, torch.zeros(whole, dtype=images.dtype, device=images.device)
    for corner in corners:
        box = tuple(slice(first, first + n) for first, n in zip(corner, size, strict=True))
        place = (slice(None), slice(None), *box)
        tiles = images[place].split(batch_for((images.shape[1], *size)))
        maps = torch.cat([predict(part) for part in tiles])
        if total is None:
            total = maps.new_zeros(*maps.shape[:2], *whole)
        total[place] += maps * window
        weight[box] += window
    if total is None:
        raise ValueError("no tile")
    return total / weight


def _ramp(n: int) -> Tensor:
    """Rises from the first place to the middle, and falls to the last; nowhere 0."""
    place = torch.arange(1, n + 1)
    return torch.minimum(place, place.flip(0)).double()
