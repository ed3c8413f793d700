"""Images in files, decoded by worker processes while the network learns.

A decoded image depends on its file, a seed (`draw`) and its index alone: neither the number of workers nor the point
at which a training is resumed changes it.
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
from hebbian_dl.images.prepare import Prepare
from protocols.images.decode import CorruptImage, decode
from protocols.images.listing import FileSplits, ImageFiles
from protocols.runs.machine import cores_of_each
from protocols.spec.file_data import FileData

MEASURED = 2_000  # training images, evenly spread, that give the mean and variance of channels
MEASURED_AT_A_TIME = 64
WHITENED = 100_000_000  # values (400 MB) in the training images that give the covariance for whitening

#: A batch from a worker: pixels (uint8), labels, and (name, reason) of each unreadable image.
Decoded = tuple[Tensor, Tensor, list[tuple[str, str]]]


class TooManyCorrupt(RuntimeError):
    """More images are unreadable than the protocol allows."""


@dataclass
class Skipped:
    """Unreadable images and the reason of each, by name; shared by all splits of a data set.

    Parameters
    ----------
    most
        Number of images that is tolerated.
    """

    most: int
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, found: Sequence[tuple[str, str]]) -> None:
        """Record unreadable images, as (name, reason).

        Raises
        ------
        TooManyCorrupt
            If there are now more than `most`.
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
    """Data set of the workers: an item is a whole batch, requested by the indices of its images."""

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
        The files, and how they are decoded.
    prepare
        Turns pixels, uint8, into inputs of a network, on its device.
    skipped
        Records the unreadable images.
    """

    files: ImageFiles
    data: FileData
    prepare: Callable[[Tensor], Tensor]
    skipped: Skipped
    device: torch.device

    @property
    def labels(self) -> Tensor:
        """Class indices from 0, int64, shape (n,), of all images, unreadable ones included."""
        return torch.from_numpy(self.files.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, rows and columns of an image."""
        return self.data.shape

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def take(self, index: Tensor) -> "Streamed":
        """The images with these indices."""
        return Streamed(self.files.take(index.cpu().numpy()), self.data, self.prepare, self.skipped, self.device)

    def batches(self, size: int, order: Tensor | None = None, draw: int | None = None) -> Iterator[Examples]:
        """As in `Images`, decoded ahead; where an order is given, a last batch of one image is left out."""
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
    """Redistribute a batch that lacks unreadable images: this process's rows, as if the others had never been in it.

    Parameters
    ----------
    rows
        One for each of this process's images that could be read.
    there : bool
        Whether each of this process's images could be read, shape (n_own,).
    """
    with_gaps = rows.new_zeros(len(there), *rows.shape[1:])
    with_gaps[there] = rows
    return processes.own(processes.gathered(with_gaps)[processes.gathered(there.to(torch.uint8)).bool()])


def decoded(
    files: ImageFiles, data: FileData, parts: Sequence[np.ndarray], draw: int | None = None
) -> Iterator[Decoded]:
    """Decode batches, given by the indices of their images, in order; each is decoded by one of the workers."""
    n_workers = min(cores_of_each() if data.workers is None else data.workers, len(parts))
    loader = DataLoader(
        _Batches(files, data, draw if data.augmentation != "none" else None),
        batch_size=None,
        sampler=parts,
        num_workers=n_workers,
        generator=torch.Generator(),  # the global one belongs to the training
        multiprocessing_context="fork" if n_workers else None,
    )
    yield from loader


def streamed(
    splits: FileSplits, data: FileData, device: torch.device, epsilon: float | None = None, side: int | None = None
) -> Splits[Streamed]:
    """The images of a protocol, prepared for a network: normalised, whitened where asked, decoded when needed.

    Parameters
    ----------
    splits, data
        The files, and the ``data:`` section of the protocol.
    epsilon, side
        Parameters of the ZCA whitening, as in `whitening.fit`; no whitening without `epsilon`.

    Raises
    ------
    TooManyCorrupt
        If too many of the training images that give mean, variance and covariance are unreadable.
    """
    skipped = Skipped(data.most_corrupt)

    def sample(n: int, prepare: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
        """Batches of `n` training images, evenly spread, without augmentation."""
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
    prepare = Prepare(mean.float().reshape(1, 3, 1, 1), (1 / sd).float().reshape(1, 3, 1, 1))
    white = None
    if epsilon is not None:
        images = torch.cat(list(sample(WHITENED // math.prod(data.shape), prepare)))
        white = whitening.fit(images.to(device), epsilon, side)
    there = Prepare(prepare.shift.to(device), prepare.scale.to(device), white)

    def prepared(part: ImageFiles) -> Streamed:
        return Streamed(part, data, there, skipped, device)

    return Splits(prepared(splits.training), prepared(splits.validation), prepared(splits.test), there)
