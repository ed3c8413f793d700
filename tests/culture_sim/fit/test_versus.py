"""Two models compared by held-out scores."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from culture_sim.fit import train
from culture_sim.fit.command import app
from culture_sim.fit.uses import versus
from culture_sim.fit.uses.versus import scores
from culture_sim.run import app as run_app
from tests.command import exit_code, finished_run
from tests.culture_sim.fit import tiny

pytestmark = pytest.mark.whole


def test_a_score_is_the_integral_of_the_squared_difference_of_distribution_functions() -> None:
    rng = np.random.default_rng(0)
    predicted, observed, sd = rng.normal(0, 0.5, (12, 3)), np.array([0.2, -0.4, 1.5]), np.array([1.0, 0.5, 2.0])
    found = scores(predicted, observed, sd)
    grid = np.linspace(-8, 8, 320_001)
    for k in range(3):
        x, y = predicted[:, k] / sd[k], observed[k] / sd[k]
        share = (x[:, None] <= grid).mean(axis=0)
        integral = np.sum((share - (grid >= y)) ** 2) * (grid[1] - grid[0])
        within = np.abs(x[:, None] - x).sum()
        # the integral takes pairs of a culture with itself, too
        assert found[k] == pytest.approx(integral - within * (1 / (2 * 12 * 11) - 1 / (2 * 12**2)), abs=2e-4)


def test_no_forecast_does_better_than_the_true_distribution() -> None:
    values, truth = np.array([0.0, 1.0, 9.0, np.nan]), np.array([0.4, 0.3, 0.1, 0.2])
    between = versus.apart(values[:, None], values[None], np.array(1.0))
    np.testing.assert_array_equal(between[0], [0, 1, 5, 5])
    np.testing.assert_array_equal(between[3], [5, 5, 5, 0])

    def expected(forecast: np.ndarray) -> float:
        return float(truth @ between @ forecast - forecast @ between @ forecast / 2)

    steps = [np.array(one) / 10 for one in itertools.product(range(11), repeat=4) if sum(one) == 10]
    best = min(steps, key=expected)
    np.testing.assert_array_equal(best, truth)


@pytest.fixture(scope="module")
def long_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cultures of strong drive, twice as long as the simulated ones."""
    folder = tmp_path_factory.mktemp("long")
    longer = tiny.loaded(folder, "timeline.spontaneous.rest=41 s")
    (folder / "dishes").mkdir()
    for seed in (1, 2, 3):
        trains = tiny.recording(longer, seed, **{"culture.neurons.drive.mean": "18.5 mV"})
        tiny.as_hdf5(trains, folder / f"dishes/dish_{seed}.h5", 21)
    return folder / "dishes"


@pytest.fixture(scope="module")
def overdriven(protocol: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose cells fire several times as much as the recorded ones, whatever its parameters."""
    weight = "culture.synapses.excitatory: {low: 2 mV, high: 8 mV}"
    space = f"search.space={{culture.neurons.drive.mean: {{low: 28 mV, high: 32 mV}}, {weight}}}"
    return finished_run(train.app, tmp_path_factory.mktemp("driven"), str(protocol), "--set", space, "--jobs", "1")


def test_the_model_that_can_make_such_cultures_predicts_the_second_halves_better(
    protocol: Path,
    trained: Path,
    overdriven: Path,
    long_recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(versus, "CULTURES", 12)
    dishes = [str(path) for path in sorted(long_recordings.iterdir())]
    line = [*dishes, "--protocol", str(protocol), "--jobs", "1"]
    assert exit_code(app, *line, "--trained", str(trained), "--versus", str(overdriven), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["recording"] for row in found["recordings"]] == ["dish_1", "dish_2", "dish_3"]
    assert [row["measure"] for row in found["measures"]] == ["rate", "ISI CV"]
    by_recording = np.array([row["scores"] for row in found["recordings"]])
    by_measure = np.array([row["scores"] for row in found["measures"]])
    np.testing.assert_allclose(by_recording.mean(axis=0), found["all"]["scores"])
    np.testing.assert_allclose(by_measure.mean(axis=0), found["all"]["scores"])
    assert found["all"]["difference"]["low"] > 0
    assert f"{trained} predicts the second halves better ({overdriven} less {trained}: +" in found["said"]
    # a model against itself
    assert exit_code(app, *line, "--trained", str(trained), "--versus", str(trained)) == 0
    shown = capsys.readouterr().out
    assert "+0.000 [+0.000, +0.000]" in shown
    assert "Neither model predicts the second halves better beyond doubt" in shown


def test_what_cannot_be_compared_is_one_line(
    protocol: Path,
    trained: Path,
    recordings: Path,
    long_recordings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dish, short = str(long_recordings / "dish_1.h5"), str(recordings / "div21/dish_21_1.h5")
    own = ["--protocol", str(protocol)]
    both = [*own, "--trained", str(trained), "--versus", str(trained)]
    other = finished_run(train.app, tmp_path, str(protocol), "--set", "fit.distance=[rate]", "--jobs", "1")
    dish_run = finished_run(run_app, tmp_path / "dish", "spontaneous", "--quick", "--seeds", "1", "--jobs", "1")
    capsys.readouterr()
    for arguments, expected in (
        ([dish, *own, "--versus", str(trained)], "--trained: missing; allowed beside --versus: a run of"),
        ([dish, *both], "--versus: 1 recording; allowed: two or more"),
        ([short, *both], "dish_21_1: lasts 20 s; allowed: at least 2 times the simulated length, 39.2 s"),
        ([dish, *both[:-1], str(tmp_path)], f"{tmp_path}: not a complete run"),
        (
            [dish, *both[:-1], str(dish_run)],
            f"--versus {dish_run}: no trained posterior; allowed: a run of culture_sim",
        ),
        ([dish, *both[:-1], str(other)], f"--versus {other}: has another fit.distance than --trained; allowed: the"),
    ):
        assert exit_code(app, *arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line
