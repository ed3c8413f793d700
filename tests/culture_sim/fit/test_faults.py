"""Bad input to the command of fits: exit code 2 and one clear line each."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim import formats
from culture_sim.fit import command
from culture_sim.fit.command import app
from culture_sim.run import app as run_app
from culture_sim.search.command import app as search_app
from hebbian_dl.run import app as network_app
from tests.command import exit_code
from tests.culture_sim.fit import tiny

pytestmark = pytest.mark.whole


@pytest.fixture
def dish(recordings: Path) -> str:
    return str(recordings / "div21/dish_21_1.h5")


def line_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert exit_code(app, *map(str, arguments)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line.removeprefix("error: ")


@pytest.fixture(autouse=True)
def nothing_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_fit", lambda *_: pytest.fail("a fit began"))


def test_a_recording_that_is_too_short(
    protocol: Path, dish: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert line_of(capsys, dish, "--protocol", "spontaneous_fit") == (
        "dish_21_1: lasts 20 s; allowed: at least the simulated length, 294 s (--set timeline.spontaneous.rest)"
    )


def test_a_silent_recording_names_the_measures_that_it_lacks(
    protocol: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.csv").write_text("time_s,electrode,x_um,y_um\n# duration_s: 20\n1.5,A,0,0\n2.5,B,200,0\n")
    line = line_of(capsys, tmp_path / "few.csv", "--protocol", protocol)
    assert line.startswith("few: ISI CV")
    assert "rate" not in line.split("not defined")[0]
    assert "not defined in this recording (silent, or without bursts); allowed: a fit without: --set fit.m" in line
    trains = formats.read(recordings / "div21/dish_21_1.h5")["dish_21_1"]
    silent = tiny.as_hdf5(
        type(trains)(np.zeros(0), np.zeros(0, int), trains.n_units, 20.0, trains.positions), tmp_path / "none.h5", 21
    )
    assert line_of(capsys, silent, "--protocol", protocol).startswith("none: rate, ISI CV")


def test_parameters_that_are_searched_cannot_be_set(
    protocol: Path, dish: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in ("culture.neurons.drive.mean=15 mV", "culture.neurons.drive={mean: 15 mV}"):
        line = line_of(capsys, dish, "--protocol", protocol, "--set", given)
        assert line == (
            f"--set {given.partition('=')[0]}: culture.neurons.drive.mean is searched; "
            "allowed: what search.space does not hold"
        )


@pytest.mark.parametrize(
    ("override", "differs"),
    [
        ("fit.measures=[rate, ISI CV]", "fit.measures"),
        ("search.space={culture.neurons.drive.mean: {low: 13 mV, high: 20 mV}}", "search.space"),
        ("culture.neurons.count=61", "culture"),
        ("timeline.spontaneous.rest=19 s", "timeline"),
        ("measure.activity.definitions={network_bursts: {rule: overlap}}", "measure"),
    ],
)
def test_a_posterior_of_something_else(
    override: str, differs: str, protocol: Path, trained: Path, dish: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = line_of(capsys, dish, "--protocol", protocol, "--trained", trained, "--set", override)
    assert line == f"--trained {trained}: was trained with another {differs}; allowed: the same as of the fit"


def test_what_is_no_trained_posterior(
    protocol: Path, dish: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = line_of(capsys, dish, "--protocol", protocol, "--trained", tmp_path / "absent")
    assert said.endswith("absent: no such run directory")
    assert "not a complete run" in line_of(capsys, dish, "--protocol", protocol, "--trained", tmp_path)
    assert line_of(capsys, dish, "--protocol", protocol, "--by", "posterior").startswith("--trained: missing; allowed")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--set", "fit.measures=[rate, speed]"], "fit.measures: no measure 'speed'"),
        (
            ["--set", "fit.distance=[rate, branching ratio]"],
            "fit.distance: branching ratio: targets/spontaneous.csv has no",
        ),
        (["--rank", "agee"], "--rank agee: not in the metadata of dish_21_1; did you mean 'age'?"),
        (["--rank", "age"], "--rank age: allowed: two groups at least, one of them with two recordings"),
        (
            ["--rank", "age", "--predict", "paired_pulse"],
            "--compare, --predict, --rank, --versus: allowed: one of them",
        ),
        (["--predict", "paired_pulse"], "--predict: allowed: with one fitted twin, such as runs/twin_NAME/fit"),
        (["--compare", "a", "b"], "{dish}: beside --compare; allowed: its two groups alone"),
        (["--protocol", "spontaneous"], "fit: missing in 'spontaneous'; allowed: a protocol with a 'fit:' section"),
        (["--device", "abacus"], "--device abacus: allowed: "),
        (["{dish}"], "twin_dish_21_1: 2 recordings would have this twin; allowed: files of different names"),
        (["absent.h5"], "absent.h5: no such file"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], expected: str, protocol: Path, dish: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(dish=dish) for word in arguments]
    own = [] if "--protocol" in given else ["--protocol", protocol]
    assert line_of(capsys, dish, *own, *given).startswith(expected.format(dish=dish))


def test_no_recordings_at_all(
    protocol: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert line_of(capsys, "--protocol", protocol).startswith("RECORDING: missing; allowed: one or several files")
    pattern = str(tmp_path / "*.h5")
    for empty in (tmp_path, pattern):
        line = line_of(capsys, "--compare", empty, empty, "--protocol", protocol, "--trained", trained)
        assert line == f"--compare {empty}: no recordings; allowed: a folder, a file, or a pattern in quotes"
    assert line_of(capsys, "--compare", "a", "b", "--protocol", protocol).startswith("--trained: missing; allowed")


def test_what_cannot_be_predicted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from protocols.runs.run_directory import resolved

    assert line_of(capsys, tmp_path, "--predict", "paired_pulse").startswith("--predict: allowed: with one fitted twin")
    (tmp_path / "fit.json").write_text("{}")
    np.savez(tmp_path / "fit.npz", samples=np.zeros((1, 2)))
    (tmp_path / "protocol.yaml").write_text(resolved(tiny.loaded(tmp_path)))
    for name in ("digits_hebb", "spontaneous_fit", "ruaro2005"):
        said = line_of(capsys, tmp_path, "--predict", name)
        assert said == f"--predict {name}: allowed: a protocol of a living culture with a timeline"
    said = line_of(capsys, tmp_path, "--predict", "paired_pulse", "--set", "culture.neurons.drive.mean=15 mV")
    assert said.startswith("--set culture.neurons.drive.mean: culture.neurons.drive.mean is searched")
    (tmp_path / "fit.npz").unlink()
    assert "fit.npz is missing" in line_of(capsys, tmp_path, "--predict", "paired_pulse")


def test_other_commands_do_not_take_a_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for other, expected in (
        (run_app, "fit: in 'spontaneous_fit'; allowed: python -m culture_sim.fit, python -m culture_sim.fit.train"),
        (search_app, "fit: in 'spontaneous_fit'; allowed: python -m culture_sim.fit"),
        (network_app, ""),
    ):
        assert exit_code(other, "spontaneous_fit", "--out", str(tmp_path / "runs")) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {expected}")
    assert not (tmp_path / "runs").exists()
