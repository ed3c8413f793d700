"""Speed of a search in trials per hour: ``python -m culture_sim.bench --search``.

All ways of running the trials (one process, two, Dask) search the same space with the same trials, studies on disk
included; they take turns in one session. One-time costs (the compiler, starting the forkserver and the Dask workers)
are not counted.
"""

import contextlib
import functools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from culture_sim.search.trials import CultureTrials
from protocols.loading.loader import load
from protocols.loading.overrides import changed
from protocols.runs import run_directory
from protocols.runs.processes import side_by_side
from protocols.search.cluster import on_cluster
from protocols.search.loop import Leader, Workers
from protocols.search.study import Study
from protocols.search.trial import Task, run_trial
from protocols.spec.protocol import Protocol

SEARCH = {
    "space": {"culture.plasticity.A_minus": {"low": "0.004 mV", "high": "0.0041 mV"}},  # does not change a trial's time
    "objectives": {"accuracy/validation": "maximise"},
    "sampler": {"sampler": "tpe", "startup": 4},
    "seeds": 1,
}
TRIAL = {
    "culture.neurons.count": 240,
    "data.test": 20,
    "association.training.presentations": 600,
    "association.evaluation.every": 100,
    "association.probe": {"per_label": 0, "random": 0},
}


def searched(n: int) -> Protocol:
    """Protocol of the search that is timed: `n` trials on scikit-learn's digits."""
    return changed(load("digits01"), TRIAL | {"search": SEARCH | {"budget": {"trials": n}}})


def trials_per_hour(workers: Workers, n: int, *, prepare: bool) -> float:
    """Run a search of `n` trials; returns trials per hour."""
    trials, protocol = CultureTrials(), searched(n)
    code = run_directory.code_hash(*trials.packages)

    def task(protocol: Protocol, **watching: Any) -> Task:
        need = trials.needs(protocol, [])
        prepared = trials.prepare(need, "auto") if prepare else None
        return Task(protocol, [], "auto", need, code, prepared, **watching)

    with tempfile.TemporaryDirectory(prefix="culture_sim_") as folder, Study(Path(folder), protocol, code) as study:
        started = time.perf_counter()
        Leader(study, task, Console(quiet=True)).lead(workers)
        elapsed = time.perf_counter() - started
        if any(done.state != "complete" for done in study.finished()):
            raise RuntimeError(f"a trial failed: {study.finished()[-1].reason}")
    return n / elapsed * 3600


@contextlib.contextmanager
def ways(console: Console) -> Iterator[dict[str, tuple[Workers, bool]]]:
    """Ways of running trials by name: the workers, and whether this process prepares their engine."""
    from distributed import Client, LocalCluster

    trials = CultureTrials()
    work = functools.partial(run_trial, trials)

    def local(jobs: int) -> Workers:
        return lambda following: side_by_side(work, following, jobs, lambda *_: None, trials.preload)

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield {
            "1 process": (local(1), True),
            "2 processes": (local(2), True),
            "Dask, 2 workers": (lambda following: on_cluster(client, work, following, console), False),
        }


def bench(console: Console, n: int = 8, rounds: int = 3) -> None:
    """Measure all ways and print a table."""
    found: dict[str, list[float]] = {}
    with ways(console) as every:
        for workers, prepare in every.values():
            trials_per_hour(workers, 2, prepare=prepare)  # warm-up
        for _ in range(rounds):
            for name, (workers, prepare) in every.items():
                found.setdefault(name, []).append(trials_per_hour(workers, n, prepare=prepare))
    console.print(_table(found))
    presentations = searched(1).association.training.presentations  # type: ignore[attr-defined]
    console.print(
        f"A trial: {presentations} presentations of digits01 to one culture of 240 neurons, with its evaluations. "
        f"Medians of {rounds} searches of {n} trials; the ways take turns."
    )


def _table(found: dict[str, list[float]]) -> Table:
    shown = Table("", "trials an hour", "lowest to highest", "against 1 process", "against 2", box=box.SIMPLE_HEAD)
    one, two = (statistics.median(found[name]) for name in ("1 process", "2 processes"))
    for name, values in found.items():
        middle = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        shown.add_row(name, f"{middle:.0f}", spread, f"{middle / one:.2f}", f"{middle / two:.2f}")
    return shown
