"""Samplers without randomness: grid and coordinate descent, from the number and the scores of earlier points."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from protocols.loading.search_space import Dimension, Value
from protocols.spec.search import CoordinateDescentSampler, GridSampler

Point = dict[str, Value]


@dataclass(frozen=True)
class Planned:
    """Earlier point: its place in the sequence, and its score (larger is better) once it is finished."""

    place: int
    values: Point
    score: float | None


def grid(space: Sequence[Dimension], sampler: GridSampler) -> list[Point]:
    """All combinations; those that differ only in inactive parameters are taken once."""
    lines = [_line(dimension, sampler.points, dimension.low, dimension.high) for dimension in space]
    points = [_existing(space, dict(zip([d.path for d in space], c, strict=True))) for c in itertools.product(*lines)]
    return list({tuple(point.items()): point for point in points}.values())


def grid_size(space: Sequence[Dimension], sampler: GridSampler) -> int:
    """Largest possible number of combinations."""
    return math.prod(len(_line(d, sampler.points, d.low, d.high)) for d in space)


def descend(
    space: Sequence[Dimension], sampler: CoordinateDescentSampler, earlier: Sequence[Planned], start: Point
) -> Point:
    """Next point of a coordinate descent.

    Points lie on a line along one parameter, through the best point that was finished before the line began; then
    along the next parameter. After each round over all parameters the lines get shorter.
    """
    place = len(earlier)
    first, round_ = 0, 0
    while True:
        for dimension in space:
            length = sampler.points if dimension.choices is None else len(dimension.choices)
            if place < first + length:
                base = _best(earlier, first, start)
                values = _around(dimension, base.get(dimension.path), length, sampler.shrink**round_)
                return _existing(space, base | {dimension.path: values[place - first]})
            first += length
        round_ += 1


def _best(earlier: Sequence[Planned], before: int, start: Point) -> Point:
    finished = [point for point in earlier if point.place < before and point.score is not None]
    return start if not finished else max(finished, key=lambda point: point.score or 0.0).values


def _around(dimension: Dimension, centre: Value | None, points: int, width: float) -> list[Value]:
    """Values along one parameter: the range shrunk to a share `width`, around `centre` and inside the bounds."""
    if dimension.choices is not None or centre is None:
        return _line(dimension, points, dimension.low, dimension.high)
    low, high, middle = (_scaled(dimension, x) for x in (dimension.low, dimension.high, float(centre)))
    half = width * (high - low) / 2
    middle = min(max(middle, low + half), high - half)
    return _line(dimension, points, _unscaled(dimension, middle - half), _unscaled(dimension, middle + half))


def _line(dimension: Dimension, points: int, low: float, high: float) -> list[Value]:
    if dimension.choices is not None:
        return list(dimension.choices)
    first, last = _scaled(dimension, low), _scaled(dimension, high)
    even = [_unscaled(dimension, first + (last - first) * i / (points - 1)) for i in range(points)]
    step = dimension.step or (1 if dimension.kind == "int" else None)
    if step is not None:
        whole = (dimension.low + step * round((x - dimension.low) / step) for x in even)
        even = list(dict.fromkeys(min(max(x, dimension.low), dimension.high) for x in whole))
        even += [even[-1]] * (points - len(even))
    return [dimension.rounded(x) for x in even]


def _existing(space: Sequence[Dimension], point: Point) -> Point:
    """Active parameters of a point; one without a value gets the protocol's own, or the middle of its range."""
    values: Point = {}
    for dimension in space:
        if dimension.exists(values):
            own = dimension.start if dimension.start is not None else middle(dimension)
            values[dimension.path] = point.get(dimension.path, own)
    return values


def middle(dimension: Dimension) -> Value:
    """Value in the middle of the range; the first option of a choice."""
    if dimension.choices is not None:
        return next(iter(dimension.choices))
    return _line(dimension, 3, dimension.low, dimension.high)[1]


def _scaled(dimension: Dimension, value: float) -> float:
    return math.log(value) if dimension.log else value


def _unscaled(dimension: Dimension, value: float) -> float:
    return math.exp(value) if dimension.log else value
