"""Images of any source as the pixels that a network was trained on: uint8, shape (n, channels, rows, columns)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from protocols.images.decode import CorruptImage, decode
from protocols.spec.data import ImageData
from protocols.spec.faults import ProtocolFault, short
from protocols.spec.file_data import FileData, FolderData

SUFFIXES = {".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"}
GREY = np.array([0.299, 0.587, 0.114])  # shares of red, green and blue in the brightness (ITU-R BT.601)

Pixels = npt.NDArray[np.uint8]


def from_array(images: Any, shape: tuple[int, int, int]) -> Pixels:
    """Pixels from an array of images, or a list of them.

    Parameters
    ----------
    images
        Integers from 0 to 255, or floating-point numbers from 0 to 1; shape (n, rows, columns), (n, rows, columns,
        channels), (n, channels, rows, columns), or flattened, (n, n_values).
    shape
        Channels, rows and columns that the network takes.

    Raises
    ------
    ValueError
        If they have another shape, change in size, or hold other numbers.
    """
    if not isinstance(images, np.ndarray):
        sizes = {np.shape(image) for image in images}
        if len(sizes) > 1:
            two = " and ".join(map(str, sorted(sizes, key=str)[:2]))
            raise ValueError(f"images of changing size: {two}; allowed: one size, {shape[1:]}")
    array = np.asarray(images)
    values = _values(array)
    channels, rows, columns = shape
    match values.shape:
        case (n, a, b) if (a, b) == (rows, columns) and channels == 1:
            return values.reshape(n, 1, rows, columns)
        case (_, a, b, c) if (a, b, c) == (rows, columns, channels):
            return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        case (_, a, b, c) if (a, b, c) == shape:
            return values
        case (n, width) if width == channels * rows * columns:
            return values.reshape(n, *shape)
    raise ValueError(f"images of shape {values.shape}; allowed: (n, {channels}, {rows}, {columns}), or flattened")


def _values(array: npt.NDArray[Any]) -> Pixels:
    """Numbers as uint8."""
    if array.dtype == np.uint8 or array.size == 0:
        return array.astype(np.uint8)
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise ValueError(f"images of {array.dtype}; allowed: numbers")
    least, most, top = array.min(), array.max(), 1 if np.issubdtype(array.dtype, np.floating) else 255
    if not (least >= 0 and most <= top):
        raise ValueError(f"images of {array.dtype} from {least:g} to {most:g}; allowed: 0 to {top}")
    return np.rint(array.astype(np.float64) * (255 / top)).astype(np.uint8)


def from_files(paths: Iterable[Path], data: ImageData | FileData) -> Pixels:
    """Pixels of image files: the centre of each, cut out and resized as in the run.

    Raises
    ------
    ProtocolFault
        If a file cannot be read; with its name.
    """
    settings = data
    if not isinstance(settings, FileData):
        settings = FolderData(source="image_folder", folder=".", n_classes=2, validation=1, size=data.shape[1:])
    found = []
    for path in paths:
        try:
            found.append(decode(path.read_bytes(), settings, None))
        except (CorruptImage, OSError) as error:
            raise ProtocolFault([f"{path}: {getattr(error, 'strerror', None) or error}; allowed: an image"]) from None
    colour = np.stack(found) if found else np.empty((0, 3, *data.shape[1:]), np.uint8)
    if data.shape[0] == 3:
        return colour
    return np.rint(np.tensordot(colour, GREY, (1, 0))).astype(np.uint8)[:, None]


def image_files(places: Sequence[Path]) -> list[Path]:
    """The image files among these paths, and in the folders among them, sorted within each.

    Raises
    ------
    ProtocolFault
        If a path is not there, or there is no image at all.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise ProtocolFault([f"{short(place)}: no such file; allowed: image files, folders of them, .npy, .npz"])
        inside = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES) if place.is_dir() else [place]
        found += inside
    if not found:
        raise ProtocolFault([f"{short(places[0])}: no image in it; allowed: {', '.join(sorted(SUFFIXES))}"])
    return found
