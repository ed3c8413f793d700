"""Surrogate of a search: a Gaussian process over the searched parameters.

It is fitted to the means over seeds of the complete trials. Parameter importance, response surfaces and the region of
the optimum are computed from it, in the form of ``answer.json``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import sobol_indices, uniform

from protocols.search.answer.encoding import Coding, Parameter, place, value_at
from protocols.search.answer.gaussian import regressor
from protocols.spec.random_streams import stream

FEWEST, EACH = 8, 2  # least complete trials, in all and for each parameter: with fewer, most seem not to matter
SAMPLES = 2048  # base points of the Sobol indices; a power of 2
CANDIDATES = 20_000  # random points of the space, and as many near good trials, to find the region of the optimum
FAR = 2.0  # times the largest sd at good trials: a point with a larger sd is far from all trials
NEAR = 0.1  # sd of the random points around a trial, as a share of a parameter's range
SHARE = 0.8  # share of the points as good as the best that lie in a parameter's region


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process over encoded parameters.

    Parameters
    ----------
    coding
        Encoding of the parameters.
    model
        scikit-learn's regressor of values whose sign makes larger ones better; predicts without noise.
    noise
        Standard deviation of good trials by chance, in the metric's unit.
    good
        Encoded points of the better half of the trials, the best first.
    sign
        -1 where the metric is to be minimised, else 1.
    """

    coding: Coding
    model: Any
    noise: float
    good: np.ndarray
    sign: int

    def predict(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of the metric, in its own unit, at encoded points; the noise of a trial is left out."""
        mean, sd = self.model.predict(points, return_std=True)
        return self.sign * mean, sd

    def mean(self, points: np.ndarray) -> np.ndarray:
        """Only the mean, which is cheaper."""
        return self.sign * self.model.predict(points)


def fit(
    parameters: Sequence[Parameter],
    trials: Sequence[Mapping[str, Any]],
    objective_index: int,
    direction: str = "maximise",
) -> Surrogate | None:
    """Fit a Gaussian process (Matern 5/2, a length scale for each column, noise learned) to the complete trials.

    Parameters
    ----------
    parameters, trials
        Entries of ``answer.json``.
    objective_index
        Index of the objective.
    direction
        ``maximise`` or ``minimise``.

    Returns
    -------
    Surrogate or None
        None if fewer than 8 trials, or two for each parameter, are complete; if there are no parameters; if all values
        are equal.
    """
    complete = [trial for trial in trials if trial["state"] == "complete"]
    if len(complete) < max(FEWEST, EACH * len(parameters)) or not parameters:
        return None
    coding = Coding(parameters)
    sign = -1 if direction == "minimise" else 1
    points = coding.encode([trial["values"] for trial in complete])
    values = sign * np.array([trial["means"][objective_index] for trial in complete], float)
    if np.ptp(values) == 0:
        return None
    model = regressor(points, values)
    best = np.argsort(-values, kind="stable")[: math.ceil(len(values) / 2)]
    noise = min(math.sqrt(model.alpha) * float(values.std()), _chance([complete[i] for i in best], objective_index))
    return Surrogate(coding, model, noise, points[best], sign)


def _chance(trials: Sequence[Mapping[str, Any]], objective_index: int) -> float:
    """Standard error of a trial's mean over its seeds, median over trials; infinite if unknown."""
    per_seed = [trial["per_seed"][objective_index] for trial in trials if trial.get("per_seed")]
    errors = [float(np.std(values, ddof=1)) / math.sqrt(len(values)) for values in per_seed if len(values) > 1]
    return float(np.median(errors)) if errors else math.inf


def importance(
    parameters: Sequence[Parameter],
    trials: Sequence[Mapping[str, Any]],
    objective_index: int,
    direction: str = "maximise",
) -> dict[str, float]:
    """Share of each parameter, interactions included, in the variance of the metric over the space; shares sum to 1.

    Total-effect Sobol indices of the surrogate (Saltelli et al. 2010), divided by their sum. Optuna's evaluators say
    something else: fANOVA gives interactions to no parameter and leaves out those that some trials lack; PED-ANOVA
    ranks a choice that decides below a number that does not matter.

    Returns
    -------
    dict
        By path; empty where trials are too few or the metric does not vary.
    """
    surrogate = fit(parameters, trials, objective_index, direction)
    if surrogate is None:
        return {}
    indices = sobol_indices(
        func=lambda places: surrogate.mean(surrogate.coding.spread(places.T)),
        n=SAMPLES,
        dists=[uniform()] * len(parameters),
        rng=np.random.default_rng(stream("search/importance")),
    )
    total = indices.total_order.sum()
    shares = (indices.total_order / total).tolist() if total > 0 else []
    return dict(zip(surrogate.coding.columns, shares, strict=False))


def surfaces(
    surrogate: Surrogate | None,
    parameters: Sequence[Parameter],
    importance: Mapping[str, float],
    best_values: Mapping[str, Any],
    objective: str,
    most: int = 3,
    points: int = 25,
) -> list[dict[str, Any]]:
    """Response surfaces through the best point, one for each pair of the most important numbers active there.

    Parameters
    ----------
    surrogate, parameters, importance
        Those of this objective.
    best_values
        Values of the other parameters.
    objective
        Name of the metric.
    most
        Number of parameters that are paired.
    points
        Number of values of each, from its low to its high; an integer may have fewer.

    Returns
    -------
    list of dict
        Entries of ``surfaces`` in ``answer.json``; the more important parameter of a pair is x.
    """
    numbers = [p for p in parameters if p["kind"] != "choice" and p["path"] in best_values and p["high"] > p["low"]]
    ranked = sorted(numbers, key=lambda p: -importance.get(p["path"], 0.0))[:most]
    if surrogate is None:
        return []
    return [{"objective": objective} | _slice(surrogate, pair, best_values, points) for pair in combinations(ranked, 2)]


def _slice(
    surrogate: Surrogate, pair: tuple[Parameter, Parameter], best_values: Mapping[str, Any], points: int
) -> dict[str, Any]:
    x, y = pair
    x_values, y_values = (_grid(parameter, points) for parameter in pair)
    grid = np.repeat(surrogate.coding.encode([best_values]), len(x_values) * len(y_values), axis=0)
    ys, xs = np.meshgrid([place(y, v) for v in y_values], [place(x, v) for v in x_values], indexing="ij")
    for parameter, places in ((x, xs), (y, ys)):
        grid[:, surrogate.coding.columns[parameter["path"]]] = places.reshape(-1, 1)
    mean, sd = (found.reshape(xs.shape).tolist() for found in surrogate.predict(grid))
    return {"x": x["path"], "y": y["path"], "x_values": x_values, "y_values": y_values, "mean": mean, "sd": sd}


def _grid(parameter: Parameter, points: int) -> list[float]:
    values = [value_at(parameter, place) for place in np.linspace(0, 1, points)]
    return sorted({round(value) for value in values}) if parameter["kind"] == "int" else values


def region(
    surrogate: Surrogate | None, parameters: Sequence[Parameter], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Region of the optimum: values that do as well as the best, as far as the trials can tell.

    The surrogate is evaluated at random points of the space and near good trials. A point does as well if its lower
    bound, one sd below the mean, is less than the largest one of a good trial by at most `surrogate.noise`. Points far
    from all trials, where the sd is more than twice the largest at good trials, are left out: they may be better, but
    that is extrapolation, and a Gaussian process does not know that accuracies end at 1.

    Returns
    -------
    dict
        By path ``{"low", "high"}``, of integers rounded outward: the central 80 % of these points; or
        ``{"choices": {option: share}}``. Empty without a surrogate.
    """
    if surrogate is None:
        return {}
    points = np.concatenate(
        [surrogate.good, _around(surrogate, rng), surrogate.coding.spread(rng.random((CANDIDATES, len(parameters))))]
    )
    mean, sd = surrogate.model.predict(points, return_std=True)
    at_least, of_trials = mean - sd, slice(len(surrogate.good))
    known = sd <= FAR * sd[of_trials].max()
    as_good = points[known & (at_least >= at_least[of_trials].max() - surrogate.noise)]
    columns = surrogate.coding.columns
    return {parameter["path"]: _extent(parameter, as_good[:, columns[parameter["path"]]]) for parameter in parameters}


def _around(surrogate: Surrogate, rng: np.random.Generator) -> np.ndarray:
    """Random points near good trials; points drawn from a space of many parameters hardly ever come near."""
    points = surrogate.good[rng.integers(len(surrogate.good), size=CANDIDATES)]
    numeric = [columns for columns in surrogate.coding.columns.values() if _width(columns) == 1]
    for columns in numeric:
        points[:, columns] += NEAR * rng.standard_normal(points[:, columns].shape)
    return np.clip(points, 0, 1)


def _width(columns: slice) -> int:
    return columns.stop - columns.start


def _extent(parameter: Parameter, optima: np.ndarray) -> dict[str, Any]:
    if parameter["kind"] == "choice":
        shares = zip(parameter["choices"], optima.mean(axis=0).tolist(), strict=True)
        return {"choices": {str(option): share for option, share in shares}}
    low, high = (value_at(parameter, q) for q in np.quantile(optima[:, 0], [(1 - SHARE) / 2, (1 + SHARE) / 2]))
    if parameter["kind"] == "int":
        return {"low": math.floor(low), "high": math.ceil(high)}
    return {"low": low, "high": high}
