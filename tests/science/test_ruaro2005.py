"""The published finding, at the default protocol's full length: minutes."""

import json
from pathlib import Path

import pytest

from culture_sim.run import app
from protocols import cli
from tests.culture_sim.test_run import only_run


@pytest.mark.science
def test_the_tetanised_shape_grows_and_the_other_does_not_in_every_culture(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, ["ruaro2005", "--out", str(tmp_path)])
    assert not exit_.value.code
    metrics = json.loads((only_run(tmp_path) / "metrics.json").read_text())
    for window in ("20ms", "50ms"):
        assert all(metrics[f"growth/L/{window}"]["grows_per_seed"])
        assert not any(metrics[f"growth/inverted_L/{window}"]["grows_per_seed"])
