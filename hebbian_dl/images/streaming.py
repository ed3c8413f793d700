"""Images in files, decoded by worker processes while the network learns.

What a worker makes of an image follows from the file and from (draw, place of the image) alone: neither the number of
workers nor where a training is resumed changes it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hebbian_dl import processes
from hebbian_dl.images import whitening
from hebbian_dl.images.in_memory import Examples, Splits, evenly
from protocols.images.decode import CorruptImage, decode
from protocols.images.listing import FileSplits, ImageFiles
from protocols.runs.machine import cores_of_each
from protocols.spec.file_data import FileData

MEASURED = 2_000  # training images whose channels' mean and variance are taken, evenly spread
MEASURED_AT_A_TIME = 64
WHITENED = 100_000_000  # values of those whose covariance is taken, 400 MB

#: what a worker gives of a batch: pixels (uint8), labels, and of each unreadable image its name and what is wrong
Decoded = tuple[Tensor, Tensor, list[tuple[str, str]]]


class TooManyCorrupt(RuntimeError):
    """More images cannot be read than the protocol allows."""


@dataclass
class Skipped:
    """The images that could not be read, by name, and what was wrong; shared by all parts of a data set.

    Parameters
    ----------
    most
        How many are tolerated.
    """

    most: int
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, found: Sequence[tuple[str, str]]) -> None:
        """Take note of images.

        Raises
        ------
        TooManyCorrupt
            If they are too many.
        """
        for name, reason in found:
            self.reasons[name] = reason
            if len(self.reasons) > self.most:
                raise TooManyCorrupt(
                    f"data.most_corrupt: {self.most}; {len(self.reasons)} images cannot be read, "
                    f"the last is {name}: {reason}"
                )


@dataclass(frozen=True)
class _Batches(Dataset[Decoded]):
    """What the workers are given: an item is a whole batch, by the indices of its images."""

    files: ImageFiles
    data: FileData
    draw: int | None

    def __getitem__(self, index: np.ndarray) -> Decoded:
        pixels, labels, corrupt = [], [], []
        for i in index.tolist():
            rng = None if self.draw is None else np.random.default_rng((self.draw, i))
            try:
                pixels.append(torch.from_numpy(decode(self.files.read(i), self.data, rng)))
                labels.append(int(self.files.labels[i]))
            except CorruptImage as fault:
                corrupt.append((self.files.name(i), str(fault)))
        images = torch.stack(pixels) if pixels else torch.empty((0, *self.data.shape), dtype=torch.uint8)
        return images, torch.tensor(labels, dtype=torch.int64), corrupt


@dataclass(frozen=True)
class Streamed:
    """Images in files (`hebbian_dl.images.in_memory.Images`); a batch lacks those that cannot be read.

    Parameters
    ----------
    files, data
        Where they lie, how they are decoded.
    prepare
        Pixels, uint8, to what a network sees, on its device.
    skipped
        Takes note of the unreadable ones.
    """

    files: ImageFiles
    data: FileData
    prepare: Callable[[Tensor], Tensor]
    skipped: Skipped
    device: torch.device

    @property
    def labels(self) -> Tensor:
        """Class indices from 0, int64, shape (n,), of the unreadable ones, too."""
        return torch.from_numpy(self.files.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, rows and columns of an image."""
        return self.data.shape

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def take(self, index: Tensor) -> "Streamed":
        """Some of them."""
        return Streamed(self.files.take(index.cpu().numpy()), self.data, self.prepare, self.skipped, self.device)

    def batches(self, size: int, order: Tensor | None = None, draw: int | None = None) -> Iterator[Examples]:
        """All of them in batches, decoded ahead; in some order, a last batch of one image is left out."""
        index = torch.arange(len(self)) if order is None else order.cpu()
        parts = [
            processes.own(part).numpy() for part in index.split(size) if order is None or len(part) > 1 or size == 1
        ]
        for part, (images, labels, corrupt) in zip(parts, decoded(self.files, self.data, parts, draw), strict=True):
            missed = processes.joined(corrupt)
            self.skipped.add(missed)
            if missed and processes.world() > 1:
                names = {name for name, _ in missed}
                there = torch.tensor([self.files.name(i) not in names for i in part.tolist()], dtype=torch.bool)
                images, labels = _dealt_anew(images, there), _dealt_anew(labels, there)
            yield Examples(self.prepare(images.to(self.device, non_blocking=True)), labels.to(self.device))


def _dealt_anew(rows: Tensor, there: Tensor) -> Tensor:
    """The own rows of a batch that lacks some images, as one process would count them.

    Parameters
    ----------
    rows
        Of the images that could be read.
    there : bool
        Which of the own images these are, shape (n_own,).
    """
    with_gaps = rows.new_zeros(len(there), *rows.shape[1:])
    with_gaps[there] = rows
    return processes.own(processes.gathered(with_gaps)[processes.gathered(there.to(torch.uint8)).bool()])


def decoded(
    files: ImageFiles, data: FileData, parts: Sequence[np.ndarray], draw: int | None = None
) -> Iterator[Decoded]:
    """Batches by the indices of their images, in their order, each made by one of the workers."""
    n_workers = min(cores_of_each() if data.workers is None else data.workers, len(parts))
    loader = DataLoader(
        _Batches(files, data, draw if data.augmentation != "none" else None),
        batch_size=None,
        sampler=parts,
        num_workers=n_workers,
        generator=torch.Generator(),  # the global one is the training's
        multiprocessing_context="fork" if n_workers else None,
    )
    yield from loader


@dataclass(frozen=True)
class _Prepare:
    """From pixels, uint8, to channels of mean 0 and variance 1 over training images, whitened where asked."""

    shift: Tensor
    scale: Tensor
    white: whitening.Whitening | None = None

    def __call__(self, images: Tensor) -> Tensor:
        normal = images.to(self.shift.dtype).sub_(self.shift).mul_(self.scale)
        return normal if self.white is None else self.white(normal)


def streamed(
    splits: FileSplits, data: FileData, device: torch.device, epsilon: float | None = None, side: int | None = None
) -> Splits[Streamed]:
    """The images of a protocol as a network sees them.

    Parameters
    ----------
    splits, data
        Of the protocol.
    epsilon, side
        Of the ZCA whitening, as `whitening.fit` takes them; no whitening without `epsilon`.

    Raises
    ------
    TooManyCorrupt
        If too many of the training images that are looked at for this cannot be read.
    """
    skipped = Skipped(data.most_corrupt)

    def sample(n: int, prepare: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
        """Training images, evenly spread, without augmentation."""
        index = evenly(min(n, len(splits.training)), len(splits.training))
        training = Streamed(splits.training, data, prepare, skipped, torch.device("cpu"))
        return (processes.gathered(batch.images) for batch in training.take(index).batches(MEASURED_AT_A_TIME))

    total, squares, n_pixels = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 0
    for pixels in sample(MEASURED, lambda images: images):
        values = pixels.double()
        total += values.sum((0, 2, 3))
        squares += values.square().sum((0, 2, 3))
        n_pixels += values[:, 0].numel()
    mean = total / max(1, n_pixels)
    sd = (squares / max(1, n_pixels) - mean.square()).clamp_min(0).sqrt().clamp_min(1e-12)
    prepare = _Prepare(mean.float().reshape(1, 3, 1, 1), (1 / sd).float().reshape(1, 3, 1, 1))
    white = None
    if epsilon is not None:
        images = torch.cat(list(sample(WHITENED // math.prod(data.shape), prepare)))
        white = whitening.fit(images.to(device), epsilon, side)
    there = _Prepare(prepare.shift.to(device), prepare.scale.to(device), white)
    parts = (Streamed(part, data, there, skipped, device) for part in (splits.training, splits.validation, splits.test))
    return Splits(*parts)
