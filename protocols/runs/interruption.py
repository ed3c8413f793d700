"""Interruptions that are not lost: Python drops an exception raised in a weakref callback or a destructor."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked = threading.Event()
_by: list[int] = []


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT and SIGTERM, and remember it for `check`."""
    _asked.clear()
    _by.clear()
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    hook, sys.unraisablehook = sys.unraisablehook, _tell_unless_interrupted
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def terminated() -> bool:
    """Whether it was SIGTERM that interrupted: another program, and not a person at a keyboard."""
    return signal.SIGTERM in _by


def check() -> None:
    """Raise KeyboardInterrupt if it was asked for and got lost; long work calls this wherever it can stop."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _tell_unless_interrupted(dropped: Any) -> None:
    """Say what Python dropped, but for the interruption, which `check` raises again."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


def _interrupt(number: int, _: object) -> None:
    _by.append(number)
    _asked.set()
    raise KeyboardInterrupt
