"""Samplers without randomness: the grid against a product, the descent on functions of known minimum."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.loading.search_space import Dimension
from protocols.search.plans import Planned, Point, descend, grid
from protocols.spec.search import CoordinateDescentSampler, GridSampler

SPACE = [
    Dimension("a", "float", "mV", 1.0, 100.0, log=True, start=50.0),
    Dimension("b", "int", "", 0, 10, step=5, start=10),
    Dimension("c", "choice", choices={"x": 1, "y": 2}, start="y"),
    Dimension("d", "float", "", 0.0, 1.0, when={"c": ("x",)}, start=0.25),
]


def test_the_grid_is_all_combinations_and_each_once() -> None:
    points = grid(SPACE, GridSampler(sampler="grid", points=3))
    with_d = itertools.product([1.0, 10.0, 100.0], [0, 5, 10], ["x"], [0.0, 0.5, 1.0])
    without = itertools.product([1.0, 10.0, 100.0], [0, 5, 10], ["y"])
    expected = [dict(zip("abcd", p, strict=True)) for p in with_d] + [dict(zip("abc", p, strict=True)) for p in without]
    assert len(points) == len(expected)
    assert all(point in expected for point in points)


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_descent_finds_the_top_of_a_bowl(x: float, y: float) -> None:
    space = [
        Dimension("x", "float", "", 0.0, 1.0, start=0.0),
        Dimension("y", "float", "", 0.01, 1.0, log=True, start=1.0),
    ]
    sampler = CoordinateDescentSampler(sampler="coordinate_descent", points=5, shrink=0.5)
    earlier: list[Planned] = []
    start: Point = {"x": 0.0, "y": 1.0}
    for place in range(60):
        point = descend(space, sampler, earlier, start)
        score = -((float(point["x"]) - x) ** 2) - np.log(float(point["y"]) / y) ** 2
        earlier.append(Planned(place, point, score))
    best = max(earlier, key=lambda it: it.score or 0.0).values
    assert float(best["x"]) == pytest.approx(x, abs=0.04)
    assert np.log(float(best["y"])) == pytest.approx(np.log(y), abs=0.15)


def test_descent_changes_one_parameter_a_line_and_shrinks_every_round() -> None:
    space = [Dimension(name, "float", "", 0.0, 1.0, start=0.5) for name in "xy"]
    sampler = CoordinateDescentSampler(sampler="coordinate_descent", points=3, shrink=0.5)
    earlier: list[Planned] = []
    for place in range(12):
        point = descend(space, sampler, earlier, {"x": 0.5, "y": 0.5})
        earlier.append(Planned(place, point, -abs(float(point["x"]) - 1) - abs(float(point["y"]))))
    asked = [(it.values["x"], it.values["y"]) for it in earlier]
    assert asked[:3] == [(0, 0.5), (0.5, 0.5), (1, 0.5)]
    assert asked[3:6] == [(1, 0), (1, 0.5), (1, 1)]
    assert asked[6:9] == [(0.5, 0), (0.75, 0), (1, 0)]  # half the range, inside the bounds
    assert asked[9:12] == [(1, 0), (1, 0.25), (1, 0.5)]


def test_descent_goes_on_while_trials_are_unfinished() -> None:
    space = [Dimension(name, "float", "", 0.0, 1.0, start=0.5) for name in "xy"]
    sampler = CoordinateDescentSampler(sampler="coordinate_descent", points=2)
    earlier = [Planned(0, {"x": 0, "y": 0.5}, None), Planned(1, {"x": 1, "y": 0.5}, None)]
    assert descend(space, sampler, earlier, {"x": 0.5, "y": 0.5}) == {"x": 0.5, "y": 0}
