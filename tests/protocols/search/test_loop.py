"""Main loop of a search: trials run once, failures are recorded, trials of a dead process run again."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from protocols.loading.loader import load
from protocols.runs.processes import Failed, Next
from protocols.runs.run_directory import code_hash
from protocols.search.loop import MOST_DEATHS, Leader, in_generations
from protocols.search.study import Study
from protocols.search.trial import Outcome, Task, run_trial
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import Protocol
from tests.protocols.search import toy

TRIALS = toy.ToyTrials()


def task_of(protocol: Protocol, **watching: Any) -> Task:
    return Task(protocol, [], "auto", "nothing", code_hash(*TRIALS.packages), "ready", **watching)


def here(following: Next) -> Iterator[tuple[int, Outcome | Failed]]:
    """All trials in this process, one after the other."""
    while (piece := following()) is not None:
        yield piece[0], run_trial(TRIALS, piece[1], lambda _: None)


def lead(folder: Path, more: str, workers: Any = here, trials: int = 20) -> tuple[Study, str]:
    text = io.StringIO()
    with Study(folder / "search", load(str(toy.write(folder, trials, more))), "code") as study:
        Leader(study, task_of, Console(file=text, width=300)).lead(workers)
    return study, text.getvalue()


def test_values_that_do_not_go_together_fail_and_the_search_goes_on(tmp_path: Path) -> None:
    """The resting potential must lie below the threshold of -50 mV."""
    toy_space = "    culture.excitatory.sigma: {{low: 0.5 mm, high: 2 mm}}\n"
    with pytest.MonkeyPatch.context() as patch:
        more = toy_space + "    culture.neurons.rest: {{low: -80 mV, high: -40 mV}}\n"
        patch.setattr(toy, "SEARCH", toy.SEARCH.replace(toy_space, more))
        study, said = lead(tmp_path, "sampler: {sampler: random}")
    states = {done.values["culture.neurons.rest"] < -50: done.state for done in study.finished()}  # type: ignore[operator]
    assert states == {True: "complete", False: "failed"}
    assert "failed: culture.neurons: rest and reset must lie below threshold" in said


def test_hopeless_trials_end_early(tmp_path: Path) -> None:
    study, _ = lead(tmp_path, "sampler: {sampler: random}\n  pruning: {startup: 4, warmup: 0, quantile: 0.9}")
    pruned = [done for done in study.finished() if done.state == "pruned"]
    assert pruned
    assert all(len(done.curve) < 8 for done in pruned)  # two seeds of four evaluations
    assert all(len(done.curve) == 8 for done in study.finished() if done.state == "complete")


def test_a_trial_whose_process_dies_is_run_again_but_not_for_ever(tmp_path: Path) -> None:
    ran: list[int] = []

    def dying(following: Next) -> Iterator[tuple[int, Any]]:
        while (piece := following()) is not None:
            ran.append(piece[0])
            dies = piece[0] == 5 or (piece[0] == 3 and ran.count(3) < MOST_DEATHS)
            yield piece[0], Failed("ended with code -9", died=True) if dies else run_trial(TRIALS, piece[1], print)

    study, said = lead(tmp_path, "", dying, trials=8)
    assert [ran.count(number) for number in range(8)] == [1, 1, 1, MOST_DEATHS, 1, MOST_DEATHS, 1, 1]
    assert [done.state for done in study.finished()] == ["complete"] * 5 + ["failed"] + ["complete"] * 2
    assert "trial 3: its process ended with code -9; it is run again" in said


def test_a_worker_with_other_code_ends_the_search(tmp_path: Path) -> None:
    def elsewhere(following: Next) -> Iterator[tuple[int, Any]]:
        while (piece := following()) is not None:
            task = Task(**{**vars(piece[1]), "code": "other"})
            yield piece[0], run_trial(TRIALS, task, print)

    with pytest.raises(ProtocolFault, match="runs other code than the search"):
        lead(tmp_path, "", elsewhere)


def test_the_same_seeds_and_values_are_not_run_twice(tmp_path: Path) -> None:
    ran: list[int] = []

    def counted(following: Next) -> Iterator[tuple[int, Any]]:
        while (piece := following()) is not None:
            ran.append(piece[0])
            yield piece[0], run_trial(TRIALS, piece[1], print)

    more = "fresh_seeds: false\n  sampler: {sampler: coordinate_descent, points: 3}"
    study, _ = lead(tmp_path, more, counted)
    points = [tuple(done.values.items()) for done in study.finished()]
    assert len(points) == 20
    assert len(ran) == len(set(points)) < 20
    scores = {point: done.scores for point, done in zip(points, study.finished(), strict=True)}
    assert all(done.scores == scores[point] for point, done in zip(points, study.finished(), strict=True))


def test_a_generation_takes_as_many_as_it_holds(tmp_path: Path) -> None:
    class Three:
        size = 3

        def __init__(self) -> None:
            self.sizes: list[int] = []

        def run(self, tasks: Sequence[Task]) -> list[Outcome | Failed]:
            self.sizes.append(len(tasks))
            return [run_trial(TRIALS, task, print) for task in tasks]

    three = Three()
    study, _ = lead(tmp_path, "", lambda following: in_generations(three, None, following), trials=8)
    assert three.sizes == [3, 3, 2]
    assert [done.number for done in study.finished()] == list(range(8))
