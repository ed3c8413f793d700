"""Summary statistics over seeds: mean, standard deviation, bootstrap interval."""

from typing import Any

import numpy as np
from scipy.stats import bootstrap


def over_seeds(values: np.ndarray, unit: str) -> dict[str, Any]:
    """Mean over seeds with sd and interval; `values` has one entry a seed."""
    found = moments(values, unit)
    return {"mean": found.pop("mean"), "sd": found.pop("sd"), "ci95": interval(values), **found}


def interval(values: np.ndarray) -> list[float] | None:
    """95 % percentile bootstrap interval of the mean over seeds; None for a single seed."""
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        return [float(values[0])] * 2
    found = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0))
    return [float(found.confidence_interval.low), float(found.confidence_interval.high)]


def moments(values: np.ndarray, unit: str, **details: Any) -> dict[str, Any]:
    """Mean and standard deviation over seeds, without an interval; `details` are further entries, e.g. a window."""
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "n": len(values),
        "unit": unit,
        **details,
        "per_seed": values.tolist(),
    }
