"""Reliable interruption by SIGINT and SIGTERM.

Python discards exceptions raised in destructors and weakref callbacks, so that a KeyboardInterrupt can get lost there.
The signal is therefore remembered, and long work calls `check` to raise it again.
"""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN_S = 1.0  # a further signal within this time is an impatient one: what the first began goes on undisturbed
_asked = threading.Event()
_by: list[int] = []
_raised_at: list[float] = []


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """Within this context SIGINT and SIGTERM raise KeyboardInterrupt and are remembered for `check`.

    A signal that follows another within `AGAIN_S` is only remembered.
    """
    _asked.clear()
    _by.clear()
    _raised_at.clear()
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    hook, sys.unraisablehook = sys.unraisablehook, _tell_unless_interrupted
    try:
        yield
    finally:
        _asked.clear()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def noted_if_possible() -> Iterator[None]:
    """As `noted`, in the main thread; elsewhere Python lets no one handle signals, and nothing happens."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with noted():
        yield


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Within this context signals are only remembered; at its end the first one is sent again.

    For code that an exception at any place leaves in disorder: the writing of a ZIP file, for one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def terminated() -> bool:
    """Whether SIGTERM was received (sent by another program, unlike SIGINT from the keyboard)."""
    return signal.SIGTERM in _by


def check() -> None:
    """Raise KeyboardInterrupt if a signal was received; long work calls this wherever it can stop."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _tell_unless_interrupted(dropped: Any) -> None:
    """Report exceptions that Python discards, except the KeyboardInterrupt, which `check` raises again."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


def _interrupt(number: int, _: object) -> None:
    _by.append(number)
    _asked.set()
    now = time.monotonic()
    if not _raised_at or now - _raised_at[-1] > AGAIN_S:
        _raised_at.append(now)
        raise KeyboardInterrupt
