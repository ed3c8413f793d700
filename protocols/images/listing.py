"""Listing of image files: names, locations and labels; the images themselves are read later."""

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
    """Locations and labels of encoded images.

    Arrays are used instead of lists of strings so that forked worker processes share their memory: reading a Python
    string writes its reference count, which would copy the memory page.

    Parameters
    ----------
    root
        The folder of the data set.
    containers
        Folders or tar files below `root`, shape (m,).
    container
        For each image, the index of its container, shape (n,).
    names
        For each image, the name of the file in its folder, or of the member in its tar file, shape (n,).
    offset, length
        Position and size of the image in the tar file, in bytes, shape (n,); -1 for an image in its own file.
    labels
        Class index of each image, from 0, shape (n,).
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
        """The images at the given indices."""
        parts = {part: getattr(self, part)[index] for part in ("container", "names", "offset", "length", "labels")}
        return replace(self, **parts)

    def name(self, i: int) -> str:
        """Name of an image in messages: its path, or the path of its tar file and its name in it."""
        return self.path(i) if self.offset[i] < 0 else f"{self.path(i)}: {os.fsdecode(self.names[i])}"

    def read(self, i: int) -> bytes:
        """Read the encoded bytes of an image.

        Raises
        ------
        CorruptImage
            If the file cannot be read.
        """
        try:
            with open(self.path(i), "rb", buffering=0) as file:
                if self.offset[i] < 0:
                    return file.read()
                return os.pread(file.fileno(), int(self.length[i]), int(self.offset[i]))
        except OSError as error:
            raise CorruptImage(f"cannot be read: {error.strerror}") from None

    def path(self, i: int) -> str:
        """Path of an image's file, or of the tar file that contains it."""
        container = os.path.join(self.root, os.fsdecode(self.containers[self.container[i]]))
        return container if self.offset[i] >= 0 else os.path.join(container, os.fsdecode(self.names[i]))


@dataclass(frozen=True)
class Labelled:
    """All images found on disk, before the split: training and test images, and the names of their classes."""

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
    """Hash of the names, sizes and labels of images, in order; independent of `root` and of the images' content."""
    digest = hashlib.sha256()
    sizes = files.length.copy()
    for i in np.flatnonzero(sizes < 0).tolist():
        try:
            sizes[i] = os.stat(files.path(i)).st_size
        except OSError:
            continue  # keep -1: the error is reported when the image is read
    used, container = np.unique(files.container, return_inverse=True)
    for part in (files.containers[used], files.names):
        for name in part.tolist():
            digest.update(name + b"\0")
    for numbers in (container, sizes, files.labels):
        digest.update(numbers.astype("<i8").tobytes())
    return digest.hexdigest()[:32]
