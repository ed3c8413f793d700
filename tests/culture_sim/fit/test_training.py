"""Training as a run: interrupted, damaged, killed and on a cluster, it learns the same; mistakes are one line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from culture_sim.fit import train
from culture_sim.fit.amortised import training
from culture_sim.fit.amortised.posterior import Posterior
from culture_sim.fit.amortised.trained import read_trained
from culture_sim.fit.amortised.training import PosteriorLearner, batches, point
from culture_sim.fit.space import Space
from protocols.loading.loader import load
from protocols.runs import cli
from protocols.runs.processes import Next, Work
from protocols.runs.reporting import unheard
from protocols.runs.run_directory import Run
from protocols.spec.dish.measures import PANEL
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import FitProtocol
from tests.command import exit_code, finished_run, started
from tests.culture_sim.fit import tiny

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]


def here(most: int = 1000, done: list[int] | None = None) -> Any:
    """Workers of this process; after `most` batches they are interrupted."""

    def workers(work: Work, following: Next) -> Iterator[tuple[int, Any]]:
        for count in range(1000):
            piece = following()
            if piece is None:
                return
            if count == most:
                raise KeyboardInterrupt
            if done is not None:
                done.append(piece[0])
            yield piece[0], work(piece[1], unheard)

    return workers


def performed(protocol: Path, out: Path, workers: Any, *overrides: str) -> Run:
    fitted = load(str(protocol), overrides)
    options = cli.Options("auto", 1, cli.targets_of(str(protocol), fitted), out)
    return cli.perform(PosteriorLearner(workers), fitted, options, out, Console(stderr=True))


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PosteriorLearner, "figures", lambda *_: None)


@pytest.fixture
def learned_already(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only simulations are made again."""
    found = read_trained(trained).posterior
    monkeypatch.setattr(Posterior, "trained", classmethod(lambda *_: found))


def same_arrays(run: Path, other: Path) -> None:
    with np.load(run / "arrays.npz") as arrays, np.load(other / "arrays.npz") as others:
        assert set(arrays) == set(others)
        for name in arrays:
            np.testing.assert_array_equal(arrays[name], others[name], err_msg=name)


def test_simulations_are_drawn_from_the_prior_and_each_is_in_one_batch(tmp_path: Path) -> None:
    fitted = tiny.loaded(tmp_path, "fit.simulations=60", "fit.held_out=15")
    assert [number for batch in batches(fitted) for number in batch] == list(range(75))
    space = Space(fitted)
    drawn = np.array([point(space, number) for number in range(400)])
    np.testing.assert_array_equal(drawn[7], point(space, 7))
    np.testing.assert_allclose(drawn.mean(axis=0), 0.5, atol=0.05)
    np.testing.assert_allclose(drawn.std(axis=0), np.sqrt(1 / 12), atol=0.03)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.15
    # a point is that of the values as they are simulated, four digits
    assert [f"{value:.4g}" for value in space.values(drawn[0])] == [f"{v:g}" for v in space.named(drawn[0]).values()]


def test_an_interrupted_training_goes_on_and_a_damaged_batch_is_done_again(
    protocol: Path, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        performed(protocol, tmp_path, here(most=2))
    (partial,) = tmp_path.glob("tiny_fit/*.partial")
    assert sorted(path.name for path in partial.glob("*.npz")) == ["seed_batch_0.npz", "seed_batch_1.npz"]
    whole = (partial / "seed_batch_0.npz").read_bytes()
    (partial / "seed_batch_0.npz").write_bytes(whole[: len(whole) // 2])
    again: list[int] = []
    run = performed(protocol, tmp_path, here(done=again))
    assert again == [0, 2]
    same_arrays(run.path, trained)


def test_a_full_disk_loses_no_finished_batch(
    protocol: Path, trained: Path, learned_already: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        save, saved = np.savez, []

        def full(path: Any, **arrays: Any) -> None:
            if saved:
                raise OSError(28, "No space left on device")
            saved.append(path)
            save(path, **arrays)

        patch.setattr(np, "savez", full)
        with pytest.raises(OSError, match=r"No space left on device: .*seed_batch_1\.unfinished\.npz"):
            performed(protocol, tmp_path, here())
    again: list[int] = []
    run = performed(protocol, tmp_path, here(done=again))
    assert again == [1, 2]
    same_arrays(run.path, trained)


def test_a_killed_command_goes_on(protocol: Path, trained: Path, learned_already: None, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "culture_sim.fit.train", str(protocol), "--jobs", "1", "--out", str(tmp_path)]
    with started(line, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not list(tmp_path.glob("tiny_fit/*.partial/seed_batch_*.npz")) and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert not list(tmp_path.glob("tiny_fit/*/metrics.json"))
    done = len(list(tmp_path.glob("tiny_fit/*.partial/seed_batch_?.npz")))
    again: list[int] = []
    run = performed(protocol, tmp_path, here(done=again))
    assert len(again) == len(batches(tiny.loaded(tmp_path))) - done < 3
    same_arrays(run.path, trained)


def test_workers_of_a_cluster_simulate_the_same(
    protocol: Path, trained: Path, learned_already: None, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        address = cluster.scheduler_address
        run = finished_run(train.app, tmp_path, str(protocol), "--cluster", address)
    same_arrays(run, trained)


def test_what_was_learned_is_read_back(protocol: Path, trained: Path) -> None:
    fitted = load(str(protocol))
    assert isinstance(fitted, FitProtocol)
    found = read_trained(trained, fitted)
    assert found.simulated.shape[1] == 3
    assert np.isfinite(found.simulated).all()
    rows = found.calibration["parameters"]
    assert [row["path"] for row in rows] == Space(fitted).paths
    with np.load(trained / "arrays.npz") as arrays:
        unit, panel = arrays["unit"], arrays["panel"]
        assert unit.shape == (75, 2)
        assert arrays["ranks"].shape == (found.calibration["held_out"], 2)
    # more drive and more excitation make more spikes
    assert np.corrcoef(unit[:, 0], panel[:, 0])[0, 1] > 0.2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["spontaneous"], "fit: missing in 'spontaneous'; allowed: a protocol with a 'fit:' section"),
        (["digits_hebb"], "fit: missing in 'digits_hebb'"),
        (["spontaneous_fit", "--set", "search=null"], "search: missing in 'spontaneous_fit'"),
        (
            ["spontaneous_fit", "--set", "culture.depression.U=0.3"],
            "--set culture.depression.U: culture.depression.U is searched",
        ),
        (["spontaneous_fit", "--set", "fit.networks=0"], "fit.networks: "),
        (["spontaneous_fit", "--device", "abacus"], "--device abacus: allowed: "),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(train.app, *arguments, "--out", str(tmp_path / "runs")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {expected}")
    assert not (tmp_path / "runs").exists()


def test_a_constant_measure_is_one_line_and_too_few_recordings_are(
    protocol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels = iter(np.random.default_rng(0).random((75, len(PANEL))) + 1)

    def constant(*_: Any) -> np.ndarray:
        found = next(panels)
        found[PANEL.index("ISI CV")] = 0.7
        return found

    def undefined(*_: Any) -> np.ndarray:
        return np.full(len(PANEL), np.nan)

    monkeypatch.setattr(training, "heard", lambda *_: None)
    monkeypatch.setattr(training, "panel_values", constant)
    with pytest.raises(ProtocolFault, match=r"fit\.measures: ISI CV: is constant in all simulations; allowed: others"):
        performed(protocol, tmp_path / "constant", here())
    monkeypatch.setattr(training, "panel_values", undefined)
    with pytest.raises(RuntimeError, match="0 of 60 simulations have all measures of the fit; more are needed"):
        performed(protocol, tmp_path / "undefined", here())


def test_the_plan_names_the_prior_and_writes_nothing(
    protocol: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(train.app, str(protocol), "--dry-run", "--out", str(tmp_path / "runs")) == 0
    shown = capsys.readouterr().out
    assert "  culture.neurons.drive.mean: 14 to 20 mV\n" in shown
    assert "simulations: 60 to learn from, 15 held out" in shown
    assert not (tmp_path / "runs").exists()
