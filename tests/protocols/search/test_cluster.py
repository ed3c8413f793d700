"""Trials on Dask: a real scheduler and real workers on this machine, some of which are killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.protocols.search import toy
from tests.protocols.search.test_command import ROOT, finish, point, run_of, start, told

pytestmark = pytest.mark.whole

Process = subprocess.Popen[str]


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts parts of a cluster, and ends them."""
    started: list[Process] = []

    def begin(*command: str) -> Process:
        env = os.environ | {"TOY_LOG": str(tmp_path / "log"), "TOY_SECONDS": "0.2", "PYTHONPATH": str(ROOT)}
        arguments = [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]]
        process = subprocess.Popen(
            arguments, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def scheduler(dask: Callable[..., Process], tmp_path: Path) -> tuple[Process, str]:
    """A scheduler on a free port, once it answers."""
    file = tmp_path / "scheduler.json"
    process = dask("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
    while not file.exists() or not file.read_text().strip().endswith("}"):
        assert process.poll() is None
        time.sleep(0.05)
    return process, next(line for line in file.read_text().split('"') if line.startswith("tcp://"))


def worker(dask: Callable[..., Process], address: str) -> Process:
    return dask("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny")


def test_a_worker_killed_in_the_middle_of_a_trial_loses_none(dask: Callable[..., Process], tmp_path: Path) -> None:
    _, address = scheduler(dask, tmp_path)
    workers = [worker(dask, address), worker(dask, address)]
    search = start(toy.write(tmp_path, trials=20), tmp_path / "runs", "--cluster", address)
    log = tmp_path / "log"
    while len(told(tmp_path / "runs")) < 4 and search.poll() is None:
        time.sleep(0.05)
    known = told(tmp_path / "runs")
    os.kill(workers[0].pid, signal.SIGKILL)
    worker(dask, address)  # another comes in its place
    finish(search)
    final = told(tmp_path / "runs")
    assert known.items() <= final.items()
    assert sorted(final) == list(range(20))
    begun = run_of(log)
    assert len(set(begun)) == 20
    assert all(begun.count(point(params)) == 1 for _, params in known.values())
    assert len(begun) <= 22  # what the worker was at, and at most one result that it had not handed over


def test_a_scheduler_that_dies_is_one_line_and_the_search_goes_on_without_it(
    dask: Callable[..., Process], tmp_path: Path
) -> None:
    process, address = scheduler(dask, tmp_path)
    worker(dask, address)
    protocol = toy.write(tmp_path, trials=14)
    search = start(protocol, tmp_path / "runs", "--cluster", address)
    while len(told(tmp_path / "runs")) < 3 and search.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    _, errors = finish(search, 1)
    last = errors.splitlines()[-1]
    assert last.startswith("error: the scheduler ")
    assert last.endswith("is gone; finished trials are kept: the same command goes on from there")
    known = told(tmp_path / "runs")
    assert len(known) >= 3
    finish(start(protocol, tmp_path / "runs", "--jobs", "2"))
    assert known.items() <= told(tmp_path / "runs").items()
    assert len(told(tmp_path / "runs")) == 14


SBATCH = """#!/bin/sh
cp "$1" {folder}/job_$$.sh  # the original is removed as soon as this script ends
TOY_LOG={folder}/log TOY_SECONDS=0.1 PYTHONPATH={root} setsid sh {folder}/job_$$.sh > /dev/null 2>&1 &
echo $! >> {folder}/jobs
echo Submitted batch job $!
"""


def test_slurm_runs_the_workers_with_the_options_of_the_protocol(tmp_path: Path) -> None:
    """A stand-in for Slurm that runs the jobs it is given at once."""
    for name, text in {"sbatch": SBATCH.format(folder=tmp_path, root=ROOT), "scancel": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "options.yaml").write_text("account: lab\njobs: 2\n")
    more = "cluster: {queue: short, walltime: '00:30:00', memory: 1GB, interface: lo}"
    arguments = ["--cluster", "slurm", "--cluster-options", str(tmp_path / "options.yaml")]
    path = f"{tmp_path}:{os.environ['PATH']}"
    try:
        search = start(toy.write(tmp_path, 6, more), tmp_path / "runs", *arguments, PATH=path)
        finish(search)
    finally:
        for pid in (tmp_path / "jobs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)
    assert sorted(told(tmp_path / "runs")) == list(range(6))
    script = next(tmp_path.glob("job_*.sh")).read_text()
    for line in ("#SBATCH -p short", "#SBATCH -t 00:30:00", "#SBATCH -A lab", "#SBATCH --mem=954M"):
        assert line in script


@pytest.mark.parametrize(
    ("options", "there", "said"),
    [
        ("", False, "error: --cluster slurm: there is no sbatch here"),
        ("queueue: short", True, "error: search.cluster: Got unexpected keyword argument 'queueue'."),
        ("jobs: many", True, "error: search.cluster.jobs: 'many'; allowed: a number of jobs"),
    ],
)
def test_what_slurm_cannot_do_is_one_line(tmp_path: Path, options: str, there: bool, said: str) -> None:
    if there:
        (tmp_path / "sbatch").write_text("#!/bin/sh\n")
        (tmp_path / "sbatch").chmod(0o755)
    protocol = toy.write(tmp_path, 6, f"cluster: {{{options}}}")
    path = f"{tmp_path}:{os.environ['PATH']}"
    _, errors = finish(start(protocol, tmp_path / "runs", "--cluster", "slurm", PATH=path), 2)
    assert errors.startswith(said)
    assert errors.count("\n") == 1
