"""Feedback on the firing rate by distributed stimulation: burst suppression and rate clamp."""

import numpy as np

from culture_sim.closed_loop.dish import Dish, Tick
from protocols.spec.dish.loops import BurstSuppression, RateControl
from protocols.spec.dish.timeline import Pattern

NOTED_S = 1.0  # the number of electrodes is noted so often


class RateController:
    """Stimulates electrodes in random order; how many a tick follows the rate's distance from its set point.

    Parameters
    ----------
    spec
        A burst suppression raises the number while the rate is above the set point, a rate clamp while it is below.
    dish
    pattern
        Whose electrodes, amplitude and width.
    """

    def __init__(self, spec: RateControl, dish: Dish, pattern: Pattern) -> None:
        self.spec, self.dish, self.pattern = spec, dish, pattern
        self.electrodes = dish.culture.spec.array.numbers(pattern.electrodes)
        self.suppresses = isinstance(spec, BurstSuppression)
        self.blank_s = spec.blank if isinstance(spec, BurstSuppression) else 0.0
        self.number, self.rate_hz, self.owed = spec.start, spec.target, 0.0
        self.waiting: list[int] = []
        self.last_s = -np.inf  # time of the last pulse
        self.now_s = self.noted_s = dish.time

    def tick(self, tick: Tick) -> None:
        """Follow the rate, and stimulate."""
        length_s, self.now_s = tick.time - self.now_s, tick.time
        seen = np.count_nonzero(tick.spikes.time >= self.last_s + self.blank_s - self.dish.dt / 2)
        share = min(1.0, length_s / self.spec.average)
        self.rate_hz += share * (seen / (self.dish.n_electrodes * length_s) - self.rate_hz)
        off = self.rate_hz - self.spec.target
        change = self.spec.gain * (off if self.suppresses else -off) * length_s
        self.number = min(self.spec.most, max(self.spec.least, self.number + change))
        self._stimulate()
        if tick.time >= self.noted_s - self.dish.dt / 2:
            self.noted_s += NOTED_S
            self.dish.note("electrodes a tick", self.number)

    def _stimulate(self) -> None:
        self.owed += self.number
        n = min(int(self.owed), len(self.electrodes))
        self.owed -= int(self.owed)
        if not n:
            return
        if len(self.waiting) < n:
            self.waiting = self.dish.rng.permutation(self.electrodes).tolist()
        chosen, self.waiting = self.waiting[:n], self.waiting[n:]
        self.last_s = self.dish.time
        self.dish.stimulate(chosen, self.pattern.amplitude, self.pattern.width, label="distributed")
