"""Published image data sets: where they lie, how they get there, and that they are the published ones.

A data set is four IDX files under their published names in ``<data directory>/<source>/``. What is missing there is
downloaded, a download that was cut off goes on where it stopped, and no file is read whose checksum is not the
published one.
"""

import contextlib
import fcntl
import functools
import gzip
import hashlib
import math
import os
import struct
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from protocols.faults import ProtocolFault, nearest

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049
TRAINING = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
TEST = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")

#: seconds to connect, and between two packets
TIMEOUT = (10.0, 30.0)
#: attempts at one mirror that get no further than those before
TRIES = 3
#: seconds before the second attempt; twice as long before every further one
PAUSE = 0.5


@dataclass(frozen=True)
class Published:
    """Where a data set was published.

    Parameters
    ----------
    mirrors
        Addresses that end in ``/``, tried in this order.
    md5
        Checksum of each file by its published name.
    """

    mirrors: tuple[str, ...]
    md5: Mapping[str, str]


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
SOURCES = (*DATA_SETS, "digits")


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Grey images and what they show; the arrays are read-only, for all callers share them.

    Parameters
    ----------
    images
        uint8, 0 (background) to 255, shape (n, height, width).
    labels
        int64, the class of each image, shape (n,).
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def data_dir() -> Path:
    """``$CULTURE_DATA``, else ``culture_sim/data`` in the user's cache directory."""
    if given := os.environ.get("CULTURE_DATA"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "culture_sim" / "data"


def load(source: str) -> tuple[LabelledImages, LabelledImages]:
    """The training and the test images of a source, each in the published order.

    The split is the published one, except that scikit-learn's digits come without: of each class, every fifth image
    is a test image (1442 and 355 images).

    Raises
    ------
    ProtocolFault
        If there is no such source, or its files are damaged, or missing and not to be had.
    """
    _check(source)
    return _split_digits() if source == "digits" else _load_files(source, data_dir().resolve())


def checksums(source: str) -> dict[str, str]:
    """The md5 of each file that `load` accepts; for the digits, of the bytes of all images, then all labels (uint8)."""
    _check(source)
    if source != "digits":
        return dict(DATA_SETS[source].md5)
    digits = _digits()
    return {"sklearn digits": _md5(digits.images.tobytes() + digits.labels.astype(np.uint8).tobytes())}


def select(images: LabelledImages, classes: Sequence[int]) -> npt.NDArray[np.intp]:
    """Indices of the images of some classes, ascending.

    Raises
    ------
    ProtocolFault
        If there is no image of a class.
    """
    present = np.unique(images.labels).tolist()
    if absent := [label for label in classes if label not in present]:
        contiguous = len(present) > 2 and present[-1] - present[0] == len(present) - 1
        allowed = f"{present[0]} to {present[-1]}" if contiguous else ", ".join(map(str, present))
        raise ProtocolFault(f"data.classes: {label}; allowed: {allowed}" for label in absent)
    return np.flatnonzero(np.isin(images.labels, classes))


def resize(images: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.float64]:
    """Images of another size, from 0 to 1: Pillow's bilinear filter, as wide as a new pixel where it shrinks.

    Parameters
    ----------
    images
        uint8, shape (n, old height, old width).
    height, width
        In pixels.

    Returns
    -------
    ndarray
        Shape (n, height, width), in steps of 1/255.
    """
    with _part_of("Pillow"):
        from PIL import Image
    size = (width, height)
    resized = b"".join(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR).tobytes() for image in images)
    return np.frombuffer(resized, np.uint8).reshape(len(images), height, width) / 255


def _check(source: str) -> None:
    if source not in SOURCES:
        raise ProtocolFault([f"data.source: {source!r} is not allowed; {nearest(source, SOURCES)}"])


@contextlib.contextmanager
def _part_of(package: str) -> Iterator[None]:
    """Name the package that an import needs, and the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError:
        raise ProtocolFault([f"data: {package} is not installed (pip install '.[data]')"]) from None


@functools.cache
def _digits() -> LabelledImages:
    """The 1797 images that scikit-learn brings, 8 x 8, 0 to 16 scaled to 0 to 255."""
    with _part_of("scikit-learn"):
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
def _load_files(source: str, root: Path) -> tuple[LabelledImages, LabelledImages]:
    folder = root / source
    _fetch_missing(source, folder)
    return _read_pair(source, folder, TRAINING), _read_pair(source, folder, TEST)


def _read_pair(source: str, folder: Path, names: tuple[str, str]) -> LabelledImages:
    """The images of one file and the labels of another."""
    image_path, label_path = (folder / name for name in names)
    images = _idx(image_path, _verified(source, image_path), IMAGES_MAGIC)
    labels = _idx(label_path, _verified(source, label_path), LABELS_MAGIC)
    if len(images) != len(labels):
        raise ProtocolFault([f"{label_path}: {len(labels)} labels; allowed: {len(images)}, one for each image"])
    return _read_only(images, labels)


def _verified(source: str, path: Path) -> bytes:
    """The content of a file that is the published one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProtocolFault([f"{path}: cannot be read: {error.strerror}"]) from None
    found, published = _md5(content), DATA_SETS[source].md5[path.name]
    if found != published:
        # it may be somebody's own file: never overwritten
        raise ProtocolFault([f"{path}: md5 {found}; allowed: {published}; delete it to download it again"])
    return content


def _idx(path: Path, packed: bytes, magic: int) -> npt.NDArray[np.uint8]:
    """An IDX file of unsigned bytes: magic, one big-endian size for each dimension, the values."""
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


def _fetch_missing(source: str, folder: Path) -> None:
    """Download the files of a source that are not there, one process at a time."""

    def missing() -> list[str]:
        return [name for name in DATA_SETS[source].md5 if not (folder / name).exists()]

    if not missing():  # the folder may be one that cannot be written
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            while names := missing():
                if failures := _fetch(source, folder / names[0]):
                    raise ProtocolFault([_not_to_be_had(folder, names, failures)])
    except OSError as error:
        raise ProtocolFault(
            [f"{folder}: {error.strerror or error}; allowed: a folder to download into; $CULTURE_DATA names another"]
        ) from None


def _not_to_be_had(folder: Path, names: list[str], failures: list[str]) -> str:
    return (
        f"{folder / names[0]}: cannot be downloaded ({', '.join(failures)}); "
        f"put {', '.join(names)} into {folder}, or let $CULTURE_DATA name a folder that holds them in {folder.name}/"
    )


def _fetch(source: str, path: Path) -> list[str]:
    """Download a file from the first mirror that has it; else why each of them failed."""
    failures = []
    for mirror in DATA_SETS[source].mirrors:
        failure = _fetch_from(mirror + path.name, path, DATA_SETS[source].md5[path.name])
        if failure is None:
            return []
        failures.append(f"{urlsplit(mirror).netloc}: {failure}")
    return failures


def _fetch_from(url: str, path: Path, md5: str) -> str | None:
    """Download a file from one mirror, in as many pieces as it takes; else why that failed."""
    with _part_of("pooch"):
        import pooch
    with _part_of("requests"):
        import requests
        import urllib3
    pooch.get_logger().setLevel("WARNING")  # _transfer says it shorter
    part = path.with_name(path.name + ".part")
    furthest = _size(part)
    failure, tries = "", 0
    while tries < TRIES:
        if tries:
            time.sleep(PAUSE * 2 ** (tries - 1))
        before = _size(part)
        try:
            transfer = functools.partial(_transfer, part)
            pooch.retrieve(url, f"md5:{md5}", path.name, path.parent, downloader=transfer)
            return None
        except requests.HTTPError as error:
            status = 0 if error.response is None else error.response.status_code
            failure = f"HTTP status {status}"
            if 400 <= status < 500:  # it will say so again
                break
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = type(error).__name__
        except ValueError:  # from pooch, which deleted it
            failure = "wrong checksum"
            if not before:  # otherwise what an earlier attempt left may have been at fault
                break
        tries = 1 if _size(part) > furthest else tries + 1
        furthest = max(furthest, _size(part))
    return failure


def _transfer(part: Path, url: str, output: str, _pooch: Any) -> None:
    """Move the rest of a file to the end of `part`, and `part`, once it is whole, to `output`."""
    import requests

    start = _size(part)
    # the bytes as published: some servers call a .gz file an encoding and unpack it on the way
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        partial = response.status_code == requests.codes.partial_content
        resumed = partial and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status_code == requests.codes.requested_range_not_satisfiable or partial != resumed:
            part.unlink(missing_ok=True)  # what is there is no beginning of this file
            raise requests.RequestException("refused to go on")
        response.raise_for_status()
        length = int(response.headers.get("Content-Length", 0))
        size = f" ({length / 1e6:.1f} MB{' more' if resumed else ''})" if length else ""
        print(f"downloading {url}{size}", file=sys.stderr)
        with open(part, "ab" if resumed else "wb") as file:
            for piece in response.raw.stream(1 << 14, decode_content=False):
                file.write(piece)
    os.replace(part, output)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
