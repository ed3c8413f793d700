"""A learned posterior against one that is known exactly, and its calibration."""

import itertools

import numpy as np
import pytest
from scipy.stats import kstest, norm

from culture_sim.fit.amortised.calibration import alone, calibrate, identified
from culture_sim.fit.amortised.posterior import Posterior, central

NOISE = 0.15


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two parameters, uniform; a noisy measure of their sum, one of the first, and one of neither."""
    rng = np.random.default_rng(seed)
    unit = rng.random((n, 2))
    exact = np.column_stack([unit[:, 0] + unit[:, 1], 3 * unit[:, 0], np.zeros(n)])
    return unit, exact + NOISE * np.array([1, 3, 1]) * rng.standard_normal((n, 3))


def exact_samples(x: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draws from the exact posterior of `drawn`, on a grid, shape (len(x), n, 2)."""
    rng, grid = np.random.default_rng(seed), (np.arange(100) + 0.5) / 100
    points = np.array(list(itertools.product(grid, grid)))
    found = []
    for one in np.atleast_2d(x):
        log = -0.5 * ((one[0] - points.sum(axis=1)) / NOISE) ** 2 - 0.5 * ((one[1] / 3 - points[:, 0]) / NOISE) ** 2
        weights = np.exp(log - log.max())
        found.append(points[rng.choice(len(points), n, p=weights / weights.sum())] + (rng.random((n, 2)) - 0.5) / 100)
    return np.array(found)


class Exact(Posterior):
    """The exact posterior in place of a learned one."""

    def sample(self, measures: np.ndarray, n: int, seed: int) -> np.ndarray:
        return exact_samples(measures, n, seed)


@pytest.fixture(scope="module")
def learned(small_networks: None) -> Posterior:
    return Posterior.trained(*drawn(800, 0), n_networks=1, seed=1)


def test_a_learned_posterior_agrees_with_the_exact_one(learned: Posterior) -> None:
    unit, x = drawn(60, 1)
    samples, exact = learned.sample(x, 500, 2), exact_samples(x, 500, 3)
    assert samples.shape == (60, 500, 2)
    assert samples.min() >= 0
    assert samples.max() <= 1
    assert np.abs(samples.mean(axis=1) - exact.mean(axis=1)).mean() < 0.04
    np.testing.assert_allclose(samples.std(axis=1).mean(axis=0), exact.std(axis=1).mean(axis=0), rtol=0.35)
    low, high = central(samples.swapaxes(0, 1))[0]
    covered = ((low < unit) & (unit < high)).mean(axis=0)
    assert np.all(covered > 0.75)
    # measures that grow with both parameters make them stand for each other, given their sum
    correlation = [np.corrcoef(one.T)[0, 1] for one in samples]
    assert np.mean(correlation) == pytest.approx(np.mean([np.corrcoef(one.T)[0, 1] for one in exact]), abs=0.15)


def test_a_posterior_comes_back_from_its_arrays_and_draws_the_same(learned: Posterior) -> None:
    again = Posterior.of({name: array.copy() for name, array in learned.arrays().items()})
    x = drawn(3, 5)[1]
    np.testing.assert_array_equal(again.sample(x, 50, 7), learned.sample(x, 50, 7))
    assert np.any(again.sample(x, 50, 8) != learned.sample(x, 50, 7))
    assert learned.sample(x[0], 51, 7).shape == (51, 2)


def test_the_same_seed_learns_the_same(small_networks: None) -> None:
    first, second = (Posterior.trained(*drawn(60, 0), n_networks=1, seed=3).arrays() for _ in range(2))
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_one_parameter_and_one_measure_are_enough(small_networks: None) -> None:
    unit, x = drawn(200, 0)
    found = Posterior.trained(unit[:, :1], x[:, 1:2], n_networks=1, seed=0)
    calibration = calibrate(found, unit[:50, :1], x[:50, 1:2], 0)
    assert calibration.correlation.shape == (1, 1)
    assert calibration.gain[0] > 1.2


def test_the_calibration_of_an_exact_posterior_is_nominal() -> None:
    unit, x = drawn(400, 2)
    found = calibrate(Exact(np.zeros(3), np.ones(3), (), 2), unit, x, 0)
    assert found.ranks.shape == (400, 2)
    for k in range(2):
        assert kstest(found.ranks[:, k], "uniform").pvalue > 0.01
    np.testing.assert_allclose(found.coverage, [[0.5] * 2, [0.9] * 2], atol=0.07)
    # a prior mean is off by sd of a uniform variable; the first parameter is measured with NOISE and more
    assert found.gain[0] > np.sqrt(1 / 12) / NOISE * 0.95
    assert np.all((found.width > 0) & (found.width < 1))
    assert found.correlation[0, 1] < 0
    np.testing.assert_allclose(np.diag(found.correlation), 1)


def test_the_width_of_the_prior_itself_is_one_and_its_gain_too() -> None:
    class Prior(Posterior):
        def sample(self, measures: np.ndarray, n: int, seed: int) -> np.ndarray:
            return np.random.default_rng(seed).random((len(measures), n, 2))

    unit, x = drawn(300, 3)
    found = calibrate(Prior(np.zeros(3), np.ones(3), (), 2), unit, x, 0)
    np.testing.assert_allclose(found.width, 1, atol=0.02)
    np.testing.assert_allclose(found.gain, 1, atol=0.02)
    assert identified(np.array([2.0, 1.99]), ("a", "b")) == (["a"], ["b"])


def test_central_intervals_are_quantiles() -> None:
    samples = np.random.default_rng(0).standard_normal((200_000, 1))
    found = central(samples, (0.5, 0.9))[:, :, 0]
    np.testing.assert_allclose(found, [norm.ppf((0.25, 0.75)), norm.ppf((0.05, 0.95))], atol=0.02)


def test_what_would_remain_if_all_others_were_known_is_the_residual_of_a_regression() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((20_000, 4)) @ rng.standard_normal((4, 4))
    found = alone(np.corrcoef(x.T))
    for k in range(4):
        rest = np.delete(x, k, axis=1) - np.delete(x, k, axis=1).mean(axis=0)
        of = x[:, k] - x[:, k].mean()
        residual = of - rest @ np.linalg.lstsq(rest, of, rcond=None)[0]
        assert found[k] == pytest.approx(residual.std() / of.std(), rel=1e-9)
