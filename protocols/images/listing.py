"""Where the images of a protocol lie in files: names, places and labels, without reading an image."""

import hashlib
import os
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from protocols.images.decode import CorruptImage

Bytes = npt.NDArray[np.bytes_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Encoded images and their labels.

    All is held in arrays: a worker process that only reads them shares their memory with the process it was forked
    from, which it would not with a million Python strings, whose reference counts it writes.

    Parameters
    ----------
    root
        The folder that all lies in.
    containers
        Folders or tar files below it, shape (m,).
    container
        The container of each image, an index, shape (n,).
    names
        In its container: the name of the file, or the member, shape (n,).
    offset, length
        Where its bytes lie in the tar file, shape (n,); -1 where the image is a file of its own.
    labels
        The class of each image from 0, shape (n,).
    """

    root: str
    containers: Bytes
    container: Integers
    names: Bytes
    offset: Integers
    length: Integers
    labels: Integers

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def take(self, index: npt.NDArray[np.integer]) -> "ImageFiles":
        """Some of them."""
        parts = {part: getattr(self, part)[index] for part in ("container", "names", "offset", "length", "labels")}
        return replace(self, **parts)

    def name(self, i: int) -> str:
        """How an image is called in messages: its path, or its shard's path and its name there."""
        return self.path(i) if self.offset[i] < 0 else f"{self.path(i)}: {os.fsdecode(self.names[i])}"

    def read(self, i: int) -> bytes:
        """The bytes of an image.

        Raises
        ------
        CorruptImage
            If they cannot be read.
        """
        try:
            with open(self.path(i), "rb", buffering=0) as file:
                if self.offset[i] < 0:
                    return file.read()
                return os.pread(file.fileno(), int(self.length[i]), int(self.offset[i]))
        except OSError as error:
            raise CorruptImage(f"cannot be read: {error.strerror}") from None

    def path(self, i: int) -> str:
        """The file of an image, or the tar file that holds it."""
        container = os.path.join(self.root, os.fsdecode(self.containers[self.container[i]]))
        return container if self.offset[i] >= 0 else os.path.join(container, os.fsdecode(self.names[i]))


@dataclass(frozen=True)
class Labelled:
    """What a layout holds: training and test images, and the names of their classes."""

    training: ImageFiles
    test: ImageFiles
    classes: tuple[str, ...]


@dataclass(frozen=True)
class FileSplits:
    """Training, validation and test images; `classes`: the names of the labels."""

    training: ImageFiles
    validation: ImageFiles
    test: ImageFiles
    classes: tuple[str, ...]


def fingerprint(files: ImageFiles) -> str:
    """A hash of names, sizes and labels, in their order, wherever the folder lies; not of the images' content."""
    digest = hashlib.sha256()
    sizes = files.length.copy()
    for i in np.flatnonzero(sizes < 0).tolist():
        try:
            sizes[i] = os.stat(files.path(i)).st_size
        except OSError:
            continue  # -1: reading it will tell
    used, container = np.unique(files.container, return_inverse=True)
    for part in (files.containers[used], files.names):
        for name in part.tolist():
            digest.update(name + b"\0")
    for numbers in (container, sizes, files.labels):
        digest.update(numbers.astype("<i8").tobytes())
    return digest.hexdigest()[:32]
