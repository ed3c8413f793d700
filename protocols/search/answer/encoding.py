"""Searched parameters as points of a unit cube, and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: an entry of ``parameters`` in ``answer.json``: path, kind, unit, low, high, scale, choices, start
Parameter = Mapping[str, Any]
MIDDLE = 0.5  # where a parameter stands while it is inactive


@dataclass(frozen=True)
class Coding:
    """Where each parameter stands in an encoded point.

    A number takes one column, from 0 at its `low` to 1 at its `high`, logarithmic where its scale is; a choice takes
    one column each of its options, of which one is 1. While a number is inactive it stands in the middle, and an
    inactive choice gives all its options equal shares.
    """

    parameters: Sequence[Parameter]

    @property
    def columns(self) -> dict[str, slice]:
        """The columns of each parameter, by its path."""
        widths = [len(p["choices"]) if p["kind"] == "choice" else 1 for p in self.parameters]
        ends = np.cumsum(widths).tolist()
        return {p["path"]: slice(end - width, end) for p, width, end in zip(self.parameters, widths, ends, strict=True)}

    @property
    def width(self) -> int:
        """Columns of an encoded point."""
        return max((part.stop for part in self.columns.values()), default=0)

    def encode(self, points: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Points of active values by path as an array, shape (n_points, width)."""
        encoded = np.empty((len(points), self.width))
        for parameter, columns in zip(self.parameters, self.columns.values(), strict=True):
            for row, values in enumerate(points):
                encoded[row, columns] = _code(parameter, values)
        return encoded

    def random(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` encoded points spread evenly over the space, all parameters active."""
        points = rng.random((n, self.width))
        for parameter, columns in zip(self.parameters, self.columns.values(), strict=True):
            if parameter["kind"] == "choice":
                options = len(parameter["choices"])
                points[:, columns] = np.eye(options)[rng.integers(options, size=n)]
        return points


def _code(parameter: Parameter, values: Mapping[str, Any]) -> np.ndarray | float:
    active = parameter["path"] in values
    if parameter["kind"] == "choice":
        options = parameter["choices"]
        return np.eye(len(options))[options.index(values[parameter["path"]])] if active else 1 / len(options)
    return place(parameter, values[parameter["path"]]) if active else MIDDLE


def place(parameter: Parameter, value: float) -> float:
    """Where a number lies between its parameter's `low` (0) and `high` (1)."""
    low, high, here = (_scaled(parameter, v) for v in (parameter["low"], parameter["high"], value))
    return (here - low) / (high - low) if high > low else MIDDLE


def value_at(parameter: Parameter, place: float) -> float:
    """The number that lies at a place between its parameter's `low` (0) and `high` (1)."""
    low, high = (_scaled(parameter, parameter[end]) for end in ("low", "high"))
    value = low + place * (high - low)
    inside = math.exp(value) if parameter["scale"] == "log" else value
    return float(min(max(inside, parameter["low"]), parameter["high"]))


def _scaled(parameter: Parameter, value: float) -> float:
    return math.log(value) if parameter["scale"] == "log" else float(value)
