"""Weak and strong random augmentations of images in memory, as torch operations on a whole batch.

Pixels go from 0 to 1, shape (n, channels, rows, columns). All that is random comes from torch's global generator.
The strong ones follow RandAugment (Cubuk et al. 2020), of whose operations equalise and sharpness are left out, and
cutout (DeVries and Taylor 2017).
"""

import math
from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.nn import functional

SHIFT = 1 / 8  # of a side, the largest weak shift
OPERATIONS = 2  # strong ones of an image
DEGREES, SHEAR, FAR = 30.0, 0.3, 0.3  # largest rotation, shear, and strong shift as part of a side
LIGHT = 0.9  # largest change of brightness, contrast and saturation
FEWEST_BITS = 4  # of a posterised value
HOLE = 0.5  # of a side, the largest cutout
LUMA = (0.299, 0.587, 0.114)


def weak(pixels: Tensor, kinds: Collection[str]) -> Tensor:
    """Reflect half of the images left to right (``flip``); shift each by whole pixels, edges mirrored (``shift``)."""
    n, _, rows, columns = pixels.shape
    if "flip" in kinds:
        pixels = torch.where(_drawn(pixels) < 0.5, pixels.flip(3), pixels)
    if "shift" in kinds:
        margins = [max(1, round(SHIFT * side)) for side in (rows, columns)]
        padded = functional.pad(pixels, (margins[1], margins[1], margins[0], margins[0]), mode="reflect")
        down, right = (torch.randint(2 * margin + 1, (n, 1), device=pixels.device) for margin in margins)
        row, column = torch.arange(rows, device=pixels.device), torch.arange(columns, device=pixels.device)
        image = torch.arange(n, device=pixels.device)[:, None, None]
        pixels = padded[image, :, (row + down)[:, :, None], (column + right)[:, None, :]].permute(0, 3, 1, 2)
    return pixels


def strong(pixels: Tensor, kinds: Collection[str]) -> Tensor:
    """Apply two random operations of ``geometry`` and ``colour`` to each image, then a ``cutout``."""
    n_places = len(PLACES) if "geometry" in kinds else 0
    colours = list(COLOURS if "colour" in kinds else ())[: None if pixels.shape[1] == 3 else -1]
    for _ in range(OPERATIONS if n_places or colours else 0):
        chosen = torch.randint(1 + n_places + len(colours), (len(pixels),), device=pixels.device)  # 0: none
        level = _drawn(pixels)
        if n_places:
            pixels = _moved(pixels, [torch.where(chosen == 1 + k, 2 * level.flatten() - 1, 0) for k in range(n_places)])
        for k, change in enumerate(colours):
            pixels = torch.where((chosen == 1 + n_places + k)[:, None, None, None], change(pixels, level), pixels)
    return cutout(pixels) if "cutout" in kinds else pixels


def cutout(pixels: Tensor) -> Tensor:
    """Fill a square, of up to half the image's side and anywhere, with the image's mean colour."""
    rows, columns = pixels.shape[2:]
    half = HOLE / 2 * min(rows, columns) * _drawn(pixels)
    away = [
        (torch.arange(side, device=pixels.device).reshape(shape) + 0.5 - side * _drawn(pixels)).abs()
        for side, shape in ((rows, (1, 1, -1, 1)), (columns, (1, 1, 1, -1)))
    ]
    return torch.where((away[0] < half) & (away[1] < half), pixels.mean((2, 3), keepdim=True), pixels)


def _drawn(pixels: Tensor) -> Tensor:
    """A random number from 0 to 1 for each image, shape (n, 1, 1, 1)."""
    return torch.rand(len(pixels), 1, 1, 1, device=pixels.device)


PLACES = ("rotate", "shear x", "shear y", "shift x", "shift y")


def _moved(pixels: Tensor, amounts: list[Tensor]) -> Tensor:
    """Move pixels by amounts from -1 to 1 of each of `PLACES`, all but one of which are 0 for each image."""
    angle, shear_x, shear_y, right, down = amounts
    angle = angle * math.radians(DEGREES)
    along = pixels.shape[3] / pixels.shape[2]  # coordinates go from -1 to 1 on both axes
    theta = torch.stack(
        [
            *(angle.cos(), -angle.sin() / along + SHEAR * shear_x, 2 * FAR * right),
            *(angle.sin() * along + SHEAR * shear_y, angle.cos(), 2 * FAR * down),
        ],
        1,
    ).reshape(-1, 2, 3)
    grid = functional.affine_grid(theta.to(pixels.dtype), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _blended(other: Tensor, pixels: Tensor, level: Tensor) -> Tensor:
    """Between `other` and more than the image; the image itself at a level of 0.5."""
    return (other + (1 + LIGHT * (2 * level - 1)) * (pixels - other)).clamp(0, 1)


def _brightness(pixels: Tensor, level: Tensor) -> Tensor:
    return _blended(torch.zeros_like(pixels), pixels, level)


def _contrast(pixels: Tensor, level: Tensor) -> Tensor:
    return _blended(pixels.mean((1, 2, 3), keepdim=True), pixels, level)


def _saturation(pixels: Tensor, level: Tensor) -> Tensor:
    """Towards or away from grey; only of colour images."""
    luma = torch.tensor(LUMA, dtype=pixels.dtype, device=pixels.device)[:, None, None]
    return _blended((pixels * luma).sum(1, keepdim=True), pixels, level)


def _posterised(pixels: Tensor, level: Tensor) -> Tensor:
    """With 4 to 8 bits a value."""
    step = 2 ** ((8 - FEWEST_BITS) * level).round()
    return (255 * pixels / step + 1e-3).floor() * step / 255


def _solarised(pixels: Tensor, level: Tensor) -> Tensor:
    """Values above a random threshold are inverted."""
    return torch.where(pixels > level, 1 - pixels, pixels)


def _stretched(pixels: Tensor, level: Tensor) -> Tensor:
    """Each channel from its lowest to its highest value on the whole scale."""
    low, high = pixels.amin((2, 3), keepdim=True), pixels.amax((2, 3), keepdim=True)
    return torch.where(high > low, (pixels - low) / (high - low).clamp_min(1e-6), pixels)


#: the last one is for colour images alone
COLOURS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    *(_brightness, _contrast, _posterised, _solarised, _stretched),
    _saturation,
)
