"""How far a posterior can be trusted: simulation-based calibration, and what the measures tell of each parameter.

Held-out recordings are simulated with known parameters. If the posterior is right, the rank of the true value among
samples is uniform (Talts et al. 2018), and a central interval of share s holds it in a share s of the recordings.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from culture_sim.fit.amortised.posterior import Posterior, central

SAMPLES = 1000  # a recording
SHARES = (0.5, 0.9)  # central intervals that are checked
IDENTIFIED = 2.0  # gain over the prior from which a parameter counts as identified


class Calibration(NamedTuple):
    """Of held-out recordings; arrays have one entry a parameter.

    `ranks`: share of samples below the true value, shape (n_recordings, n_parameters); `coverage`: share of recordings
    whose interval holds it, for each of `SHARES`, shape (2, n_parameters); `gain`: root-mean-square error of the prior
    mean over that of the posterior mean; `width`: mean width of the 90 % interval over that of the prior;
    `alone`: mean ratio of the standard deviation that would remain if all other parameters were known to the posterior
    one (by the covariance of the samples): small where parameters stand for each other; `correlation`: mean of the
    recordings' posterior correlations, shape (n_parameters, n_parameters).
    """

    ranks: np.ndarray
    coverage: np.ndarray
    gain: np.ndarray
    width: np.ndarray
    alone: np.ndarray
    correlation: np.ndarray


def calibrate(posterior: Posterior, unit: np.ndarray, measures: np.ndarray, seed: int) -> Calibration:
    """Check a posterior on recordings with known parameters, shape (n_recordings, n_parameters)."""
    samples = posterior.sample(measures, SAMPLES, seed)
    ranks = (samples < unit[:, None]).mean(axis=1)
    coverage = np.array([(np.abs(ranks - 0.5) < share / 2).mean(axis=0) for share in SHARES])
    error = np.sqrt(((samples.mean(axis=1) - unit) ** 2).mean(axis=0))
    before = np.sqrt(((0.5 - unit) ** 2).mean(axis=0))
    ends = central(samples.swapaxes(0, 1))[0]
    correlations = np.array([np.atleast_2d(np.corrcoef(of_one.T)) for of_one in samples])
    width = (ends[1] - ends[0]).mean(axis=0) / 0.9
    return Calibration(
        ranks, coverage, before / error, width, alone(correlations).mean(axis=0), correlations.mean(axis=0)
    )


def alone(correlations: np.ndarray) -> np.ndarray:
    """Standard deviation of each variable given all others, over its own, from correlation matrices (..., n, n).

    Of a normal distribution: one over the root of the diagonal of the inverse correlation matrix.
    """
    return 1 / np.sqrt(np.diagonal(np.linalg.inv(correlations), axis1=-2, axis2=-1))


def identified(gain: np.ndarray, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Parameters that the measures tell, and those that they do not."""
    told = [label for label, value in zip(labels, gain, strict=True) if value >= IDENTIFIED]
    return told, [label for label in labels if label not in told]
