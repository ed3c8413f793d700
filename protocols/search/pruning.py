"""When a trial is hopeless, from its learning curve and those of the finished trials."""

import math
from collections.abc import Sequence

import numpy as np

from protocols.spec.search import Pruning


class Hopeless(Exception):
    """The trial's learning curve is below what was asked of it."""


def thresholds(curves: Sequence[Sequence[float]], pruning: Pruning | None, sign: int) -> list[float]:
    """What a new trial's best value so far must reach at every point of its curve.

    Parameters
    ----------
    curves
        Of the trials that ran to their end, in the metric's own direction.
    pruning
        None for no pruning.
    sign
        1 if the metric is to be maximised, -1 if minimised.

    Returns
    -------
    list of float
        In the metric times `sign`; -inf where anything goes. Empty while too few trials are finished.
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
        """Note the next point of a metric's curve."""
        if metric != self.metric:
            return
        self.curve.append(float(value))
        place = len(self.curve) - 1
        if place < len(self.asked) and max(self.sign * v for v in self.curve) < self.asked[place]:
            raise Hopeless
