"""Augmentations against slow literal versions, and what they must not do."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from hebbian_dl.images import augmentation
from hebbian_dl.images.augmentation import COLOURS, PLACES, cutout, strong, weak

KINDS = ("geometry", "colour", "cutout")


def images(n: int = 6, channels: int = 3, rows: int = 12, columns: int = 16) -> Tensor:
    return torch.rand(n, channels, rows, columns, generator=torch.Generator().manual_seed(0))


def test_a_weak_shift_is_one_of_the_shifted_and_mirrored_images() -> None:
    pixels = images(40, 2, 8, 16)
    torch.manual_seed(1)
    shifted = weak(pixels, ("shift",))
    offsets = set()
    for image, found in zip(pixels.numpy(), shifted.numpy(), strict=True):
        padded = np.pad(image, ((0, 0), (1, 1), (2, 2)), mode="reflect")
        fits = [
            (down, right)
            for down, right in itertools.product(range(3), range(5))
            if np.array_equal(padded[:, down : down + 8, right : right + 16], found)
        ]
        assert len(fits) == 1
        offsets |= set(fits)
    assert len(offsets) > 10


def test_a_flip_reflects_some_images_and_happens_only_where_it_is_named() -> None:
    pixels = images(64)
    torch.manual_seed(2)
    flipped = weak(pixels, ("flip",))
    same, mirrored = (
        [torch.equal(a, b) for a, b in zip(flipped, other, strict=True)] for other in (pixels, pixels.flip(3))
    )
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 16 < sum(mirrored) < 48
    assert torch.equal(weak(pixels, ()), pixels)


@pytest.mark.parametrize(("place", "amount"), [(place, amount) for place in range(len(PLACES)) for amount in (-1, 0.4)])
def test_a_movement_samples_where_its_affine_map_points(place: int, amount: float) -> None:
    """The literal map of pixel coordinates around the centre, and scipy's linear interpolation."""
    pixels, (rows, columns) = images(1).double(), (12, 16)
    amounts = [torch.full((1,), amount if k == place else 0.0, dtype=torch.float64) for k in range(len(PLACES))]
    moved = augmentation._moved(pixels, amounts)[0].numpy()
    angle = np.radians(30 * amount) if place == 0 else 0.0
    y, x = np.meshgrid(np.arange(rows) - (rows - 1) / 2, np.arange(columns) - (columns - 1) / 2, indexing="ij")
    to_x, to_y = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
    to_x += 0.3 * amount * (columns / rows * y * (place == 1) + columns * (place == 3))
    to_y += 0.3 * amount * (rows / columns * x * (place == 2) + rows * (place == 4))
    where = [to_y + (rows - 1) / 2, to_x + (columns - 1) / 2]
    for channel, found in zip(pixels[0].numpy(), moved, strict=True):
        expected = scipy.ndimage.map_coordinates(channel, where, order=1, mode="reflect")
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("kinds", [KINDS, ("geometry",), ("colour",), ("cutout",), ()])
@pytest.mark.parametrize("channels", [1, 3])
def test_strong_augmentation_keeps_the_range_and_follows_the_generator(kinds: tuple[str, ...], channels: int) -> None:
    pixels = images(50, channels)
    torch.manual_seed(3)
    first, state = strong(pixels, kinds), torch.get_rng_state()
    torch.manual_seed(3)
    assert torch.equal(strong(pixels, kinds), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == pixels.shape
    assert first.min() >= 0
    assert first.max() <= 1 + 1e-6
    changed = [not torch.allclose(a, b, atol=1e-6) for a, b in zip(first, pixels, strict=True)]
    assert sum(changed) > 25 if kinds else not any(changed)


@pytest.mark.parametrize("level", [0.0, 0.3, 0.5, 1.0])
def test_colour_operations_equal_their_formulas(level: float) -> None:
    pixels = images()
    p, factor = pixels.numpy().astype(float), 1 + 0.9 * (2 * level - 1)
    mean, luma = p.mean((1, 2, 3), keepdims=True), np.tensordot(p, (0.299, 0.587, 0.114), (1, 0))[:, None]
    low, high = p.min((2, 3), keepdims=True), p.max((2, 3), keepdims=True)
    step = 2 ** round(4 * level)
    expected = [
        np.clip(p * factor, 0, 1),
        np.clip(mean + factor * (p - mean), 0, 1),
        np.floor(255 * p / step + 1e-3) * step / 255,
        np.where(p > level, 1 - p, p),
        (p - low) / (high - low),
        np.clip(luma + factor * (p - luma), 0, 1),
    ]
    levels = torch.full((len(pixels), 1, 1, 1), level)
    for change, value in zip(COLOURS, expected, strict=True):
        np.testing.assert_allclose(change(pixels, levels).numpy(), value, atol=1e-5, err_msg=str(change))


def test_a_cutout_is_a_square_of_the_mean_colour_of_at_most_half_the_side() -> None:
    pixels = images(60, 3, 16, 16)
    torch.manual_seed(4)
    cut = cutout(pixels)
    sides = set()
    for image, found in zip(pixels, cut, strict=True):
        gone = (found != image).all(0)
        rows, columns = gone.any(1).sum().item(), gone.any(0).sum().item()
        assert gone.sum().item() == rows * columns  # a rectangle; at the edge the square is cut off
        assert max(rows, columns) <= 8
        if gone.any():
            torch.testing.assert_close(found[:, gone], image.mean((1, 2))[:, None].expand(-1, int(gone.sum())))
        sides.add(rows)
    assert len(sides) > 4
