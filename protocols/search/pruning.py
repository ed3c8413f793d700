"""Pruning of trials whose learning curve falls below a quantile of those of finished trials."""

import math
from collections.abc import Sequence

import numpy as np

from protocols.spec.search import Pruning


class Hopeless(Exception):
    """The trial's learning curve is below its threshold."""


def thresholds(curves: Sequence[Sequence[float]], pruning: Pruning | None, sign: int) -> list[float]:
    """Thresholds for a new trial's best value so far, at every point of its learning curve.

    Parameters
    ----------
    curves
        Learning curves of complete trials, as measured (not multiplied by `sign`).
    pruning
        None for no pruning.
    sign
        1 if the metric is to be maximised, -1 if minimised.

    Returns
    -------
    list of float
        In the metric times `sign`; -inf where nothing is pruned. Empty while too few trials are finished.
    """
    if pruning is None or len(curves) < pruning.startup or not (length := min(map(len, curves))):
        return []
    asked = np.quantile(sign * np.array([curve[:length] for curve in curves], float), pruning.quantile, axis=0)
    asked[: math.ceil(pruning.warmup * length)] = -np.inf
    return asked.tolist()


class Watch:
    """Follows one trial's learning curve; raises `Hopeless` where it falls below the thresholds."""

    def __init__(self, metric: str | None, asked: Sequence[float], sign: int) -> None:
        self.metric, self.asked, self.sign = metric, asked, sign
        self.curve: list[float] = []

    def __call__(self, metric: str, value: float) -> None:
        """Record the next point of a metric's curve."""
        if metric != self.metric:
            return
        self.curve.append(float(value))
        place = len(self.curve) - 1
        if place < len(self.asked) and max(self.sign * v for v in self.curve) < self.asked[place]:
            raise Hopeless
