"""One trial: a protocol run on its seeds by any worker, and its outcome."""

import contextlib
import functools
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from protocols.loading.published import Target
from protocols.loading.search_space import Dimension
from protocols.runs import run_directory, scratch
from protocols.runs.processes import Failed
from protocols.runs.reporting import Report
from protocols.runs.reporting import Watch as WatchCurve
from protocols.search.pruning import Hopeless, Watch
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import Protocol as Experiment


class Trials(Protocol):
    """Interface between a package and the search; an instance is sent to every worker."""

    packages: tuple[str, ...]
    preload: tuple[str, ...]

    def needs(self, protocol: Experiment, space: Sequence[Dimension]) -> Any:
        """Description of what trials in this space need prepared, such as a compiled program; hashable."""

    def prepare(self, need: Any, device: str) -> Any:
        """Prepare what is needed, once in each process."""

    def measure(self, protocol: Experiment, targets: list[Target], prepared: Any, watch: WatchCurve) -> dict[str, Any]:
        """Run all seeds and summarise them; `watch` receives the learning curve point by point."""

    def generation(self, need: Any, protocol: Experiment, device: str) -> "Generation | None":
        """Runner of several trials at once on one device; None to run each trial in a process of its own."""

    def figures(self, folder: Path, console: Console) -> None:
        """Draw the figures of a finished study."""


class Generation(Protocol):
    """Runs several trials at once in this process, each from its first step to its last."""

    size: int

    def run(self, tasks: Sequence["Task"]) -> "list[Outcome | Failed]":
        """The outcome of each task."""


@dataclass(frozen=True)
class Task:
    """Everything a worker needs for a trial.

    Parameters
    ----------
    protocol, targets, device
        Protocol to run, published values to compare with, device.
    need, prepared
        Result of `Trials.needs`, and of `Trials.prepare`; None if the worker is to prepare it.
    watched, thresholds, sign
        Metric whose learning curve decides on pruning, values it must reach, 1 to maximise and -1 to minimise.
    code
        Hash of the leader's source code; a worker with other code refuses.
    """

    protocol: Experiment
    targets: list[Target]
    device: str
    need: Any
    code: str
    prepared: Any = None
    watched: str | None = None
    thresholds: list[float] = field(default_factory=list)
    sign: int = 1


@dataclass(frozen=True)
class Outcome:
    """Outcome of a trial: ``complete`` with metrics, or ``pruned``; `fault` holds error lines if it cannot run."""

    state: str
    metrics: dict[str, Any]
    curve: list[float]
    seconds: float
    worker: str
    fault: list[str] = field(default_factory=list)


def run_trial(trials: Trials, task: Task, report: Report) -> Outcome:
    """Run one trial in this process."""
    started = time.monotonic()
    watch = Watch(task.watched, task.thresholds, task.sign)
    worker = f"{platform.node()}:{os.getpid()}"

    def ended(state: str, metrics: dict[str, Any], fault: Sequence[str] = ()) -> Outcome:
        return Outcome(state, metrics, watch.curve, round(time.monotonic() - started, 3), worker, list(fault))

    if _code(trials.packages) != task.code:
        return ended("failed", {}, [f"the worker {worker} runs other code than the search; allowed: the same version"])
    try:
        prepared = trials.prepare(task.need, task.device) if task.prepared is None else task.prepared
        return ended("complete", trials.measure(task.protocol, task.targets, prepared, watch))
    except Hopeless:
        return ended("pruned", {})
    except ProtocolFault as fault:
        return ended("failed", {}, fault.lines)


@functools.cache
def _code(packages: tuple[str, ...]) -> str:
    return run_directory.code_hash(*packages)


@contextlib.contextmanager
def scratch_run(protocol: Experiment) -> Iterator[run_directory.Run]:
    """Temporary run directory, deleted on exit."""
    with scratch.new_folder() as folder:
        run = run_directory.Run(folder, protocol, "trial")
        run.partial.mkdir(parents=True)
        yield run
