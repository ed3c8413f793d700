"""Patches: crops keep masks on their images; tiles cover an image and are blended as the literal mean."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.networks.architectures.unet import EncoderDecoder
from hebbian_dl.segmentation.patches import Patches, blended, n_tiles, starts
from hebbian_dl.segmentation.segmenter import Segmenter, probabilities
from hebbian_dl.segmentation.semi_supervised import few
from protocols.spec.nets.architecture import UNet

ROWS, COLUMNS = 11, 14


def places(n: int = 5) -> Patches:
    """Images whose pixels, and masks, hold their number and place."""
    number = torch.arange(n * ROWS * COLUMNS).reshape(n, 1, ROWS, COLUMNS)
    return Patches(number.float(), number[:, 0], (4, 6))


def corners(batch: Examples) -> list[int]:
    return batch.labels[:, 0, 0].tolist()


def test_a_crop_is_a_window_of_its_image_and_of_its_mask() -> None:
    (batch,) = places().batches(5, torch.tensor([3, 0, 4, 1, 2]), draw=7)
    assert batch.images.shape == (5, *places().shape)
    assert torch.equal(batch.images[:, 0].long(), batch.labels)
    for index, corner in zip([3, 0, 4, 1, 2], corners(batch), strict=True):
        image, place = divmod(corner, ROWS * COLUMNS)
        top, left = divmod(place, COLUMNS)
        assert image == index
        assert top <= ROWS - 4
        assert left <= COLUMNS - 6
    expected = torch.arange(4)[:, None] * COLUMNS + torch.arange(6)
    assert torch.equal(batch.labels, batch.labels[:, :1, :1] + expected)


def test_every_place_is_seen_and_an_epoch_can_begin_anywhere() -> None:
    images, order = places(), torch.tensor([4, 2, 0, 1, 3])
    seen = {corner for draw in range(400) for batch in images.batches(2, order, draw) for corner in corners(batch)}
    of_first = {divmod(corner, COLUMNS) for corner in seen if corner < ROWS * COLUMNS}
    assert of_first == {(top, left) for top in range(8) for left in range(9)}
    whole = [corners(batch) for batch in images.batches(2, order, 3)]
    assert [corners(batch) for batch in images.batches(2, order[2:], 3)] == whole[1:]
    assert [len(batch) for batch in whole] == [2, 2]  # a single one has no variance


def test_the_middle_and_some_crops() -> None:
    middle = places().central()
    assert corners(middle) == [index * ROWS * COLUMNS + 3 * COLUMNS + 4 for index in range(5)]
    found, masks = few(places(), 9)
    assert found.shape == (9, 1, 4, 6)
    assert masks.shape == (9, 4, 6)
    without = Patches(places().images, torch.zeros(5, dtype=torch.int64), (4, 6))
    assert next(iter(without.batches(5))).labels.shape == (5,)


@pytest.mark.parametrize(("whole", "part"), [(11, 4), (64, 64), (65, 64), (100, 32), (7, 3), (40, 9)])
def test_tiles_cover_an_axis_and_overlap_by_half(whole: int, part: int) -> None:
    found = starts(whole, part)
    assert found[0] == 0
    assert found[-1] == whole - part
    assert all(0 < b - a <= -(-part // 2) for a, b in pairwise(found))
    assert n_tiles((whole, 64), (part, 64)) == len(found)


def test_blending_is_the_mean_weighted_by_the_distance_to_the_edge() -> None:
    images, seen = torch.rand(2, 3, ROWS, COLUMNS, dtype=torch.float64), []

    def predict(tiles: Tensor) -> Tensor:
        seen.append(tiles)
        return torch.stack([tiles.sum(1), tiles.mean((1, 2, 3))[:, None, None].expand(-1, 4, 6)], 1)

    found = blended(predict, images, (4, 6))
    assert torch.allclose(found[:, 0], images.sum(1), rtol=0, atol=1e-12)  # alike in all tiles
    for row, column in ((0, 0), (5, 7), (10, 13), (3, 2)):
        total, weight = torch.zeros(2, dtype=torch.float64), 0.0
        for top in starts(ROWS, 4):
            for left in starts(COLUMNS, 6):
                if top <= row < top + 4 and left <= column < left + 6:
                    own = min(row - top + 1, top + 4 - row) * min(column - left + 1, left + 6 - column)
                    total += own * images[:, :, top : top + 4, left : left + 6].mean((1, 2, 3))
                    weight += own
        assert torch.allclose(found[:, 1, row, column], total / weight, rtol=0, atol=1e-12)
    assert len(seen) == n_tiles((ROWS, COLUMNS), (4, 6))


def test_a_tile_as_large_as_the_image_changes_nothing() -> None:
    model, images = Segmenter(EncoderDecoder(UNet(width=3, depth=1), 2, 0.1), 2), torch.rand(3, 2, 8, 12)
    assert torch.allclose(probabilities(model, images, (8, 12)), probabilities(model, images), rtol=0, atol=1e-6)
    tiled = probabilities(model, images, (4, 4))
    assert torch.allclose(tiled.sum(1), torch.ones(3, 8, 12))
