"""Scales, distances and the space of a fit, against literal formulas and against the search's own points."""

import math
from pathlib import Path

import numpy as np
import pytest

from culture_sim.analysis.panel import panel
from culture_sim.fit.measured import LINEAR, Recorded, distance, on_scale, spread
from culture_sim.fit.point import search_protocol, twin_name, write_targets
from culture_sim.fit.simulated import panel_values, with_parameters
from culture_sim.fit.space import Space, as_dish
from protocols.loading.loader import builtin, load
from protocols.loading.published import read_targets
from protocols.loading.search_space import at_point
from protocols.spec.dish.measures import PANEL, Measures
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol, FitProtocol
from tests.culture_sim.fit import tiny


@pytest.fixture(scope="module")
def fitted() -> FitProtocol:
    found = load("spontaneous_fit")
    assert isinstance(found, FitProtocol)
    return found


def test_measures_are_logarithmic_but_for_shares_and_what_may_be_negative() -> None:
    values = np.arange(1.0, 2 * len(PANEL) + 1).reshape(2, -1)
    values[0, PANEL.index("rate")] = 0.0
    values[1, PANEL.index("STTC near")] = -0.25
    values[1, PANEL.index("ISI CV")] = np.nan
    found = on_scale(values, ("STTC near", "rate", "ISI CV"))
    given = values[:, [PANEL.index(name) for name in ("STTC near", "rate", "ISI CV")]]
    expected = [[given[0, 0], math.nan, math.log(given[0, 2])], [-0.25, math.log(given[1, 1]), math.nan]]
    np.testing.assert_allclose(found, expected)
    assert set(LINEAR) < set(PANEL)


def test_the_distance_is_a_root_mean_square_in_which_an_undefined_measure_counts_five() -> None:
    names, sd = ("ISI CV", "rate", "IBI CV"), np.array([0.5, 2.0, 0.1])
    values, of = np.full((2, len(PANEL)), 7.0), np.full(len(PANEL), 3.0)
    for name, (a, b, c) in {"ISI CV": (1.0, 2.0, 1.5), "rate": (4.0, 1.0, 2.0), "IBI CV": (math.nan, 0.3, 0.2)}.items():
        values[:, PANEL.index(name)] = a, b
        of[PANEL.index(name)] = c
    first = math.sqrt((((1 - 1.5) / 0.5) ** 2 + ((4 - 2) / 2) ** 2 + 5**2) / 3)
    second = math.sqrt((((2 - 1.5) / 0.5) ** 2 + ((1 - 2) / 2) ** 2 + ((0.3 - 0.2) / 0.1) ** 2) / 3)
    np.testing.assert_allclose(distance(values, of, names, sd), [first, second])


def test_a_culture_that_fires_too_fast_has_no_measures() -> None:
    assert np.isnan(panel_values(None, Measures())).tolist() == [True] * len(PANEL)


def test_the_spread_is_that_of_the_table(fitted: FitProtocol) -> None:
    table = builtin()["spontaneous"].parent / "targets/spontaneous.csv"
    rows = {row.quantity: row.sd for row in read_targets(table)}
    assert spread(fitted, table).tolist() == [rows[f"activity/{name}"] for name in fitted.fit.distance]
    with pytest.raises(ProtocolFault, match=r"fit\.distance: rate: .* has no spread between cultures of it"):
        spread(fitted, None)


def test_the_unit_cube_and_values_are_each_other_s_inverse(fitted: FitProtocol) -> None:
    space = Space(fitted)
    unit = np.random.default_rng(0).random((5, 3, len(space.dimensions)))
    values = space.values(unit)
    np.testing.assert_allclose(space.unit(values), unit, atol=1e-12)
    for k, dimension in enumerate(space.dimensions):
        low, high, u = dimension.low, dimension.high, float(unit[2, 1, k])
        literal = low ** (1 - u) * high**u if dimension.log else (1 - u) * low + u * high
        assert values[2, 1, k] == pytest.approx(literal)
    assert {dimension.log for dimension in space.dimensions} == {True, False}
    np.testing.assert_allclose(space.values(np.ones(7)), [d.high for d in space.dimensions])


def test_a_point_is_the_protocol_that_a_search_would_try(fitted: FitProtocol) -> None:
    space, unit = Space(fitted), np.linspace(0.1, 0.9, 7)
    found = with_parameters(as_dish(fitted), space.spelled(unit))
    assert found.culture == at_point(fitted, space.named(unit), trial=False).culture
    assert found.culture.neurons.drive.mean == pytest.approx(float(space.values(unit)[0]) * 1e-3, rel=1e-3)
    assert found.search is None


def test_a_point_search_is_a_protocol_with_the_recording_as_its_target(tmp_path: Path) -> None:
    fitted = tiny.loaded(tmp_path)
    trains = tiny.recording(fitted, 1)
    measures = panel(trains)
    one = Recorded("A1.v2 (div 21)", np.array([measures[name].value for name in PANEL]), measures, {})
    write_targets(tmp_path / "recording.csv", fitted, one, np.array([2.0, 0.5]))
    rows = read_targets(tmp_path / "recording.csv")
    assert [(row.quantity, row.sd) for row in rows] == [("activity/rate", 2.0), ("activity/ISI CV", 0.5)]
    assert rows[0].value == pytest.approx(measures["rate"].value, rel=1e-5)
    asked = search_protocol(fitted, one)
    assert type(asked) is DishProtocol
    assert (asked.name, asked.targets, asked.search) == (twin_name(one), "recording.csv", fitted.search)
    assert asked.name == "twin_A1_v2_div_21"
