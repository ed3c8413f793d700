"""Images in memory: a process opens each of their files once, however often a run asks for the images."""

import builtins
import gzip
import io
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocols.images import datasets
from protocols.images.datasets import TEST, TRAINING
from protocols.images.download import Published
from tests.hebbian_dl.test_run import command
from tests.protocols.images.test_cifar import FOLDER, NAMES
from tests.protocols.images.test_datasets import NOBODY, idx, md5

PROTOCOL = """
name: tiny
title: methods with and without whitening, trained in a second, with retrieval
citation: nobody
data: {source: SOURCE, classes: [0, 1, 2], pool: 90, validation: 9, test: 9, size: [8, 8]}
network:
  layers: [{conv: 4, kernel: 3}, {dense: 6}]
  methods:
    none: {pretraining: none}
    HPCA: {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.01, epochs: 1, batch: 16, whitening: 0.1}
  finetuning: {epochs: 1, batch: 16, learning_rate: 0.01}
  regimes: [0.5, 1.0]
  retrieval: {bits: 12, at: [5], shown: 2}
seeds: 2
"""
N_EACH = 30  # images in a file of the small CIFAR-10

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.whole]


def put_mnist(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A small MNIST; its files."""
    rng, files = np.random.default_rng(0), {}
    for names, n in ((TRAINING, 150), (TEST, 30)):
        arrays = (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 3)
        files |= {name: gzip.compress(idx(array)) for name, array in zip(names, arrays, strict=True)}
    sums = {name: md5(content) for name, content in files.items()}
    monkeypatch.setitem(datasets.DATA_SETS, "mnist", Published((NOBODY,), sums))
    return put(root / "mnist", files)


def put_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A small CIFAR-10; its files."""
    rng, labels = np.random.default_rng(0), np.arange(N_EACH)[:, None] % 3
    records = {name: np.hstack([labels, rng.integers(0, 256, (N_EACH, 3072))]).astype(np.uint8) for name in NAMES}
    return put(root / FOLDER, {name: record.tobytes() for name, record in records.items()})


def put(folder: Path, files: dict[str, bytes]) -> list[Path]:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


@pytest.mark.parametrize(("source", "put_files"), [("mnist", put_mnist), ("cifar10", put_cifar10)])
def test_a_run_in_one_process_opens_each_file_of_images_once(
    source: str, put_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for by the checks, by every training, by the figure's examples (not whitened) and by the provenance."""
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path / "data"))
    files = put_files((tmp_path / "data").resolve(), monkeypatch)
    asked, opened, load, open_ = [], Counter[str](), datasets.load, io.open

    def counting(file: Any, *given: Any, **options: Any) -> Any:
        if isinstance(file, str | os.PathLike):
            opened[os.fspath(file)] += 1
        return open_(file, *given, **options)

    monkeypatch.setattr(datasets, "load", lambda source: (asked.append(source), load(source))[1])
    monkeypatch.setattr(io, "open", counting)
    monkeypatch.setattr(builtins, "open", counting)
    path = tmp_path / "tiny.yaml"
    path.write_text(PROTOCOL.replace("SOURCE", source))
    assert command(str(path), "--out", str(tmp_path / "runs"), "--jobs", "1") == 0
    assert len(asked) > 4  # at least in the checks, and in two methods in two seeds
    assert [opened[str(file)] for file in files] == [1] * len(files)
