"""Decoding of image files into the pixels of a network's input.

A rectangle of the image, in its centre or at random, is cut out and resized to `size` in one step, with Pillow's
bilinear filter (antialiased when shrinking).
"""

import contextlib
import math
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from protocols.images.download import needs
from protocols.spec.file_data import FileData

if TYPE_CHECKING:
    from PIL import Image

#: accepted formats; formats that contain programs, such as PostScript, are excluded
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
ORIENTATION = 0x0112  # EXIF tag of the camera's orientation
UPRIGHT = {  # transformation that turns the image upright, by value of that tag
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # of a random rectangle: fraction of the image's area; width : height
TRIES = 10  # attempts to draw a rectangle that fits into the image

#: left, top, width, height, in pixels of the upright image at its full size
Rectangle = tuple[float, float, float, float]


class CorruptImage(Exception):
    """The bytes are not an image, or not a complete one."""


@contextlib.contextmanager
def opened(file: Path | BytesIO) -> Iterator["Image.Image"]:
    """An image file of an accepted format; one with too many pixels is an error, other warnings are silent."""
    with needs("Pillow"):
        from PIL import Image
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=FORMATS) as image:
            yield image


def decode(content: bytes, data: FileData, rng: np.random.Generator | None) -> npt.NDArray[np.uint8]:
    """Decode an image file, cut out a rectangle, and resize it.

    Grey, palette and CMYK images become RGB, 16-bit images 8-bit, and transparent pixels white; images are turned
    upright according to their EXIF orientation.

    Parameters
    ----------
    content
        Bytes of the file.
    data
        Settings: size, resizing and augmentation.
    rng
        Random generator of the augmentation; None for a centre crop.

    Returns
    -------
    ndarray
        Shape (3, height, width), uint8.

    Raises
    ------
    CorruptImage
        If the file is not a complete, readable image, or has so many pixels that Pillow refuses it.
    """
    try:
        with opened(BytesIO(content)) as image:
            pixels = _pixels(image, data, rng)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many types of exception for damaged files
        raise CorruptImage(_reason(error, content)) from None
    if rng is not None and data.augmentation == "crop_flip" and rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def centre(width: int, height: int, size: tuple[int, int], resize: int | None) -> Rectangle:
    """Central rectangle that becomes `size` (rows, columns) when the image's shorter side is scaled to `resize`."""
    rows, columns = size
    scale = min(width / columns, height / rows) if resize is None else min(width, height) / resize
    return (width - columns * scale) / 2, (height - rows * scale) / 2, columns * scale, rows * scale


def drawn(width: int, height: int, rng: np.random.Generator) -> Rectangle:
    """Rectangle of random area, aspect ratio and position; if `TRIES` draws do not fit, the largest central one."""
    for _ in range(TRIES):
        area = width * height * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        columns, rows = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 1 <= columns <= width and 1 <= rows <= height:
            left, top = rng.integers(width - columns, endpoint=True), rng.integers(height - rows, endpoint=True)
            return int(left), int(top), columns, rows
    ratio = min(max(width / height, RATIO[0]), RATIO[1])
    wide, high = min(width, height * ratio), min(height, width / ratio)
    return (width - wide) / 2, (height - high) / 2, wide, high


def _pixels(image: "Image.Image", data: FileData, rng: np.random.Generator | None) -> npt.NDArray[np.uint8]:
    """Pixels of the resized rectangle, shape (height, width, 3)."""
    from PIL import Image

    width, height = image.size
    image_width = width
    orientation = _orientation(image)
    on_its_side = orientation in {5, 6, 7, 8}
    if on_its_side:
        width, height = height, width
    if rng is None or data.augmentation == "none":
        left, top, columns, rows = centre(width, height, data.size, data.resize)
    else:
        left, top, columns, rows = drawn(width, height, rng)
    # For speed, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size if the result need not be enlarged afterwards.
    enough = (math.ceil(width * data.size[1] / columns), math.ceil(height * data.size[0] / rows))
    drafted = image.draft(image.mode, enough[::-1] if on_its_side else enough)
    scale = drafted[1][2] / image_width if drafted else 1.0
    upright = _rgb(image)
    if orientation in UPRIGHT:
        upright = upright.transpose(Image.Transpose[UPRIGHT[orientation]])
    right, bottom = min((left + columns) * scale, upright.width), min((top + rows) * scale, upright.height)
    box = (max(left * scale, 0), max(top * scale, 0), right, bottom)  # clipped: rounding may exceed the image
    return np.asarray(upright.resize(data.size[::-1], Image.Resampling.BILINEAR, box=box))


def _orientation(image: "Image.Image") -> int:
    """EXIF orientation; 1 (upright) if there is none, or if Pillow already turns the image (TIFF)."""
    if image.format == "TIFF":
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF data: the pixels may still be intact
        return 1


def _rgb(image: "Image.Image") -> "Image.Image":
    """Decode all pixels to 8-bit RGB."""
    from PIL import Image

    image.load()
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16-bit grey, sometimes stored as 32-bit
        grey = np.clip(np.asarray(image).astype(np.int64), 0, 65535) / 257
        return Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        below = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(below, layer).convert("RGB")
    return image.convert("RGB")


def _reason(error: Exception, content: bytes) -> str:
    from PIL import UnidentifiedImageError

    if not content:
        return "empty"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return (str(error) or type(error).__name__).splitlines()[0]
