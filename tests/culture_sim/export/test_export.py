"""A run is exported and read back by this project and by the libraries of labs: the same spikes, places, measures."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from culture_sim.analysis.panel import panel
from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.export.__main__ import Format, app, written
from culture_sim.export.trials import trials
from culture_sim.formats import finished_run, read
from culture_sim.formats.experiment import Experiment
from protocols.runs import cli


@pytest.fixture(params=["dish", "phases"])
def run(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def experiment_of(run: Path) -> Experiment:
    (experiment,) = finished_run.experiments(run).values()
    return experiment


def same(found: SpikeTrains, expected: SpikeTrains) -> None:
    np.testing.assert_array_equal(found.time, expected.time)
    np.testing.assert_array_equal(found.unit, expected.unit)
    np.testing.assert_allclose(found.positions, expected.positions, rtol=0, atol=1e-14)
    assert (found.duration, found.metadata) == (expected.duration, expected.metadata)
    assert (found.stimuli is None) == (expected.stimuli is None)
    if found.stimuli is not None and expected.stimuli is not None:
        np.testing.assert_array_equal(found.stimuli.time, expected.stimuli.time)
        np.testing.assert_array_equal(found.stimuli.pattern, expected.stimuli.pattern)
    measured = [[value for value, _, _ in panel(trains).values()] for trains in (found, expected)]
    np.testing.assert_array_equal(*measured)


@pytest.mark.parametrize("format_", Format)
def test_an_exported_run_gives_the_panel_of_the_run(format_: Format, run: Path, tmp_path: Path) -> None:
    pytest.importorskip({"nwb": "pynwb", "neo": "nixio", "csv": "csv"}[format_])
    experiment = experiment_of(run)
    found = read(written(experiment, format_, tmp_path, "dish"))
    expected = experiment.recordings()
    assert list(found) == [f"dish {step}".rstrip() for step in expected]
    assert sum(len(trains.time) for trains in expected.values()) > 100
    for one, other in zip(found.values(), expected.values(), strict=True):
        same(one, other)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_recordings_of_a_dish_are_its_steps(dish: Path) -> None:
    recordings = experiment_of(dish).recordings()
    assert list(recordings) == ["settling", "before", "tetanus", "after"]
    assert recordings["settling"].stimuli is None
    assert recordings["before"].stimuli is not None
    np.testing.assert_allclose(recordings["before"].stimuli.time, np.arange(6))
    assert recordings["before"].stimuli.pattern.tolist() == ["tetanised", "control"] * 3
    np.testing.assert_allclose(recordings["tetanus"].stimuli.time, [*np.arange(5) / 100, *1 + np.arange(5) / 100])


def test_trials_last_until_the_next_or_the_end_of_the_step(dish: Path, phases: Path) -> None:
    found = trials(experiment_of(dish))
    assert len(found) == 6 + 2 + 6
    assert [(row.start_s, row.stop_s) for row in found[5:8]] == [(25.0, 26.0), (26.0, 27.0), (27.0, 28.0)]
    assert found[7][2:] == ("tetanus", "tetanised", 1)
    assert len({(row.step, row.pattern, row.trial) for row in trials(experiment_of(phases))}) == 6


def test_nwb_passes_the_inspector(run: Path, tmp_path: Path) -> None:
    nwbinspector = pytest.importorskip("nwbinspector")
    path = written(experiment_of(run), Format.nwb, tmp_path, "dish")
    threshold = nwbinspector.Importance.BEST_PRACTICE_VIOLATION
    said = nwbinspector.inspect_nwbfile(nwbfile_path=str(path), importance_threshold=threshold)
    assert [str(message) for message in said] == []


@pytest.mark.filterwarnings("ignore")  # of the libraries, about each other
def test_spikeinterface_and_neo_read_the_same_spikes_electrodes_and_positions(dish: Path, tmp_path: Path) -> None:
    extractors = pytest.importorskip("spikeinterface.extractors")
    pynwb = pytest.importorskip("pynwb")
    import neo

    experiment = experiment_of(dish)
    path = written(experiment, Format.nwb, tmp_path, "dish")
    sorting = extractors.read_nwb_sorting(path, sampling_frequency=1 / experiment.tick_s, t_start=0.0)
    (block,) = neo.io.NWBIO(str(path), "r").read_all_blocks()
    (segment,) = block.segments
    assert len(sorting.unit_ids) == len(segment.spiketrains) == len(experiment.positions)
    for unit, train, expected in zip(sorting.unit_ids, segment.spiketrains, experiment.trains, strict=True):
        np.testing.assert_array_equal(train.rescale("s").magnitude, expected)
        np.testing.assert_array_equal(sorting.get_unit_spike_train(unit), np.rint(expected / experiment.tick_s))
    with pynwb.NWBHDF5IO(path, "r") as io:
        file = io.read()
        units, places = file.units.to_dataframe(), file.electrodes.to_dataframe()
        assert [list(each.index) for each in units["electrodes"]] == [[k] for k in range(len(places))]
        np.testing.assert_allclose(places[["rel_x", "rel_y"]].to_numpy() * 1e-6, experiment.positions, atol=1e-12)
        stimulation = file.intervals["stimulation"].to_dataframe()
        assert len(stimulation) == 6 + 10 + 6
        first = stimulation.iloc[0]
        assert (first["pattern"], first["amplitude_A"], first["electrodes"]) == ("tetanised", 30e-6, "9 10 17 18")
        assert first["stop_time"] - first["start_time"] == pytest.approx(2 * first["phase_s"])
        assert yaml.safe_load(file.protocol)["name"] == "small"
        known = json.loads(file.notes)["culture_sim"]
        assert known["recording"]["seed"] == 0
        assert known["provenance"]["code"]["hash"]


def test_neo_holds_positions_pulses_and_trials(dish: Path, tmp_path: Path) -> None:
    pytest.importorskip("nixio")
    import neo

    experiment = experiment_of(dish)
    with neo.io.NixIO(str(written(experiment, Format.neo, tmp_path, "dish")), mode="ro") as file:
        (segment,) = file.read_block().segments
    places = [[train.annotations[key] * 1e-6 for key in ("x_um", "y_um")] for train in segment.spiketrains]
    np.testing.assert_allclose(places, experiment.positions, atol=1e-12)
    for train, expected in zip(segment.spiketrains, experiment.trains, strict=True):
        np.testing.assert_array_equal(train.rescale("s").magnitude, expected)
    (event,) = segment.events
    np.testing.assert_allclose(event.array_annotations["amplitude_A"], 30e-6)
    assert [len(epoch) for epoch in segment.epochs] == [4, 14]


def test_the_command_writes_a_file_a_seed(dish: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [str(dish), "--format", "csv", "--out", str(tmp_path)])
    assert not exit_.value.code
    assert capsys.readouterr().out.strip() == str(tmp_path / "small_seed_0")
    names = sorted(path.name for path in (tmp_path / "small_seed_0").iterdir())
    assert names == [
        *("electrodes.csv", "protocol.yaml", "provenance.json", "spikes.csv", "steps.csv", "stimulation.csv"),
        "trials.csv",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{folder}"], "not a finished run"),
        (["{run}", "--out", "nowhere"], "--out nowhere: no such folder"),
        (["{run}", "--format", "mat"], "'mat' is not one of 'nwb', 'csv', 'neo'"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], expected: str, dish: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [argument.format(folder=tmp_path, run=dish) for argument in arguments])
    said = capsys.readouterr()
    assert (exit_.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert expected in said.err
