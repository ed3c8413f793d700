"""Groups of cultures compared, against literal formulas and planted differences; ranks against all permutations."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom

from culture_sim.fit.uses import groups


def cultures(centers: np.ndarray, width: float, rng: np.random.Generator, n_samples: int = 60) -> np.ndarray:
    """Posterior samples around noisy estimates of centers of shape (n_cultures, n_parameters)."""
    estimates = centers + width * rng.standard_normal(centers.shape)
    samples = estimates[:, None] + width * rng.standard_normal((len(centers), n_samples, centers.shape[1]))
    return np.clip(samples, 0, 1)


def test_the_likelihood_is_the_mean_density_of_the_samples() -> None:
    rng = np.random.default_rng(0)
    samples, means, spreads = rng.random((3, 7)), np.array([0.0, 0.35, 1.0]), np.array([0.05, 0.4])

    def below(z: float) -> float:
        return (1 + math.erf(z / math.sqrt(2))) / 2

    expected = np.zeros((3, 2))
    for i, m in enumerate(means):
        for j, t in enumerate(spreads):
            for culture in samples:
                density = 0.0
                for x in culture:
                    density += math.exp(-0.5 * ((x - m) / t) ** 2) / (t * math.sqrt(2 * math.pi)) / len(culture)
                expected[i, j] += math.log(density / (below((1 - m) / t) - below(-m / t)))
    np.testing.assert_allclose(groups.likelihood(samples, means, spreads), expected, rtol=1e-9)


def test_a_planted_shift_is_found_with_its_size_and_the_other_parameter_is_not() -> None:
    rng = np.random.default_rng(1)
    first = cultures(np.array([0.3, 0.5]) + 0.08 * rng.standard_normal((8, 2)), 0.05, rng)
    second = cultures(np.array([0.6, 0.5]) + 0.08 * rng.standard_normal((8, 2)), 0.05, rng)
    shifted, same = groups.compare(first, second)
    assert shifted.differs
    assert not same.differs
    assert shifted.shift_low < 0.3 < shifted.shift_high
    assert shifted.shift_low < shifted.shift < shifted.shift_high
    assert shifted.effect_low < 0.3 / 0.08 < shifted.effect_high
    assert shifted.greater > 0.999
    back = groups.compare(second, first)[0]
    np.testing.assert_allclose([back.shift, back.greater], [-shifted.shift, 1 - shifted.greater], atol=0.02)


def test_two_halves_of_one_group_seldom_differ() -> None:
    """120 experiments, as parameters of one call: one-sided probabilities beyond 97.5 % are at most 5 % of them."""
    n, rng = 120, np.random.default_rng(2)
    centers = rng.uniform(0.3, 0.7, n) + rng.uniform(0.03, 0.15, n) * rng.standard_normal((8, n))
    samples = cultures(centers, 0.08, rng, 25)
    found = groups.compare(samples[:4], samples[4:])
    greater = np.array([one.greater for one in found])
    false = ((greater > 0.975) | (greater < 0.025)).sum()
    assert false <= binom.ppf(0.99, n, 0.05)
    assert sum(one.differs for one in found) <= 1  # all parameters together: 5 %
    assert 0.4 < (greater > 0.5).mean() < 0.6


def test_ranks_are_those_of_a_literal_loop_over_all_permutations() -> None:
    rng = np.random.default_rng(3)
    labels = np.array(["a", "a", "b", "b", "b"])
    distances = rng.random((5, 5)) + 0.7 * (labels[:, None] != labels)

    def gap(of: tuple[str, ...]) -> tuple[float, float, int]:
        own, other = [], []
        for i in range(5):
            own.append(np.mean([distances[i, j] for j in range(5) if j != i and of[j] == of[i]]))
            other.append(np.mean([distances[i, j] for j in range(5) if of[j] != of[i]]))
        return float(np.mean(own)), float(np.mean(other)), sum(a < b for a, b in zip(own, other, strict=True))

    own, other, nearer = gap(tuple(labels))
    every = [gap(order) for order in itertools.permutations(labels)]
    exact = np.mean([b - a >= other - own - 1e-12 for a, b, _ in every])
    found = groups.rank(distances, labels)
    np.testing.assert_allclose([found.own, found.other], [own, other])
    assert (found.nearer, found.n) == (nearer, 5)
    assert abs(found.p - exact) < 0.02


def test_a_group_of_one_recording_does_not_count_and_neither_does_the_own_recording() -> None:
    labels = np.array(["a", "a", "a", "b", "b", "b", "c"])
    distances = np.where(labels[:, None] == labels, 1.0, 3.0)
    np.fill_diagonal(distances, 100.0)
    found = groups.rank(distances, labels, n_permutations=2000)
    assert (found.own, found.other, found.nearer, found.n) == (1.0, 3.0, 6, 6)
    # orders of the labels that keep both groups together: 2 of 7! / (3! 3! 1!) = 140
    assert 0.005 < found.p < 0.03


def test_groups_as_a_whole_against_every_division_written_out() -> None:
    rng = np.random.default_rng(3)
    samples = rng.random((6, 50, 3)) * 0.2
    samples[4:] += 0.3  # two of six cultures
    means = samples.mean(axis=1)
    gaps = [
        np.linalg.norm((means[i] + means[j]) / 2 - means[[k for k in range(6) if k not in (i, j)]].mean(axis=0))
        for i in range(6)
        for j in range(i)
    ]
    own = np.linalg.norm(means[4:].mean(axis=0) - means[:4].mean(axis=0))
    expected = np.mean([gap >= own - 1e-9 for gap in gaps])
    assert groups.all_together(samples[4:], samples[:4]) == pytest.approx(expected)
    assert expected == pytest.approx(1 / 15)
    drawn = groups.all_together(samples[4:], samples[:4], n_permutations=10, seed=1)  # fewer than there are divisions
    assert 1 / 11 <= drawn <= 1
    alike = [groups.all_together(some[:3], some[3:]) for some in rng.random((40, 6, 20, 2))]
    assert np.mean(np.array(alike) <= 0.1) <= 0.25
