"""Progress display with remaining time: a bar in a terminal, a line every 15 s in a log."""

import time
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_EVERY_S = 15.0


class SeedProgress:
    """Progress display for seeds that run in parallel.

    Parameters
    ----------
    console
        Output console.
    seeds
        The seeds to run.
    doing
        Name of the activity, for example ``training``.
    before
        Fraction done of seeds that an earlier, interrupted run began.
    """

    def __init__(
        self,
        console: Console,
        seeds: list[int],
        doing: str = "presenting",
        before: Mapping[int, float] = MappingProxyType({}),
    ) -> None:
        self.console, self.doing, self.before = console, doing, sum(before.values())
        self.done = {seed: before.get(seed, 0.0) for seed in seeds}
        self.started = self.logged = time.monotonic()
        self.bar = Progress(
            TextColumn(doing),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=len(seeds))
        self.bar.update(self.task, completed=self.before)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def report(self, seed: int, fraction: float) -> None:
        """Set the fraction done of a seed, and update the display."""
        self.done[seed] = fraction
        total = sum(self.done.values())
        self.bar.update(self.task, completed=total)
        now = time.monotonic()
        if not self.console.is_terminal and total > self.before and now - self.logged >= LOG_EVERY_S:
            self.logged = now
            elapsed, share = now - self.started, total / len(self.done)
            remaining = elapsed * (len(self.done) - total) / (total - self.before)
            self.console.print(f"{self.doing} {share:4.0%}, elapsed {elapsed:.0f} s, remaining {remaining:.0f} s")
