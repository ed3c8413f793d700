"""Brian2, kept alive between stretches: one long run in a thread of its own, which waits at the start of a time step.

Slow; the spikes are those of the compiled program.
"""

import queue
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

from culture_sim.model import brian

# isort: split
import brian2 as b2
import numpy as np

from culture_sim.closed_loop.advanced import Advanced
from culture_sim.living import LivingCulture, LivingState
from culture_sim.living.runtime import Network, set_up
from culture_sim.living.session import MOST_STEPS


class _Asked(NamedTuple):
    n_steps: int
    step: np.ndarray
    cell: np.ndarray
    learning: bool


class InterpretedEngine:
    """One network for the whole session; nothing else in this process can use Brian2 meanwhile.

    Parameters
    ----------
    culture, state
        What to simulate, and where to begin.
    """

    def __init__(self, culture: LivingCulture, state: LivingState) -> None:
        self.culture, self.before = culture, state
        self.done = self.counted = 0  # time steps; spikes that were given out
        self.until = 0  # time step at which to wait
        self.asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self.waiting: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self._run, name="culture", daemon=True)
        self.thread.start()
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.asked.put(None)
        self.thread.join()

    def advance(self, n_steps: int, step: np.ndarray, cell: np.ndarray, learning: bool) -> Advanced:
        """As `Engine.advance`."""
        began = time.perf_counter()
        self.asked.put(_Asked(n_steps, step, cell, learning))
        self._wait()
        neuron, when, direct = (array[self.counted :] for array in self._spikes())
        self.counted += len(neuron)
        return Advanced(neuron, when, direct, time.perf_counter() - began)

    def state(self) -> LivingState:
        """As `Engine.state`."""
        return self.network.state(self.before, self._spikes()[1])

    def _spikes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        monitor = self.network.monitor
        step = np.rint(np.asarray(monitor.t_[:]) / self.culture.spec.simulation.dt).astype(np.int32)
        return np.asarray(monitor.i[:], np.int32), step, np.asarray(monitor.direct[:], bool)

    def _wait(self) -> None:
        """Wait until the network does."""
        failed = self.waiting.get()
        if failed is not None:
            raise RuntimeError(f"Brian2 failed: {failed}") from failed

    def _run(self) -> None:
        try:
            with brian.LOCK:
                set_up(self.culture)
                self.network = Network(self.culture, self.before)
                self.variables = self.network.neurons.variables
                operation = {"clock": self.network.clock, "order": 0}
                begin = b2.NetworkOperation(self._begin, when="start", name="living_begin", **operation)
                end = b2.NetworkOperation(self._end, when="end", name="living_end", **operation)
                self.network.network.add(begin, end)
                self.network.network.run(0 * b2.second, namespace={})
                self.network.replay(self.before)
                length = (MOST_STEPS - self.before.step) * self.culture.spec.simulation.dt
                self.network.network.run(length * b2.second, namespace={})
        except _Ended:
            pass
        except BaseException as error:  # it is raised where somebody waits
            self.waiting.put(error)

    def _begin(self) -> None:
        if self.done == self.until:
            self.waiting.put(None)
            asked = self.asked.get()
            if asked is None:
                raise _Ended
            self.now, self.from_step, self.until = asked, self.done, self.done + asked.n_steps
        hit = np.zeros(len(self.network.neurons), bool)
        hit[self.now.cell[self.now.step == self.done - self.from_step]] = True
        self.variables["step"].set_value(self.before.step + self.done)
        self.variables["hit"].set_value(hit)
        if "learning" in self.variables:
            self.variables["learning"].set_value(float(self.now.learning))

    def _end(self) -> None:
        self.network.keep_releases(self.before.step + self.done)
        self.done += 1


class _Ended(Exception):
    """Nobody asks for more."""
