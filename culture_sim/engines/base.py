"""What every engine offers."""

from collections.abc import Callable
from typing import Protocol

from culture_sim.engines.batch import Batch
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session
from culture_sim.model.culture import Culture

#: Called with (presentations done, presentations in all).
Progress = Callable[[int, int], None]


class Engine(Protocol):
    """Something that can present a session to a culture."""

    name: str

    def run(self, culture: Culture, session: Session, progress: Progress) -> Recording:
        """Simulate the whole session, calling `progress` after every presentation."""


class BatchEngine(Engine, Protocol):
    """An engine that can do so for several cultures side by side."""

    def run_batch(self, batch: Batch, progress: Progress) -> list[Recording]:
        """Simulate all of them; one recording each."""
