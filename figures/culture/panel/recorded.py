"""What the figures of the panel show of a recording, and the statistics that a figure and a page have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MOST_DISTANCES = 20  # bins of distance
DECADE_BINS = 8  # bins of avalanches a decade, where values lie that close

#: recordings of each group by its name, in panels by their titles
Grouped = Mapping[str, Mapping[str, Sequence["Recorded"]]]


@dataclass(frozen=True, eq=False)
class Recorded:
    """Distributions and curves of one recording; empty where it has none.

    Parameters
    ----------
    distance, sttc : shape (n_pairs,)
        Distance (m) and spike time tiling coefficient of each pair of active units.
    dt
        Of the coefficient (s).
    size, duration : int, shape (n_avalanches,)
        Spikes and bins of each avalanche.
    exponents
        Of their power laws, as the panel says them; NaN: none.
    bin_s
        Width of the avalanches' bins.
    lag : shape (n_bins,)
        Time from the peak of a network burst (s).
    profile : shape (3, n_bins)
        Rate of the active units (Hz) over the network bursts: mean, lower and upper quartile.
    n_bursts
        Number of these bursts.
    """

    distance: np.ndarray
    sttc: np.ndarray
    dt: float
    size: np.ndarray
    duration: np.ndarray
    exponents: tuple[float, float]
    bin_s: float
    lag: np.ndarray
    profile: np.ndarray
    n_bursts: int


@dataclass(frozen=True)
class Aged:
    """A recording of known age: days in vitro, region, culture (empty: not known), value of each measure by name."""

    age: float
    region: str
    culture: str
    values: Mapping[str, float]


def everyone(groups: Grouped) -> list[Recorded]:
    """All recordings of all panels."""
    return [each for panel in groups.values() for group in panel.values() for each in group]


def distance_edges(recordings: Sequence[Recorded]) -> np.ndarray:
    """Edges of bins of distance (m): as wide as the least distance of two units, but not more than `MOST_DISTANCES`."""
    distances = np.concatenate([np.zeros(0), *(each.distance[each.distance > 0] for each in recordings)])
    if not len(distances):
        return np.zeros(0)
    width = max(distances.min(), distances.max() / MOST_DISTANCES)
    return width * (0.5 + np.arange(int(distances.max() / width + 0.5) + 1))


def by_distance(recorded: Recorded, edges: np.ndarray) -> np.ndarray:
    """STTC of the pairs in bins of distance: mean, lower and upper quartile, shape (3, n_bins); NaN without pairs."""
    found = np.full((3, max(len(edges) - 1, 0)), np.nan)
    known = np.isfinite(recorded.sttc)
    place = np.digitize(recorded.distance[known], edges) - 1
    for k in range(found.shape[1]):
        inside = recorded.sttc[known][place == k]
        if len(inside):
            found[:, k] = inside.mean(), *np.quantile(inside, (0.25, 0.75))
    return found


def density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each value of positive integers, in bins that widen with it; only bins that hold some.

    Returns
    -------
    at : shape (n_bins,)
        Geometric middle of the least and the largest value of each bin.
    probability : shape (n_bins,)
        Share of the values in a bin over the number of integers in it.
    """
    if not len(values):
        return np.zeros(0), np.zeros(0)
    decades = np.arange(0, np.log10(values.max()) + 2 / DECADE_BINS, 1 / DECADE_BINS)
    first = np.unique(np.floor(10**decades + 1e-9)).astype(int)  # least value of each bin; one past the last
    counts, _ = np.histogram(values, first - 0.5)
    there = counts > 0
    return np.sqrt(first[:-1] * (first[1:] - 1.0))[there], (counts / np.diff(first) / len(values))[there]


def mean_density(each: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """As `density`, mean over recordings: a bin in which one has no value counts as zero there."""
    kept = [density(values) for values in each if len(values)]
    at = np.unique(np.concatenate([np.zeros(0), *(x for x, _ in kept)]))
    total = np.zeros(len(at))
    for x, y in kept:
        total[np.searchsorted(at, x)] += y
    return at, total / max(1, len(kept))


def age_groups(cultures: Sequence[Aged]) -> dict[float, float]:
    """The age (days) at which each recording is counted: ages a day apart are one, if others are further away.

    Recordings of a week may be a day apart; where cultures are recorded every day, all ages stay what they are.
    """
    ages = sorted({each.age for each in cultures})
    runs = np.split(ages, np.flatnonzero(np.diff(ages) > 1) + 1) if ages else []
    return {
        float(age): float(np.mean([each.age for each in cultures if each.age in run])) if run[-1] - run[0] <= 1 else age
        for run in runs
        for age in run
    }


def quartiles(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Median, lower and upper quartile of the values that are finite; NaN without any."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return np.nan, np.nan, np.nan
    low, middle, high = np.quantile(finite, (0.25, 0.5, 0.75))
    return float(middle), float(low), float(high)
