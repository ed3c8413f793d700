"""Simulations from several threads of one process: each gets its own spikes, as if it were alone."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from culture_sim import Culture, Recording, simulate, simulate_many
from culture_sim.engines.compiled import compiler
from culture_sim.model import brian
from tests.conftest import random_session, spec

pytestmark = pytest.mark.whole

N_THREADS = 4
CULTURES = [Culture.grow(spec(count), seed=seed) for seed, count in enumerate((60, 60, 40))]
SESSIONS = [random_session(3, seed=seed) for seed in range(3)]
DEVICES = ["runtime", pytest.param("cpp", marks=pytest.mark.skipif(compiler() is None, reason="no C++ compiler"))]


def in_threads(work: Callable[[int], object], n: int = N_THREADS) -> list:
    """The results of threads that start at the same moment."""
    together = threading.Barrier(n)

    def started(index: int) -> object:
        together.wait()
        return work(index)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(started, range(n)))


def assert_same(found: Recording, wanted: Recording) -> None:
    np.testing.assert_array_equal(found.neuron, wanted.neuron)
    np.testing.assert_array_equal(found.step, wanted.step)
    for name, weights in wanted.weights.items():
        np.testing.assert_array_equal(found.weights[name].data, weights.data)


@pytest.mark.parametrize("device", [*DEVICES, "auto"])
def test_threads_simulate_different_cultures(device: str) -> None:
    wanted = [simulate(culture, session, device) for culture, session in zip(CULTURES, SESSIONS, strict=True)]
    assert all(len(recording.neuron) > 100 for recording in wanted)

    def work(index: int) -> Recording:
        return simulate(CULTURES[index % 3], SESSIONS[index % 3], device)

    for index, recording in enumerate(in_threads(work)):
        assert_same(recording, wanted[index % 3])


@pytest.mark.parametrize("device", DEVICES)
def test_threads_simulate_many_cultures_each(device: str) -> None:
    wanted = simulate_many(CULTURES[:2], SESSIONS[:2], device)
    for recordings in in_threads(lambda _: simulate_many(CULTURES[:2], SESSIONS[:2], device), 2):
        for found, recording in zip(recordings, wanted, strict=True):
            assert_same(found, recording)


class Stopped(BaseException):
    """As an interruption."""


@pytest.mark.parametrize("device", DEVICES)
def test_a_thread_that_is_stopped_lets_the_others_go_on(device: str) -> None:
    def stop(done: int, of: int) -> None:
        raise Stopped

    def work(index: int) -> Recording | None:
        try:
            return simulate(CULTURES[0], SESSIONS[0], device, progress=stop if index % 2 else None)
        except Stopped:
            return None

    wanted = simulate(CULTURES[0], SESSIONS[0], device)
    found = in_threads(work)
    assert found[1::2] == [None, None]
    for recording in found[::2]:
        assert_same(recording, wanted)
    assert brian.LOCK.acquire(blocking=False)
    brian.LOCK.release()


def test_brian2_may_be_imported_first_in_a_thread_and_leaves_no_file() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from concurrent.futures import ThreadPoolExecutor
from culture_sim import Culture, simulate
from tests.conftest import random_session, spec

assert "brian2" not in sys.modules
culture, session = Culture.grow(spec(20), seed=0), random_session(1, n_electrodes=60)
with ThreadPoolExecutor(3) as pool:
    found = list(pool.map(lambda _: simulate(culture, session, "auto"), range(3)))
print(*(len(recording.neuron) for recording in found))
sys.stdout.flush()
import os
os.kill(os.getpid(), 9)
"""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={"TMPDIR": folder, "PATH": folder},  # no compiler there
        )
        counts = done.stdout.split()
        assert len(counts) == 3, done.stderr
        assert len(set(counts)) == 1
        assert not [path.name for path in Path(folder).iterdir() if "brian" in path.name]
