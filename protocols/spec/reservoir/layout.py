"""Where patterns lie on an array: the electrodes of each pattern, and its class."""

import math
from typing import NamedTuple

from protocols.spec.array import Array
from protocols.spec.reservoir.patterns import Bars, ClockDigits, Grid, OwnClasses, Patterns, Positions, Xor

Places = tuple[tuple[int, int], ...]

#: segments that each clock digit lights: top, upper right, lower right, bottom, lower left, upper left (n), middle
SEGMENTS = ("turbln", "ur", "tumlb", "tumrb", "nmur", "tnmrb", "tnmlbr", "tur", "turblnm", "turbnm")


class Placed(NamedTuple):
    """A pattern on the array: index of its class, and (row, column) of its electrodes; drawings stay drawings."""

    truth: int
    places: Places


def classes(patterns: Patterns, array: Array) -> list[str]:
    """Names of the classes of patterns that are no images."""
    match patterns:
        case Positions():
            return [f"row {row}, column {column}" for row, column in _positions(patterns, array)]
        case Bars(bars=n):
            return [f"{180 * k / n:g} degrees" for k in range(n)]
        case ClockDigits(clock_digits=digits):
            return [str(digit) for digit in digits]
        case Xor():
            return ["none or both", "one of them"]
        case OwnClasses(classes=own):
            return list(own)
    raise TypeError(type(patterns))


def placed(patterns: Patterns, array: Array) -> list[Placed]:
    """The patterns on an array, those of images excepted; they may reach beyond it."""
    match patterns:
        case Positions():
            return [Placed(k, (place,)) for k, place in enumerate(_positions(patterns, array))]
        case Bars(bars=n, length=length, shifts=shifts):
            return [
                Placed(k, bar(math.pi * k / n, length, shift, array.rows, array.columns))
                for k in range(n)
                for shift in shifts
            ]
        case ClockDigits(clock_digits=digits, size=size):
            return [
                Placed(k, on_grid(patterns, clock_digit(digit, *size), size, array)) for k, digit in enumerate(digits)
            ]
        case Xor(xor=(first, second)):
            return [Placed(0, ()), Placed(1, first), Placed(1, second), Placed(0, tuple(sorted({*first, *second})))]
        case OwnClasses(classes=own):
            return [Placed(k, places) for k, members in enumerate(own.values()) for places in members]
    raise TypeError(type(patterns))


def on_grid(grid: Grid, points: Places, size: tuple[int, int], array: Array) -> Places:
    """(row, column) on the array of points of a grid of some rows and columns."""
    (rows, columns), stride = size, grid.stride
    top = (array.rows - (rows - 1) * stride - 1) // 2 if grid.row is None else grid.row
    left = (array.columns - (columns - 1) * stride - 1) // 2 if grid.column is None else grid.column
    return tuple((top + stride * row, left + stride * column) for row, column in points)


def pixels(grid: Grid, size: tuple[int, int], array: Array) -> Places:
    """(row, column) on the array of the pixels of an image, row by row."""
    return on_grid(grid, tuple((row, column) for row in range(size[0]) for column in range(size[1])), size, array)


def bar(angle: float, length: int, shift: int, rows: int, columns: int) -> Places:
    """(row, column) of a bar through the middle of an array, or shifted across; it may reach beyond the array.

    Each step along the bar is one electrode along the nearer axis; `angle` counts from the rows, anticlockwise.
    """
    along, up = math.cos(angle), math.sin(angle)
    steep = abs(up) > abs(along) + 1e-9
    down, right = (0, shift) if steep else (shift, 0)
    middle, centre = (rows - 1) / 2 + down, (columns - 1) / 2 + right
    steps = [(k - (length - 1) / 2) / max(abs(along), abs(up)) for k in range(length)]
    return tuple((_nearest(middle - step * up), _nearest(centre + step * along)) for step in steps)


def clock_digit(digit: int, rows: int, columns: int) -> Places:
    """(row, column) of the lit points of a digit, from its top-left corner, in order."""
    middle = rows // 2
    segments: dict[str, list[tuple[int, int]]] = {
        "t": [(0, c) for c in range(columns)],
        "m": [(middle, c) for c in range(columns)],
        "b": [(rows - 1, c) for c in range(columns)],
        "n": [(r, 0) for r in range(middle + 1)],
        "l": [(r, 0) for r in range(middle, rows)],
        "u": [(r, columns - 1) for r in range(middle + 1)],
        "r": [(r, columns - 1) for r in range(middle, rows)],
    }
    return tuple(sorted({place for name in SEGMENTS[digit] for place in segments[name]}))


def _positions(patterns: Positions, array: Array) -> Places:
    return tuple(array.places) if patterns.positions is None else patterns.positions


def _nearest(value: float) -> int:
    """Nearest whole number; halves go up, also after rounding errors."""
    return math.floor(value + 0.5 + 1e-9)
