"""Pairs of files in ``images/`` and ``masks/``: found by name, read, checked, and resized to the network's input."""

import contextlib
import os
from collections.abc import Iterator
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


@contextlib.contextmanager
def opened(path: Path) -> Iterator["Image"]:
    """An image file of one page, upright.

    Raises
    ------
    ProtocolFault
        If it is no complete image, or has several pages.
    """
    with needs("Pillow"):
        from PIL import ImageOps
    try:
        with decode.opened(path) as image:
            if (pages := getattr(image, "n_frames", 1)) > 1:
                raise ProtocolFault([f"{path}: {pages} pages; allowed: one image a file"])
            image.load()
            upright = ImageOps.exif_transpose(image)
    except (ProtocolFault, MemoryError):
        raise
    except Exception as error:  # Pillow raises many types of exception for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ProtocolFault([f"{path}: is no complete image: {short(reason, 120)}"]) from None
    yield upright


def read_image(path: Path, data: MaskData) -> np.ndarray:
    """Pixels of an image file as a network's input, from 0 to 1; 16-bit images keep their precision.

    Returns
    -------
    ndarray
        Shape (channels, rows, columns), float32.

    Raises
    ------
    ProtocolFault
        If the file cannot be read.
    """
    with opened(path) as image:
        return pixels(image, path, data)


def pixels(image: "Image", path: Path, data: MaskData) -> np.ndarray:
    """Pixels of an opened image, as in `read_image`; transparent ones are white."""
    from PIL import Image

    rows, columns = data.size
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
    """Pixels of an image, as in `read_image`, and the class of each: uint8, shape (rows, columns).

    Raises
    ------
    ProtocolFault
        If a file cannot be read, their sizes differ, or the mask holds other values than those of the classes, or none
        but the background's where that is refused.
    """
    with opened(image_path) as image, opened(mask_path) as mask:
        if image.size != mask.size:
            sizes = " and ".join("{1} x {0}".format(*one.size) for one in (mask, image))
            raise ProtocolFault([f"{mask_path}: mask and image are {sizes} pixels; allowed: the same size"])
        values = _values(mask, mask_path)
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


def nearest(classes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map of classes at another size: each pixel has the class at its centre; shape (rows, columns)."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(size, classes.shape, strict=True)
    )
    return classes[np.ix_(rows, columns)]
