"""Probes of layers: against neighbours counted literally, and labels that can or cannot be read."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hebbian_dl.features import probe
from hebbian_dl.features.extract import Extractor
from hebbian_dl.images.prepared import inputs_of
from tests.command import exit_code


def test_neighbours_are_those_of_the_largest_cosine(run: Path) -> None:
    extractor = Extractor.of_run(run, "HPCA")
    protocol = extractor.protocol
    splits = inputs_of(protocol.data, protocol.network.methods["HPCA"], torch.device("cpu"))
    (found,) = probe.probes(extractor, ["4"], neighbours=1, most=30)
    chosen = torch.arange(30) * len(splits.training) // 30
    parts = splits.training.take(chosen), splits.validation, splits.test
    with torch.no_grad():
        rows = [extractor.network[:5](part.images) for part in parts]
    accuracy = []
    for features, part in zip(rows[1:], parts[1:], strict=True):
        right = 0
        for row, label in zip(features, part.labels, strict=True):
            cosines = [float(row @ known / (row.norm() * known.norm()).clamp_min(1e-12)) for known in rows[0]]
            right += int(parts[0].labels[int(np.argmax(cosines))] == label)
        accuracy.append(right / len(part))
    assert found.neighbours == pytest.approx(accuracy, abs=1 / 60)  # ties of silent features
    assert found.n_features == rows[0].shape[1]


@pytest.mark.parametrize(("which", "method", "n"), [("run", "HPCA", 2), ("run", "VAE", 3), ("residual", None, 20)])
def test_every_layer_with_weights_is_read(
    which: str, method: str | None, n: int, request: pytest.FixtureRequest
) -> None:
    extractor = Extractor.of_run(request.getfixturevalue(which), method)
    found = probe.probes(extractor, grid=2, most=60)
    assert len(found) == n
    assert all(one.n_features <= 64 for one in found)
    assert found[0].linear[1] > 0.6  # three digits are told apart


def test_the_command_shows_a_table_or_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(probe.app, str(run), "--method", "HPCA", "--images", "40", "--layer", "0") == 0
    shown = capsys.readouterr().out
    assert "HPCA, seed 0: accuracy, % (validation, test)" in shown
    assert "5 nearest" in shown
    assert exit_code(probe.app, str(run), "--method", "HPCA", "--layer", "x") == 2
    assert capsys.readouterr().err.startswith("error: --layer x: not in the network; allowed: 0, 1, ")
    assert exit_code(probe.app, str(run), "--method", "HPCA", "--images", "3") == 2
    assert capsys.readouterr().err == "error: --neighbours 5: allowed: at most the 3 training images\n"
