"""A generation of experiments on one GPU: each runs in its own thread, all their cultures in one network.

An experiment presents session after session to its culture. Here each session waits until every running experiment
has one; then all of them are presented at once, in a `Batch`. Sessions whose presentations differ in length go into
separate batches. So one GPU runs a whole generation of a search.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from scipy.sparse import csr_array

from culture_sim.engines.base import BatchEngine, Engine, Progress
from culture_sim.engines.batch import Batch
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session
from culture_sim.model.culture import Culture

T = TypeVar("T")


def together(engine: BatchEngine, n_neurons: int, experiments: Sequence[Callable[[Engine], T]]) -> list[T | Exception]:
    """Run experiments that share one engine, which simulates all their cultures at once.

    Parameters
    ----------
    engine
        Takes at least as many cultures as there are experiments.
    n_neurons
        Neurons of the cultures that `engine` takes; smaller cultures are padded with neurons without synapses.
    experiments
        Functions called with an engine, each in its own thread.

    Returns
    -------
    list
        Result of each experiment, or the exception that ended it.
    """
    meeting = _Meeting(engine, n_neurons, len(experiments))
    results: list[T | Exception] = [RuntimeError("not run")] * len(experiments)

    def take_part(index: int) -> None:
        try:
            results[index] = experiments[index](meeting)
        except Exception as error:  # returned to the caller, whatever it is
            results[index] = error
        finally:
            meeting.leave()

    threads = [threading.Thread(target=take_part, args=(index,), daemon=True) for index in range(len(experiments))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # with a timeout, so that an interruption is handled
    return results


@dataclass
class _Request:
    """A session to present, and its recording once it is there."""

    culture: Culture
    session: Session
    progress: Progress
    answer: Recording | Exception | None = None


class _Meeting:
    """An engine shared by several experiments, which collects one session from each."""

    def __init__(self, engine: BatchEngine, n_neurons: int, members: int) -> None:
        self.engine, self.n_neurons, self.members = engine, n_neurons, members
        self.name = f"{engine.name}, {members} cultures at once"
        self.waiting: list[_Request] = []
        self.changed = threading.Condition()

    def run(self, culture: Culture, session: Session, progress: Progress) -> Recording:
        """Present the session as soon as every other running experiment has one."""
        request = _Request(culture, session, progress)
        with self.changed:
            self.waiting.append(request)
            self._go_on_if_all_wait()
            while request.answer is None:
                self.changed.wait()
        if isinstance(request.answer, Exception):
            raise request.answer
        return request.answer

    def leave(self) -> None:
        """Remove an experiment that has ended."""
        with self.changed:
            self.members -= 1
            self._go_on_if_all_wait()

    def _go_on_if_all_wait(self) -> None:
        if not self.waiting or len(self.waiting) < self.members:
            return
        requests, self.waiting = self.waiting, []
        alike: dict[bytes, list[_Request]] = {}
        for request in requests:
            alike.setdefault(request.session.n_steps.tobytes(), []).append(request)
        for group in alike.values():
            self._present(group)
        self.changed.notify_all()

    def _present(self, group: list[_Request]) -> None:
        def progress(done: int, of: int) -> None:
            for request in group:
                request.progress(done, of)

        try:
            cultures = tuple(request.culture.filled(self.n_neurons) for request in group)
            recordings = self.engine.run_batch(Batch(cultures, tuple(r.session for r in group)), progress)
            for request, recording in zip(group, recordings, strict=True):
                request.answer = _unfilled(recording, request.culture)
        except Exception as error:  # raised in every experiment of the batch
            for request in group:
                request.answer = error


def _unfilled(recording: Recording, culture: Culture) -> Recording:
    """The recording with weights in the culture's own shape; padded neurons have neither spikes nor synapses."""

    def own(weights: Mapping[str, csr_array]) -> dict[str, csr_array]:
        return {
            name: csr_array((weights[name].data, before.indices, before.indptr), shape=before.shape)
            for name, before in culture.weights.items()
        }

    snapshots = [(index, own(weights)) for index, weights in recording.snapshots]
    return replace(recording, weights=own(recording.weights), snapshots=snapshots)
