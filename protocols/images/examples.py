"""Images of a ``data:`` section: loaded, selected by class, split into training, validation and test, resized."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protocols.images import datasets
from protocols.spec.data import Data, ImageData
from protocols.spec.faults import ProtocolFault

RESIZED_AT_A_TIME = 1000  # images


@dataclass(frozen=True)
class Examples:
    """Labelled images, resized for presentation.

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
        """The examples at the given indices."""
        return Examples(self.images[index], self.labels[index])

    def truth(self, classes: Sequence[int]) -> np.ndarray:
        """Index of each image's label among the classes, int, shape (n,)."""
        return np.array([classes.index(label) for label in self.labels.tolist()], np.int64)


@dataclass(frozen=True)
class Splits:
    """Training, validation and test images of the classes; `unseen`: test images of all other labels."""

    training: Examples
    validation: Examples
    test: Examples
    unseen: Examples


@dataclass(frozen=True)
class ImageSplits:
    """Images for networks: uint8, shape (n, channels, height, width).

    A label is the index of the class in the protocol's list of classes.
    """

    training: datasets.LabelledImages
    validation: datasets.LabelledImages
    test: datasets.LabelledImages


def load_splits(data: Data) -> Splits:
    """Load the images of a culture's protocol, select the classes, split and resize.

    Raises
    ------
    ProtocolFault
        If files are missing or damaged, a class does not exist, or there are too few images.
    """
    training, test = datasets.load(data.source)
    learned, held_back, tested = _split(data, training, test)

    def examples(images: datasets.LabelledImages, index: np.ndarray) -> Examples:
        return Examples(datasets.resize(images.images[index], *data.size), images.labels[index])

    others = np.flatnonzero(~np.isin(test.labels, data.classes))
    return Splits(
        examples(training, learned), examples(training, held_back), examples(test, tested), examples(test, others)
    )


def count_images(data: ImageData) -> tuple[int, int, int]:
    """Number of training, validation and test images that `load_images` returns; raises like `load_splits`."""
    learned, held_back, tested = _split(data, *datasets.load(data.source))
    return len(learned), len(held_back), len(tested)


def fewest_of_a_class(data: ImageData) -> int:
    """Number of training images of the class that has the fewest; raises like `load_splits`."""
    training, test = datasets.load(data.source)
    learned, _, _ = _split(data, training, test)
    return int(np.unique(training.labels[learned], return_counts=True)[1].min())


def load_images(data: ImageData) -> ImageSplits:
    """Load the images of a network's protocol, select the classes, split and resize; raises like `load_splits`."""
    training, test = datasets.load(data.source)
    learned, held_back, tested = _split(data, training, test)

    def taken(part: datasets.LabelledImages, index: np.ndarray) -> datasets.LabelledImages:
        images = part.images[index]
        if data.size is not None:
            # in parts, because the floats take 24 times the memory
            parts = np.array_split(images, -(-len(images) // RESIZED_AT_A_TIME))
            images = np.concatenate([np.rint(datasets.resize(one, *data.size) * 255).astype(np.uint8) for one in parts])
        labels = np.searchsorted(data.class_list, part.labels[index], sorter=np.argsort(data.class_list))
        return datasets.LabelledImages(
            images.reshape(len(index), *data.shape), np.argsort(data.class_list)[labels].astype(np.int64)
        )

    return ImageSplits(taken(training, learned), taken(training, held_back), taken(test, tested))


def _split(
    data: ImageData, training: datasets.LabelledImages, test: datasets.LabelledImages
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of training, validation and test images."""
    classes = data.class_list
    chosen = datasets.select(training, classes)
    held_back = _held_back(data, training.labels, chosen if data.pool is None else chosen[chosen >= data.pool])
    learned = np.setdiff1d(chosen if data.pool is None else chosen[chosen < data.pool], held_back)
    tested = datasets.select(test, classes)[: data.test]
    for path, labels in (
        ("data.pool", training.labels[learned]),
        ("data.validation", training.labels[held_back]),
        ("data.test", test.labels[tested]),
    ):
        if missing := sorted(set(classes) - set(labels.tolist())):
            given = getattr(data, path.removeprefix("data.")) or "all"
            raise ProtocolFault([f"{path}: {given}; no image of class {missing[0]} is among them; allowed: more"])
    return learned, held_back, tested


def _held_back(data: ImageData, labels: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Indices of the validation images: equally many of each class, evenly spread over the indices in `free`."""
    found = []
    for index, label in enumerate(data.class_list):
        members = free[labels[free] == label]
        count = (data.validation + index) // len(data.class_list)
        if count > len(members):
            where = "" if data.pool is None else f" beyond the pool of {data.pool}"
            raise ProtocolFault(
                [f"data.validation: {data.validation}; class {label} has {len(members)} images{where}; allowed: fewer"]
            )
        found.append(members[np.arange(count) * len(members) // max(1, count)])
    return np.sort(np.concatenate(found))
