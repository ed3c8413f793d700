"""The command: files of a run, settings that keep its results, interruption, damage, divergence, wrong input."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from culture_sim.run import app as culture_app
from hebbian_dl.run import NetworkLearner, app
from hebbian_dl.training import loop
from protocols.images import datasets, download
from protocols.images.download import Published
from tests.command import exit_code

ROOT = Path(__file__).parents[2]
TINY = """
name: tiny
title: a network that is trained in a second
citation: nobody
data: {source: digits, classes: [0, 1, 2], pool: 500, validation: 30, test: 60}
network:
  layers: [{conv: 5, kernel: 3}, {norm: plain}, {pool: 2}, {dense: 8}, {norm: relative}]
  methods:
    none: {pretraining: none}
    HPCA:
      {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.01, epochs: 3, batch: 16, selection: label_free}
    SWTA:
      pretraining: hebbian
      rule: {rule: swta}
      learning_rate: 0.01
      epochs: 2
      batch: 16
      layers: one_by_one
      selection: labelled
      whitening: 0.1
  finetuning: {epochs: 4, batch: 16, learning_rate: 0.01, labels: stratified}
  regimes: [0.1, 1.0]
seeds: 2
"""
METHODS, REGIMES = ("none", "HPCA", "SWTA"), ("10%", "100%")
EPOCHS = {"HPCA": 3, "SWTA": 4} | {f"{method}/{regime}": 4 for method in METHODS for regime in REGIMES}


pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.whole]


command = partial(exit_code, app)


def only_run(out: Path) -> Path:
    (found,) = [path for path in (out / "tiny").iterdir() if path.is_dir()]
    return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("protocol") / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


@pytest.fixture(scope="module")
def finished(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    assert command(tiny, "--out", str(out), "--jobs", "1") == 0
    return only_run(out)


def arrays_of(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "arrays.npz") as file:
        return dict(file)


def metrics_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def assert_same_results(run: Path, expected: Path, seeds: tuple[int, ...] = (0, 1)) -> None:
    """All arrays of some seeds are equal bit for bit, and so are their metrics; wall time is left out."""
    found, known = arrays_of(run), arrays_of(expected)
    names = {name for name in known if int(name[5]) in seeds}
    assert set(found) == names
    for name in names:
        if not name.endswith("wall_s"):
            np.testing.assert_array_equal(found[name], known[name], err_msg=name)
    ours, theirs = metrics_of(run), metrics_of(expected)
    assert ours.keys() == theirs.keys()
    for path, value in theirs.items():
        for key in ("per_seed", "kept_epoch_per_seed", "validation_per_seed", "epoch_per_seed"):
            if key in value:
                assert ours[path][key] == [value[key][seed] for seed in seeds], (path, key)
    if seeds == (0, 1):
        assert without_times(ours) == without_times(theirs)


def without_times(metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        path: {key: entry for key, entry in value.items() if key != "wall_s_per_seed"} if path != "targets" else value
        for path, value in metrics.items()
    }


def test_a_run_leaves_everything_and_the_networks_learn(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        *("arrays.npz", "metrics.json", "protocol.yaml", "provenance.json"),
        *("log_seed_0.jsonl", "log_seed_1.jsonl", "networks"),
    }
    assert {path.name for path in (finished / "networks").iterdir()} == {
        f"{what}seed_{seed}_{method}.safetensors"
        for what in ("", "inputs_")  # the network, and what prepares its images
        for seed in (0, 1)
        for method in ("HPCA", "SWTA")
    }
    metrics = metrics_of(finished)
    for method in METHODS:
        assert metrics[f"accuracy/{method}/100%"]["mean"] > 0.6  # of three classes
        assert metrics[f"accuracy/{method}/10%"]["labels"] == round(0.1 * metrics[f"accuracy/{method}/100%"]["labels"])


def test_metrics_follow_from_the_kept_arrays(finished: Path) -> None:
    metrics, arrays = metrics_of(finished), arrays_of(finished)
    for method in METHODS:
        for index, regime in enumerate(REGIMES):
            each = [float(arrays[f"seed_{seed}/{method}/top1"][index]) for seed in (0, 1)]
            value = metrics[f"accuracy/{method}/{regime}"]
            assert value["per_seed"] == each
            assert value["mean"] == pytest.approx(sum(each) / 2)
            # of two seeds drawn twice with replacement, a quarter of the means is the smaller value
            assert value["ci95"] == pytest.approx([min(each), max(each)])
            assert all(round(60 * accuracy, 9).is_integer() for accuracy in each)  # 60 test images
            if method != "none":
                plain = metrics[f"accuracy/none/{regime}"]["per_seed"]
                gain = metrics[f"gain/{method}/{regime}"]
                assert gain["per_seed"] == [own - other for own, other in zip(each, plain, strict=True)]
                assert gain["over"] == "none"
    assert not any(path.startswith("top5") for path in metrics)  # of three classes all five would be right


def test_the_log_has_a_line_an_epoch(finished: Path) -> None:
    for seed in (0, 1):
        lines = [json.loads(line) for line in (finished / f"log_seed_{seed}.jsonl").read_text().splitlines()]
        assert {line["seed"] for line in lines} == {seed}
        for name, epochs in EPOCHS.items():
            assert [line["epoch"] for line in lines if line["training"] == name] == list(range(epochs)), name
        assert len(lines) == sum(EPOCHS.values())


def test_the_epoch_that_was_kept_is_the_best_of_the_log(finished: Path) -> None:
    metrics = metrics_of(finished)
    scores = {"HPCA": "effective_rank", "SWTA": "class_mean_accuracy"}
    for seed in (0, 1):
        lines = [json.loads(line) for line in (finished / f"log_seed_{seed}.jsonl").read_text().splitlines()]
        for name in EPOCHS:
            course = [line[scores.get(name, "validation_top1")] for line in lines if line["training"] == name]
            kept = f"pretraining/{name}" if name in scores else f"accuracy/{name}"
            key = "kept_epoch_per_seed" if name in scores else "epoch_per_seed"
            assert metrics[kept][key][seed] == course.index(max(course)), name


def test_provenance_says_where_a_result_comes_from(finished: Path) -> None:
    from sklearn.datasets import load_digits

    facts = json.loads((finished / "provenance.json").read_text())
    digits = load_digits()
    images = np.round(digits.images * 255 / 16).astype(np.uint8).tobytes()
    md5 = hashlib.md5(images + digits.target.astype(np.uint8).tobytes()).hexdigest()
    assert facts["data"] == {"sklearn digits": md5}
    assert (facts["learner"], facts["device"], facts["seeds"], facts["neurons"]) == ("hebbian_dl", "cpu", [0, 1], 13)
    assert facts["packages"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]  # +cpu, +cu130


def test_a_finished_run_is_reused_and_json_is_all_of_stdout(
    tiny: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "metrics.json").stat().st_mtime_ns
    assert command(tiny, "--out", str(finished.parents[1]), "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == metrics_of(finished)
    assert "Reusing" in captured.err
    assert (finished / "metrics.json").stat().st_mtime_ns == before


def test_the_table_shows_every_accuracy(tiny: str, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(tiny, "--out", str(finished.parents[1])) == 0
    lines = capsys.readouterr().out.splitlines()
    metrics = metrics_of(finished)
    assert any(line.split() == ["labels", "images", *METHODS] for line in lines)
    for regime in REGIMES:
        (line,) = [line for line in lines if line.strip().startswith(f"{regime} ")]
        expected = [regime, str(metrics[f"accuracy/none/{regime}"]["labels"])]
        for method in METHODS:
            value = metrics[f"accuracy/{method}/{regime}"]
            low, high = value["ci95"]
            expected += [f"{100 * value['mean']:.2f}", f"[{100 * low:.2f},", f"{100 * high:.2f}]"]
        assert line.split() == expected


def test_numbers_depend_neither_on_other_methods_nor_on_other_regimes_nor_on_other_seeds(
    tiny: str, finished: Path, tmp_path: Path
) -> None:
    methods = "network.methods={SWTA: {pretraining: hebbian, rule: {rule: swta}, learning_rate: 0.01, epochs: 2, "
    methods += "batch: 16, layers: one_by_one, selection: labelled, whitening: 0.1}}"
    line = (tiny, "--set", methods, "--set", "network.regimes=[1.0]", "--set", "first_seed=1", "--seeds", "1")
    assert command(*line, "--out", str(tmp_path), "--jobs", "1") == 0
    assert only_run(tmp_path).name != finished.name
    found, known = arrays_of(only_run(tmp_path)), arrays_of(finished)
    for name in found:
        of_regimes = name.count("/") == 2 and not name.endswith("filters")
        if not name.endswith("wall_s"):
            np.testing.assert_array_equal(found[name], known[name][1:] if of_regimes else known[name], err_msg=name)
    assert len(found) > 8


@pytest.mark.parametrize("setting", ["network.finetuning.dropout=0.4", "data.validation=33", "first_seed=1"])
def test_another_setting_is_another_run(setting: str, tiny: str, finished: Path) -> None:
    from protocols.loading.loader import load
    from protocols.runs import run_directory

    def key(*overrides: str) -> str:
        return run_directory.run_hash(load(tiny, overrides), {}, NetworkLearner.packages)

    assert key() == finished.name
    assert key(setting) != finished.name


KILLED = """
import os, signal, sys
from hebbian_dl.training import loop
from hebbian_dl.run import app
from protocols.runs import cli

loop.CHECKPOINT_EVERY_S = 0.0
epoch, done = loop.Training._epoch, [0]

def killed(self, *given):
    found = epoch(self, *given)
    done[0] += 1
    if done[0] == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

loop.Training._epoch = killed
cli.main(app, sys.argv[1:])
"""


def test_a_killed_run_goes_on_to_the_same_result(tiny: str, finished: Path, tmp_path: Path) -> None:
    """Killed in the third epoch of HPCA, when its checkpoint is that of the second."""
    after = len(REGIMES) * EPOCHS["none/10%"] + 3
    line = [tiny, "--out", str(tmp_path), "--jobs", "1"]
    done = subprocess.run([sys.executable, "-c", KILLED.format(after=after), *line], cwd=ROOT, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (partial,) = (tmp_path / "tiny").glob("*.partial")
    assert len((partial / "log_seed_0.jsonl").read_text().splitlines()) == after - 1
    assert len(list(partial.glob("*.safetensors"))) == 1
    assert command(*line) == 0
    assert_same_results(only_run(tmp_path), finished)
    assert {path.name for path in only_run(tmp_path).iterdir()} == {path.name for path in finished.iterdir()}
    log = (only_run(tmp_path) / "log_seed_0.jsonl").read_text().splitlines()
    assert len(log) == sum(EPOCHS.values())  # no epoch twice


@pytest.mark.slow
def test_a_killed_run_of_several_processes_goes_on_to_the_same_result(
    tiny: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed while two of three trainings run, and the third has no process yet."""
    line = [tiny, "--out", str(tmp_path), "--jobs", "2", "--seeds", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hebbian_dl.run", *line], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    with process:
        deadline = time.monotonic() + 100
        while not list(tmp_path.rglob("log_seed_0.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not list(tmp_path.rglob("metrics.json"))
    assert command(*line) == 0
    assert "2 at a time, 1 threads each" in capsys.readouterr().err
    assert_same_results(only_run(tmp_path), finished, seeds=(0,))


@pytest.fixture
def interrupted(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Partial directory of a run of one seed that was stopped (Ctrl-C) after two epochs of HPCA."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    stop_after(monkeypatch, 10)
    assert command(tiny, "--out", str(tmp_path), "--jobs", "1", "--seeds", "1") == 130
    (partial,) = (tmp_path / "tiny").glob("*.partial")
    return partial


def stop_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    whole, done = loop.Training._epoch, 0

    def epoch(self: loop.Training, *given: Any) -> float | None:
        nonlocal done
        if done == epochs:
            monkeypatch.setattr(loop.Training, "_epoch", whole)
            raise KeyboardInterrupt
        done += 1
        return whole(self, *given)

    monkeypatch.setattr(loop.Training, "_epoch", epoch)


DAMAGE = {
    "truncated": lambda content: content[:-100],
    "empty": lambda content: b"",
    "zeroed": lambda content: bytes(len(content)),
    "zeros at the end": lambda content: content[:-200] + bytes(200),
    "other": lambda content: b"PK\x03\x04 something else" * 100,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_one_line_and_no_silent_restart(
    damage: str, tiny: str, interrupted: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = interrupted / "seed_0_HPCA.safetensors"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    refused(path, tiny, tmp_path, capsys, "damaged checkpoint")
    if damage == "truncated":  # as the line says
        path.unlink()
        assert command(tiny, "--out", str(tmp_path), "--jobs", "1", "--seeds", "1") == 0
        assert_same_results(only_run(tmp_path), finished, seeds=(0,))


def refused(path: Path, tiny: str, out: Path, capsys: pytest.CaptureFixture[str], said: str) -> None:
    content = path.read_bytes()
    capsys.readouterr()
    assert command(tiny, "--out", str(out), "--jobs", "1", "--seeds", "1") == 1
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert errors == captured.err.splitlines()[-1:]
    assert errors[0].startswith(f"error: {path}: {said}")
    assert captured.out == ""
    assert path.read_bytes() == content
    assert not list(out.rglob("metrics.json"))


def test_the_checkpoint_of_another_network_or_seed_or_method_is_refused(
    tiny: str, interrupted: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = interrupted / "seed_0_HPCA.safetensors"
    stop_after(monkeypatch, 10)
    wide = ("--set", "network.layers.3.dense=9", "--seeds", "1", "--jobs", "1")
    assert command(tiny, *wide, "--out", str(tmp_path / "wide")) == 130
    (other,) = (tmp_path / "wide" / "tiny").glob("*.partial")
    path.write_bytes((other / path.name).read_bytes())
    refused(path, tiny, tmp_path, capsys, "checkpoint of another network: ")
    path.unlink()
    network = interrupted / "networks" / path.name
    network.write_bytes((finished / "networks" / "seed_1_HPCA.safetensors").read_bytes())
    refused(network, tiny, tmp_path, capsys, "checkpoint of seed 1; allowed: 0")
    network.write_bytes((finished / "networks" / "seed_0_SWTA.safetensors").read_bytes())
    refused(network, tiny, tmp_path, capsys, "checkpoint of method SWTA; allowed: HPCA")
    network.write_bytes((finished / "networks" / "seed_0_HPCA.safetensors").read_bytes()[:-9])
    refused(network, tiny, tmp_path, capsys, "damaged checkpoint")


def test_what_lay_half_written_is_ignored_and_not_left_in_the_run(
    tiny: str, interrupted: Path, finished: Path, tmp_path: Path
) -> None:
    """Also where the network was saved, but its last checkpoint not yet deleted."""
    half = b"half a file"
    (interrupted / "seed_0_HPCA.safetensors.unfinished").write_bytes(half)
    (interrupted / "seed_0_HPCA_10%.unfinished.npz").write_bytes(half)
    (interrupted / "networks" / "seed_0_SWTA.safetensors.unfinished").write_bytes(half)
    network = (finished / "networks" / "seed_0_SWTA.safetensors").read_bytes()
    (interrupted / "networks" / "seed_0_SWTA.safetensors").write_bytes(network)
    (interrupted / "networks" / "seed_0_SWTA.safetensors.unfinished").unlink()
    (interrupted / "seed_0_SWTA.safetensors").write_bytes(half)
    assert command(tiny, "--out", str(tmp_path), "--jobs", "1", "--seeds", "1") == 0
    assert_same_results(only_run(tmp_path), finished, seeds=(0,))
    assert {path.name for path in only_run(tmp_path).iterdir()} == {
        path.name for path in finished.iterdir() if "seed_1" not in path.name
    }


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("network.methods.HPCA.learning_rate=1e6", r"HPCA: epoch \d, step \d+, layer \d: .* NaN or infinity"),
        ("network.methods.SWTA.learning_rate=1e6", r"SWTA: epoch \d, step \d+, layer \d: .* NaN or infinity"),
        ("network.finetuning.learning_rate=1e6", r"none/10%: epoch \d+, step \d+: .*allowed: a smaller learning rate"),
    ],
)
def test_a_rate_that_diverges_is_one_line_and_keeps_what_is_finished(
    setting: str, said: str, tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = (tiny, "--set", setting, "--seeds", "1", "--out", str(tmp_path), "--jobs", "1")
    assert command(*line) == 1
    captured = capsys.readouterr()
    assert re.fullmatch(f"error: {said}", captured.err.splitlines()[-1])
    assert "Traceback" not in captured.err
    assert not list(tmp_path.rglob("metrics.json"))
    if "finetuning" not in setting:
        assert list(tmp_path.rglob("seed_0_none.npz"))
        assert command(*line) == 1  # again, but the method that is finished is not repeated
        assert "of 3 trainings are finished already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ruaro2005"], "network: missing in 'ruaro2005'; allowed: a protocol with one, or python -m culture_sim.run"),
        (["TINY", "--device", "cuda"], "--device cuda: torch finds no CUDA device; allowed: auto, cpu"),
        (["TINY", "--device", "gpu"], "--device gpu: allowed: auto, cpu, cuda"),
        (["TINY", "--set", "network.regimes=[0.01]"], "at least one for each of 3 classes"),
        (["TINY", "--set", "network.regimes=[0.1, 0.1]"], "a fraction is listed twice"),
        (["TINY", "--set", "network.methods.HPCA.epoch=3"], "did you mean 'epochs'?"),
        (["TINY", "--set", "network.methods.HPAC.epochs=3"], "did you mean 'HPCA'?"),
        (["TINY", "--set", "network.methods.HPCA.rule.rule=hpac"], "network.methods.HPCA.rule"),
        (["TINY", "--set", "network.layers.0.kernel=9"], "network.layers.0.kernel: 9; allowed: at most 8"),
        (["TINY", "--set", "data.validation=0"], "data.validation"),
        (["TINY", "--set", "data.source=mnist"], "cannot be downloaded (127.0.0.1:9: ConnectionError)"),
        (["TINY", "--seeds", "0"], "seeds"),
        (["nonsense"], "no such protocol"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path / "data"))
    nowhere = Published(("http://127.0.0.1:9/",), datasets.DATA_SETS["mnist"].md5)
    monkeypatch.setitem(datasets.DATA_SETS, "mnist", nowhere)
    monkeypatch.setattr(download, "PAUSE", 0.0)
    line = [tiny if argument == "TINY" else argument for argument in arguments]
    assert command(*line, "--out", str(tmp_path / "runs")) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "runs").exists()


def test_a_culture_does_not_run_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(culture_app, "digits_hebb", "--out", str(tmp_path)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert "python -m hebbian_dl.run" in captured.err
    assert captured.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_dry_run_prints_layers_and_work_and_writes_nothing(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(tiny, "--dry-run", "--out", str(tmp_path)) == 0
    printed = capsys.readouterr().out
    from protocols.loading.loader import load, parse_yaml
    from protocols.loading.overrides import check

    resolved = printed[: printed.rindex("\ndata: ")]
    assert check(parse_yaml(resolved, "x")) == load(tiny)
    lines = {line.strip() for line in printed.splitlines()}
    assert any(re.fullmatch(r"conv 5, 3 x 3 +-> 5 x 6 x 6", line) for line in lines)
    assert any(re.fullmatch(r"dense 8 +-> 8 x 1 x 1", line) for line in lines)
    # operations: 36 places of 5 neurons of 9 weights, 8 neurons of 5 x 3 x 3 weights; twice, for sums and products
    assert f"forward pass: {(2 * 36 * 5 * 9 + 2 * 8 * 45) / 1e9:.3f} GFLOP an image" in lines
    assert any(line.startswith("pre-training HPCA: ") for line in lines)
    assert not list(tmp_path.iterdir())


def test_only_as_many_threads_as_told(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    small = ("--set", "network.methods={none: {pretraining: none}}", "--seeds", "1", "--set", "network.regimes=[0.1]")
    assert command(tiny, *small, "--out", str(tmp_path), "--jobs", "1") == 0
    assert asked == [3]
