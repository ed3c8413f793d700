"""Seeds share nothing: they run side by side, each in a process of its own."""

import functools
from collections.abc import Callable, Generator, Sequence

import numpy as np

from protocols.runs import interruption
from protocols.runs.processes import Failed, side_by_side

#: The work of a seed: called with the seed and with what to tell the fraction done; gives its arrays by path.
Task = Callable[[int, Callable[[float], None]], dict[str, np.ndarray]]

#: Called with (seed, fraction done).
Report = Callable[[int, float], None]


def run_seeds(
    task: Task, seeds: Sequence[int], jobs: int, report: Report, preload: Sequence[str] = (), names: Sequence[str] = ()
) -> Generator[tuple[int, dict[str, np.ndarray]], None, None]:
    """Run seeds, up to `jobs` of them side by side in processes of their own, giving each result as it comes.

    Parameters
    ----------
    task
        Picklable: every process is given a copy.
    seeds, jobs
        Which seeds, and how many at a time; one at a time runs in this process.
    report
        Told how far each seed is.
    preload
        As in `protocols.runs.processes.side_by_side`.
    names
        What messages call each seed, by its number; ``seed <number>`` without.

    Raises
    ------
    RuntimeError
        If a seed fails; the others are ended, compiled programs included.
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
