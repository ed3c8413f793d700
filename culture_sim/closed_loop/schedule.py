"""Stimulation pulses that are still to come, and the cells that they make fire."""

import heapq
from typing import NamedTuple

import numpy as np

from culture_sim.living import LivingCulture


class Pulse(NamedTuple):
    """A current pulse on one electrode; `step` of the culture's life, `label`: a name for what was stimulated."""

    step: int
    electrode: int
    amplitude_A: float
    width_s: float
    label: str


class Schedule:
    """Pulses in order of time.

    Parameters
    ----------
    culture
        Which cells a pulse makes fire is worked out once for each electrode, amplitude and width.
    """

    def __init__(self, culture: LivingCulture) -> None:
        self.culture = culture
        self.coming: list[Pulse] = []
        self.cells: dict[tuple[int, float, float], np.ndarray] = {}

    def add(self, pulse: Pulse) -> None:
        """Add a pulse."""
        heapq.heappush(self.coming, pulse)

    def until(self, step: int) -> list[Pulse]:
        """Take the pulses before a time step away."""
        taken = []
        while self.coming and self.coming[0].step < step:
            taken.append(heapq.heappop(self.coming))
        return taken

    def hits(self, pulses: list[Pulse], first: int) -> tuple[np.ndarray, np.ndarray]:
        """Time step from `first` on, and cell, of each hit; shapes (n_hits,)."""
        if not pulses:
            return NONE, NONE
        cells = [self._cells(pulse) for pulse in pulses]
        steps = np.array([pulse.step - first for pulse in pulses], np.int32)
        return np.repeat(steps, [len(hit) for hit in cells]), np.concatenate(cells)

    def _cells(self, pulse: Pulse) -> np.ndarray:
        kind = pulse.electrode, pulse.amplitude_A, pulse.width_s
        if kind not in self.cells:
            self.cells[kind] = self.culture.hit_by(*kind)
        return self.cells[kind]


NONE = np.zeros(0, np.int32)
