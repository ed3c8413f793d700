"""Linear mixed model: whether groups of recordings differ, where cultures were recorded more than once."""

import importlib.util
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

NAME = "linear mixed model"


class MixedTest(NamedTuple):
    """Likelihood ratio `statistic`, its `p`, and the `fault` for which both are NaN (empty: none)."""

    statistic: float
    p: float
    fault: str = ""


def installed() -> bool:
    """Whether statsmodels is there."""
    return importlib.util.find_spec("statsmodels") is not None


def mixed_test(values: Sequence[float], groups: Sequence[str], cultures: Sequence[str]) -> MixedTest:
    """Whether the means of groups differ, given that recordings of one culture resemble each other.

    y = mean of the group + intercept of the culture + residual, both random parts normal. The statistic is twice the
    log-likelihood of this model over that with one mean for all groups, each fitted by maximum likelihood (statsmodels'
    MixedLM), and p that of chi-squared with one degree of freedom less than groups (Pinheiro and Bates 2000, section
    2.4): for few cultures it is too small.

    Parameters
    ----------
    values, groups, cultures : shape (n_recordings,)
        Measure of each recording (left out where not finite), its group, and the culture that it is of.
    """
    kept = np.isfinite(np.asarray(values, float))
    y = np.asarray(values, float)[kept]
    names, group = np.unique(np.asarray(groups)[kept], return_inverse=True)
    _, culture = np.unique(np.asarray(cultures)[kept], return_inverse=True)
    n_cultures = len(np.unique(culture))
    if len(names) < 2 or n_cultures < 2 or len(y) <= max(len(names), n_cultures) or not np.ptp(y):
        counts = f"{len(y)} values in {len(names)} groups, of {n_cultures} cultures"
        return MixedTest(np.nan, np.nan, f"{counts}{'' if len(y) and np.ptp(y) else ', all equal'}")
    scaled = (y - y.mean()) / y.std()
    try:
        likelihoods = [_log_likelihood(scaled, x, culture) for x in (np.ones((len(y), 1)), np.eye(len(names))[group])]
    except (np.linalg.LinAlgError, ValueError) as error:
        return MixedTest(np.nan, np.nan, str(error))
    statistic = max(0.0, 2 * (likelihoods[1] - likelihoods[0]))
    return MixedTest(statistic, float(chi2.sf(statistic, len(names) - 1)))


def _log_likelihood(y: np.ndarray, x: np.ndarray, culture: np.ndarray) -> float:
    """Of the model with fixed effects of the columns of `x`, fitted by maximum likelihood."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a variance at its bound, zero, which is a fit
        found = MixedLM(y, x, groups=culture).fit(reml=False)
    if not found.converged or not np.isfinite(found.llf):
        raise ValueError("the fit does not converge")
    return float(found.llf)
