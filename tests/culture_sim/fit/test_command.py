"""The command, whole: twins by posterior and by search that run as protocols, groups, ranks, predictions."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culture_sim import formats
from culture_sim.fit import command, twin
from culture_sim.fit.command import app
from culture_sim.fit.measured import distance, recorded, spread
from culture_sim.fit.uses import compare
from culture_sim.fit.uses.compare import group
from culture_sim.run import app as run_app
from protocols.loading.loader import load
from protocols.runs import cli
from protocols.runs.run_directory import read_json
from protocols.spec.dish.measures import PANEL
from protocols.spec.protocol import DishProtocol, FitProtocol
from tests.command import exit_code
from tests.culture_sim.fit import tiny

pytestmark = pytest.mark.whole

PAIRS = """
base: paired_pulse
name: pairs
culture: {neurons: {count: 60}, synapses: {fan_in: 20}}
timeline:
  - {name: settling, rest: 1 s}
  - {name: ms_50, pair: corner, interval: 50 ms, repetitions: 2, every: 1 s}
  - {name: ms_200, pair: corner, interval: 200 ms, repetitions: 2, every: 1 s}
  - {name: ms_1000, pair: corner, interval: 300 ms, repetitions: 1, every: 1 s}
  - {name: ms_5000, pair: corner, interval: 400 ms, repetitions: 1, every: 1 s}
quick: {}
"""
RUNS_AND_TABLES = {"fit.html", "fit.json", "fit.npz", "parameters.png", "predictive.png", "protocol.yaml", "twin.yaml"}


@pytest.fixture(scope="module")
def few_draws() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twin, "PREDICTED", 16)
        patch.setattr(compare, "SAMPLES", 200)
        yield


@pytest.fixture(scope="module")
def out(
    protocol: Path, trained: Path, recordings: Path, few_draws: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Twins of all recordings, and the result of --rank as JSON."""
    folder = tmp_path_factory.mktemp("twins")
    files = [str(path) for path in sorted(recordings.glob("*/*.h5"))]
    options = ["--trained", str(trained), "--rank", "age", "--jobs", "1", "--out", str(folder), "--json"]
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr(command, "print", lambda text: printed.append(text), raising=False)
        assert exit_code(app, *files, "--protocol", str(protocol), *options) == 0
    (folder / "printed.json").write_text("".join(printed))
    return folder


def fitted_of(protocol: Path) -> FitProtocol:
    found = load(str(protocol))
    assert isinstance(found, FitProtocol)
    return found


def test_a_twin_by_posterior_is_a_directory_of_results(out: Path, protocol: Path, recordings: Path) -> None:
    folder = out / "twin_dish_21_1/fit"
    assert {path.name for path in folder.iterdir()} == RUNS_AND_TABLES | {"recording.csv"}
    content, fitted = read_json(folder / "fit.json"), fitted_of(protocol)
    (one,) = recorded(recordings / "div21/dish_21_1.h5", fitted)
    assert (content["recording"], content["metadata"], content["by"]) == ("dish_21_1", {"age": 21}, "posterior")
    with np.load(folder / "fit.npz") as arrays:
        samples, found = arrays["samples"], arrays["twin"]
        np.testing.assert_array_equal(arrays["recorded"], one.values)
        assert (samples.shape, arrays["predicted"].shape) == ((twin.DRAWS, 2), (16, len(PANEL)))
        assert samples.min() >= 0
        assert samples.max() <= 1
    # intervals of parameters, by hand: a linear one, and a logarithmic one
    for k, (row, low, high) in enumerate(zip(content["parameters"], (14, 2), (20, 25), strict=True)):
        ends = np.quantile(samples[:, k], (0.05, 0.95))
        literal = low * (high / low) ** ends if k else low + (high - low) * ends
        np.testing.assert_allclose([row["low"], row["high"]], literal, rtol=2e-3)
        assert low <= row["low"] <= row["twin"] <= high
    sd = spread(fitted, protocol.parent / "targets/spontaneous.csv")
    each = distance(found, one.values, fitted.fit.distance, sd)
    assert content["distance_twin"]["mean"] == pytest.approx(each.mean(), rel=1e-4)
    assert content["distance_twin"]["mean"] < content["distance_default"]["mean"]
    assert {row["measure"] for row in content["predictive"]} >= {"rate", "ISI CV", "STTC near"}
    for row in content["predictive"]:
        assert row["inside"] == (row["low"] <= row["recorded"] <= row["high"])
    outside = [row["measure"] for row in content["predictive"] if row["of_distance"] and not row["inside"]]
    assert [word.split(":")[0] for word in content["words"] if "lies" in word] == outside
    page = (folder / "fit.html").read_text()
    assert content["said"][0] in page
    assert "neurons drive mean (mV)" in page


def test_a_twin_is_a_protocol_that_runs_and_that_others_build_on(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("culture_sim.run.CultureLearner.figures", lambda *_: None)
    folder = out / "twin_dish_7_1/fit"
    found, content = load(str(folder / "twin.yaml")), read_json(folder / "fit.json")
    assert type(found) is DishProtocol
    drive = content["twin"]["culture.neurons.drive.mean"]
    assert found.culture.neurons.drive.mean == pytest.approx(float(drive.removesuffix(" mV")) * 1e-3)
    for name in ("twin.yaml", "recording.csv"):
        shutil.copy(folder / name, tmp_path / name)
    (tmp_path / "mine.yaml").write_text("base: twin.yaml\nname: mine\nseeds: 1\nculture: {depression: {U: 0.31}}\n")
    mine = load(str(tmp_path / "mine.yaml"))
    assert isinstance(mine, DishProtocol)
    assert mine.culture.neurons.drive == found.culture.neurons.drive
    line = [str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "runs")]
    assert exit_code(run_app, *line) == 0
    metrics = read_json(next(tmp_path.glob("runs/mine/*/metrics.json")))
    assert {row["quantity"] for row in metrics["targets"]} == {"activity/rate", "activity/ISI CV"}


def test_ranks_are_those_of_the_distances_and_json_is_all_that_is_printed(
    out: Path, protocol: Path, recordings: Path
) -> None:
    printed = json.loads((out / "printed.json").read_text())
    assert [one["recording"] for one in printed["twins"]] == ["dish_21_1", "dish_21_2", "dish_7_1", "dish_7_2"]
    fitted = fitted_of(protocol)
    sd = spread(fitted, protocol.parent / "targets/spontaneous.csv")
    own, other = [], []
    for name in ("dish_21_1", "dish_21_2", "dish_7_1", "dish_7_2"):
        with np.load(out / f"twin_{name}/fit/fit.npz") as arrays:
            found = arrays["twin"]
        for path in recordings.glob("*/*.h5"):
            (one,) = recorded(path, fitted)
            if path.stem != name:
                d = distance(found, one.values, fitted.fit.distance, sd).mean()
                (own if path.stem[:6] == name[:6] else other).append(d)
    rank = printed["rank"]
    assert rank["by"] == "age"
    np.testing.assert_allclose([rank["own"], rank["other"]], [np.mean(own), np.mean(other)])
    assert rank["n"] == 4


def test_groups_are_compared(
    protocol: Path, trained: Path, recordings: Path, few_draws: None, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--compare", str(recordings / "div7"), str(recordings / "div21/*.h5"), "--protocol", str(protocol)]
    assert exit_code(app, *line, "--trained", str(trained), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [len(one["recordings"]) for one in found["groups"]] == [2, 2]
    drive = found["parameters"][0]
    assert drive["path"] == "culture.neurons.drive.mean"
    assert drive["shift"] > 0  # 16 and 18.5 mV
    assert drive["greater"] > 0.6
    assert exit_code(app, *line, "--trained", str(trained)) == 0
    shown = capsys.readouterr().out
    assert "neurons drive mean (mV)" in shown
    assert "corrected for the number of parameters" in shown


def test_what_another_protocol_does_in_the_twin_is_predicted(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pairs.yaml").write_text(PAIRS)
    folder = out / "twin_dish_21_1/fit"
    line = [str(folder), "--predict", str(tmp_path / "pairs.yaml"), "--draws", "3", "--jobs", "1"]
    assert exit_code(app, *line, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["protocol"], found["cultures"]) == ("pairs", 3)
    assert found == json.loads((folder / "predicted_pairs.json").read_text())
    for row in found["measures"]:
        assert row["measure"].split("/")[0] in {"50 ms", "200 ms", "1 s", "5 s"}
        assert row["low"] <= row["median"] <= row["high"]
    assert exit_code(app, *line) == 0
    assert "3 cultures with parameters of the fit" in " ".join(capsys.readouterr().out.split())


def test_a_twin_by_search_improves_on_the_default_culture(
    protocol: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trains = formats.read(recordings / "div21/dish_21_2.h5")["dish_21_2"]
    path = tiny.as_csv(trains, tmp_path / "dish 3.csv", age=21)
    line = [str(path), "--protocol", str(protocol), "--jobs", "1", "--out", str(tmp_path / "runs")]
    assert exit_code(app, *line) == 0
    printed = capsys.readouterr()
    assert "trials that did as well" in printed.out
    folder = tmp_path / "runs/twin_dish_3/fit"
    assert {found.name for found in folder.iterdir()} == RUNS_AND_TABLES | {"recording.csv"}
    content = read_json(folder / "fit.json")
    answer = read_json(next((tmp_path / "runs/twin_dish_3").glob("search*/answer.json")))
    assert (content["by"], content["trials"]) == ("search", 4)
    assert "no posterior" in content["parameters_from"]
    best = answer["best"]["values"]
    assert [row["twin"] for row in content["parameters"]] == pytest.approx(list(best.values()), rel=1e-3)
    scored = {trial["number"]: trial for trial in answer["trials"]}
    alike = int(content["parameters_from"].split()[3])
    nearest = sorted(scored.values(), key=lambda trial: trial["scores"][0])[:alike]
    for row in content["parameters"]:
        values = [trial["values"][row["path"]] for trial in [*nearest, scored[answer["best"]["trial"]]]]
        assert [row["low"], row["high"]] == pytest.approx([min(values), max(values)], rel=1e-3)
        assert row["low"] <= row["twin"] <= row["high"]
    assert load(str(folder / "twin.yaml")).name == "twin_dish_3"
    # the same command again finds its search finished
    assert exit_code(app, *line, "--json") == 0
    assert json.loads(capsys.readouterr().out)["twins"][0]["twin"] == content["twin"]


def test_a_group_is_a_folder_a_file_or_a_pattern(tmp_path: Path) -> None:
    for name in ("b.h5", "a.h5", "c.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in group(str(tmp_path))] == ["a.h5", "b.h5", "c.csv"]
    assert [path.name for path in group(str(tmp_path / "*.h5"))] == ["a.h5", "b.h5"]
    assert group(str(tmp_path / "a.h5")) == [tmp_path / "a.h5"]


def test_the_command_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.outcome(app, ["--help"]) == (0, [])
    assert "--compare" in capsys.readouterr().out
