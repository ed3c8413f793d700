"""The published finding with the default protocol at full length. Takes minutes."""

import json
from pathlib import Path

import numpy as np
import pytest

from culture_sim.run import app
from protocols.runs import cli
from tests.culture_sim.test_run import only_run


@pytest.mark.science
def test_all_published_means_agree_and_the_tetanised_shape_grows_in_every_culture(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, ["ruaro2005", "--out", str(tmp_path)])
    assert not exit_.value.code
    metrics = json.loads((only_run(tmp_path) / "metrics.json").read_text())
    of_cultures = {row["quantity"]: row for row in metrics["targets"] if row["subject"] == "culture"}
    assert len(of_cultures) == 4
    assert {row["verdict"] for row in of_cultures.values()} == {"agrees"}
    for window in ("20ms", "50ms"):
        tetanised = metrics[f"growth/L/{window}"]["ratio_per_seed"]
        other = metrics[f"growth/inverted_L/{window}"]["ratio_per_seed"]
        assert np.all(np.greater(tetanised, np.multiply(1.05, other)))
        assert np.mean(tetanised) > 1.7
        assert np.mean(other) < 1.4
