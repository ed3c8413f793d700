"""Parallel execution of the seeds of a run, each in its own process."""

import functools
from collections.abc import Callable, Generator, Sequence

import numpy as np

from protocols.runs import interruption
from protocols.runs.processes import Failed, side_by_side

#: Runs one seed: called with the seed and a callback that takes the fraction done; returns arrays by path.
Task = Callable[[int, Callable[[float], None]], dict[str, np.ndarray]]

#: Progress callback, called with (seed, fraction done).
Report = Callable[[int, float], None]


def run_seeds(
    task: Task, seeds: Sequence[int], jobs: int, report: Report, preload: Sequence[str] = (), names: Sequence[str] = ()
) -> Generator[tuple[int, dict[str, np.ndarray]], None, None]:
    """Run seeds, up to `jobs` of them in parallel processes, and yield each result as it is ready.

    Parameters
    ----------
    task
        The function that runs one seed. It must be picklable, because every process gets a copy.
    seeds, jobs
        The seeds, and how many run at a time; with one job or one seed, all run in this process.
    report
        Progress callback of the seeds.
    preload
        As in `protocols.runs.processes.side_by_side`.
    names
        Names of the seeds in error messages, indexed by seed; by default ``seed <number>``.

    Raises
    ------
    RuntimeError
        If a seed fails; the other processes are killed, compiled programs included.
    """
    if jobs == 1 or len(seeds) == 1:
        for seed in seeds:
            yield seed, task(seed, functools.partial(_report_unless_interrupted, report, seed))
            interruption.check()
        return
    waiting = [(seed, seed) for seed in seeds]
    for seed, result in side_by_side(task, lambda: waiting.pop(0) if waiting else None, jobs, report, preload):
        if isinstance(result, Failed):
            name = names[seed] if names else f"seed {seed}"
            raise RuntimeError(f"the process of {name} {result.reason}" if result.died else f"{name}: {result.reason}")
        yield seed, result


def _report_unless_interrupted(report: Report, seed: int, fraction: float) -> None:
    interruption.check()
    report(seed, fraction)
