"""Places of neurons: statistics against measures of point patterns that know nothing of how they were drawn."""

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.stats import kstest, truncnorm

from culture_sim.living import LivingCulture
from culture_sim.model.placement import place_clustered, place_neurons
from protocols.spec.array import Rectangle
from protocols.spec.random_streams import stream
from tests.culture_sim.living.cases import spec

AREA = Rectangle(-1e-3, 2e-3, 3e-3, 2e-3)


def clark_evans(places: np.ndarray, area: Rectangle) -> float:
    """Mean distance to the nearest neighbour over that of a random pattern, with Donnelly's correction of the edges."""
    n, size, edge = len(places), area.width * area.height, 2 * (area.width + area.height)
    nearest = KDTree(places).query(places, 2)[0][:, 1].mean()
    expected = 0.5 * np.sqrt(size / n) + (0.0514 + 0.041 / np.sqrt(n)) * edge / n
    return float(nearest / expected)


def inside(places: np.ndarray, area: Rectangle) -> bool:
    least = np.array(area[:2])
    return bool(np.all(places >= least) and np.all(places <= least + area[2:]))


def test_the_default_draw_is_uniform_and_stays_what_it_was() -> None:
    area = Rectangle(0.0, 0.0, 1.6e-3, 1.2e-3)
    literal = np.random.default_rng(stream("placement", 5)).uniform(size=(500, 2)) * (1.6e-3, 1.2e-3)
    np.testing.assert_array_equal(
        place_neurons(area, 500, stream("placement", 5)), literal[np.argsort(literal[:, 0], kind="stable")]
    )


def test_uniform_neurons_lie_in_the_area_at_random() -> None:
    places = place_neurons(AREA, 4000, stream("placement", 0))
    assert inside(places, AREA)
    # sd of the ratio for random patterns: 0.26136 / sqrt(n^2 / A) over 0.5 sqrt(A / n), that is 0.523 / sqrt(n)
    assert clark_evans(places, AREA) == pytest.approx(1, abs=3 * 0.523 / np.sqrt(4000))


@pytest.mark.parametrize("seed", range(3))
def test_clumps_are_clumps(seed: int) -> None:
    places = place_clustered(AREA, 4000, 30, 60e-6, stream("placement", seed))
    assert places.shape == (4000, 2)
    assert inside(places, AREA)
    assert np.all(np.diff(places[:, 0]) >= 0)
    assert clark_evans(places, AREA) < 0.6


def test_pairs_are_as_frequent_as_in_a_thomas_process() -> None:
    """Share of pairs within r: 1 - exp(-r^2 / 4 s^2) of the pairs of a clump, and those that chance brings together."""
    clusters, spread, r = 25, 40e-6, 80e-6
    shares = []
    for seed in range(40):
        places = place_clustered(AREA, 600, clusters, spread, stream("placement", seed))
        shares.append(len(KDTree(places).query_pairs(r)) / (600 * 599 / 2))
    size, edge = AREA.width * AREA.height, 2 * (AREA.width + AREA.height)
    chance = np.pi * r**2 / size - 2 / 3 * edge * r**3 / size**2 + r**4 / (2 * size**2)  # two points of a rectangle
    expected = (1 - np.exp(-(r**2) / (4 * spread**2))) / clusters + (1 - 1 / clusters) * chance
    assert np.mean(shares) == pytest.approx(expected, rel=0.05)


def test_clumps_much_wider_than_the_area_are_uniform() -> None:
    places = place_clustered(AREA, 3000, 5, 1.0, stream("placement", 1))
    for axis in range(2):
        assert kstest((places[:, axis] - AREA[axis]) / AREA[2 + axis], "uniform").pvalue > 0.01


def test_a_border_cuts_the_gaussian_of_a_clump() -> None:
    narrow, spread = Rectangle(0.0, 0.0, 0.2e-3, 4e-3), 0.1e-3
    seeds = stream("placement", 3)
    centre = np.random.default_rng(seeds).uniform(size=2) * narrow[2:]
    places = place_clustered(narrow, 3000, 1, spread, seeds)
    for axis in range(2):
        low, high = -centre[axis] / spread, (narrow[2 + axis] - centre[axis]) / spread
        assert kstest(places[:, axis], truncnorm(low, high, centre[axis], spread).cdf).pvalue > 0.01


def test_a_living_culture_is_placed_as_asked() -> None:
    clumps = {"rule": "clustered", "clusters": 8, "spread": "50 um"}
    area = {"width": "3 mm", "height": "3 mm"}
    grown = [
        LivingCulture.grow(spec(400, neurons={"placement": placement}, area=area), seed)
        for placement, seed in ((clumps, 1), (clumps, 1), (clumps, 2), ("uniform", 1))
    ]
    first, same, other, uniform = (culture.positions for culture in grown)
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    ground = grown[0].spec.ground
    assert clark_evans(first, ground) < 0.5 < 0.9 < clark_evans(uniform, ground)
    np.testing.assert_array_equal(grown[0].excitatory, grown[3].excitatory)  # other streams are not touched
