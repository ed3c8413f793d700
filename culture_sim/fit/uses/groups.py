"""Two groups of cultures, compared parameter by parameter, and twins ranked against the recordings of other cultures.

Each parameter of a group has a mean and a spread between cultures. With a prior that is uniform in the unit cube, the
samples of a culture's posterior are samples of its likelihood, so that the likelihood of mean m and spread t is, for
each culture, the average over its samples of the normal density N(sample; m, t), renormalised to the range 0 to 1
(Hogg, Myers and Bovy 2010, Astrophys J 725:2166). Both are taken on a grid, m uniform, t half-normal.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from culture_sim.fit.space import INTERVAL

GRID = 101  # means between the ends of the range
SPREADS = np.geomspace(0.02, 0.6, 24)  # between cultures, as shares of the range
TYPICAL_SPREAD = 0.25  # scale of the half-normal prior of the spread
DRAWS = 4000  # of the joint posterior of the groups
CERTAIN = 0.05  # probability of naming any parameter where there is no difference, all parameters together


class Difference(NamedTuple):
    """Of one parameter, second group less first; intervals of 90 %, in shares of the range.

    `shift`, `shift_low`, `shift_high`: difference of the groups' means; `effect`, `effect_low`, `effect_high`: the same
    over the spread between cultures; `greater`: posterior probability that the second group's mean is greater;
    `differs`: whether that is beyond doubt.
    """

    shift: float
    shift_low: float
    shift_high: float
    effect: float
    effect_low: float
    effect_high: float
    greater: float
    differs: bool


def likelihood(samples: np.ndarray, means: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """Log-likelihood of each mean and spread, of one parameter.

    Parameters
    ----------
    samples
        Of each culture of a group, shape (n_cultures, n_samples), in the unit cube.
    means, spreads
        The grid.

    Returns
    -------
    np.ndarray
        Shape (n_means, n_spreads).
    """
    inside = norm.cdf((1 - means[:, None]) / spreads) - norm.cdf(-means[:, None] / spreads)
    found = np.zeros((len(means), len(spreads)))
    for of_one in samples:
        density = norm.pdf((of_one - means[:, None, None]) / spreads[None, :, None]) / spreads[None, :, None]
        found += np.log(np.maximum(density.mean(axis=2), 1e-300)) - np.log(inside)
    return found


def compare(first: np.ndarray, second: np.ndarray, seed: int = 0) -> list[Difference]:
    """Compare two groups, parameter by parameter; samples of shape (n_cultures, n_samples, n_parameters)."""
    n_parameters = first.shape[2]
    means, rng = np.linspace(0, 1, GRID), np.random.default_rng(seed)
    prior = -0.5 * (SPREADS / TYPICAL_SPREAD) ** 2 + np.log(SPREADS)  # the grid is logarithmic
    threshold = 1 - CERTAIN / 2 / n_parameters
    found = []
    for parameter in range(n_parameters):
        of_groups = [likelihood(group[:, :, parameter], means, SPREADS) for group in (first, second)]
        # one spread for both: the joint posterior is p(t) p(m1 | t) p(m2 | t)
        log = [table - table.max() for table in of_groups]
        evidence = prior + sum(np.log(np.exp(table).sum(axis=0)) for table in log)
        weights = np.exp(evidence - evidence.max())
        at = rng.choice(len(SPREADS), DRAWS, p=weights / weights.sum())
        drawn = [_given(table, at, means, rng) for table in log]
        shift = drawn[1] - drawn[0]
        effect = shift / SPREADS[at]
        greater = float((shift > 0).mean() + 0.5 * (shift == 0).mean())
        differs = bool(max(greater, 1 - greater) >= threshold)
        found.append(Difference(*_summary(shift), *_summary(effect), greater, differs))
    return found


def _summary(drawn: np.ndarray) -> tuple[float, float, float]:
    """Median, and interval of 90 %."""
    low, middle, high = np.quantile(drawn, INTERVAL)
    return float(middle), float(low), float(high)


def _given(table: np.ndarray, at: np.ndarray, means: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws of the mean, given the spread of each draw."""
    cumulative = np.exp(table - table.max(axis=0)).cumsum(axis=0)
    cumulative /= cumulative[-1]
    rank = rng.random(len(at))
    return means[np.minimum((cumulative[:, at] < rank).sum(axis=0), len(means) - 1)]


def all_together(first: np.ndarray, second: np.ndarray, n_permutations: int = 10_000, seed: int = 0) -> float:
    """Whether two groups differ in their parameters taken together: p of a permutation test.

    The statistic is the distance between the groups' mean vectors of posterior means, in the unit cube. All divisions
    of the cultures into two such groups are tried, or `n_permutations` random ones where there are more.

    Parameters
    ----------
    first, second : shape (n_cultures, n_samples, n_parameters)
        Samples of each culture's posterior.
    n_permutations, seed
        Of the random divisions.
    """
    means = np.concatenate([first, second]).mean(axis=1)
    n, n_all = len(first), len(means)

    def gap(chosen: Sequence[int]) -> float:
        rest = np.setdiff1d(np.arange(n_all), chosen)
        return float(np.linalg.norm(means[list(chosen)].mean(axis=0) - means[rest].mean(axis=0)))

    found = gap(range(n)) * (1 - 1e-12)
    if math.comb(n_all, n) <= n_permutations:
        return float(np.mean([gap(chosen) >= found for chosen in itertools.combinations(range(n_all), n)]))
    rng = np.random.default_rng(seed)
    drawn = [gap(rng.permutation(n_all)[:n].tolist()) >= found for _ in range(n_permutations)]
    return (1 + sum(drawn)) / (1 + n_permutations)


class Ranking(NamedTuple):
    """`own`, `other`: mean distance of twins from the other recordings of their group and of other groups (sd)."""

    own: float
    other: float
    p: float
    nearer: int
    n: int


def rank(distances: np.ndarray, groups: np.ndarray, n_permutations: int = 10_000, seed: int = 0) -> Ranking:
    """Whether twins are nearer to other recordings of their own group than to those of other groups.

    Parameters
    ----------
    distances
        From each twin (row) to each recording (column), shape (n, n); that to its own recording does not count.
    groups
        Group of each recording, shape (n,).
    n_permutations, seed
        Of the permutation test, which draws the groups anew.
    """
    apart = ~np.eye(len(groups), dtype=bool)

    def means(of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        same = (of[:, None] == of) & apart
        other = (of[:, None] != of) & apart
        counts = np.maximum(same.sum(axis=1), 1), np.maximum(other.sum(axis=1), 1)
        return (distances * same).sum(axis=1) / counts[0], (distances * other).sum(axis=1) / counts[1]

    own, other = means(groups)
    alone = np.array([(groups == group).sum() < 2 for group in groups])
    gap = (other - own)[~alone].mean()
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(n_permutations):
        a, b = means(shuffled := rng.permutation(groups))
        single = np.array([(shuffled == group).sum() < 2 for group in shuffled])
        drawn.append((b - a)[~single].mean())
    p = (1 + (np.array(drawn) >= gap).sum()) / (1 + n_permutations)
    nearer = int((own < other)[~alone].sum())
    return Ranking(float(own[~alone].mean()), float(other[~alone].mean()), float(p), nearer, int((~alone).sum()))
