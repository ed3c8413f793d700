"""Dry runs: while a plan is made, nothing is downloaded or written."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_active: ContextVar[bool] = ContextVar("dry_run", default=False)


@contextlib.contextmanager
def nothing_written() -> Iterator[None]:
    """Plan with what is on disk; data sets that are not there count with their published or specified sizes."""
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def active() -> bool:
    """Whether nothing may be written."""
    return _active.get()
