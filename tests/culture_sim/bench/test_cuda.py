"""Benchmark of many cultures: what it counts, which programs it takes, one line for what is wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest

from culture_sim.bench import cuda
from culture_sim.engines import gpu
from culture_sim.engines.runtime import RuntimeEngine
from protocols.runs.stages import Rows
from tests.command import exit_code

CARD = gpu.Gpu("card", "9.0", 8e9)


def test_a_batch_is_timed_and_its_events_counted() -> None:
    batch = cuda.bench_batch(60, "float64", 2, 3)
    seen = []

    class Engine(RuntimeEngine):
        def run_batch(self, *given: object) -> list:
            seen.append(super().run_batch(*given))
            return seen[0]

    found = cuda.measure(batch, lambda batch: Engine("numpy"))
    events = 0
    for culture, recording in zip(batch.cultures, seen[0], strict=True):
        for neuron in recording.neuron:
            events += culture.weights["excitatory"][[neuron]].nnz + culture.weights["inhibitory"][[neuron]].nnz
    assert found.events == pytest.approx(events / 4)  # with the warm-up, as the spikes
    assert found.spikes == pytest.approx(np.mean([len(recording.neuron) for recording in seen[0]]) / 4)
    assert found.presentation_s > 0


def test_only_some_cultures_are_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "DISTINCT", {60: 2})
    cultures = cuda.bench_batch(60, "float32", 5, 1).cultures
    assert [culture is cultures[0] for culture in cultures] == [True, False, True, False, True]


def test_a_program_built_ahead_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    class Engine(RuntimeEngine):
        def __init__(self, shape: object, n_cultures: int, program: Path) -> None:
            super().__init__("numpy")
            taken.append((n_cultures, program))

    monkeypatch.setattr(cuda, "CudaEngine", Engine)
    built = cuda.program_in(tmp_path, 60, 2, "float32", "9.0")
    assert built == tmp_path / "culture_60x2_float32_sm90"
    built.touch()
    rows = Rows(tmp_path / "rows.csv", cuda.COLUMNS, "60x2")
    rows.begin()
    cuda.stage(60, 2, "float32", tmp_path, 2, 3.0, CARD, rows)
    assert taken == [(2, built)]
    with open(rows.path, newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["gpu"], row["cultures"], row["program"]) == ("card", "2", "carried")
    assert float(row["cultures_in_real_time"]) == pytest.approx(2 * 100 / float(row["ms_batch"]), rel=1e-3)
    assert float(row["floor_ms"]) == pytest.approx(float(row["events"]) * 8 / 3e12 * 1e3, rel=1e-3)


def test_a_batch_too_large_for_the_card_is_not_begun(tmp_path: Path) -> None:
    small = gpu.Gpu("card", "9.0", (gpu.CONTEXT_BYTES + 1.5 * 320_000) / gpu.USED_SHARE)
    rows = Rows(tmp_path / "rows.csv", cuda.COLUMNS)
    with pytest.raises(RuntimeError, match=r"^needs 0.0 GB of GPU memory, 0.7 GB are free$"):
        cuda.stage(60, 2, "float32", None, 1, 3.0, small, rows)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--size", "60"), "--size 60: allowed: neurons x cultures, for example 240x1000"),
        (("--size", "0x3"), "--size 0x3: allowed: neurons x cultures, for example 240x1000"),
        (("--precision", "half"), "--precision half: allowed: float32, float64"),
        (("--programs", "/no/such"), "--programs /no/such: allowed: a folder that exists"),
        (("--csv", "/no/such/rows.csv"), "--csv: folder /no/such: allowed: a folder that exists"),
    ],
)
def test_wrong_options_are_one_line(options: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(cuda.app, *options) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {line}"]


def test_without_a_gpu_programs_built_ahead_are_no_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu.shutil, "which", lambda name: None)
    assert exit_code(cuda.app, "--programs", str(tmp_path), "--csv", str(tmp_path / "rows.csv")) == 1
    assert "no NVIDIA GPU found" in capsys.readouterr().err
