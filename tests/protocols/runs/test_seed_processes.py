"""Parallel execution of seeds: results, failures, progress and interruption."""

import functools
import io
import os
import signal
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from protocols.runs import interruption
from protocols.runs.progress import SeedProgress
from protocols.runs.seed_processes import run_seeds

pytestmark = pytest.mark.whole


def draws(n: int, seed: int, report: Callable[[float], None]) -> dict[str, np.ndarray]:
    report(0.5)
    return {"draws": np.random.default_rng(seed).random(n), "process": np.array(os.getpid())}


def fails(seed: int, report: Callable[[float], None]) -> dict[str, np.ndarray]:
    if seed == 3:
        raise ValueError("no such luck")
    time.sleep(60)
    return {}


def dies(seed: int, report: Callable[[float], None]) -> dict[str, np.ndarray]:
    os._exit(7)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_seed_gives_its_own_arrays(jobs: int) -> None:
    told: list[tuple[int, float]] = []
    found = dict(run_seeds(functools.partial(draws, 4), [5, 2, 9], jobs, lambda *it: told.append(it)))
    assert set(found) == {5, 2, 9}
    for seed, arrays in found.items():
        np.testing.assert_array_equal(arrays["draws"], np.random.default_rng(seed).random(4))
    assert sorted(told) == [(2, 0.5), (5, 0.5), (9, 0.5)]
    processes = {int(arrays["process"]) for arrays in found.values()}
    if jobs == 1:
        assert processes == {os.getpid()}
    else:
        assert len(processes - {os.getpid()}) == 3


@pytest.mark.parametrize(
    ("task", "said"), [(fails, "seed 3: no such luck"), (dies, r"the process of seed \d ended with code 7")]
)
def test_a_seed_that_fails_ends_the_others(task: Callable[..., dict[str, np.ndarray]], said: str) -> None:
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match=said):
        list(run_seeds(task, [1, 3], 2, lambda *_: None))
    assert time.monotonic() - begun < 50


def test_a_log_says_what_is_done_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("protocols.runs.progress.time", SimpleNamespace(monotonic=lambda: now))
    text = io.StringIO()
    with SeedProgress(Console(file=text), [0, 1], "training") as shown:
        now += 20
        shown.report(1, 0.5)  # a quarter of the total
        now += 1
        shown.report(1, 0.6)
    assert text.getvalue() == "training  25%, elapsed 20 s, remaining 60 s\n"


def test_the_time_that_remains_counts_from_where_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("protocols.runs.progress.time", SimpleNamespace(monotonic=lambda: now))
    text = io.StringIO()
    with SeedProgress(Console(file=text), [0, 1], "simulating", {0: 0.9}) as shown:
        now += 20
        shown.report(0, 0.9)
        shown.report(0, 1.0)  # a tenth of a seed in 20 s; a whole one is left
    assert text.getvalue() == "simulating  50%, elapsed 20 s, remaining 200 s\n"


def test_an_interruption_that_python_drops_still_ends_the_work() -> None:
    """Python ignores exceptions in destructors, and simulated cultures have many objects with destructors."""

    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    def task(seed: int, report: Callable[[float], None]) -> dict[str, np.ndarray]:
        dying = Dying()
        del dying
        report(1.0)
        raise AssertionError("went on")

    with pytest.raises(KeyboardInterrupt), interruption.noted():
        list(run_seeds(task, [0, 1], 1, lambda seed, fraction: None))
