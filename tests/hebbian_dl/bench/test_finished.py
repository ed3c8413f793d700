"""Rows of finished trainings, from a run that was cut off and from a complete one."""

import csv
from pathlib import Path

import numpy as np
import pytest

from hebbian_dl.bench import finished
from tests.command import exit_code

NAMES = ("top1", "top5", "validation", "epoch", "n_labels", "wall_s")


def result(top1: float, n_labels: int) -> dict[str, np.ndarray]:
    values = (top1, 0.9, 0.5, 3, n_labels, 1.25)
    return {name: np.array(value) for name, value in zip(NAMES, values, strict=True)}


def test_each_training_is_a_row(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cut, complete = tmp_path / "cifar" / "abc.partial", tmp_path / "digits" / "def"
    for folder in (cut, complete):
        folder.mkdir(parents=True)
    np.savez(cut / "seed_1_two_words_10%.npz", **result(0.75, 20))
    np.savez(cut / "seed_0_HPCA_1%.npz", **result(0.5, 2))
    both = [result(0.25, 2), result(0.375, 20)]
    stacked = {name: np.stack([each[name] for each in both]) for name in NAMES}
    np.savez(cut / "seed_0_HPCA.npz", **stacked)  # all numbers of labels of a method: no further trainings
    np.savez(complete / "arrays.npz", **{f"seed_2/SWTA/{name}": array for name, array in stacked.items()})
    assert exit_code(finished.app, str(tmp_path)) == 0
    rows = list(csv.DictReader(capfd.readouterr().out.splitlines()))
    assert [(r["protocol"], r["run"], r["seed"], r["method"], r["labels"], r["top1"]) for r in rows] == [
        ("cifar", "abc.partial", "0", "HPCA", "2", "0.5"),
        ("cifar", "abc.partial", "1", "two_words", "20", "0.75"),
        ("digits", "def", "2", "SWTA", "2", "0.25"),
        ("digits", "def", "2", "SWTA", "20", "0.375"),
    ]
    assert {(r["top5"], r["validation"], r["epoch"], r["wall_s"]) for r in rows} == {("0.9", "0.5", "3", "1.25")}


def test_no_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(finished.app, str(tmp_path / "none")) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {tmp_path / 'none'}: allowed: a folder of run directories"]
