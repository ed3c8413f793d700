"""Progress callbacks of a training."""

from collections.abc import Callable

#: Progress callback, called with the fraction done.
Report = Callable[[float], None]

#: Learning-curve callback, called with a metric's path and its next value. May stop the training by an exception.
Watch = Callable[[str, float], None]


def unwatched(metric: str, value: float) -> None:
    """No-op learning-curve callback."""


def unheard(fraction: float) -> None:
    """No-op progress callback."""
