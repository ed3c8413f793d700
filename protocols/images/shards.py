"""Images in tar shards, in the layout of webdataset: ``train/*.tar`` and ``val/*.tar``.

For each key a shard contains an image and its class, ``<key>.jpg`` and ``<key>.cls``, in any order; ``.cls`` holds the
class number as text. The headers are read once; images are then read directly at their byte offset.
"""

import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from protocols.images.listing import ImageFiles, Labelled
from protocols.spec.faults import ProtocolFault

IMAGES = {"jpg", "jpeg", "png", "webp"}
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
PACKED_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
BLOCK = 512  # bytes of a tar block; a block of zeros marks the end of the archive
HOW = (
    "allowed: train/*.tar and val/*.tar in it, in webdataset's layout: <key>.jpg (or jpeg, png, webp) with <key>.cls, "
    "the number of the class"
)


@dataclass
class _Shard:
    """Contents of a shard by key: name, offset and length of images; labels."""

    images: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)


def read_shards(root: Path, n_classes: int) -> Labelled:
    """List the training and test images of each class; the class names are their numbers.

    Raises
    ------
    ProtocolFault
        If a folder is missing or cannot be read, a shard is damaged, a member is not allowed, or a class has no image.
    """
    training, test = (_part(root, part, n_classes) for part in ("train", "val"))
    return Labelled(training, test, tuple(map(str, range(n_classes))))


def _part(root: Path, part: str, n_classes: int) -> ImageFiles:
    try:
        present = sorted(name for name in os.listdir(root / part) if not name.startswith("."))
    except FileNotFoundError:
        raise ProtocolFault([f"{root / part}: no such folder; {HOW}"]) from None
    except OSError as error:
        raise ProtocolFault([f"{root / part}: cannot be read: {error.strerror}"]) from None
    if packed := [name for name in present if name.endswith(PACKED_SUFFIXES)]:
        raise ProtocolFault(
            [f"{root / part / packed[0]}: is compressed; allowed: .tar (images are read by byte offset)"]
        )
    shards = [name for name in present if name.endswith(".tar")]
    if not shards:
        raise ProtocolFault([f"{root / part}: no shard; {HOW}"])
    found = [_shard(root / part / name, n_classes) for name in shards]
    names, offsets, lengths, labels = (np.concatenate(column) for column in zip(*found, strict=True))
    if absent := sorted(set(range(n_classes)) - set(labels.tolist())):
        raise ProtocolFault(
            [f"{root / part}: no image of class {absent[0]}; allowed: at least one of each of {n_classes}"]
        )
    container = np.repeat(np.arange(len(shards)), [len(columns[0]) for columns in found])
    containers = np.array([os.fsencode(f"{part}/{name}") for name in shards])
    return ImageFiles(str(root), containers, container, names, offsets, lengths, labels)


def _shard(path: Path, n_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Names, offsets, lengths and labels of a shard's images, in the order of their keys."""
    try:
        with open(path, "rb") as file:
            _check_unpacked(path, file)
            found = _members(path, file, n_classes)
    except OSError as error:
        raise ProtocolFault([f"{path}: cannot be read: {error.strerror}"]) from None
    keys = sorted(found.images)
    if unlabelled := [key for key in keys if key not in found.labels]:
        raise ProtocolFault(
            [f"{path}: {found.images[unlabelled[0]][0]} has no class; allowed: {unlabelled[0]}.cls beside it"]
        )
    if alone := sorted(found.labels.keys() - found.images.keys()):
        raise ProtocolFault(
            [f"{path}: {alone[0]}.cls has no image; allowed: one of {', '.join(sorted(IMAGES))} beside it"]
        )
    names, offsets, lengths = zip(*(found.images[key] for key in keys), strict=True) if keys else ((), (), ())
    return (
        np.array([os.fsencode(name) for name in names], "S"),
        np.array(offsets, np.int64),
        np.array(lengths, np.int64),
        np.array([found.labels[key] for key in keys], np.int64),
    )


def _check_unpacked(path: Path, file: BinaryIO) -> None:
    start = file.read(6)
    file.seek(0)
    for magic, how in PACKED.items():
        if start.startswith(magic):
            raise ProtocolFault([f"{path}: is compressed ({how}); allowed: .tar (images are read by byte offset)"])


def _members(path: Path, file: BinaryIO, n_classes: int) -> _Shard:
    """Read the headers of all members, and the contents of the ``.cls`` members."""
    found = _Shard()
    try:
        with tarfile.open(fileobj=file, mode="r:") as members:
            while (member := members.next()) is not None:
                members.members = []  # type: ignore[attr-defined]  # tarfile would keep all headers in memory
                _note(path, file, member, found, n_classes)
            end = members.offset
    except tarfile.TarError as error:
        raise ProtocolFault([f"{path}: {error}; allowed: a whole .tar file"]) from None
    if os.pread(file.fileno(), BLOCK, end) != bytes(BLOCK):  # tarfile takes damage for the end
        raise ProtocolFault([f"{path}: cut short or damaged at byte {end}; allowed: a whole .tar file"])
    return found


def _note(path: Path, file: BinaryIO, member: tarfile.TarInfo, found: _Shard, n_classes: int) -> None:
    """Add the location of an image, or the class of a key, to `found`; ignore all other members."""
    folder, _, base = member.name.rpartition("/")
    stem, _, kind = base.partition(".")
    key, kind = f"{folder}/{stem}" if folder else stem, kind.lower()
    if member.isdir() or not stem or kind not in IMAGES | {"cls"}:
        return
    if not member.isreg() or member.issparse():
        raise ProtocolFault([f"{path}: {member.name} is a link or a sparse file; allowed: a plain file"])
    if key in (found.labels if kind == "cls" else found.images):
        raise ProtocolFault([f"{path}: {member.name} comes twice; allowed: one image and one .cls a key"])
    if kind != "cls":
        found.images[key] = (member.name, member.offset_data, member.size)
        return
    text = os.pread(file.fileno(), min(member.size, 32), member.offset_data).decode("ascii", "replace").strip()
    if not (text.isdecimal() and int(text) < n_classes):
        raise ProtocolFault([f"{path}: {member.name} holds {text!r}; allowed: a class, 0 to {n_classes - 1}"])
    found.labels[key] = int(text)
