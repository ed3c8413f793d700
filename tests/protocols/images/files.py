"""Helpers for tests of image files: ``data:`` sections, folder trees, tar shards."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from protocols.images.listing import ImageFiles
from protocols.spec.file_data import FolderData, SyntheticData


def folder_data(folder: Path | str, source: str = "image_folder", **changes: Any) -> FolderData:
    """A ``data:`` section with two classes, one validation image each, and a size of 8 x 8 pixels."""
    given = {"n_classes": 2, "validation": 2, "size": (8, 8)} | changes
    return FolderData(source=source, folder=str(folder), **given)


def synthetic_data(**changes: Any) -> SyntheticData:
    """A ``data:`` section with three classes of five training and two test images, all small."""
    given = {"n_classes": 3, "images": 5, "test_images": 2, "side": (20, 40), "validation": 3, "size": (8, 8)}
    return SyntheticData(source="synthetic", **(given | changes))


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """Encode an array as an image file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **options)
    return content.getvalue()


PIXEL = encoded(np.full((8, 8, 3), 7, np.uint8))


def put(root: Path, names: Iterable[str], content: bytes = PIXEL) -> Path:
    """Write files below a folder, which is created."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


#: files of two classes with three training and two test images each
TREE = [f"{part}/{c}/{c}_{i}.JPEG" for part, n in (("train", 3), ("val", 2)) for c in ("cat", "dog") for i in range(n)]


def put_shard(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """Write a tar file with the given members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return path


def pairs(prefix: str, labels: Iterable[int]) -> list[tuple[str, bytes]]:
    """Members of a shard: an image and a class file for each label."""
    return [
        member
        for i, label in enumerate(labels)
        for member in ((f"{prefix}{i}.png", PIXEL), (f"{prefix}{i}.cls", str(label).encode()))
    ]


def names(files: ImageFiles) -> list[str]:
    """Names of images, with paths relative to the root."""
    return [files.name(i).removeprefix(f"{files.root}/") for i in range(len(files))]
