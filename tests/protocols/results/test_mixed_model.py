"""Linear mixed models against statsmodels' formulas, and against simulated recordings of known effect."""

import warnings

import numpy as np
import pytest
from scipy import stats

from protocols.results.mixed_model import mixed_test

pytest.importorskip("statsmodels")


def recordings(seed: int, effect: float, n_cultures: int = 20) -> tuple[np.ndarray, list[str], list[str]]:
    """Each culture at two ages; cultures differ far more than ages do."""
    rng = np.random.default_rng(seed)
    culture = np.repeat(rng.normal(10, 3, n_cultures), 2)
    age = np.tile([0, 1], n_cultures)
    values = culture + effect * age + rng.normal(0, 0.5, 2 * n_cultures)
    return values, [f"age {a}" for a in age], [f"dish {k}" for k in np.repeat(np.arange(n_cultures), 2)]


def test_it_is_the_likelihood_ratio_of_statsmodels_formulas() -> None:
    import pandas as pd
    import statsmodels.formula.api as smf

    values, groups, cultures = recordings(0, 0.4)
    values[3] = np.nan  # a recording without bursts is left out
    table = pd.DataFrame({"y": values, "age": groups, "culture": cultures}).dropna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [
            smf.mixedlm(f"y ~ {fixed}", table, groups=table["culture"]).fit(reml=False) for fixed in ("1", "C(age)")
        ]
    found = mixed_test(values, groups, cultures)
    assert found.statistic == pytest.approx(2 * (fits[1].llf - fits[0].llf), rel=1e-4)
    assert found.p == pytest.approx(stats.chi2.sf(found.statistic, 1))
    assert found.fault == ""


def test_of_whole_pairs_it_is_a_function_of_the_paired_t() -> None:
    """The likelihood ratio of balanced pairs is n log(1 + t^2 / (n - 1)), where cultures vary more than recordings."""
    values, groups, cultures = recordings(1, 0.3)
    t = stats.ttest_rel(values[1::2], values[::2]).statistic
    n = len(values) // 2
    assert mixed_test(values, groups, cultures).statistic == pytest.approx(n * np.log1p(t**2 / (n - 1)), rel=1e-3)


def test_it_finds_an_effect_that_a_rank_test_misses_and_none_where_there_is_none() -> None:
    values, groups, cultures = recordings(2, 1.0)
    assert mixed_test(values, groups, cultures).p < 1e-4
    assert stats.mannwhitneyu(values[1::2], values[::2]).pvalue > 0.1
    none = [mixed_test(*recordings(seed, 0.0)).p for seed in range(10, 26)]
    assert 0.3 < np.mean(none) < 0.7
    assert np.mean(np.array(none) < 0.05) < 0.2


@pytest.mark.parametrize(
    ("values", "groups", "cultures", "fault"),
    [
        ([1.0, 2.0, 3.0], "aaa", "xxy", "3 values in 1 groups, of 2 cultures"),
        ([1.0, 2.0, 3.0, np.nan], "abab", "xyzx", "3 values in 2 groups, of 3 cultures"),
        ([2.0, 2.0, 2.0, 2.0], "abab", "xxyy", "4 values in 2 groups, of 2 cultures, all equal"),
        ([np.nan] * 4, "abab", "xxyy", "0 values in 0 groups, of 0 cultures, all equal"),
    ],
)
def test_what_cannot_be_fitted_has_a_reason(values: list[float], groups: str, cultures: str, fault: str) -> None:
    found = mixed_test(values, list(groups), list(cultures))
    assert np.isnan(found.p)
    assert found.fault == fault
