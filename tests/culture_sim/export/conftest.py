"""Two finished runs to export: a living dish with stimulation, and stimuli in phases."""

from pathlib import Path

import pytest

from culture_sim.run import app as run_app
from protocols.runs import cli

DISH = """
base: ltp_pathway
name: small
seeds: 1
timeline:
  - {name: settling, rest: 20 s}
  - {name: before, probe: [tetanised, control], repetitions: 3, every: 1 s}
  - {name: tetanus, train: tetanised, pulses: 5, rate: 100 Hz, repetitions: 2, every: 1 s}
  - {name: after, probe: [tetanised, control], repetitions: 3, every: 1 s}
"""


def finished(out: Path, *arguments: str) -> Path:
    with pytest.raises(SystemExit) as exit_:
        cli.main(run_app, [*arguments, "--out", str(out), "--jobs", "1"])
    assert not exit_.value.code
    (folder,) = (path for path in out.glob("*/*/") if path.is_dir())
    return folder


@pytest.fixture(scope="session")
def dish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dish")
    (folder / "small.yaml").write_text(DISH)
    return finished(folder / "runs", str(folder / "small.yaml"), "--set", "record.spikes=all")


@pytest.fixture(scope="session")
def phases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = ["--set", "phases.tetanisation.repetitions=2", "--set", "record.spikes=all", "--seeds", "1"]
    return finished(tmp_path_factory.mktemp("phases"), "ruaro2005", "--quick", *small)
