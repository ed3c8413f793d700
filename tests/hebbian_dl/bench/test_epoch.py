"""Benchmark of an epoch: the images and memory it counts, the slope of memory, the complete table."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from hebbian_dl.bench import epoch as bench_epoch
from hebbian_dl.bench.epoch import Epoch, over_generated_images
from hebbian_dl.layers.hebbian import Hebbian
from protocols.images.splits import find_images
from protocols.loading.loader import load
from protocols.spec.nets.pretraining import HebbianPretraining
from tests.command import exit_code

pytestmark = pytest.mark.whole

TINY = """
name: tiny
title: A network that is measured in no time
citation: none
data: {source: image_folder, folder: nowhere, n_classes: 10, validation: 10, size: [12, 14]}
network:
  layers: [{conv: 4, kernel: 3}, {norm: plain}, {pool: 2}, {dense: 6}]
  methods:
    none: {pretraining: none}
    HPCA: {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.01, epochs: 7, batch: 8, selection: labelled}
    Oja: {pretraining: hebbian, rule: {rule: oja}, learning_rate: 0.01}
"""
N, LEFT_OUT = 48, 1


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path))
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def command(*arguments: str) -> int:
    return exit_code(bench_epoch.app, *arguments, "--threads", str(torch.get_num_threads()), "--device", "cpu")


def test_the_images_are_as_many_as_asked_for_and_as_large(tiny: Path) -> None:
    protocol = load(str(tiny))
    method = protocol.network.methods["HPCA"]
    assert isinstance(method, HebbianPretraining)
    for asked, found in ((N, N), (44, 45), (4, 6)):
        data = over_generated_images(protocol, asked, 0, {"HPCA": method}).data
        files = find_images(data)
        assert (len(files.training), len(files.validation)) == (found, 3)
        assert data.shape == (3, 12, 14)
    data = over_generated_images(protocol, 2000, 0, {"HPCA": method}).data
    assert (data.n_classes, data.images, data.corrupt) == (125, 17, 5)


def test_the_command_learns_every_readable_image_once_and_writes_the_table(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[int] = []
    learn = Hebbian._learn
    monkeypatch.setattr(Hebbian, "_learn", lambda self, inputs: (learned.append(len(inputs)), learn(self, inputs))[1])
    target = tiny.with_name("epoch.csv")
    options = ("--protocol", str(tiny), "--images", str(N), "--workers", "0", "--rounds", "2", "--csv", str(target))
    assert command(*options) == 0
    epoch = learned[: 2 * 6]  # two layers, six batches of 8
    assert sum(epoch) == 2 * (N - LEFT_OUT)
    text = " ".join(capsys.readouterr().out.split())
    assert f"epoch: {N - LEFT_OUT} images in" in text
    assert f"{LEFT_OUT} unreadable ones left out" in text
    assert "MB a step" in text
    with open(target, newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["HPCA, whole epoch", "HPCA, one step", "forward, one step", "SGD, one step", "decoding alone"]
    assert [row["what"] for row in rows] == names
    for row in rows:
        assert (row["network"], row["batch"], row["images"]) == ("tiny", "8", str(N - LEFT_OUT))
        assert 0 < float(row["per_s_low"]) <= float(row["per_s"]) <= float(row["per_s_high"])
        assert (row["mb_a_step"] == "") is (row["what"] != names[0])


def test_growth_is_that_of_the_steps_after_the_first_quarter() -> None:
    settling = np.array([0.0, 500, 700, 900])
    grows = Epoch(10, 1.0, np.concatenate([settling, 1000 + 2.5 * np.arange(12)]), 1100.0)
    assert grows.slope_mb == pytest.approx(2.5)
    assert grows.quarters_mb == [grows.resident_mb[k] for k in (4, 8, 11, 15)]
    assert Epoch(10, 1.0, np.full(16, 700.0), 700.0).slope_mb == pytest.approx(0, abs=1e-9)
    assert np.isnan(Epoch(1, 1.0, np.array([700.0]), 700.0).slope_mb)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (("--device", "tpu"), "--device tpu"),
        (("--batch", "1"), "--batch"),
        (("--protocol", "nonsense"), "nonsense"),
        (("--protocol", "mnist01"), "--protocol mnist01"),
        (("--method", "Oja"), "--method Oja: allowed: HPCA"),
        (("--csv", "/no/such/folder/bench.csv"), "--csv"),
        (("--set", "data.size=[2, 2]"), "network.layers.0.kernel: 3"),
    ],
)
def test_wrong_input_is_one_line(
    options: tuple[str, ...], wrong: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whose = () if "--protocol" in options else ("--protocol", str(tiny))
    assert exit_code(bench_epoch.app, *whose, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert wrong in line
