"""Pairs of files in ``images/`` and ``masks/``: found by name, read, checked, and resized to the network's input.

A file holds an image, or the slices of a volume as its pages.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from protocols.images import datasets, decode
from protocols.images.download import needs
from protocols.images.folders import SUFFIXES
from protocols.spec.faults import ProtocolFault, listed, short
from protocols.spec.nets.masks import MaskData, MaskFolder

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES, MASKS = "images", "masks"
HOW = "allowed: a folder with images/ and masks/ in it, whose files have the same names"


@dataclass(frozen=True)
class Pairs:
    """Files of a folder: images with their masks, and images without one; each in the order of their names."""

    paired: tuple[tuple[Path, Path], ...]
    unpaired: tuple[Path, ...]


def find(data: MaskFolder) -> Pairs:
    """List the files of a folder; none is read.

    Raises
    ------
    ProtocolFault
        If there is no such folder, a mask has no image, or two files have the same name but for their suffix.
    """
    root = root_of(data)
    images, masks = (by_stem(root / part) for part in (IMAGES, MASKS))
    found: dict[str, Path] = {}
    for stem, path in masks.items():
        name = stem.removesuffix(data.mask_suffix)
        if name not in images or not stem.endswith(data.mask_suffix):
            wanted = f"{IMAGES}/{name} with any suffix"
            more = f", and names that end with '{data.mask_suffix}' (data.mask_suffix)" if data.mask_suffix else ""
            raise ProtocolFault([f"{path}: a mask without its image; allowed: {wanted}{more}"])
        found[name] = path
    if not found:
        raise ProtocolFault([f"{root / MASKS}: no mask; {HOW}"])
    paired = tuple((images[name], found[name]) for name in sorted(found))
    return Pairs(paired, tuple(images[name] for name in sorted(images.keys() - found.keys())))


def root_of(data: MaskFolder) -> Path:
    """The folder that holds both folders."""
    return (datasets.data_dir() / Path(data.folder).expanduser()).absolute()


def by_stem(folder: Path, how: str = HOW) -> dict[str, Path]:
    """Image files of a folder by their names without suffix; `how`: what is allowed, for the message.

    Raises
    ------
    ProtocolFault
        If it is no folder that can be read, or two files differ in their suffix alone.
    """
    found: dict[str, Path] = {}
    try:
        entries = sorted(os.listdir(folder))
    except OSError as error:
        raise ProtocolFault([f"{folder}: {error.strerror}; {how}"]) from None
    for entry in entries:
        path = folder / entry
        if entry.startswith(".") or not entry.lower().endswith(SUFFIXES):
            continue
        if (other := found.setdefault(path.stem, path)) != path:
            raise ProtocolFault([f"{path}: beside {other.name}; allowed: one file of each name"])
    return found


def pages(path: Path, data: MaskData) -> list["Image"]:
    """The page of an image file, or the slices of a volume, upright.

    Raises
    ------
    ProtocolFault
        If it is no complete image, has several pages, of a volume one, or pages of several sizes.
    """
    with needs("Pillow"):
        from PIL import ImageOps, ImageSequence
    try:
        with decode.opened(path) as image:
            n = getattr(image, "n_frames", 1)
            if n > 1 and data.dimensions == 2:
                how = "one image a file; of volumes data.size has three numbers"
                raise ProtocolFault([f"{path}: {n} pages; allowed: {how}"])
            if n == 1 and data.dimensions == 3:
                raise ProtocolFault([f"{path}: 1 page; allowed: several, the slices of a volume (data.size)"])
            found = [ImageOps.exif_transpose(page) for page in ImageSequence.Iterator(image)]
    except (ProtocolFault, MemoryError):
        raise
    except Exception as error:  # Pillow raises many types of exception for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ProtocolFault([f"{path}: is no complete image: {short(reason, 120)}"]) from None
    if len(sizes := {"{1} x {0}".format(*page.size) for page in found}) > 1:
        raise ProtocolFault([f"{path}: pages of {' and '.join(sorted(sizes)[:2])} pixels; allowed: one size"])
    return found


def size_of(found: Sequence["Image"], data: MaskData) -> tuple[int, ...]:
    """Rows and columns of a file's page; of a volume slices, rows and columns."""
    columns, rows = found[0].size
    return (rows, columns) if data.dimensions == 2 else (len(found), rows, columns)


def read_image(path: Path, data: MaskData) -> np.ndarray:
    """Pixels of an image file as a network's input, from 0 to 1; 16-bit images keep their precision.

    Returns
    -------
    ndarray
        Shape (channels, rows, columns), of a volume (channels, slices, rows, columns), float32.

    Raises
    ------
    ProtocolFault
        If the file cannot be read.
    """
    return pixels(pages(path, data), path, data)


def pixels(found: Sequence["Image"], path: Path, data: MaskData) -> np.ndarray:
    """Pixels of a file's pages, as in `read_image`; transparent ones are white."""
    of_pages = [_of_page(page, path, data) for page in found]
    return of_pages[0] if data.dimensions == 2 else _resliced(np.stack(of_pages, 1), data.size[0])


def _resliced(volume: np.ndarray, n: int) -> np.ndarray:
    """A volume (channels, slices, rows, columns) with another number of slices, by the filter that resizes pages."""
    from PIL import Image

    if volume.shape[1] == n:
        return volume
    width = volume.shape[2] * volume.shape[3]
    found = [
        np.asarray(Image.fromarray(of.reshape(-1, width)).resize((width, n), Image.Resampling.BILINEAR))
        for of in volume
    ]
    return np.stack(found).reshape(len(volume), n, *volume.shape[2:])


def _of_page(image: "Image", path: Path, data: MaskData) -> np.ndarray:
    """Pixels of one page at the size of the network's input, shape (channels, rows, columns)."""
    from PIL import Image

    rows, columns = data.size[-2:]
    bilinear = Image.Resampling.BILINEAR
    if image.mode == "F":
        raise ProtocolFault([f"{path}: holds fractional numbers; allowed: 8 or 16 bits"])
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.float32)
        if grey.min() < 0 or grey.max() > 65535:
            raise ProtocolFault([f"{path}: values from {grey.min():g} to {grey.max():g}; allowed: 8 or 16 bits"])
        small = np.asarray(Image.fromarray(grey).resize((columns, rows), bilinear)) / np.float32(65535)
        return np.repeat(small[None], data.channels, 0)
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    colours = image.convert("L" if data.channels == 1 else "RGB").resize((columns, rows), bilinear)
    found = np.asarray(colours, np.float32).reshape(rows, columns, data.channels) / np.float32(255)
    return np.ascontiguousarray(found.transpose(2, 0, 1))


def read_pair(image_path: Path, mask_path: Path, data: MaskFolder) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of an image, as in `read_image`, and the class of each: uint8, shape `data.size`.

    Raises
    ------
    ProtocolFault
        If a file cannot be read, their sizes differ, or the mask holds other values than those of the classes, or none
        but the background's where that is refused.
    """
    image, mask = pages(image_path, data), pages(mask_path, data)
    if (sizes := [size_of(mask, data), size_of(image, data)])[0] != sizes[1]:
        spelled = " and ".join(" x ".join(map(str, size)) for size in sizes)
        raise ProtocolFault([f"{mask_path}: mask and image are {spelled} pixels; allowed: the same size"])
    values = np.stack([_values(page, mask_path) for page in mask]).reshape(sizes[0])
    classes = np.full(values.shape, 255, np.uint8)
    for index, value in enumerate(data.values):
        classes[values == value] = index
    if (unknown := classes == 255).any():
        given, allowed = int(values[unknown][0]), listed(map(str, data.values))
        raise ProtocolFault([f"{mask_path}: value {given} is no class; allowed: {allowed} (data.values)"])
    if data.empty == "refuse" and not classes.any():
        raise ProtocolFault([f"{mask_path}: is all background; allowed: with data.empty: keep"])
    return pixels(image, image_path, data), nearest(classes, data.size)


def _values(mask: "Image", path: Path) -> np.ndarray:
    """The values of a mask's pixels, of a palette their indices; shape (rows, columns)."""
    if mask.mode == "1":
        mask = mask.convert("L")
    if mask.mode == "LA":
        mask = mask.getchannel("L")
    values = np.asarray(mask)
    if mask.mode in {"RGB", "RGBA"}:
        if np.ptp(values[:, :, :3], axis=2).any():
            raise ProtocolFault([f"{path}: is coloured; allowed: one grey value for each class"])
        values = values[:, :, 0]
    if values.ndim != 2 or mask.mode == "F":
        raise ProtocolFault([f"{path}: a {mask.mode} image; allowed: one whole number a pixel"])
    return values


def nearest(classes: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A map of classes at another size: each pixel has the class at its centre."""
    places = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(size, classes.shape, strict=True)
    )
    return classes[np.ix_(*places)]
