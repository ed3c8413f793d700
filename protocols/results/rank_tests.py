"""Rank tests of differences between groups of cultures, by name."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class RankTest(NamedTuple):
    """`name` of the test, its `statistic`, and the two-sided `p`; NaN where it cannot be done."""

    name: str
    statistic: float
    p: float


def rank_test(groups: Sequence[Sequence[float] | np.ndarray]) -> RankTest:
    """Whether groups of independent values differ: Mann-Whitney U of two, Kruskal-Wallis H of more.

    Values that are not finite are left out, then groups without any. Mann-Whitney is exact up to 8 values in the
    smaller group without ties, and otherwise, as Kruskal-Wallis, approximate. NaN where no group has
    two values, or all are equal.
    """
    kept = [np.asarray(group, float)[np.isfinite(group)] for group in groups]
    kept = [group for group in kept if len(group)]
    repeated = any(len(group) > 1 for group in kept)
    name = "Mann-Whitney U" if (len(kept) if len(kept) > 1 else len(groups)) == 2 else "Kruskal-Wallis H"
    if len(kept) < 2 or not repeated or len(np.unique(np.concatenate(kept))) < 2:
        return RankTest(name, np.nan, np.nan)
    found = stats.mannwhitneyu(*kept) if len(kept) == 2 else stats.kruskal(*kept)
    return RankTest(name, float(found.statistic), float(found.pvalue))
