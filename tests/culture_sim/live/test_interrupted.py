"""Ctrl-C at any time: a program in a process of its own, interrupted wherever it happens to be."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from culture_sim.engines.compiled import compiler
from figures.runs.run import DishRun, read_run
from tests.command import started

pytestmark = [pytest.mark.whole, pytest.mark.skipif(compiler() is None, reason="no C++ compiler")]

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from culture_sim.live import live
with live("spontaneous", out=sys.argv[1]) as dish:
    print("open", flush=True)
    for tick in dish.loop(rate_hz=1000, seconds=1000):
        if tick.index % 50 == 0:
            dish.stimulate([27, 28], amplitude="30 uA")
            dish.note("pulse", tick.index)
"""


@pytest.mark.parametrize("turn", range(5))
def test_an_interrupt_at_any_time_leaves_a_whole_run(turn: int, tmp_path: Path) -> None:
    line = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started(line, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "open\n"
        time.sleep(random.Random(turn).uniform(0.05, 0.4))
        os.killpg(process.pid, signal.SIGINT)  # of the whole group, as a terminal does
        if turn % 2:
            time.sleep(0.02)
            os.killpg(process.pid, signal.SIGINT)  # and again, while it writes
        said = process.stderr.read()
    assert "Run directory: " in said
    assert "KeyboardInterrupt" in said
    (path,) = (path for path in (tmp_path / "spontaneous").iterdir() if path.is_dir())
    run = read_run(path)
    assert isinstance(run, DishRun)
    n_steps = round(run.duration_s * 1000)
    ticks, stimuli = run.array(0, "ticks/step"), run.array(0, "stimuli/step")
    np.testing.assert_array_equal(ticks, np.arange(1, n_steps + 1))
    given = np.arange(1, n_steps, 50)
    np.testing.assert_array_equal(np.unique(stimuli), given)
    assert len(stimuli) == 2 * len(given)
    noted, expected = run.array(0, "events/value"), np.arange(0, n_steps, 50)
    if (n_steps - 1) % 50 == 0:  # the program may have been interrupted before it noted its last tick
        expected = expected[: max(len(noted), len(expected) - 1)]
    np.testing.assert_array_equal(noted, expected)
    assert run.array(0, "heard/step").max(initial=0) < n_steps
