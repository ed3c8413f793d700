"""Runs of dishes that are killed, or whose disk fills, and the same command again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from culture_sim.engines.compiled import compiler
from tests.culture_sim.experiments.test_dish import run
from tests.protocols.spec.test_dish import GOOD, written

pytestmark = [pytest.mark.whole, pytest.mark.skipif(compiler() is None, reason="no C++ compiler")]

ROOT = Path(__file__).parents[3]
COMMAND = "tests.culture_sim.experiments.short_stretches"


def command(longest_s: float, *arguments: str, most_bytes: int = 0) -> list[str]:
    return [sys.executable, "-m", COMMAND, str(longest_s), str(most_bytes), *arguments]


def killed(line: list[str], out: Path, number: signal.Signals, stretch: int) -> str:
    """Start a run and kill it as soon as a stretch of seed 0 is saved; what it said."""
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(out.rglob(f"seed_0_stretch_{stretch}.npz")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.002)
        os.kill(process.pid, number)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == (-number if number == signal.SIGKILL else 130), said
    assert "Traceback" not in said
    assert not list(out.rglob("metrics.json"))
    return said


def only_run(out: Path) -> Path:
    (found,) = (path for path in (out / "mine").iterdir() if path.is_dir())
    return found


def assert_same(a: Path, b: Path) -> None:
    first, second = np.load(only_run(a) / "arrays.npz"), np.load(only_run(b) / "arrays.npz")
    assert first.files == second.files
    for name in first.files:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert (only_run(a) / "metrics.json").read_bytes() == (only_run(b) / "metrics.json").read_bytes()


def test_a_run_killed_again_and_again_gives_the_uninterrupted_result(tmp_path: Path) -> None:
    """Within a learning step, between pulses, and in the middle of a write, as it happens."""
    protocol, out, whole = written(tmp_path, GOOD + "record: {spikes: all}\n"), tmp_path / "killed", tmp_path / "whole"
    line = command(1, protocol, "--out", str(out))
    killed(line, out, signal.SIGKILL, 2)
    assert "Resuming seed 0 at " in killed(line, out, signal.SIGTERM, 8)
    assert "Resuming seed 0 at " in killed(line, out, signal.SIGINT, 16)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Resuming seed 0 at " in done.stderr
    run(protocol, whole)
    assert_same(out, whole)
    assert not list(only_run(out).glob("seed_*"))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_hour_killed_at_ten_moments(jobs: str, tmp_path: Path) -> None:
    text = GOOD.replace("rest: 2 s", "rest: 3600 s") + "record: {spikes: all}\nseeds: 2\n"
    protocol, out, whole = written(tmp_path, text), tmp_path / "killed", tmp_path / "whole"
    line = command(30, protocol, "--out", str(out), "--jobs", jobs)
    for turn, stretch in enumerate(range(3, 53, 5)):
        killed(line, out, (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[turn % 3], stretch)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run(protocol, whole)
    assert_same(out, whole)


@pytest.mark.parametrize(("within", "file"), [("60 um", "/outputs/"), ("2 mm", ".unfinished.npz")])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(within: str, file: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: of the simulator's, or of what is kept."""
    text = GOOD[: GOOD.index("measure:")].replace("rest: 2 s", "rest: 570 s") + f"record: {{within: {within}}}\n"
    protocol, out, whole = written(tmp_path, text), tmp_path / "full", tmp_path / "whole"
    run(protocol, whole)
    with np.load(only_run(whole) / "arrays.npz") as arrays:
        most = len(arrays["seed_0/heard/step"]) * (6 if within == "60 um" else 4)
    done = subprocess.run(
        command(1800, protocol, "--out", str(out), most_bytes=most),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: "), last
    assert file in last, last
    assert "File too large" in last, last
    assert not list(out.rglob("metrics.json"))
    assert not list(out.rglob("*unfinished*"))
    run(protocol, out)
    assert_same(out, whole)
