"""From a run to traces, detected spikes and their panel; the traces as NWB."""

import json
from pathlib import Path

import numpy as np
import pytest

from culture_sim import formats
from culture_sim.electrode_view import app
from protocols.runs import cli


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


#: measures of the detected spikes agree with those of the true ones of neurons that are heard within this share; in
#: network bursts spikes of neurons within the dead time of each other are one, so that rates are lower
TOLERANCES = {
    "network burst rate": 0.1,
    "network burst duration": 0.15,
    "spikes in network bursts": 0.05,
    "IBI CV": 0.15,
    "STTC near": 0.1,
    "burst rate": 0.1,
    "burst duration": 0.15,
    "rate": 0.3,
}


def test_recall_grows_with_amplitude_and_the_panel_is_that_of_the_true_spikes(
    dish: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(dish, "--seconds", 20, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["precision"] > 0.99
    recall = dict(zip(found["amplitude_uV"], found["recall"], strict=False))
    assert recall[5] < 0.2 < 0.6 < recall[25] <= recall[60]
    assert recall[60] > 0.8
    assert round(found["least_uV"]) in {15, 20, 25}
    for name, tolerance in TOLERANCES.items():
        assert found["panel"]["detected"][name] == pytest.approx(found["panel"]["true"][name], rel=tolerance), name


def test_the_traces_as_nwb_are_those_that_were_measured(
    dish: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pynwb, nwbinspector = pytest.importorskip("pynwb"), pytest.importorskip("nwbinspector")
    path = tmp_path / "traces.nwb"
    assert command(dish, "--seconds", 5, "--out", path, "--set", "extracellular.noise='0.008 mV'", "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    threshold = nwbinspector.Importance.BEST_PRACTICE_VIOLATION
    assert not [
        str(each) for each in nwbinspector.inspect_nwbfile(nwbfile_path=str(path), importance_threshold=threshold)
    ]
    (trains,) = formats.read(path).values()
    spikes = measured["panel"]["detected"]["rate"] * measured["panel"]["detected"]["active units"] * 5
    assert len(trains.time) == pytest.approx(spikes, rel=0.01)  # but for rounding to 0.2 uV
    assert trains.duration == 5
    with pynwb.NWBHDF5IO(path, "r") as io:
        file = io.read()
        series, units = file.acquisition["traces"], file.processing["ecephys"]["true_units"]
        assert series.data.shape == (100_000, 64)
        first = units["spike_times"][0]
        arrays = np.load(dish / "arrays.npz")
        neuron, step = arrays["seed_0/spikes/neuron"], arrays["seed_0/spikes/step"]
        expected = step[(neuron == 0) & (step < 5000)] * 1e-3
        np.testing.assert_allclose(first, expected, atol=1e-3)
        assert np.all(first >= expected - 1e-9)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "nowhere: not a finished run"),
        (["{run}", "--seed", "7"], "--seed 7: not in the run; allowed: 0"),
        (["{run}", "--set", "detection.threshold=-1"], "detection.threshold: -1"),
        (["{run}", "--set", "detection.high=100 Hz"], "high: 100 Hz; allowed: more than low, 300 Hz"),
        (["{run}", "--set", "extracellular.width=0.01 ms"], "allowed: at least a sample, 0.05 ms"),
        (["{run}", "--out", "nowhere/traces.nwb"], "no folder nowhere"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], expected: str, dish: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*(argument.format(run=dish) for argument in arguments)) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert expected in said.err
