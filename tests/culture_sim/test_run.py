"""The command: results, exit codes, interruption, repetition."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from culture_sim.run import app
from protocols.loading.loader import builtin, load
from tests.command import exit_code

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[2]
SMALL = [
    "--set", "phases.tetanisation.repetitions=12", "--set", "record.spikes=all", "--seeds", "2",
    "--device", "cpp",  # fixed, since engines differ in the last digit
]  # fmt: skip


command = partial(exit_code, app)


def only_run(out: Path) -> Path:
    (found,) = [path for path in (out / "ruaro2005").iterdir() if path.is_dir()]
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    assert command("ruaro2005", "--quick", *SMALL, "--out", str(out), "--jobs", "1") == 0
    return only_run(out)


def test_the_built_in_protocols_are_listed_with_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--list") == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown.keys() == builtin().keys()
    assert shown["ruaro2005"] == load("ruaro2005").title
    assert shown["digits01"] == load("digits01").title  # which has a base


def test_a_dry_run_reads_standard_input_and_writes_nothing(tmp_path: Path) -> None:
    """Neither data, which are not there, nor a lock, a cache, a temporary file or a folder of runs."""
    folders = {"HOME": "home", "XDG_CACHE_HOME": "cache", "CULTURE_DATA": "data", "TMPDIR": "temporary"}
    given = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    for variable, name in folders.items():
        (tmp_path / name).mkdir()
        given[variable] = str(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "culture_sim.run", "-", "--dry-run"],
        input=builtin()["mnist01"].read_text(),
        cwd=tmp_path,
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "timeline (one seed):" in done.stdout
    assert "mnist: is not in" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(folders.values())


def test_a_run_leaves_everything_and_the_culture_learns(finished: Path) -> None:
    assert {p.name for p in finished.iterdir()} == {
        "arrays.npz", "figures", "metrics.json", "protocol.yaml", "provenance.json", "targets"
    }  # fmt: skip
    metrics = json.loads((finished / "metrics.json").read_text())
    for path in ("L/before", "L/after", "inverted_L/before", "inverted_L/after"):
        value = metrics[f"evoked/{path}"]
        assert set(value) >= {"mean", "sd", "n", "unit", "window_ms"}
        assert value["n"] == 2
        assert value["window_ms"] == [0, 20 if "before" in path else 50]
    assert metrics["evoked/L/before"]["mean"] == pytest.approx(10 * metrics["leaky/L/before"]["mean"])
    assert "calibration" not in metrics
    assert len(metrics["targets"]) == 8
    for window in ("20ms", "50ms"):
        assert metrics[f"growth/L/{window}"]["grows_per_seed"] == [True, True]
        for tetanised, other in zip(
            metrics[f"growth/L/{window}"]["ratio_per_seed"],
            metrics[f"growth/inverted_L/{window}"]["ratio_per_seed"],
            strict=True,
        ):
            assert tetanised > 1.2 * other
    assert {p.stem for p in (finished / "figures").iterdir()} == {"evoked", "array", "raster", "weights"}


def test_metrics_follow_from_the_kept_spikes(finished: Path) -> None:
    """Recompute a metric by loops from the spikes in arrays.npz."""
    from protocols.loading.loader import parse_yaml
    from protocols.loading.overrides import check
    from protocols.plan.timeline import expand

    protocol = check(parse_yaml((finished / "protocol.yaml").read_text(), "x"))
    arrays = np.load(finished / "arrays.npz")
    metrics = json.loads((finished / "metrics.json").read_text())
    table = expand(protocol, 1).presentations
    distance = np.linalg.norm(arrays["seed_1/electrodes"][:, None] - arrays["seed_1/positions"], axis=2)
    cells = [np.flatnonzero(distance.argmin(axis=0) == electrode) for electrode in range(60)]
    cells = [cell for cell in cells if len(cell)]
    spikes = set(zip(arrays["seed_1/spikes/neuron"].tolist(), arrays["seed_1/spikes/step"].tolist(), strict=True))
    values = []
    for row in table[(table["phase"] == 2) & (table["stimulus"] == 1)]:
        level, seen = np.zeros(len(cells)), []
        for t in range(100):
            now = int(row["onset_step"]) + t
            heard = np.array([np.mean([(int(n), now) in spikes for n in cell]) for cell in cells])
            level = level * np.exp(-1 / 20) + heard
            if t >= 50:
                seen.append(level.mean())
        values.append(np.mean(seen))
    assert metrics["leaky/inverted_L/after"]["per_seed"][1] == pytest.approx(np.mean(values))


def test_same_seed_same_arrays_and_another_stimulus_seed_leaves_the_culture(finished: Path, tmp_path: Path) -> None:
    parallel, other = tmp_path / "parallel", tmp_path / "other"
    assert command("ruaro2005", "--quick", *SMALL, "--out", str(parallel), "--jobs", "2") == 0
    assert command("ruaro2005", "--quick", *SMALL, "--set", "stimulus_seed=7", "--out", str(other)) == 0
    a, b, c = (np.load(path / "arrays.npz") for path in (finished, only_run(parallel), only_run(other)))
    assert a.files == b.files
    for name in a.files:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    for name in ("positions", "units", "weights/excitatory/before", "weights/electrode/before"):
        np.testing.assert_array_equal(a[f"seed_0/{name}"], c[f"seed_0/{name}"])
    assert not np.array_equal(a["seed_0/spikes/step"], c["seed_0/spikes/step"])


def test_a_finished_run_is_reused_and_json_is_all_of_stdout(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(finished.parents[1])
    before = (finished / "metrics.json").stat().st_mtime_ns
    assert command("ruaro2005", "--quick", *SMALL, "--out", out, "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads((finished / "metrics.json").read_text())
    assert "Reusing" in captured.err
    assert (finished / "metrics.json").stat().st_mtime_ns == before


def test_dry_run_prints_a_loadable_plan_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("ruaro2005", "--dry-run", "--out", str(tmp_path)) == 0
    printed = capsys.readouterr().out
    from protocols.loading.loader import load, parse_yaml
    from protocols.loading.overrides import check

    assert check(parse_yaml(printed.split("\ntimeline (")[0], "x")) == load("ruaro2005")
    assert "tetanisation: 40 presentations, 16 s, learning" in printed
    assert "memory (one seed)" in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nonsense"], "no such protocol"),
        (["protocols"], "is a directory"),
        (["ruaro2005", "--set", "culture.neurons.cuont=3"], "did you mean 'count'?"),
        (["ruaro2005", "--set", "culture.neurons.count=40000"], "GB available"),
        (["ruaro2005", "--set", "culture.neurons.count=3000000"], "allowed: 2.15e+09"),
        (["ruaro2005", "--set", "evoked.windows.after=100.5 ms"], "evoked.windows.after: 100.5 ms; allowed: a whole"),
        (["ruaro2005", "--device", "gpu"], "--device gpu: allowed: auto, runtime, cpp, cuda"),
        (["ruaro2005", "--seeds", "0"], "seeds"),
        (["ruaro2005", "--seeds", "many"], "seeds"),
        (["ruaro2005", "--jobs", "0"], "jobs"),
        (["ruaro2005", "--qiuck"], "--qiuck"),
        ([], "Missing argument"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("culture_sim.run.available_memory_bytes", lambda: int(8e9))
    assert command(*arguments, *(["--out", str(tmp_path)] if arguments else [])) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    assert command("ruaro2005", "--quick", *SMALL, "--out", str(occupied)) == 1
    assert "error: " in capsys.readouterr().err
    assert occupied.read_text() == ""


@pytest.mark.parametrize(
    ("stop", "jobs"), [(signal.SIGINT, "1"), (signal.SIGTERM, "1"), (signal.SIGKILL, "1"), (signal.SIGTERM, "2")]
)
def test_an_interrupted_run_looks_unfinished_and_resumes_to_the_same_result(
    stop: signal.Signals, jobs: str, finished: Path, tmp_path: Path
) -> None:
    line = [
        sys.executable,
        "-m",
        "culture_sim.run",
        "ruaro2005",
        "--quick",
        *SMALL,
        "--out",
        str(tmp_path),
        "--jobs",
        jobs,
        "--seeds",
        "6",  # enough seeds that the run does not finish before the signal arrives
    ]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    with process:
        deadline = time.monotonic() + 100
        while not list(tmp_path.rglob("seed_0.npz")) and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(process.pid, stop)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == (-signal.SIGKILL if stop == signal.SIGKILL else 130), said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("metrics.json"))
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Resuming: [1-5] of 6 seeds", done.stderr)
    resumed = np.load(only_run(tmp_path) / "arrays.npz")
    uninterrupted = np.load(finished / "arrays.npz")
    for name in uninterrupted.files:
        np.testing.assert_array_equal(resumed[name], uninterrupted[name], err_msg=name)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_damaged_part_is_done_again(content: bytes, finished: Path, tmp_path: Path) -> None:
    partial = tmp_path / "ruaro2005" / f"{finished.name}.partial"
    partial.mkdir(parents=True)
    (partial / "seed_0.npz").write_bytes(content)
    assert command("ruaro2005", "--quick", *SMALL, "--out", str(tmp_path), "--jobs", "1") == 0
    a, b = np.load(only_run(tmp_path) / "arrays.npz"), np.load(finished / "arrays.npz")
    np.testing.assert_array_equal(a["seed_0/spikes/step"], b["seed_0/spikes/step"])


def test_a_damaged_run_is_said_to_be_damaged(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "ruaro2005" / finished.name
    shutil.copytree(finished, copy)
    (copy / "metrics.json").write_text("{")
    assert command("ruaro2005", "--quick", *SMALL, "--out", str(tmp_path)) == 1
    assert "is damaged; --force" in capsys.readouterr().err


def test_a_run_directory_stands_alone(finished: Path) -> None:
    """The protocol of a run directory loads with the copy of the published values in it."""
    from protocols.loading.loader import load

    assert load(str(finished / "protocol.yaml")).name == "ruaro2005"
    assert "evoked/L/before" in (finished / "targets/ruaro2005.csv").read_text()


def test_an_interrupted_runtime_engine_stops_rather_than_returning_half(tmp_path: Path) -> None:
    line = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert "half a recording" not in done.stdout
    assert done.returncode not in {0, 1}, done.stderr  # ended by the signal


INTERRUPTED = """
import os, signal
from culture_sim import Culture
from culture_sim.engines.runtime import RuntimeEngine
from tests.conftest import random_session, spec

def stop(done, of):
    if done == 3:
        os.kill(os.getpid(), signal.SIGINT)

RuntimeEngine("numpy").run(Culture.grow(spec(30), 0), random_session(20), stop)
print("half a recording")
"""


def test_a_failing_simulator_is_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from culture_sim import engines

    broken = tmp_path / "main"
    broken.write_text("#!/bin/sh\necho it broke >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(engines, "prepare", lambda device, shape: engines.CppEngine(broken))
    assert command("ruaro2005", "--quick", *SMALL, "--out", str(tmp_path / "runs"), "--jobs", "1") == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "error: the compiled culture ended with code 3: it broke"
    assert not list(tmp_path.rglob("metrics.json"))
