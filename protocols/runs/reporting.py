"""What a training tells while it runs."""

from collections.abc import Callable

#: Called with the fraction done.
Report = Callable[[float], None]

#: Called with a metric and its next value: a learning curve as it grows. May end the training by an exception.
Watch = Callable[[str, float], None]


def unwatched(metric: str, value: float) -> None:
    """Nobody follows the learning curve."""


def unheard(fraction: float) -> None:
    """Nobody follows the progress."""
