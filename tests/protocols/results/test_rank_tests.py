"""Rank tests against their definitions."""

from itertools import combinations

import numpy as np
import pytest

from protocols.results.rank_tests import rank_test


def test_two_groups_are_compared_by_all_ways_to_divide_them() -> None:
    a, b = np.array([1.2, 0.4, 2.0]), np.array([3.1, 2.5, 1.9, 4.0])
    found = rank_test([a, b])
    assert found.name == "Mann-Whitney U"
    assert found.statistic == sum(x > y for x in a for y in b)
    every = np.concatenate([a, b])
    ranks = every.argsort().argsort() + 1
    sums = np.array([ranks[list(chosen)].sum() for chosen in combinations(range(7), 3)])
    own, middle = ranks[:3].sum(), sums.mean()
    assert found.p == pytest.approx(np.mean(np.abs(sums - middle) >= abs(own - middle)))


def test_more_groups_are_compared_by_their_mean_ranks() -> None:
    groups = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 6.0]), np.array([5.0, 7.0, 8.0])]
    found = rank_test(groups)
    ranks = [[1, 2, 3], [4, 6], [5, 7, 8]]
    h = 12 / (8 * 9) * sum(sum(each) ** 2 / len(each) for each in ranks) - 3 * 9
    assert (found.name, found.statistic) == ("Kruskal-Wallis H", pytest.approx(h))
    assert found.p == pytest.approx(np.exp(-h / 2))  # chi-squared of two degrees of freedom


@pytest.mark.parametrize(
    "groups", [[], [[1.0, 2.0]], [[1.0, 2.0], [np.nan]], [[1.0], [2.0], [3.0]], [[1.0, 1.0], [1.0]]]
)
def test_what_cannot_be_compared_is_nan(groups: list[list[float]]) -> None:
    assert np.isnan(rank_test(groups).p)
