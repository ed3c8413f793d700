"""Gaussian process regression with a length scale a column and noise, on a few dozen to a few hundred points.

The kernel's parameters are those of the largest posterior. Expected are length scales that grow with the square root of
the columns (Hvarfner et al. 2024), so that a dozen trials do not make each of ten parameters important.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

#: standard deviations of the logarithms of signal, length scales and noise, before anything is seen
SPREADS = (1.0, math.sqrt(3), 1.5)
NOISE = 0.02  # expected share of the variance
BOUNDS = (1e-4, 1e4)  # of all of them
MOST = 300  # points that the kernel is fitted to, for time grows with their cube; all are predicted from
SHORT = 0.5  # a length scale at which the second search for the largest posterior starts


def regressor(points: np.ndarray, values: np.ndarray) -> Any:
    """Fit scikit-learn's regressor, Matern 5/2; its predictions are free of the noise, which it holds as `alpha`.

    Parameters
    ----------
    points
        Shape (n_points, n_columns), about the unit cube.
    values
        Shape (n_points,), not all equal.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    width = points.shape[1]
    length = math.exp(math.sqrt(2)) * math.sqrt(width)
    kernel = ConstantKernel(1.0, BOUNDS) * Matern(np.full(width, length), BOUNDS, nu=2.5) + WhiteKernel(NOISE, BOUNDS)
    tuned = GaussianProcessRegressor(kernel, normalize_y=True, optimizer=_most_probable)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # values without noise end at its lower bound, rightly
        some = np.linspace(0, len(points) - 1, min(MOST, len(points))).round().astype(int)
        fitted = tuned.fit(points[some], values[some]).kernel_
    plain = GaussianProcessRegressor(fitted.k1, alpha=fitted.k2.noise_level, normalize_y=True, optimizer=None)
    return plain.fit(points, values)


def _most_probable(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], expected: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    """The kernel's log parameters (signal, length scales, noise) of the largest posterior, from two starts."""
    spread = np.repeat(SPREADS, (1, len(expected) - 2, 1))

    def penalised(theta: np.ndarray) -> tuple[float, np.ndarray]:
        away = (theta - expected) / spread
        value, slope = loss(theta)
        return value + away @ away / 2, slope + away / spread

    short = expected.copy()
    short[1:-1] = math.log(SHORT)
    found = [minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds) for start in (expected, short)]
    best = min(found, key=lambda result: result.fun)
    return best.x, best.fun
