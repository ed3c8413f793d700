"""Agreement of segmentations against literal formulas, pixel by pixel."""

import math

import numpy as np
import pytest

from protocols.results.overlap import dice, hausdorff95, jaccard, of_images

Pixels = set[tuple[int, int]]


def pixels(shape: np.ndarray) -> Pixels:
    return {(int(row), int(column)) for row, column in np.argwhere(shape)}


def contour(shape: Pixels) -> Pixels:
    """Pixels with a neighbour, above, below or beside, that is not in the shape."""
    beside = ((0, 1), (1, 0), (0, -1), (-1, 0))
    return {p for p in shape if any((p[0] + r, p[1] + c) not in shape for r, c in beside)}


def percentile95(distances: list[float]) -> float:
    """By linear interpolation between the sorted values."""
    ordered, place = sorted(distances), 0.95 * (len(distances) - 1)
    low = math.floor(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def literal_hausdorff95(one: Pixels, other: Pixels) -> float:
    a, b = contour(one), contour(other)
    ways = [[min(math.dist(p, q) for q in there) for p in here] for here, there in ((a, b), (b, a))]
    return max(map(percentile95, ways))


@pytest.mark.parametrize("seed", range(8))
def test_every_measure_is_its_literal_formula(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.random((2, 9, 12)) < rng.uniform(0.1, 0.9, (2, 1, 1))
    a, b = pixels(one), pixels(other)
    assert dice(one, other) == pytest.approx(2 * len(a & b) / (len(a) + len(b)), abs=1e-15)
    assert jaccard(one, other) == pytest.approx(len(a & b) / len(a | b), abs=1e-15)
    assert hausdorff95(one, other) == pytest.approx(literal_hausdorff95(a, b), abs=1e-12)


def test_a_shifted_square_is_as_far_as_it_was_shifted() -> None:
    mask, shifted = np.zeros((2, 30, 30), bool)
    mask[5:15, 5:15], shifted[5:15, 12:22] = True, True
    assert hausdorff95(mask, shifted) == 7
    assert dice(mask, shifted) == 0.3


def test_empty_maps() -> None:
    none, some = np.zeros((3, 4), bool), np.eye(3, 4, dtype=bool)
    assert [dice(none, none), jaccard(none, none), hausdorff95(none, none)] == [1, 1, 0]
    for pair in ((none, some), (some, none)):
        assert [dice(*pair), jaccard(*pair), hausdorff95(*pair)] == [0, 0, 5]


def test_several_classes_are_averaged_without_the_background() -> None:
    masks = np.array([[[0, 1, 2, 2]], [[0, 0, 0, 1]]])
    predicted = np.array([[[0, 1, 2, 0]], [[0, 0, 0, 0]]])
    found = of_images(predicted, masks, 3)["dice"]
    assert found == pytest.approx([(1 + 2 / 3) / 2, (0 + 1) / 2])
