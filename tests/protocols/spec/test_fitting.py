"""The ``fit:`` section: what it holds, and one clear line for every mistake."""

from pathlib import Path

import pytest

from protocols.loading.loader import load
from protocols.loading.overrides import check
from protocols.runs.run_directory import resolved
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol, FitProtocol

GOOD = """\
base: spontaneous
name: mine
fit:
  measures: [rate, ISI CV]
  distance: [rate]
search:
  space: {culture.neurons.drive.mean: {low: 12 mV, high: 18 mV}}
  objectives: {distance: minimise}
  budget: {trials: 3}
"""


def faults(folder: Path, *overrides: str, text: str = GOOD) -> list[str]:
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(ProtocolFault) as fault:
        load(str(folder / "mine.yaml"), overrides)
    return fault.value.lines


def test_a_protocol_with_a_fit_is_a_kind_of_its_own_and_comes_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    found = load(str(tmp_path / "mine.yaml"))
    assert isinstance(found, FitProtocol)
    assert (found.fit.measures, found.fit.distance) == (("rate", "ISI CV"), ("rate",))
    assert (found.fit.simulations, found.fit.held_out, found.fit.networks) == (5000, 200, 3)
    (tmp_path / "again.yaml").write_text(resolved(found))
    assert load(str(tmp_path / "again.yaml")) == found
    plain = found.model_dump(mode="json") | {"search": None}
    del plain["fit"]
    assert type(check(plain)) is DishProtocol


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("fit.measures=[rate, burstrate]", "fit.measures: no measure 'burstrate'; did you mean 'burst rate'?"),
        ("fit.distance=[rate, rate]", "fit.distance: 'rate' is listed twice"),
        ("fit.measures=[]", "fit.measures: "),
        ("fit.simulations=9", "fit.simulations: 9 is not allowed: "),
        ("fit.networks=many", "fit.networks: "),
        ("targets=null", "targets: missing; allowed beside fit: a table with the spread between real cultures"),
        ("measure={a: {panel: spontaneous}, b: {panel: spontaneous}}", "measure: allowed beside fit: a single panel"),
        ("search.objectives={distance: maximise}", "search.objectives: allowed beside fit: {distance: minimise}"),
        (
            "search.space={culture.neurons.drive.mean: {choices: [12 mV, 13 mV]}}",
            "search.space.culture.neurons.drive.mean: allowed beside fit: ranges without steps and conditions",
        ),
        (
            "search.space={culture.neurons.drive.mean: {low: 12 mV, high: 18 mV, step: 1 mV}}",
            "search.space.culture.neurons.drive.mean: allowed beside fit: ranges without steps and conditions",
        ),
    ],
)
def test_a_mistake_is_one_line(override: str, expected: str, tmp_path: Path) -> None:
    (line,) = faults(tmp_path, override)
    assert line.startswith(expected)


def test_an_unknown_key_and_a_missing_one_are_named(tmp_path: Path) -> None:
    (line,) = faults(tmp_path, text=GOOD.replace("  distance: [rate]\n", "  distance: [rate]\n  simulation: 5\n"))
    assert line.startswith("fit.simulation: unknown key; did you mean 'simulations'?")
    (line,) = faults(tmp_path, text=GOOD.replace("  distance: [rate]\n", ""))
    assert line.startswith("fit.distance: ")


def test_the_built_in_fit_has_a_small_version() -> None:
    quick, whole = load("spontaneous_fit", quick=True), load("spontaneous_fit")
    assert isinstance(quick, FitProtocol)
    assert isinstance(whole, FitProtocol)
    assert quick.fit.simulations < whole.fit.simulations
    assert quick.search is not None
    assert whole.search is not None
    assert quick.search.space == whole.search.space
