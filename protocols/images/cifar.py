"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), binary version: downloaded and unpacked if needed.

An archive is unpacked only if its checksum is the published one. Files that are already unpacked may be a reduced copy
with other checksums; only their structure is checked.
"""

import functools
import gzip
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from protocols.images.download import Published, fetch_missing, writing
from protocols.spec.faults import ProtocolFault

SHAPE = (3, 32, 32)
PIXELS = 3072
N_TRAINING = 50_000
N_TEST = 10_000

#: images, shape (n, 3, 32, 32), and labels, shape (n,)
Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Cifar:
    """A published archive and its contents.

    Parameters
    ----------
    published
        Where the archive was published, and its checksum.
    folder
        The only folder in it.
    training, test
        Files of records; a record holds the labels of an image (one byte each), then its red, green and blue planes,
        row by row.
    names
        Files with the names of the labels.
    classes
        Number of classes of each label in a record; the last label is the one used.
    """

    published: Published
    folder: str
    training: tuple[str, ...]
    test: tuple[str, ...]
    names: tuple[str, ...]
    classes: tuple[int, ...]


MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
DATA_SETS: dict[str, Cifar] = {
    "cifar10": Cifar(
        Published(MIRRORS, {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"}),
        "cifar-10-batches-bin",
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        ("test_batch.bin",),
        ("batches.meta.txt",),
        (10,),
    ),
    "cifar100": Cifar(
        Published(MIRRORS, {"cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8"}),
        "cifar-100-binary",
        ("train.bin",),
        ("test.bin",),
        ("fine_label_names.txt", "coarse_label_names.txt"),
        (20, 100),
    ),
}


def read(source: str, root: Path) -> tuple[Part, Part, dict[str, str]]:
    """Training images, test images, and the md5 of each file read.

    The files are looked for in ``<root>/<source>/<folder>/``, then in ``<root>/<folder>/``; if neither exists, they are
    downloaded and unpacked to the former.

    Raises
    ------
    ProtocolFault
        If files are damaged, or are missing and cannot be downloaded.
    """
    cifar = DATA_SETS[source]
    folder = _folder(source, root)
    expected = cifar.training + cifar.test
    if missing := [name for name in expected if not (folder / name).exists()]:
        raise ProtocolFault([f"{folder}: {', '.join(missing)} missing; allowed: all of {', '.join(expected)}"])
    md5: dict[str, str] = {}
    training, test = (_part(cifar, folder, names, md5) for names in (cifar.training, cifar.test))
    n_training, n_test = len(training[1]), len(test[1])
    if (n_training, n_test) != (N_TRAINING, N_TEST):
        found = f"{n_training} of {N_TRAINING} published training images, {n_test} of {N_TEST} test images"
        print(f"{source}: {found} in {folder}", file=sys.stderr)
    return training, test, md5


def unpacked(source: str, root: Path) -> Path | None:
    """Folder of the unpacked files; None if there is none."""
    folders = (parent / DATA_SETS[source].folder for parent in (root / source, root))
    return next((folder for folder in folders if folder.is_dir()), None)


def _folder(source: str, root: Path) -> Path:
    """Folder of the unpacked files; downloads and unpacks them if needed."""
    if (present := unpacked(source, root)) is not None:
        return present
    cifar, own = DATA_SETS[source], root / source
    fetch_missing(cifar.published, own)
    with writing(own):
        if not (own / cifar.folder).is_dir():  # another process may have unpacked it meanwhile
            for name, md5 in cifar.published.md5.items():
                _unpack(own / name, md5, cifar)
    return own / cifar.folder


def _unpack(archive: Path, published: str, cifar: Cifar) -> None:
    """Unpack the files of the data set next to the archive; after an error none is left."""
    try:
        with open(archive, "rb") as file:
            found = hashlib.file_digest(file, functools.partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise ProtocolFault([f"{archive}: cannot be read: {error.strerror}"]) from None
    if found != published:
        # it may be a file of the user: never overwritten
        raise ProtocolFault([f"{archive}: md5 {found}; allowed: {published}; delete it to download it again"])
    wanted = {f"{cifar.folder}/{name}": name for name in cifar.training + cifar.test + cifar.names}
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=archive.parent) as temporary:
        folder = Path(temporary) / cifar.folder
        folder.mkdir()
        try:
            with tarfile.open(archive, "r:gz") as members:
                for member in members:
                    # for safety, never use a path or a link from the archive
                    name = wanted.get(member.name) if member.isreg() else None
                    if name and (content := members.extractfile(member)):
                        with open(folder / name, "wb") as file:
                            shutil.copyfileobj(content, file)
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ProtocolFault([f"{archive}: {error}; allowed: a whole .tar.gz archive"]) from None
        if missing := [name for name in cifar.training + cifar.test if not (folder / name).exists()]:
            raise ProtocolFault(
                [f"{archive}: no file {cifar.folder}/{missing[0]}; allowed: an archive with all of them"]
            )
        os.replace(folder, archive.parent / cifar.folder)


def _part(cifar: Cifar, folder: Path, names: tuple[str, ...], md5: dict[str, str]) -> Part:
    """Images and labels of several files, concatenated; adds the checksums of the files to `md5`."""
    images, labels = [], []
    for name in names:
        records, md5[name] = _records(cifar, folder / name)
        labels.append(records[:, len(cifar.classes) - 1])
        images.append(records[:, len(cifar.classes) :])
    return np.concatenate(images).reshape(-1, *SHAPE), np.concatenate(labels)


def _records(cifar: Cifar, path: Path) -> tuple[npt.NDArray[np.uint8], str]:
    """Records of a file, shape (n, labels + pixels), and its md5."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProtocolFault([f"{path}: cannot be read: {error.strerror}"]) from None
    size = len(cifar.classes) + PIXELS
    if not content or len(content) % size:
        raise ProtocolFault([f"{path}: {len(content)} bytes; allowed: records of {size} bytes, at least one"])
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    for column, classes in enumerate(cifar.classes):
        if len(wrong := np.flatnonzero(records[:, column] >= classes)):
            label = records[wrong[0], column]
            raise ProtocolFault([f"{path}: label {label} in record {wrong[0]}; allowed: 0 to {classes - 1}"])
    return records, hashlib.md5(content, usedforsecurity=False).hexdigest()
