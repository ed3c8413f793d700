"""When a tick is handed out: as soon as it is simulated, or when the clock says so."""

import time
from collections.abc import Callable
from typing import Literal

Pace = Literal["fast", "realtime"]
PACES: tuple[Pace, ...] = ("fast", "realtime")


class Clock:
    """The times at which the ticks of a loop are due.

    Parameters
    ----------
    period_s
        From one tick to the next.
    pace
        ``"fast"``: a tick is due when it is there. ``"realtime"``: at its time from the clock's start.
    now, sleep
        The clock of the machine.
    """

    def __init__(
        self,
        period_s: float,
        pace: Pace = "fast",
        now: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if pace not in PACES:
            raise ValueError(f"pace: {pace!r}; allowed: {', '.join(PACES)}")
        self.period_s, self.pace, self.now, self.sleep = period_s, pace, now, sleep
        self.started = now()

    def wait(self, index: int) -> float:
        """Wait until the tick of this index (from 0) is due; how late it then is, in seconds."""
        if self.pace == "fast":
            return 0.0
        due = self.started + (index + 1) * self.period_s
        while (left := due - self.now()) > 0:
            self.sleep(left)
        return -left
