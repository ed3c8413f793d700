"""A culture that waits between two stretches of its life: the interface, and the choice of the engine."""

from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from culture_sim.closed_loop.advanced import Advanced
from culture_sim.closed_loop.compiled import CompiledEngine
from culture_sim.living import LivingCulture, LivingState, prepare


class Engine(Protocol):
    """A culture in continuous time, advanced stretch by stretch."""

    def advance(self, n_steps: int, step: np.ndarray, cell: np.ndarray, learning: bool) -> Advanced:
        """Advance by a stretch.

        Parameters
        ----------
        n_steps
            Length.
        step, cell : int32, shape (n_hits,)
            Steps from now, ascending, and cells that a pulse makes fire in them.
        learning
            Whether synapses change.

        Raises
        ------
        RuntimeError
            If the simulator fails or was killed.
        """

    def state(self) -> LivingState:
        """The state as it is now, to go on from elsewhere."""


def opened(culture: LivingCulture, state: LivingState, device: str = "auto") -> AbstractContextManager[Engine]:
    """An engine at a state; ends with its context.

    Raises
    ------
    RuntimeError
        As `culture_sim.living.prepare`.
    """
    if prepare(device) == "runtime":
        from culture_sim.closed_loop.interpreted import InterpretedEngine  # brings Brian2

        return InterpretedEngine(culture, state)
    return CompiledEngine(culture, state)
