"""Parameter search with networks, from the same ``search:`` section as with cultures."""

import json
from pathlib import Path

import pytest

from hebbian_dl.run import NetworkLearner
from hebbian_dl.run import app as run_app
from hebbian_dl.search import app
from protocols.runs import cli
from tests.hebbian_dl.test_run import TINY

pytestmark = pytest.mark.whole

SEARCH = """
search:
  space:
    network.methods.SWTA.learning_rate: {low: 0.001, high: 0.1, scale: log}
    network.methods.SWTA.rule.temperature: {low: 0.01, high: 1, scale: log}
  objectives: {validation/SWTA/10%: maximise}
  budget: {trials: 4}
  seeds: 1
  trial: {network.regimes: [0.1]}
  pruning: {startup: 2}
  confirmation: {candidates: 1, seeds: 2}
"""


def test_rate_and_temperature_of_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(NetworkLearner, "figures", lambda *_: None)
    (tmp_path / "tiny.yaml").write_text(TINY + SEARCH)
    arguments = [str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "runs"), "--jobs", "2"]
    with pytest.raises(SystemExit) as end:
        cli.main(app, [*arguments, "--json"])
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.err
    found = json.loads(printed.out)
    assert len(found["trials"]) == 4
    assert found["prediction"]["metric"] == "accuracy/SWTA/10%"
    trial = next(trial for trial in reversed(found["trials"]) if trial["state"] == "complete")
    own = [item for path, value in trial["values"].items() for item in ("--set", f"{path}={value!r}")]
    with pytest.raises(SystemExit):
        cli.main(
            run_app, [*arguments, *own, "--set", f"first_seed={10000 + trial['number']}", "--seeds", "1", "--json"]
        )
    alone = json.loads(capsys.readouterr().out)
    assert trial["per_seed"][0] == alone["validation/SWTA/10%"]["per_seed"]


def test_a_culture_is_not_searched_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(app, ["ruaro2005", "--out", str(tmp_path)])
    assert end.value.code == 2
    assert "search: missing in 'ruaro2005'" in capsys.readouterr().err
