"""The command that measures recordings: page, table, groups, CSV and JSON; mistakes are one line."""

import csv
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culture_sim.analyse import app, measured
from culture_sim.analysis.panel import Measure, panel
from culture_sim.formats import read
from culture_sim.panel_figures import aged, by_group, panels
from culture_sim.panel_tables import frame, grouped
from protocols.results.mixed_model import mixed_test
from protocols.runs import cli
from protocols.spec.dish.recordings import RecordingMeasures


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture(scope="module")
def dishes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two recordings of the HDF5 layout, of a slow and a fast culture."""
    h5py = pytest.importorskip("h5py")
    folder, paths = tmp_path_factory.mktemp("dishes"), []
    for age, rate in ((7, 1.0), (21, 5.0)):
        rng = np.random.default_rng(age)
        counts = rng.poisson(rate * 60, 9)
        paths.append(folder / f"div{age}.h5")
        with h5py.File(paths[-1], "w") as file:
            file["spikes"] = np.concatenate([np.sort(rng.uniform(0, 60, n)) for n in counts])
            file["sCount"] = counts.astype(np.int32)
            file["epos"] = np.stack(np.divmod(np.arange(9), 3)) * 200.0
            file["recordingtime"] = np.array([0.0, 60.0])
            file["meta/age"] = np.array([age], np.int32)
    return paths


def row(duration: float, number: int, **metadata: object) -> dict[str, Any]:
    stimulated = metadata.get("step") == "probes"
    return {"name": number, "metadata": {"duration_s": duration, **metadata}, "measures": {}, "stimulated": stimulated}


def test_one_recording_is_a_page_of_measures_with_their_definitions(
    dishes: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(dishes[0]) == 0
    shown = capsys.readouterr().out
    assert "coincidence (window 50 ms, share 0.25, min_units 4, merge 100 ms)" in shown
    assert "age 7" in shown


def test_json_and_csv_hold_every_measure_of_the_library(
    dishes: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "panel.csv"
    assert command(*dishes, "--json", "--csv", table, "--set", "network_bursts.rule=overlap", "--jobs", 1) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["definitions"]["network_bursts"] == {"rule": "overlap", "share": 0.25, "min_units": 4}
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["recording"] for row in rows] == ["div7", "div21"]
    for path, row, other in zip(dishes, rows, found["recordings"], strict=True):
        expected = panel(read(path)[path.stem])
        assert float(row["rate (Hz)"]) == pytest.approx(expected["rate"].value)
        assert other["measures"]["ISI LV"]["value"] == pytest.approx(expected["ISI LV"].value)
    assert rows[0]["IBI CV"] == ""  # independent units at 1 Hz have no network bursts
    assert found["recordings"][0]["measures"]["IBI CV"]["value"] is None


def test_several_recordings_are_a_data_frame(dishes: list[Path]) -> None:
    pytest.importorskip("pandas")
    table = frame(measured(dishes, RecordingMeasures(), 1))
    assert table["recording"].tolist() == ["div7", "div21"]
    assert table["age"].tolist() == [7, 21]
    expected = [panel(read(path)[path.stem])["rate"].value for path in dishes]
    assert table["rate (Hz)"].tolist() == expected
    assert np.isnan(table["IBI CV"][0])  # independent units at 1 Hz have no network bursts


def recordings(folder: Path, medium: str, rates: list[float], stimuli: str = "") -> list[Path]:
    """Folders of tables: regular spikes at these rates for 20 s on six electrodes."""
    paths = []
    for k, rate in enumerate(rates):
        path = folder / f"{medium}{k}"
        path.mkdir()
        rows = [f"{t:.6f},{e}" for e in range(6) for t in np.arange(0.5 / rate, 20, 1 / rate)]
        (path / "spikes.csv").write_text(f"time_s,electrode\n# duration_s: 20\n# medium: {medium}\n" + "\n".join(rows))
        if stimuli:
            (path / "stimulation.csv").write_text(stimuli)
        paths.append(path)
    return paths


def test_groups_have_medians_quartiles_and_a_named_rank_test(tmp_path: Path) -> None:
    paths = recordings(tmp_path, "a", [1.0, 2.0, 4.0]) + recordings(tmp_path, "b", [5.0, 8.0, 10.0])
    (table,) = grouped(measured(paths, RecordingMeasures(), 1), ["medium"])
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["medium"] == ["a", "b", "Mann-Whitney U"]
    assert columns["n"] == ["3", "3", ""]
    assert columns["rate"] == ["2 [1.5, 3]", "8 [6.5, 9]", "p 0.1"]  # 2 of the 20 ways to divide six rates are as far
    assert columns["STTC near"] == ["-", "-", "-"]


def test_the_test_compares_groups_of_the_last_key_within_the_others(
    dishes: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = measured([*dishes, *dishes], RecordingMeasures(), 1)
    for row, region in zip(rows, ["ctx", "ctx", "hpc", "hpc"], strict=True):
        row["metadata"] = row["metadata"] | {"region": region}
    (table,) = grouped(rows, ["region", "age"])
    region, age = (list(table.columns[k].cells) for k in range(2))
    assert region == ["ctx", "ctx", "ctx", "hpc", "hpc", "hpc"]
    assert age == ["7", "21", "Mann-Whitney U"] * 2
    assert command(dishes[0], dishes[1], "--jobs", 1) == 0
    assert "median" in capsys.readouterr().out  # by age, without being asked


def of_cultures(rates: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    """Rows of recordings by medium and culture, with a rate only."""
    return [
        row(60, 0, medium=medium, culture=culture) | {"measures": {"rate": Measure(rate, "Hz", "")}}
        for (medium, culture), rate in rates.items()
    ]


def test_recordings_that_repeat_a_culture_have_a_mixed_model() -> None:
    pytest.importorskip("statsmodels")
    rates = {("a", "x"): 1.0, ("b", "x"): 1.6, ("a", "y"): 5.0, ("b", "y"): 5.5, ("a", "z"): 9.0, ("b", "z"): 9.7}
    told: list[str] = []
    (table,) = grouped(of_cultures(rates), ["medium"], told.append)
    columns = {str(column.header): list(column.cells)[-1] for column in table.columns}
    assert columns["medium"] == "linear mixed model"
    expected = mixed_test(list(rates.values()), [m for m, _ in rates], [c for _, c in rates]).p
    assert columns["rate"] == f"p {expected:.2g}"
    assert expected < 0.001  # a rank test of 3 and 3 cannot be below 0.1
    assert columns["IBI CV"] == "-"
    (line,) = told
    assert line.startswith("note: no linear mixed model of active units, network burst rate, ")
    assert line.endswith(": 0 values in 0 groups, of 0 cultures, all equal")


def test_without_statsmodels_repeated_cultures_are_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.results.mixed_model.installed", lambda: False)
    rates = {("a", "x"): 1.0, ("b", "x"): 2.0, ("a", "y"): 1.5, ("b", "y"): 3.0}
    told: list[str] = []
    (table,) = grouped(of_cultures(rates), ["medium"], told.append)
    assert [list(column.cells)[-1] for column in table.columns[:4]] == ["no test", "", "-", "-"]
    missing = "statsmodels is not installed (pip install -c constraints.txt -e '.[stats]')"
    assert told == [f"note: recordings repeat a culture, which a rank test must not ignore; {missing}"]
    once = of_cultures({("a", "x"): 1.0, ("b", "y"): 2.0, ("a", "z"): 1.5})
    (table,) = grouped(once, ["medium"], told.append)
    assert list(table.columns[0].cells)[-1] == "Mann-Whitney U"
    assert len(told) == 1


def test_what_was_mended_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = recordings(tmp_path, "a", [2.0])
    assert command(path) == 0
    assert capsys.readouterr().err == "note: a0: electrodes have no positions: no synchrony by distance\n"


def test_recordings_with_stimuli_have_a_table_of_responses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stimuli = "time_s,pattern\n2.02,x\n6.02,x\n10.02,y\n"  # 30 ms before a spike of each electrode
    (path,) = recordings(tmp_path, "a", [10.0], stimuli)
    assert command(path, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["recordings"]
    assert found["measures"]["stimuli"]["value"] == 3
    assert found["measures"]["reliability, y"]["value"] == 1
    assert found["measures"]["latency"]["value"] == pytest.approx(30)
    assert found["measures"]["early spikes"]["value"] == pytest.approx(1 - 10 * 0.04)
    assert np.argmax(found["psth"]["rate_hz"]) == 6
    others = recordings(tmp_path, "b", [1.0, 2.0])
    assert command(path, *others, "--by", "medium", "--jobs", 1, "--set", "evoked.early=['20 ms', '40 ms']") == 0
    assert "reliability" in capsys.readouterr().out


def test_a_large_recording_is_said_before_it_is_read(
    dishes: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("culture_sim.formats.BYTES_PER_SPIKE", 10**7)
    monkeypatch.setattr("culture_sim.formats.available_memory_bytes", lambda: None)
    assert command(dishes[0]) == 0
    assert f"{dishes[0]}: about " in capsys.readouterr().err


def test_recordings_are_grouped_by_metadata(dishes: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*dishes, "--by", "age", "--jobs", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("median" in line for line in lines)
    ages = [line.split()[:2] for line in lines if line.split() and line.split()[0] in {"7", "21"}]
    assert ages == [["7", "1"], ["21", "1"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Missing argument"),
        (["nowhere.h5"], "nowhere.h5: no such file"),
        (["{0}", "--by", "mood"], "--by mood: no such metadata; allowed: age"),
        (["{0}", "--set", "bursts.rule=logisi"], "bursts"),
        (["{0}", "--set", "bursts.begin_isi=5"], "has no unit"),
        (["{0}", "--set", "network_bursts.share=2"], "network_bursts.share"),
        (["{0}", "--set", "bursts.begin"], "allowed: path=value"),
        (["{0}", "--set", "rule=overlap"], "rule: no 'rule'"),
        (["{0}", "--set", "brusts.begin_isi=1 ms"], "did you mean 'bursts'?"),
        (["{0}", "--jobs", "0"], "jobs"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], expected: str, dishes: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*(argument.format(dishes[0]) for argument in arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert expected in said.err


def test_the_html_page_holds_measures_and_spikes_of_every_recording(dishes: list[Path], tmp_path: Path) -> None:
    assert command(*dishes, "--html", tmp_path / "page.html", "--jobs", 1) == 0
    text = (tmp_path / "page.html").read_text()
    for path in dishes:
        (trains,) = read(path).values()
        rate = panel(trains)["rate"].value
        assert f'<th scope="row">rate</th><td>{rate:.4g}</td><td>Hz</td>' in text
        assert f'"drawn":[{len(trains.time)},{len(trains.time)}]' in text
    rates = [panel(trains)["rate"].value for path in dishes for trains in read(path).values()]
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert held is not None
    plots = [block for block in json.loads(held[1]) if block and "logY" in block]
    development = next(plot for plot in plots if plot["y"] == "rate (Hz)")
    assert development["x"] == "days in vitro"
    points = next(series for series in development["series"] if series["look"] == "points")
    assert points["x"] == [7, 21]
    assert points["y"] == pytest.approx(rates, rel=1e-5)
    assert [plot["logY"] for plot in plots if plot["x"] == "size (spikes)"] == [True, True]
    assert f"python -m culture_sim.analyse {dishes[0]} {dishes[1]} --html {tmp_path / 'page.html'}" in text


def test_a_run_is_measured_seed_by_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What an electrode hears of a run: the spikes of its units."""
    from culture_sim.run import app as run

    small = ["--set", "phases.tetanisation.repetitions=2", "--set", "record.spikes=all", "--seeds", "2"]
    with pytest.raises(SystemExit):
        cli.main(run, ["ruaro2005", "--quick", *small, "--out", str(tmp_path), "--device", "runtime", "--jobs", "1"])
    (folder,) = (path for path in (tmp_path / "ruaro2005").iterdir() if path.is_dir())
    found = read(folder)
    arrays = np.load(folder / "arrays.npz")
    for seed in range(2):
        trains = found[f"{folder.name} seed {seed}"]
        step, neuron = arrays[f"seed_{seed}/spikes/step"], arrays[f"seed_{seed}/spikes/neuron"]
        distance = np.linalg.norm(arrays[f"seed_{seed}/electrodes"][:, None] - arrays[f"seed_{seed}/positions"], axis=2)
        for electrode in (0, 13, 59):
            mine = np.isin(neuron, np.flatnonzero(distance.argmin(axis=0) == electrode))
            np.testing.assert_allclose(trains.trains[electrode], np.sort(step[mine]) * 1e-3)
        assert trains.duration == pytest.approx(6 * 0.4)
    capsys.readouterr()
    assert command(folder) == 0
    assert "network" in capsys.readouterr().out


ROWS = [
    row(900, 1, age=21),
    row(60, 2, protocol="mine", step="rest", seed=0),
    row(900, 3, age=7),
    row(10, 4, protocol="mine", step="settling", seed=0),
    row(60, 5, protocol="mine", step="rest", seed=1),
    row(900, 6, protocol="mine", step="probes", seed=1),
]


def names(groups: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[int]]:
    return {name: [row["name"] for row in rows] for name, rows in groups.items()}


def test_figures_leave_short_and_stimulated_steps_out() -> None:
    assert names(by_group(ROWS, [])) == {"twin, mine, rest": [2, 5], "recordings": [1, 3]}
    by_age = names(by_group(ROWS, ["age"]))
    assert list(by_age.items()) == [("twin, mine, rest", [2, 5]), ("age 7", [3]), ("age 21", [1])]


def test_runs_stand_beside_the_recordings_of_every_panel() -> None:
    rows = [*ROWS, row(900, 7, age=7, region="ctx"), row(900, 8, age=7, region="hpc")]
    found = {title: names(panel) for title, panel in panels(rows, ["region", "age"]).items()}
    assert list(found) == ["", "ctx", "hpc"]
    assert found["hpc"] == {"twin, mine, rest": [2, 5], "age 7": [8]}
    assert {title: names(panel) for title, panel in panels(ROWS[:1], []).items()} == {1: {"": [1]}}


def test_ages_are_days_in_numbers_or_as_nwb_writes_them() -> None:
    found = aged([row(60, 1, age=7, culture="a"), row(60, 2, age="P21D"), row(60, 3, age="adult"), row(60, 4)])
    assert [(each.age, each.culture) for each in found] == [(7, "a"), (21, "")]


def test_figures_are_those_that_the_recordings_have_data_for(
    dishes: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_one = {"synchrony", "avalanches"}  # independent units have no network bursts
    strict = ["--set", "network_bursts.share=1"]
    assert command(dishes[0], *strict, "--figures", tmp_path / "one") == 0
    assert {path.stem for path in (tmp_path / "one").iterdir()} == of_one
    assert "one/synchrony.png" in capsys.readouterr().err
    assert command(*dishes, *strict, "--figures", tmp_path / "a/all", "--format", "pdf", "--jobs", 1) == 0
    found = list((tmp_path / "a/all").iterdir())
    assert {path.stem for path in found} == of_one | {"development"}
    assert all(path.read_bytes().startswith(b"%PDF") for path in found)


def test_a_page_goes_into_a_folder_that_is_there(
    dishes: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(dishes[0], "--html", tmp_path / "none" / "page.html") == 2
    assert "allowed: a file in an existing folder" in capsys.readouterr().err


def test_figures_that_cannot_be_written_are_one_line(
    dishes: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(dishes[0], "--figures", dishes[1]) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert shown.err == f"error: --figures {dishes[1]}: a file; allowed: a folder, also one that is not there yet\n"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert command(dishes[0], "--figures", "anywhere") == 2
    assert "--figures: matplotlib is not installed" in capsys.readouterr().err
