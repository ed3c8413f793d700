"""How many trials an hour: ``python -m culture_sim.bench --search``.

All ways run the same trials, take turns, and are timed in one session; what only happens once (the compiler, starting
the forkserver and the Dask workers) is not counted.
"""

import contextlib
import functools
import statistics
import time
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from culture_sim.search import CultureTrials
from protocols import store
from protocols.loader import load
from protocols.overrides import changed
from protocols.processes import Failed, side_by_side
from protocols.search.cluster import on_cluster
from protocols.search.loop import Workers
from protocols.search.trial import Task, run_trial

TRIAL = {
    "seeds": 1,
    "culture.neurons.count": 240,
    "data.test": 20,
    "association.probe": {"per_label": 0, "random": 0},
}


def trials_per_hour(workers: Workers, task: Task, n: int) -> float:
    """Run `n` equal trials; trials an hour.

    Raises
    ------
    RuntimeError
        If a trial fails.
    """
    waiting = list(range(n))
    started = time.perf_counter()
    for _, outcome in workers(lambda: (waiting.pop(), task) if waiting else None):
        if isinstance(outcome, Failed) or outcome.fault:
            raise RuntimeError(outcome.reason if isinstance(outcome, Failed) else outcome.fault[0])
    return n / (time.perf_counter() - started) * 3600


@contextlib.contextmanager
def ways(console: Console) -> Iterator[dict[str, tuple[Workers, bool]]]:
    """Workers by name, and whether they are on this machine's own processes."""
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
    """Measure and print."""
    trials = CultureTrials()
    protocol = changed(load("digits01"), TRIAL)
    need = trials.needs(protocol, [])
    code = store.code_hash(*trials.packages)
    with console.status("Preparing ..."):
        prepared = trials.prepare(need, "auto")
    found: dict[str, list[float]] = {}
    with ways(console) as every:
        tasks = {own: Task(protocol, [], "auto", need, code, prepared if own else None) for own in (True, False)}
        for workers, own in every.values():
            trials_per_hour(workers, tasks[own], 2)  # warms up
        for _ in range(rounds):
            for name, (workers, own) in every.items():
                found.setdefault(name, []).append(trials_per_hour(workers, tasks[own], n))
    console.print(_table(found))
    console.print(
        f"One trial: {protocol.association.training.presentations} presentations of digits01 to one culture of 240 "  # type: ignore[attr-defined]
        f"neurons. Medians of {rounds} rounds of {n} trials; the ways take turns."
    )


def _table(found: dict[str, list[float]]) -> Table:
    shown = Table("", "trials an hour", "lowest to highest", "against 1 process", "against 2", box=box.SIMPLE_HEAD)
    one, two = (statistics.median(found[name]) for name in ("1 process", "2 processes"))
    for name, values in found.items():
        middle = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        shown.add_row(name, f"{middle:.0f}", spread, f"{middle / one:.2f}", f"{middle / two:.2f}")
    return shown
