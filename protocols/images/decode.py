"""From the bytes of an image file to the pixels that a network sees.

An image is a rectangle of the file's pixels, resized to `size` in one step: bilinear, with antialiasing where it
shrinks (Pillow's filter). The rectangle is the centre, or drawn.
"""

import math
import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from protocols.images.download import needs
from protocols.spec.file_data import FileData

if TYPE_CHECKING:
    from PIL import Image

#: those that hold pixels, not programs
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
ORIENTATION = 0x0112  # where EXIF says how the camera was held
UPRIGHT = {  # by that entry: what turns the image
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # of a drawn rectangle: part of the image; width : height
TRIES = 10  # at a rectangle that lies within the image

#: left, top, width, height, in pixels of the file, upright
Rectangle = tuple[float, float, float, float]


class CorruptImage(Exception):
    """The bytes are no image, or not a whole one."""


def decode(content: bytes, data: FileData, rng: np.random.Generator | None) -> npt.NDArray[np.uint8]:
    """Decode, cut out, resize.

    Grey, palette and CMYK images become RGB, 16 bits become 8, transparent pixels white; images are turned upright as
    their EXIF entry says.

    Parameters
    ----------
    content
        Of the file.
    data
        Size, resizing and augmentation.
    rng
        Draws the augmentation; None for the centre.

    Returns
    -------
    ndarray
        Shape (3, height, width).

    Raises
    ------
    CorruptImage
        If it is not a readable image, whole, and of a size that fits memory.
    """
    with needs("Pillow"):
        from PIL import Image
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(content), formats=FORMATS) as image:
                pixels = _pixels(image, data, rng)
    except MemoryError:
        raise
    except Exception as error:  # of damaged files Pillow raises whatever comes up
        raise CorruptImage(_reason(error, content)) from None
    if rng is not None and data.augmentation == "crop_flip" and rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def centre(width: int, height: int, size: tuple[int, int], resize: int | None) -> Rectangle:
    """The rectangle that becomes `size` (rows, columns) where the shorter side becomes `resize`."""
    rows, columns = size
    scale = min(width / columns, height / rows) if resize is None else min(width, height) / resize
    return (width - columns * scale) / 2, (height - rows * scale) / 2, columns * scale, rows * scale


def drawn(width: int, height: int, rng: np.random.Generator) -> Rectangle:
    """A rectangle of random area and shape, anywhere within the image; if none fits, the largest central one."""
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
    """Shape (height, width, 3)."""
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
    # a JPEG may be decoded at a half, quarter or eighth, as long as nothing is to be enlarged afterwards
    enough = (math.ceil(width * data.size[1] / columns), math.ceil(height * data.size[0] / rows))
    drafted = image.draft(image.mode, enough[::-1] if on_its_side else enough)
    scale = drafted[1][2] / image_width if drafted else 1.0
    upright = _rgb(image)
    if orientation in UPRIGHT:
        upright = upright.transpose(Image.Transpose[UPRIGHT[orientation]])
    right, bottom = min((left + columns) * scale, upright.width), min((top + rows) * scale, upright.height)
    box = (max(left * scale, 0), max(top * scale, 0), right, bottom)  # rounding may lead out of the image
    return np.asarray(upright.resize(data.size[::-1], Image.Resampling.BILINEAR, box=box))


def _orientation(image: "Image.Image") -> int:
    """What the EXIF entry says; 1, upright, where there is none, or Pillow turns the image itself."""
    if image.format == "TIFF":
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a damaged entry: the pixels may be whole all the same
        return 1


def _rgb(image: "Image.Image") -> "Image.Image":
    """Decoded, as 8 bits of red, green and blue."""
    from PIL import Image

    image.load()
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16 bits of grey, sometimes held in 32
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
