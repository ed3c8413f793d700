"""Search over cultures: one program per search, trials that agree with runs, an answer in a lab's units."""

import json
from pathlib import Path

import numpy as np
import pytest

from culture_sim.run import CultureLearner
from culture_sim.run import app as run_app
from culture_sim.search.command import app
from culture_sim.search.trials import CultureTrials
from protocols.loading.loader import builtin, load
from protocols.loading.search_space import at_point, dimensions
from protocols.runs import cli
from tests.command import exit_code

pytestmark = pytest.mark.whole

TINY = """
base: digits01.yaml
name: tiny
data: {pool: 300, test: 10, validation: 10}
culture: {neurons: {count: 60}}
association:
  presentation: 30 ms
  training: {presentations: 12}
  evaluation: {every: 4}
  probe: {per_label: 0, random: 1}
seeds: 2
search:
  space:
    culture.neurons.count: {low: 40, high: 80, step: 10}
    culture.inhibitory.strength: {low: 40 mV, high: 4 V, scale: log}
  objectives: {accuracy/validation: maximise, culture.neurons.count: minimise}
  budget: {trials: 5}
  seeds: 1
  confirmation: {candidates: 1, seeds: 2}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    for name in ("digits01", "mnist01_tuned", "mnist01"):
        (tmp_path / f"{name}.yaml").write_text(builtin()[name].read_text())
    (tmp_path / "targets").mkdir()
    for target in builtin()["mnist01"].parent.glob("targets/mnist01*.csv"):
        (tmp_path / "targets" / target.name).write_text(target.read_text())
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path / "tiny.yaml"


def test_all_trials_of_the_search_share_one_program() -> None:
    protocol = load("mnist01_search")
    space, trials, rng = dimensions(protocol), CultureTrials(), np.random.default_rng(0)
    needs = set()
    for _ in range(100):
        values = {
            d.path: str(rng.choice(list(d.choices))) if d.choices else d.rounded(rng.uniform(d.low, d.high))
            for d in space
        }
        needs.add(trials.needs(at_point(protocol, values, trial=True), space))
    assert len(needs) == 1


def test_a_search_answers_and_its_trials_agree_with_runs(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(CultureLearner, "figures", lambda *_: None)
    arguments = [str(tiny), "--out", str(tmp_path / "runs"), "--jobs", "2", "--device", "runtime"]
    with pytest.raises(SystemExit) as end:
        cli.main(app, [*arguments, "--json"])
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.err
    found = json.loads(printed.out)
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 5
    assert found["pareto"]
    assert all(trial["means"][1] == trial["values"]["culture.neurons.count"] for trial in found["trials"])
    assert {row["what"] for row in found["recipe"]} >= {
        "Neuron density",
        "Inhibitory strength (sum of incoming weights)",
    }
    assert found["prediction"]["metric"] == "accuracy/test"
    assert found["prediction"]["best"]["n"] == 2
    trial = found["trials"][-1]
    changes = [f"{path}={value:g}" for path, value in trial["values"].items()]
    changes = [f"{change} mV" if "strength" in change else change for change in changes]
    own = [item for change in changes for item in ("--set", change)]
    with pytest.raises(SystemExit):
        cli.main(
            run_app, [*arguments, *own, "--set", f"first_seed={10000 + trial['number']}", "--seeds", "1", "--json"]
        )
    alone = json.loads(capsys.readouterr().out)
    assert trial["per_seed"][0] == alone["accuracy/validation"]["per_seed"]


def test_a_network_is_not_searched_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(app, ["digits_hebb_search", "--out", str(tmp_path)])
    assert end.value.code == 2
    assert "culture: missing in 'digits_hebb_search'" in capsys.readouterr().err


def test_a_living_culture_is_searched_for_its_distance_from_recordings(tmp_path: Path) -> None:
    (tmp_path / "dish.yaml").write_text(
        """
base: spontaneous
name: dish
timeline: [{name: spontaneous, rest: 5 s}]
seeds: 2
search:
  space: {culture.neurons.drive.mean: {low: 12 mV, high: 18 mV}}
  objectives: {distance: minimise}
  budget: {trials: 3}
  seeds: 1
  confirmation: {candidates: 1, seeds: 2}
"""
    )
    assert exit_code(app, str(tmp_path / "dish.yaml"), "--out", str(tmp_path / "runs"), "--jobs", "1") == 0
    (study,) = (tmp_path / "runs/dish").glob("search*")
    answer = json.loads((study / "answer.json").read_text())
    values = [trial["scores"][0] for trial in answer["trials"]]
    assert len(values) == 3
    assert len(set(values)) == 3
    best = json.loads((next((tmp_path / "runs/dish").glob("*/metrics.json"))).read_text())
    assert best["distance"]["unit"] == "sd"
