"""Main loop of a search: start trials as workers become free, and record their outcomes."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from protocols.loading.objectives import worth
from protocols.loading.search_space import Values, at_point
from protocols.runs.processes import Failed, Next
from protocols.search.study import Asked, Finished, Study
from protocols.search.trial import Generation, Outcome, Task
from protocols.spec.faults import ProtocolFault
from protocols.spec.search import trial_seeds

MOST_DEATHS = 3  # of the process of a trial, before the trial counts as failed
FAILURES_AT_ONCE = 3  # the search stops if so many first trials all fail
LOOK_EVERY_S = 1.0  # interval between checks for trials that a dead process left unfinished

#: Runs tasks: calls its argument for the next (key, task), and yields (key, outcome) as each ends.
Workers = Callable[[Next], Iterator[tuple[int, Outcome | Failed]]]


def in_generations(generation: Generation, most: int | None, following: Next) -> Iterator[tuple[int, Outcome | Failed]]:
    """Run tasks in batches of the generation's size, or of `most` if that is less."""
    size = min(generation.size, most or generation.size)
    while True:
        pieces: list[tuple[int, Task]] = []
        while len(pieces) < size and (piece := following()) is not None:
            pieces.append(piece)
        if not pieces:
            return
        outcomes = generation.run([task for _, task in pieces])
        yield from zip([key for key, _ in pieces], outcomes, strict=True)


@dataclass
class Leader:
    """Asks the study for trials, runs them as tasks, and records their outcomes in the study.

    Parameters
    ----------
    study
        The search.
    task
        Makes a task from a protocol.
    console
        Shows a line for each trial.
    """

    study: Study
    task: Callable[..., Task]
    console: Console
    asked: dict[int, Asked] = field(default_factory=dict)
    again: list[int] = field(default_factory=list)
    deaths: Counter[int] = field(default_factory=Counter)
    looked: float = -LOOK_EVERY_S
    started: float = 0.0
    deadline: float | None = None
    n_here: int = 0

    def lead(self, workers: Workers) -> None:
        """Search until the budget is spent.

        Raises
        ------
        ProtocolFault
            If a worker reports that no trial can run.
        RuntimeError
            If the first trials all fail.
        """
        limit = self.study.search.budget.time
        self.started = time.monotonic()
        self.deadline = None if limit is None else self.started + limit
        for number, outcome in workers(self.following):
            self.take(number, outcome)

    def following(self) -> tuple[int, Task] | None:
        """The next trial to run."""
        if self.again:
            number = self.again.pop()
            return number, self._task(self.asked[number])
        now = time.monotonic()
        if (self.deadline is not None and now > self.deadline) or now - self.looked < LOOK_EVERY_S:
            return None
        while (asked := self.study.ask()) is not None:
            try:
                task = self._task(asked)
            except ProtocolFault as fault:  # values that contradict each other
                self._tell(Finished(asked.number, "failed", asked.values, reason=fault.lines[0]))
                continue
            if (known := self._known(asked.values)) is not None:
                self._tell(Finished(asked.number, "complete", asked.values, *known))
                continue
            self.asked[asked.number] = asked
            return asked.number, task
        self.looked = now
        return None

    def _known(self, values: Values) -> tuple[Any, ...] | None:
        """Result of a finished trial with the same values and seeds, which is used again."""
        if self.study.search.fresh_seeds:
            return None
        same = (done for done in self.study.finished() if done.state == "complete" and done.values == values)
        return next(((done.means, done.scores, done.per_seed, done.curve) for done in same), None)

    def _task(self, asked: Asked) -> Task:
        search = self.study.search
        seeds = trial_seeds(search, asked.number)
        protocol = at_point(self.study.protocol, asked.values, seeds=seeds, trial=True)
        if search.pruning is None:
            return self.task(protocol)
        metric = next(iter(search.objectives))
        return self.task(protocol, watched=metric, thresholds=asked.thresholds, sign=self.study.sign[0])

    def take(self, number: int, outcome: Outcome | Failed) -> None:
        """Record the outcome of a trial, or run it again if its process died."""
        values = self.asked[number].values
        if isinstance(outcome, Failed):
            if outcome.died:
                self.deaths[number] += 1
                if self.deaths[number] < MOST_DEATHS:
                    self.console.print(f"trial {number}: its process {outcome.reason}; it is run again")
                    self.again.append(number)
                    return
            self._tell(Finished(number, "failed", values, reason=outcome.reason))
        elif outcome.fault:
            raise ProtocolFault(outcome.fault)
        else:
            self._tell(self._finished(number, outcome))

    def _finished(self, number: int, outcome: Outcome) -> Finished:
        study, values = self.study, self.asked[number].values
        facts = {"curve": outcome.curve, "seconds": outcome.seconds, "worker": outcome.worker}
        if outcome.state == "pruned":
            return Finished(number, "pruned", values, **facts)  # type: ignore[arg-type]
        try:
            found = [worth(o, study.search, study.space, outcome.metrics, values) for o in study.search.objectives]
        except RuntimeError as error:
            return Finished(number, "failed", values, reason=str(error), **facts)  # type: ignore[arg-type]
        means, scores, per_seed = [w.mean for w in found], [w.score for w in found], [w.per_seed for w in found]
        return Finished(number, "complete", values, means, scores, per_seed, **facts)  # type: ignore[arg-type]

    def _tell(self, done: Finished) -> None:
        self.study.tell(done)
        self.n_here += 1
        finished = self.study.finished()
        self.console.print(self._line(done, finished), soft_wrap=True)
        if len(finished) == FAILURES_AT_ONCE and all(other.state == "failed" for other in finished):
            raise RuntimeError(f"the first {FAILURES_AT_ONCE} trials failed: {done.reason}")

    def _line(self, done: Finished, finished: Sequence[Finished]) -> str:
        """Line shown for a trial: its outcome, the best bound so far, the estimated remaining time."""
        search, sign = self.study.search, self.study.sign[0]
        if done.means is not None and done.scores is not None:
            said = ", ".join(
                f"{name} {mean:.4g} (bound {score:.4g})"
                for name, mean, score in zip(search.objectives, done.means, done.scores, strict=True)
            )
        else:
            said = done.state + (f": {done.reason}" if done.reason else "")
        scored = [(sign * other.scores[0], other.number) for other in finished if other.scores]
        best = f"; best bound so far {sign * max(scored)[0]:.4g}, trial {max(scored)[1]}" if scored else ""
        return f"trial {done.number}: {said}{best}; {len(finished)} finished{self._remaining(len(finished))}"

    def _remaining(self, n_finished: int) -> str:
        elapsed, known = time.monotonic() - self.started, []
        if self.study.search.budget.trials is not None:
            known.append(elapsed / self.n_here * max(0, self.study.search.budget.trials - n_finished))
        if self.deadline is not None:
            known.append(max(0.0, self.deadline - time.monotonic()))
        return f", about {min(known) / 60:.0f} min to go" if known else ""
