"""MNIST 0/1 at full length: accuracy fluctuates with the published protocol, is stable with ours. Takes minutes."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culture_sim.run import app
from protocols.images.datasets import TEST, TRAINING
from protocols.loading.loader import builtin
from protocols.loading.published import read_targets
from protocols.runs import cli

OWN_DATA = os.environ.get("CULTURE_DATA")


@pytest.fixture
def mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real MNIST files, if they are available."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    for folder in [Path(OWN_DATA).expanduser(), beside] if OWN_DATA else [beside]:
        if all((folder / "mnist" / name).is_file() for name in TRAINING + TEST):
            monkeypatch.setenv("CULTURE_DATA", str(folder))
            return
    pytest.skip("needs MNIST in $CULTURE_DATA/mnist")


def metrics(name: str, out: Path) -> dict[str, Any]:
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [name, "--out", str(out)])
    assert not exit_.value.code
    (run,) = [path for path in (out / name).iterdir() if path.is_dir()]
    return json.loads((run / "metrics.json").read_text())


@pytest.mark.science
@pytest.mark.usefixtures("mnist")
def test_the_published_protocol_swings_as_the_authors_program_does(tmp_path: Path) -> None:
    """Mean within the sd of the authors' program; best snapshot far above, near the published one; dips to chance."""
    targets = read_targets(builtin()["mnist01"].parent / "targets" / "mnist01.csv")
    theirs = {t.quantity: t for t in targets if t.subject == "authors' program"}
    published = next(t for t in targets if t.subject == "Lagani 2021")
    found = metrics("mnist01_published", tmp_path)
    mean = theirs["accuracy/test"]
    assert mean.sd is not None
    assert abs(found["accuracy/test"]["mean"] - mean.value) <= mean.sd
    assert found["accuracy/best_snapshot"]["mean"] > found["accuracy/test"]["mean"] + mean.sd
    assert max(found["accuracy/best_snapshot"]["per_seed"]) >= theirs["accuracy/best_snapshot"].value
    assert found["accuracy/best_snapshot"]["mean"] == pytest.approx(published.value, abs=0.08)
    for curve in found["accuracy/curve"]["per_seed"]:
        assert np.std(curve[-10:], ddof=1) == pytest.approx(mean.sd, abs=0.06)
        assert min(curve[1:]) < 0.65


@pytest.mark.science
@pytest.mark.usefixtures("mnist")
def test_an_annealed_training_stays_learned_in_every_culture(tmp_path: Path) -> None:
    found = metrics("mnist01", tmp_path)
    assert found["accuracy/test"]["mean"] >= 0.93
    assert found["accuracy/lowest_after_first_third"]["lowest"] >= 0.85
    assert found["accuracy/untrained"]["mean"] < 0.6
    for curve in found["accuracy/curve"]["per_seed"]:
        assert np.std(curve[-10:], ddof=1) < 0.03  # stable
