"""Stimulation pulses as lists of the cells that they make fire."""

from typing import NamedTuple

import numpy as np

from culture_sim.living.culture import LivingCulture
from culture_sim.living.session import LivingSession


class Pulses(NamedTuple):
    """Pulses by kind: those of one electrode, amplitude and width hit the same cells.

    Parameters
    ----------
    step : int64, shape (n_pulses,)
        Time step from the session's start, ascending.
    kind : int32, shape (n_pulses,)
    cells
        For each kind, the cells whose threshold current lies below the amplitude.
    """

    step: np.ndarray
    kind: np.ndarray
    cells: list[np.ndarray]

    @classmethod
    def of(cls, culture: LivingCulture, session: LivingSession) -> "Pulses":
        """The pulses of a session in this culture."""
        described = np.column_stack([session.electrode, session.amplitude_A, session.width_s])
        kinds, kind = np.unique(described, axis=0, return_inverse=True)
        cells = [culture.hit_by(int(electrode), amplitude, width) for electrode, amplitude, width in kinds]
        return cls(session.step, kind.ravel().astype(np.int32), cells)

    def hit(self, n_neurons: int) -> dict[int, np.ndarray]:
        """For each step with pulses, which cells are hit; bool, shape (n_neurons,)."""
        hits: dict[int, np.ndarray] = {}
        for step, kind in zip(self.step.tolist(), self.kind, strict=True):
            hits.setdefault(step, np.zeros(n_neurons, bool))[self.cells[kind]] = True
        return hits
