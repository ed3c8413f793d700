"""From the ``data:`` section to the images that are presented: selected, split, resized."""

from dataclasses import dataclass

import numpy as np

from protocols import datasets
from protocols.data import Data
from protocols.faults import ProtocolFault


@dataclass(frozen=True)
class Examples:
    """Images and what they show.

    Parameters
    ----------
    images : float, shape (n, height, width)
        Intensities from 0 to 1.
    labels : int, shape (n,)
        As published, for example the digit.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def take(self, index: np.ndarray) -> "Examples":
        """Some of them."""
        return Examples(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Splits:
    """Training, validation and test images of the classes; `unseen`: test images of all other labels."""

    training: Examples
    validation: Examples
    test: Examples
    unseen: Examples


def load_splits(data: Data) -> Splits:
    """Load, select, split and resize.

    Raises
    ------
    ProtocolFault
        If the files are missing or wrong, a class does not exist, or too few images are there.
    """
    training, test = datasets.load(data.source)
    chosen = datasets.select(training, data.classes)
    free = chosen if data.pool == "all" else chosen[chosen >= data.pool]
    if data.validation > len(free):
        where = "" if data.pool == "all" else f" beyond the pool of {data.pool}"
        raise ProtocolFault([f"data.validation: {data.validation}; allowed: at most the {len(free)} images{where}"])
    held_back = free[np.arange(data.validation) * len(free) // data.validation]
    learned = np.setdiff1d(chosen if data.pool == "all" else chosen[chosen < data.pool], held_back)
    missing = sorted(set(data.classes) - set(training.labels[learned].tolist()))
    if missing:
        raise ProtocolFault([f"data.pool: {data.pool}; it holds no training image of class {missing[0]}"])
    tested = datasets.select(test, data.classes)
    if data.test != "all":
        tested = tested[: data.test]

    def examples(images: datasets.LabelledImages, index: np.ndarray) -> Examples:
        return Examples(datasets.resize(images.images[index], *data.size), images.labels[index])

    others = np.flatnonzero(~np.isin(test.labels, data.classes))
    return Splits(
        examples(training, learned), examples(training, held_back), examples(test, tested), examples(test, others)
    )
