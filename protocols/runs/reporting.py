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


def share_of(report: Report, done: float, share: float) -> Report:
    """Callback for a part of the work: a share of all of it, after what is done."""
    return lambda fraction: report(done + fraction * share)
