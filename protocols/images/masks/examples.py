"""Images and masks of a ``data:`` section, in memory: training, validation and test images, and those without masks."""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocols.images.masks import pairs, shapes
from protocols.images.masks.split import divide, table_of
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.masks import MaskData, MaskFolder, ShapesData
from protocols.spec.random_streams import stream

PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class Masked:
    """Images and their masks.

    Parameters
    ----------
    images
        From 0 to 1, shape (n, channels, rows, columns), of volumes (n, channels, slices, rows, columns), float32.
    masks
        Class of each pixel, 0 for the background, shape (n, rows, columns) or (n, slices, rows, columns), uint8.
    names
        Of the images, for messages and figures.
    """

    images: np.ndarray
    masks: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class MaskSplits:
    """The parts of a data set; `unlabelled`: training images without masks, shaped like the images."""

    training: Masked
    validation: Masked
    test: Masked
    unlabelled: np.ndarray


def load_masks(data: MaskData) -> MaskSplits:
    """Generate or read all images and masks of a protocol.

    Raises
    ------
    ProtocolFault
        If files are missing or wrong, there are too few of them, or a class is in no mask.
    """
    match data:
        case ShapesData():
            training, validation, test = (
                _generated(data, part, n) for part, n in zip(PARTS, counts(data), strict=True)
            )
            return MaskSplits(training, validation, test, np.zeros((0, *data.shape), np.float32))
        case MaskFolder():
            return _read(data)
    raise TypeError(type(data))


def counts(data: MaskData) -> tuple[int, int, int]:
    """Number of training, validation and test images with masks; files are listed, but not read.

    Raises
    ------
    ProtocolFault
        If files are missing, or too few.
    """
    if isinstance(data, ShapesData):
        return data.images, data.validation, data.test
    if not isinstance(data, MaskFolder):
        raise TypeError(type(data))
    found = divide(data, pairs.find(data))
    return len(found.training), len(found.validation), len(found.test)


def n_unlabelled(data: MaskData) -> int:
    """Number of training images without masks; files are listed, but not read."""
    return len(divide(data, pairs.find(data)).unpaired) if isinstance(data, MaskFolder) else 0


def fingerprints(data: MaskData) -> dict[str, str]:
    """Hashes of the data, for the run's provenance: of every file's content, or the version of generated images."""
    if not isinstance(data, MaskFolder):
        return {"shapes_with_masks": f"recipe {shapes.RECIPE}"}
    found, digest = pairs.find(data), hashlib.sha256()
    for path in (*itertools.chain(*found.paired), *found.unpaired):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    if data.group_table is not None:
        digest.update(table_of(data).read_bytes())
    return {"images and masks": digest.hexdigest()}


def check_unchanged(data: MaskData, known: Mapping[str, str], run: Path) -> None:
    """Refuse images or masks that changed since a run began.

    Raises
    ------
    ProtocolFault
        If the files are others, or have another content.
    """
    if isinstance(data, MaskFolder) and fingerprints(data) != known:
        raise ProtocolFault(
            [
                f"data.folder: images and masks in {data.folder} are not those of {run}; "
                "allowed: the same files, another --out, or --force, which runs it again"
            ]
        )


def _generated(data: ShapesData, part: str, n: int) -> Masked:
    """Images of a part, each from a random stream of its own; the kinds of shapes alternate."""
    images, masks, names = np.zeros((n, *data.shape), np.float32), np.zeros((n, *data.size), np.uint8), []
    for index in range(n):
        kind = data.shapes[index % len(data.shapes)]
        rng = np.random.default_rng(stream(f"shapes_with_masks/{part}/{kind}", index))
        image, masks[index] = shapes.draw(kind, data.size, rng.uniform(*data.difficulty), rng)
        colours = image.astype(np.float32) / np.float32(255)
        if data.channels == 1:
            colours = colours.mean(-1, keepdims=True)
        images[index] = np.moveaxis(colours, -1, 0)
        names.append(f"{kind} {index}")
    return Masked(images, masks, tuple(names))


def _read(data: MaskFolder) -> MaskSplits:
    found = pairs.find(data)
    division = divide(data, found)
    read = [pairs.read_pair(image, mask, data) for image, mask in found.paired]
    images, masks = (np.stack(part) for part in zip(*read, strict=True))
    for index, value in enumerate(data.values):
        if not (masks == index).any():
            raise ProtocolFault([f"data.values: {value}: in no mask of {data.folder}; allowed: each class in some"])

    def part(index: np.ndarray) -> Masked:
        return Masked(images[index], masks[index], tuple(found.paired[i][0].name for i in index))

    rest = [pairs.read_image(found.unpaired[i], data) for i in division.unpaired]
    unlabelled = np.stack(rest) if rest else np.zeros((0, *data.shape), np.float32)
    return MaskSplits(part(division.training), part(division.validation), part(division.test), unlabelled)
