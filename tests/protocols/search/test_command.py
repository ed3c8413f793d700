"""The whole command: its answer, one line for each mistake, and no finished trial lost when a process is killed."""

import contextlib
import csv
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from protocols.loading.loader import load
from protocols.runs import cli
from protocols.search.plans import Point
from protocols.spec.search import CONFIRMATION_OFFSET
from tests.protocols.search import toy

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]


def start(protocol: Path, out: Path, *more: str, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.protocols.search.toy", str(protocol), "--out", str(out), *more]
    env = os.environ | {"TOY_LOG": str(out.parent / "log"), "MPLBACKEND": "agg"} | variables
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    return out, errors


def told(out: Path) -> dict[int, Any]:
    """What the journal holds of finished trials, read as anyone could; a half line at its end is not read."""
    path = out / "toy" / "search" / "study.journal"
    if not path.exists() or not path.stat().st_size:
        return {}
    copy = path.with_name("copy")
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    copy.write_bytes(whole + b"\n")
    storage = JournalStorage(JournalFileBackend(str(copy)))
    trials = [trial for study in storage.get_all_studies() for trial in storage.get_all_trials(study._study_id)]
    return {trial.number: (trial.values, trial.params) for trial in trials if trial.state.is_finished()}


def trials_begun(log: Path) -> list[dict[str, Any]]:
    """The log's lines of trials; those of the confirmation and the prediction left out."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [line for line in lines if 10000 <= line["first_seed"] < CONFIRMATION_OFFSET]


def run_of(log: Path) -> list[tuple[float, float]]:
    return [(line["strength"], line["sigma"]) for line in trials_begun(log)]


def point(params: Point) -> tuple[float, float]:
    rounded = [float(f"{float(params[f'culture.excitatory.{key}']):.4g}") for key in ("strength", "sigma")]
    return float(f"{rounded[0] * 1e-3:.12g}"), float(f"{rounded[1] * 1e-3:.12g}")


def test_an_answer_from_the_first_trial_to_the_recipe(tmp_path: Path) -> None:
    protocol, out = toy.write(tmp_path, 24, "sampler: {sampler: tpe, startup: 6}"), tmp_path / "runs"
    printed, _ = finish(start(protocol, out, "--jobs", "2", "--json"))
    found = json.loads(printed)
    folder = out / "toy" / "search"
    assert found == json.loads((folder / "answer.json").read_text())
    rows = list(csv.DictReader((folder / "search.csv").read_text().splitlines()))
    assert len(rows) == found["budget"]["trials"] == 24
    assert {row["state"] for row in rows} == {"complete"}
    for row, trial in zip(rows, found["trials"], strict=True):
        strength, sigma = (float(row[f"culture.excitatory.{key}"]) for key in ("strength [mV]", "sigma [mm]"))
        assert trial["means"][0] == pytest.approx(toy.bowl(strength * 1e-3, sigma * 1e-3), abs=0.01)
        assert float(row["accuracy/validation mean"]) == trial["means"][0]
    best = max(found["confirmation"], key=lambda it: it["score"])
    assert found["best"]["trial"] == best["trial"]
    assert len(best["per_seed"]) == 3
    assert found["prediction"]["best"]["mean"] > found["prediction"]["start"]["mean"]
    grown = load(str(folder / "best.yaml"))
    assert grown.search is None
    assert f"{grown.culture.excitatory.strength * 1e3:.4g}" == f"{best['values']['culture.excitatory.strength']:.4g}"  # type: ignore[attr-defined]
    assert (folder / "figures" / "recipe.pdf").exists()
    seeds = {json.loads(line)["first_seed"] for line in (tmp_path / "log").read_text().splitlines()}
    own = {10000 + 2 * number for number in range(24)}  # no two trials have a seed in common
    assert seeds == own | {10000 + CONFIRMATION_OFFSET, 0}  # confirmation and prediction have others
    before = (tmp_path / "log").read_text()
    finish(start(protocol, out, "--jobs", "2", "--json"))
    assert (tmp_path / "log").read_text() == before  # all of it is there already


@pytest.mark.parametrize("whom", ["leader", "worker"])
def test_killing_anyone_at_any_moment_loses_nothing_and_repeats_nothing(tmp_path: Path, whom: str) -> None:
    protocol, out, log = toy.write(tmp_path, trials=18), tmp_path / "runs", tmp_path / "log"
    log.touch()
    rng, killed = random.Random(whom), 0
    known: dict[int, Any] = {}
    process = start(protocol, out, "--jobs", "2", TOY_SECONDS="0.2")
    while process.poll() is None and killed < 4:
        time.sleep(rng.uniform(1.0, 3.0))
        if whom == "leader":
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        else:
            trials = trials_begun(log)
            if not trials:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(trials[-1]["pid"], signal.SIGKILL)
        killed += 1
        now = told(out)
        assert known.items() <= now.items()
        known = now
        if whom == "leader":
            begun = len(run_of(log))
            process = start(protocol, out, "--jobs", "2", TOY_SECONDS="0.2")
            time.sleep(1)
            assert not {point(params) for _, params in known.values()} & set(run_of(log)[begun:])
    finish(process)
    assert killed >= 3
    final = told(out)
    assert known.items() <= final.items()
    assert sorted(final) == list(range(18))
    assert {point(params) for _, params in final.values()} == set(run_of(log))


def test_two_processes_share_a_study_and_one_of_them_answers(tmp_path: Path) -> None:
    protocol, out = toy.write(tmp_path, trials=20), tmp_path / "runs"
    both = [start(protocol, out, "--jobs", "1", "--json", TOY_SECONDS="0.3") for _ in range(2)]
    printed = [finish(process) for process in both]
    answers = [text for text, _ in printed if text]
    assert answers, printed
    assert sorted(told(out)) == list(range(20))
    points = run_of(tmp_path / "log")
    assert len(points) == len(set(points)) == 20
    workers = {trial["number"] for trial in json.loads(answers[0])["trials"]}
    assert workers == set(range(20))


def test_an_interruption_is_said_and_goes_on(tmp_path: Path) -> None:
    protocol, out = toy.write(tmp_path, trials=12), tmp_path / "runs"
    process = start(protocol, out, "--jobs", "2", TOY_SECONDS="0.5")
    while len(told(out)) < 3 and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = finish(process, 130)
    assert errors.endswith("Finished parts are kept: the same command continues from there.\n")
    known = told(out)
    _, errors = finish(start(protocol, out, "--jobs", "2"))
    assert f"Resuming: {len(known)} trials are finished already." in errors
    assert known.items() <= told(out).items()


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """The size of files is limited, as a disk that gets full limits it: a write stops half way."""
    protocol, out = toy.write(tmp_path, trials=12), tmp_path / "runs"
    process = start(protocol, out, "--jobs", "1", TOY_SECONDS="0.4")
    while len(told(out)) < 3 and process.poll() is None:
        time.sleep(0.05)
    known, journal = told(out), out / "toy" / "search" / "study.journal"
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (journal.stat().st_size + 100,) * 2)
    _, errors = finish(process, 1)
    assert errors.splitlines()[-1].startswith("error: ")
    assert "File too large" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert known.items() <= told(out).items()
    finish(start(protocol, out, "--jobs", "2"))
    assert known.items() <= told(out).items()
    assert len(told(out)) == 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "search.sampler.sampler=annealing"], "search.sampler: sampler 'annealing'; allowed: "),
        (["--device", "abacus"], "--device abacus: allowed: auto"),
        (["--cluster", "tcp://127.0.0.1:1"], "--cluster tcp://127.0.0.1:1: no scheduler answers"),
        (["--cluster", "nowhere"], "--cluster nowhere: no scheduler answers"),
        (["--storage", "nothing://x"], "--storage nothing://x: "),
        (["--cluster-options", "missing.yaml"], "--cluster-options missing.yaml: No such file or directory"),
        (["--jobs", "0"], "--jobs"),
    ],
)
def test_wrong_arguments_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.setattr("protocols.search.cluster.PATIENCE_S", 1.0)
    with pytest.raises(SystemExit) as end:
        cli.main(toy.app, [str(toy.write(tmp_path)), "--out", str(tmp_path / "runs"), *arguments])
    errors = capsys.readouterr().err
    assert end.value.code == 2
    assert said in errors.splitlines()[-1]


def test_a_protocol_without_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(toy.app, ["mnist01", "--out", str(tmp_path)])
    assert end.value.code == 2
    said = "error: search: missing in 'mnist01'; allowed: a protocol with a 'search:' section\n"
    assert capsys.readouterr().err == said


def test_trials_that_all_fail_end_the_search(tmp_path: Path) -> None:
    protocol, out = toy.write(tmp_path, trials=12), tmp_path / "runs"
    _, errors = finish(start(protocol, out, "--jobs", "2", TOY_FAILS="1"), 1)
    assert errors.splitlines()[-1] == "error: the first 3 trials failed: no such luck"


def test_a_plan_without_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(toy.app, [str(toy.write(tmp_path)), "--out", str(tmp_path / "runs"), "--dry-run"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "culture.excitatory.strength: 10 to 1000 mV, log (own: 40.0)" in printed
    assert "budget: 12 trials, 2 seeds a trial" in printed
    assert not (tmp_path / "runs").exists()
