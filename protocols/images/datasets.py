"""Published image data sets: location, download, verification, loading and resizing.

A data set of grey images consists of four IDX files with their published names in ``<data directory>/<source>/``.
Missing files are downloaded, interrupted downloads are resumed, and only files with the published checksum are read.
Colour images are those of CIFAR (`protocols.images.cifar`), where a reduced copy is accepted.
"""

import functools
import gzip
import hashlib
import math
import os
import struct
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from protocols.images import cifar
from protocols.images.download import Published, fetch_missing, needs
from protocols.runs import dry_run
from protocols.spec.faults import ProtocolFault, nearest, short

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049
TRAINING = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
TEST = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")

DATA_SETS: dict[str, Published] = {
    "mnist": Published(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion_mnist": Published(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
}
#: shape of an image, and the published number of training and test images of each class
CONTENTS: dict[str, tuple[tuple[int, ...], tuple[list[int], list[int]]]] = {
    "mnist": (
        (28, 28),
        (
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
    ),
    "fashion_mnist": ((28, 28), ([6000] * 10, [1000] * 10)),
    "cifar10": (cifar.SHAPE, ([5000] * 10, [1000] * 10)),
    "cifar100": (cifar.SHAPE, ([500] * 100, [100] * 100)),
}
SOURCES = (*DATA_SETS, *cifar.DATA_SETS, "digits")


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and labels; the arrays are read-only because all callers share them.

    Parameters
    ----------
    images
        uint8. Grey: 0 (background) to 255, shape (n, height, width). Colour (red, green, blue): shape
        (n, 3, height, width).
    labels
        int64, the class of each image, shape (n,).
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def data_dir() -> Path:
    """Data directory: ``$CULTURE_DATA``, or ``culture_sim/data`` in the user's cache directory if that is not set."""
    if given := os.environ.get("CULTURE_DATA"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "culture_sim" / "data"


def load(source: str) -> tuple[LabelledImages, LabelledImages]:
    """Training and test images of a source, each in the published order.

    The split is the published one; scikit-learn's digits have none, so every fifth image of each class is a test image
    (1442 training and 355 test images). Labels of CIFAR-100 are the fine ones. A copy of CIFAR with another number of
    images than published is accepted and reported in one line on stderr.

    In a dry run nothing is downloaded: blank images stand in for missing files, each class as frequent as published.

    Raises
    ------
    ProtocolFault
        If the source is unknown, or its files are damaged, or are missing and cannot be downloaded.
    """
    _check(source)
    if source == "digits":
        return _split_digits()
    if dry_run.active() and not _is_present(source):
        return _stand_in(source)
    if is_colour(source):
        training, test, _ = _load_cifar(source, data_dir().resolve())
        return training, test
    return _load_files(source, data_dir().resolve())


def checksums(source: str) -> dict[str, str]:
    """The md5 of each file that `load` reads.

    For CIFAR the actual checksums, because copies may differ; for the others the published ones, without reading the
    files. The digits have no file: their checksum is that of the bytes of all images followed by all labels (uint8).
    """
    if is_colour(source):
        return dict(_load_cifar(source, data_dir().resolve())[2])
    if source != "digits":
        return dict(DATA_SETS[source].md5)
    digits = _digits()
    return {"sklearn digits": _md5(digits.images.tobytes() + digits.labels.astype(np.uint8).tobytes())}


def is_colour(source: str) -> bool:
    """Whether the images of a source have three channels."""
    _check(source)
    return source in cifar.DATA_SETS


def select(images: LabelledImages, classes: Sequence[int]) -> npt.NDArray[np.intp]:
    """Indices of the images that belong to the given classes, ascending.

    Raises
    ------
    ProtocolFault
        If a class has no image.
    """
    present = np.unique(images.labels).tolist()
    if absent := [label for label in classes if label not in present]:
        contiguous = len(present) > 2 and present[-1] - present[0] == len(present) - 1
        allowed = f"{present[0]} to {present[-1]}" if contiguous else ", ".join(map(str, present))
        raise ProtocolFault(f"data.classes: {label}; allowed: {allowed}" for label in absent)
    return np.flatnonzero(np.isin(images.labels, classes))


def resize(images: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.float64]:
    """Resize images with Pillow's bilinear filter, antialiased when shrinking, and scale them to 0 to 1.

    Each channel of a colour image is resized like a grey image.

    Parameters
    ----------
    images
        uint8, shape (n, old height, old width) or (n, channels, old height, old width).
    height, width
        In pixels.

    Returns
    -------
    ndarray
        Shape (n, height, width) or (n, channels, height, width); multiples of 1/255.
    """
    with needs("Pillow"):
        from PIL import Image
    size = (width, height)
    planes = images.reshape(-1, *images.shape[-2:])
    resized = b"".join(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR).tobytes() for plane in planes)
    return np.frombuffer(resized, np.uint8).reshape(*images.shape[:-2], height, width) / 255


def _check(source: str) -> None:
    if source not in SOURCES:
        raise ProtocolFault([f"data.source: {short(source)!r} is not allowed; {nearest(source, SOURCES)}"])


def _is_present(source: str) -> bool:
    if source in cifar.DATA_SETS:
        return cifar.unpacked(source, data_dir().resolve()) is not None
    return all((data_dir() / source / name).is_file() for name in DATA_SETS[source].md5)


@functools.cache  # said once a folder
def _say_absent(source: str, folder: Path) -> None:
    print(f"{source}: is not in {folder} yet, a run downloads it; counted as published", file=sys.stderr)


def _stand_in(source: str) -> tuple[LabelledImages, LabelledImages]:
    """Blank images in place of those of a source that is not downloaded yet; their classes take turns."""
    shape, counts = CONTENTS[source]
    _say_absent(source, data_dir())

    def part(of_classes: npt.NDArray[np.int64]) -> LabelledImages:
        labels = np.repeat(np.arange(len(of_classes)), of_classes)
        place = (np.concatenate([np.arange(n) for n in of_classes]) + 0.5) / of_classes[labels]
        blank = np.broadcast_to(np.zeros((), np.uint8), (len(labels), *shape))
        return LabelledImages(blank, labels[np.argsort(place, kind="stable")])

    training, test = (part(np.array(of_classes, np.int64)) for of_classes in counts)
    return training, test


@functools.cache
def _digits() -> LabelledImages:
    """The 1797 digits bundled with scikit-learn, 8 x 8 pixels, rescaled from 0..16 to 0..255."""
    with needs("scikit-learn"):
        from sklearn.datasets import load_digits
    images, labels = load_digits(return_X_y=True)
    return _read_only(np.round(images.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8), labels)


@functools.cache
def _split_digits() -> tuple[LabelledImages, LabelledImages]:
    digits = _digits()
    test = np.zeros(len(digits.labels), bool)
    for label in range(10):
        test[np.flatnonzero(digits.labels == label)[4::5]] = True
    training_part, test_part = (_read_only(digits.images[part], digits.labels[part]) for part in (~test, test))
    return training_part, test_part


@functools.cache
def _load_cifar(source: str, root: Path) -> tuple[LabelledImages, LabelledImages, dict[str, str]]:
    training, test, md5 = cifar.read(source, root)
    return _read_only(*training), _read_only(*test), md5


@functools.cache
def _load_files(source: str, root: Path) -> tuple[LabelledImages, LabelledImages]:
    folder = root / source
    fetch_missing(DATA_SETS[source], folder)
    return _read_pair(source, folder, TRAINING), _read_pair(source, folder, TEST)


def _read_pair(source: str, folder: Path, names: tuple[str, str]) -> LabelledImages:
    """Images from one file and their labels from another."""
    image_path, label_path = (folder / name for name in names)
    images = _idx(image_path, _verified(source, image_path), IMAGES_MAGIC)
    labels = _idx(label_path, _verified(source, label_path), LABELS_MAGIC)
    if len(images) != len(labels):
        raise ProtocolFault([f"{label_path}: {len(labels)} labels; allowed: {len(images)}, one for each image"])
    return _read_only(images, labels)


def _verified(source: str, path: Path) -> bytes:
    """Content of a file after its checksum has been verified."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProtocolFault([f"{path}: cannot be read: {error.strerror}"]) from None
    found, published = _md5(content), DATA_SETS[source].md5[path.name]
    if found != published:
        # it may be a file of the user: never overwritten
        raise ProtocolFault([f"{path}: md5 {found}; allowed: {published}; delete it to download it again"])
    return content


def _idx(path: Path, packed: bytes, magic: int) -> npt.NDArray[np.uint8]:
    """Parse an IDX file of unsigned bytes: magic number, one big-endian size per dimension, the values."""
    try:
        content = gzip.decompress(packed)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ProtocolFault([f"{path}: {error}; allowed: a whole gzip file"]) from None
    dimensions = magic % 256
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise ProtocolFault([f"{path}: {len(content)} bytes; allowed: an IDX file, from {start} bytes"])
    given, *shape = struct.unpack_from(f">{1 + dimensions}I", content)
    if given != magic:
        raise ProtocolFault([f"{path}: magic number {given}; allowed: {magic}"])
    if len(content) - start != math.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise ProtocolFault([f"{path}: {len(content) - start} values; allowed: {sizes} = {math.prod(shape)}"])
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _read_only(images: npt.NDArray[np.uint8], labels: npt.NDArray[Any]) -> LabelledImages:
    labels = labels.astype(np.int64)
    images.flags.writeable = labels.flags.writeable = False
    return LabelledImages(images, labels)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
