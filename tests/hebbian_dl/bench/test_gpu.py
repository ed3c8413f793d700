"""Stages of the benchmark of a GPU, on the processor and on a tiny network; floors counted by hand."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hebbian_dl.bench import ceilings, command, gpu
from hebbian_dl.bench.ceilings import Floor, values_moved
from hebbian_dl.bench.peers import Setting, Step, prepared
from hebbian_dl.layers import patch_sums
from protocols.loading.loader import load
from protocols.runs.stages import Rows, Stage
from protocols.spec.nets.layers import Convolution, Dense, Normalisation, Pooling
from tests.command import exit_code
from tests.hebbian_dl.bench.test_steps import TINY

pytestmark = pytest.mark.whole

LAYERS = (Convolution(conv=4, kernel=3), Pooling(pool=2), Normalisation(norm="plain"), Dense(dense=5))


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    monkeypatch.setattr(patch_sums, "BLOCK", patch_sums.BLOCK)  # a stage changes it, in a process of its own
    monkeypatch.setattr(patch_sums, "GPU_BLOCK", patch_sums.GPU_BLOCK)
    monkeypatch.setitem(ceilings.SIDE, "cpu", 32)
    monkeypatch.setitem(ceilings.COPIED, "cpu", 1000)
    monkeypatch.setattr(gpu, "BATCHES", (4, 8))
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    yield Setting(load(str(path), []), "cpu", torch.get_num_threads(), 8)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def read(rows: Rows) -> list[dict[str, str]]:
    with open(rows.path, newline="") as file:
        return list(csv.DictReader(file))


def test_every_stage_adds_its_rows(setting: Setting, tmp_path: Path) -> None:
    rows = Rows(tmp_path / "gpu.csv", gpu.COLUMNS)
    rows.begin()
    stages = gpu.plan(setting, 24, 1)
    for stage in stages:
        stage.measure(replace(rows, stage=stage.name))
    found = read(rows)
    of = {stage.name: [row for row in found if row["stage"] == stage.name] for stage in stages}
    assert {name: len(those) for name, those in of.items()} == {
        "ceilings": 4 + 3 * 5,
        "epoch": 3,
        "steps": 5,
        "best batch": 2 * 3,
        "steps in float32": 5,
        "steps in bfloat16": 5,
        "profile": 2 * gpu.KERNELS,
        "scan blocks": 5,
        "memory formats": 4,
        "other forms": 4,
    }
    for name in ("steps", "steps in float32", "steps in bfloat16"):
        sgd, *others = of[name]
        assert (sgd["what"], float(sgd["ratio_to_sgd"])) == ("SGD", 1)
        for row in others:
            assert float(row["ratio_to_sgd"]) == pytest.approx(float(row["ms"]) / float(sgd["ms"]), rel=1e-3)
            assert float(row["images_per_s"]) == pytest.approx(8e3 / float(row["ms"]), rel=1e-3)
            assert float(row["floor_ms"]) > 0
    assert [row["what"] for row in of["epoch"]] == [f"{step} epoch of 24 images" for step in ("SWTA", "HPCA", "SGD")]


def test_the_floor_is_the_larger_of_arithmetic_and_memory(setting: Setting, tmp_path: Path) -> None:
    # 2 images of 8 x 8: the convolution reads 64 values each, writes 4 x 6 x 6, the dense layer reads 36, writes 5
    assert values_moved(LAYERS, (1, 8, 8), 2) == 2 * (64 + 144) + 2 * (4 * 9) + 2 * (36 + 5) + 2 * (36 * 5)
    rows = Rows(tmp_path / "gpu.csv", gpu.COLUMNS)
    rows.begin()
    assert Floor.of(rows, "tf32").tera_flop != Floor.of(rows, "tf32").tera_flop  # NaN: not measured
    rows.add(what="product of 9 x 9", precision="tf32", rate=2e-6, unit="TFLOP/s")
    rows.add(what="copy", rate=1e-3, unit="TB/s")
    floor = Floor.of(rows, "tf32")
    assert (floor.tera_flop, floor.tera_bytes, floor.word) == (2e-6, 1e-3, 4)
    forward = 8 * (2 * 36 * 9 * 4 + 2 * 36 * 8)  # 8 images of the tiny network
    assert floor.ms(Step.FORWARD, setting) == pytest.approx(forward / 2e6 * 1e3)
    moved = 8 * (64 + 144 + 36 + 8) + 2 * (36 + 36 * 8)
    assert replace(floor, tera_flop=1.0).ms(Step.FORWARD, setting) == pytest.approx(moved * 4 / 1e9 * 1e3)


@pytest.mark.parametrize("step", [Step.SWTA, Step.HPCA, Step.SGD, Step.VAE, Step.FORWARD])
def test_steps_in_bfloat16_multiply_in_bfloat16(step: Step, setting: Setting) -> None:
    seen: set[torch.dtype] = set()

    class Types(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: object, types: object, args: tuple = (), kwargs: object = None) -> object:
            if "convolution" in str(func):
                seen.add(args[0].dtype)
            return func(*args, **(kwargs or {}))

    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        act = prepared(step, replace(setting, precision=precision))
        seen.clear()
        with Types():
            act(setting.images(8))
        assert dtype in seen
        assert torch.bfloat16 in seen or precision == "float32"


def test_the_command_prints_one_line_for_a_stage_that_fails(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "plan", lambda *_: [Stage("one", 60, adds), Stage("two", 60, adds_nothing)])
    target = tmp_path / "gpu.csv"
    options = ("--device", "cpu", "--stages", "--threads", "1", "--csv", str(target))
    assert exit_code(command.app, *options, "--protocol", str(tmp_path / "tiny.yaml")) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: two: ValueError: nothing"
    assert [row["what"] for row in read(Rows(target, gpu.COLUMNS))] == ["something"]


def adds(rows: Rows) -> None:
    rows.add(what="something")


def adds_nothing(rows: Rows) -> None:
    raise ValueError("nothing")
