"""Signals: the first one interrupts, an impatient second one does not disturb what the first began."""

import os
import signal

import pytest

from protocols.runs import interruption


def send() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_twice(cleared: list[str]) -> None:
    try:
        send()
    finally:  # what ends the work
        send()
        cleared.append("all")


def test_a_second_signal_right_after_the_first_is_only_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[str] = []
    with interruption.noted():
        with pytest.raises(KeyboardInterrupt):
            interrupted_twice(cleared)
        assert cleared == ["all"]
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        monkeypatch.setattr(interruption, "AGAIN_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            send()  # later, it interrupts again


def test_each_context_begins_anew() -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), interruption.noted():
            send()
