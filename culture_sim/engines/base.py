"""Interface of the engines."""

from collections.abc import Callable
from typing import Protocol

from culture_sim.engines.batch import Batch
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session
from culture_sim.model.culture import Culture

#: Progress callback: (presentations done, presentations in all).
Progress = Callable[[int, int], None]


class Engine(Protocol):
    """A simulator that presents a session to a culture."""

    name: str

    def run(self, culture: Culture, session: Session, progress: Progress) -> Recording:
        """Simulate the whole session, calling `progress` after every presentation."""


class BatchEngine(Engine, Protocol):
    """An engine that can simulate several cultures at once."""

    def run_batch(self, batch: Batch, progress: Progress) -> list[Recording]:
        """Simulate the batch; one recording per culture."""
