"""The command in two processes: same result as in one, a killed process, faults in only one, wrong input."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hebbian_dl import environment, processes, torchrun
from hebbian_dl.memory.limits import most_bytes
from hebbian_dl.run import NetworkLearner, app
from hebbian_dl.training import checkpoint
from protocols.loading.loader import load
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault
from tests.hebbian_dl.test_run import TINY, arrays_of, command, metrics_of, only_run

ROOT = Path(__file__).parents[2]
LARGE = """
name: large
title: a network whose maps are many times its weights
citation: nobody
data: {source: digits, validation: 200, size: [48, 48]}
network:
  layers: [{conv: 32, kernel: 3}, {pool: 2}, {conv: 32, kernel: 3}, {norm: plain}]
  methods:
    HPCA: {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.01, batch: 512}
  finetuning: {batch: 512}
seeds: 1
"""

#: program of each process
PROGRAM = """
import os, signal
from hebbian_dl import torchrun
from hebbian_dl.training import loop
from hebbian_dl.run import NetworkLearner, app
from protocols.spec.faults import ProtocolFault

loop.CHECKPOINT_EVERY_S = 0.0
NetworkLearner.figures = lambda *_: None
learn, check = loop.Training._learn, NetworkLearner.check

def killed(self, step, batch, where):
    if self.name == "HPCA" and where.endswith(os.environ.get("KILLED_AT", "never")) and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(self, step, batch, where)

def faulty(self, *given):
    if os.environ.get("FAULTY") == os.environ["RANK"]:
        raise ProtocolFault(["data: not on this machine"])
    return check(self, *given)

loop.Training._learn, NetworkLearner.check = killed, faulty
torchrun.main(app)
"""


pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.whole]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("protocol") / "tiny.yaml"
    sought = "regimes: [0.1, 1.0]\n  retrieval: {bits: 8, at: [5], head: batch_norm}\n"
    path.write_text(TINY.replace("seeds: 2", "seeds: 1").replace("regimes: [0.1, 1.0]\n", sought))
    return str(path)


def together(folder: Path, *arguments: str, n: int = 2, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in several processes."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n), str(program)]
    return subprocess.run(
        [*line, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Error lines of the command, without the output of torchrun."""
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def exit_codes(done: subprocess.CompletedProcess[str]) -> list[int]:
    """Exit codes of the processes that failed, from the output of torchrun."""
    return sorted(int(code) for code in re.findall(r"exitcode  : (-?\d+)", done.stderr))


@pytest.mark.parametrize(("rank", "said"), [("0", 1), ("1", 0)])
def test_standard_input_is_refused_in_one_line(
    rank: str, said: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr(sys, "argv", ["run", "-", "--json"])
    with pytest.raises(SystemExit) as end:
        torchrun.main(app)
    assert end.value.code == 2
    line = "error: -: allowed: a protocol file; the processes of torchrun share no standard input\n"
    assert capsys.readouterr().err == said * line


def test_a_module_of_ones_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_net.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("WORLD_SIZE", "2")
    protocol = load("digits_hebb", ["network.layers=[]", "network.module=own_net:build"])
    with pytest.raises(ProtocolFault, match=r"^network\.module: own_net:build: allowed: 1 process, without torchrun$"):
        torchrun.check(protocol, cli.Options("cpu", None, None))


def test_a_killed_run_goes_on_to_the_result_of_one_process(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process is killed in the middle of an epoch; the first reports it and stops; the run is resumed."""
    done = together(tmp_path, tiny, "--out", "runs", KILLED_AT="epoch 1, step 4")
    assert errors(done) == [f"error: {processes.ENDED}"]
    assert exit_codes(done) == [-9, 1]
    assert "3 trainings on cpu, 1 at a time, 2 processes to each, 1 threads each." in done.stderr
    (partial,) = (tmp_path / "runs" / "tiny").glob("*.partial")
    assert checkpoint.load(partial / "seed_0_HPCA.safetensors")[1]["steps"] == 4
    assert not list(tmp_path.rglob("metrics.json"))

    before = {path: path.stat().st_mtime_ns for path in partial.rglob("*")}
    for n in (1, 3):
        monkeypatch.setenv("WORLD_SIZE", str(n))
        assert command(tiny, "--out", str(tmp_path / "runs")) == 2
        assert capsys.readouterr().err == f"error: {partial}: was begun by 2 processes; allowed: 2, or --force\n"
    monkeypatch.delenv("WORLD_SIZE")
    assert {path: path.stat().st_mtime_ns for path in partial.rglob("*")} == before

    begun = (partial / "log_seed_0.jsonl").read_text()
    done = together(tmp_path, tiny, "--out", "runs", "--json")
    assert done.returncode == 0, done.stderr
    found = only_run(tmp_path / "runs")
    assert json.loads(done.stdout) == metrics_of(found)  # printed once
    assert "Resuming: 1 of 3 trainings" in done.stderr
    assert (found / "log_seed_0.jsonl").read_text().startswith(begun)
    assert json.loads((found / "provenance.json").read_text())["processes"] == 2

    assert command(tiny, "--out", str(tmp_path / "alone"), "--jobs", "1") == 0
    assert_close(found, only_run(tmp_path / "alone"))


def assert_close(found: Path, known: Path) -> None:
    """The same accuracies, and arrays that differ by rounding only, which may flip a bit of a code."""
    assert found.name == known.name
    assert {path.name for path in found.iterdir()} == {path.name for path in known.iterdir()}
    ours, theirs = arrays_of(found), arrays_of(known)
    assert ours.keys() == theirs.keys()
    for name in ours:
        if theirs[name].dtype.kind == "f" and "/map/" not in name and not name.endswith("wall_s"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6, err_msg=name)
    for path, value in metrics_of(known).items():
        for key in ("per_seed", "validation_per_seed", "epoch_per_seed"):
            if key in value:
                limit = 0.02 if path.startswith("map/") else 0
                assert metrics_of(found)[path][key] == pytest.approx(value[key], abs=limit, rel=0), (path, key)


def test_a_fault_that_one_process_meets_is_said_once_and_ends_all(tiny: str, tmp_path: Path) -> None:
    done = together(tmp_path, tiny, "--out", "runs", FAULTY="1")
    assert errors(done) == ["error: data: not on this machine"]
    assert exit_codes(done) == [2, 2]
    assert done.stdout == ""


HPCA = "network.methods.HPCA"


@pytest.mark.parametrize(
    ("n", "arguments", "said"),
    [
        (3, ["--set", f"{HPCA}.batch=2"], f"{HPCA}.batch: 2; allowed: at least 3, the number of processes"),
        (17, ["--set", f"{HPCA}.batch=20"], "network.finetuning.batch: 16; allowed: at least 17"),
        (3, ["--set", f"{HPCA}.at_a_time=4"], f"{HPCA}.at_a_time: 4; allowed: a multiple of 3"),
        (16, [], "network.regimes: 0.1 (10%) of 154 images are 15; allowed: at least 16, the number of processes"),
        (2, ["--jobs", "2"], "--jobs 2: allowed: 1 with torchrun, whose processes share each training"),
        (2, ["--device", "cuda"], "--device cuda: 1 GPU for 2 processes on a machine; allowed: a GPU each, or"),
        (2, ["ASSOCIATION"], "network: learns from one image at a time; allowed: 1 process, without torchrun"),
    ],
)
def test_what_processes_cannot_share_is_said_line_by_line(
    n: int, arguments: list[str], said: str, tiny: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In one process that takes itself for one of several."""
    monkeypatch.setenv("WORLD_SIZE", str(n))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(n))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in arguments)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    line = ["mnist01"] if arguments == ["ASSOCIATION"] else [tiny, *arguments]
    assert command(*line, "--out", str(tmp_path)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    assert any(line.startswith(f"error: {said}") for line in lines)
    assert not list(tmp_path.iterdir())


def test_the_processes_of_a_machine_share_its_memory_and_the_leader_says_so(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hebbian_dl.run.available_memory_bytes", lambda: 10**9)
    options = cli.Options("cpu", None, None)
    NetworkLearner().check(load(tiny), options)  # half a gigabyte is torch
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(ProtocolFault, match=r"needs about 0\.\d GB, 0\.5 GB are free"):
        NetworkLearner().check(load(tiny), options)
    monkeypatch.setenv("RANK", "1")  # it looks when the leader has taken its share
    NetworkLearner().check(load(tiny), options)


def test_each_process_holds_its_share_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(LARGE)
    protocol, needs = load(str(path)), []
    for n in ("1", "2", "4"):
        monkeypatch.setenv("WORLD_SIZE", n)
        needs.append(most_bytes(protocol))
    assert needs[0] > needs[1] > needs[2]


def test_processes_that_torchrun_did_not_start_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as exit_:
        torchrun.main(app)
    assert exit_.value.code == 1
    captured = capsys.readouterr().err
    assert captured.startswith("error: torchrun: ")
    assert captured.count("\n") == 1


def test_cores_are_shared_by_the_processes_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.runs.machine.cores", lambda: 16)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for here, threads in (("4", 4), ("3", 5), ("40", 1), ("", 16)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", here)
        assert environment.threads() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert environment.threads() == 7
