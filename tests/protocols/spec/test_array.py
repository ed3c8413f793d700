"""Arrays of rows and columns with places left out, layouts by name; densities and areas."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culture_sim.model.electrodes import electrode_positions
from protocols.loading.loader import load
from protocols.plan.dish import electrode_pulses, expand_dish
from protocols.spec.array import Array
from protocols.spec.dish.living import LivingCulture
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol
from protocols.spec.quantity import UnitError, parse_density
from tests.protocols.spec.test_dish import GOOD, written

CORNERS = {(0, 0), (0, 7), (7, 0), (7, 7)}


def culture(**changes: Any) -> LivingCulture:
    return LivingCulture.model_validate({"model": "living", "neurons": {"count": 240}, **changes})


def test_electrodes_are_numbered_row_by_row_over_the_places_that_have_one() -> None:
    array = Array(rows=3, columns=4, pitch="1 mm", corners=False, missing=((1, 2), (0, 0)))  # type: ignore[arg-type]
    kept = [(0, 1), (0, 2), (1, 0), (1, 1), (1, 3), (2, 1), (2, 2)]
    assert list(array.places) == kept
    assert array.n_electrodes == 7
    assert array.numbers([(2, 2), (0, 1), (1, 3)]) == [0, 4, 6]
    expected = [(1e-3 * (column + 0.5), 1e-3 * (row + 0.5)) for row, column in kept]
    np.testing.assert_allclose(electrode_positions(array), expected)


def test_named_layouts_are_the_arrays_that_they_name() -> None:
    sixty = culture(array="mcs_8x8").array
    assert sixty == Array(rows=8, columns=8, pitch="200 um", corners=False)  # type: ignore[arg-type]
    assert isinstance(sixty, Array)
    assert set(np.ndindex(8, 8)) - set(sixty.places) == CORNERS
    dense = electrode_positions(culture(array="hd_64x64").array)
    assert dense.shape == (4096, 2)
    assert np.ptp(dense, axis=0) == pytest.approx(63 * 42e-6)


def test_a_culture_with_an_array_survives_writing_and_reading() -> None:
    spec = culture(
        array={"rows": 5, "missing": [[1, 2]], "corners": False},
        area={"width": "4 mm", "height": "3 mm"},
        neurons={"density": "70 / mm2", "placement": {"rule": "clustered", "clusters": 9, "spread": "90 um"}},
    )
    assert LivingCulture.model_validate(json.loads(spec.model_dump_json())) == spec


def test_density_and_area_give_the_number_of_neurons() -> None:
    assert culture(neurons={"density": "93.75 / mm2"}).n_neurons == 240  # on 1.6 mm x 1.6 mm
    assert culture(neurons={"density": "100/mm2"}, area={"width": "2 mm", "height": "1 mm"}).n_neurons == 200
    assert culture(neurons={"density": "1e4 / cm2"}, area={"width": "2 mm", "height": "1 mm"}).n_neurons == 200


def test_an_area_lies_around_the_centre_of_the_array() -> None:
    assert culture().ground == (0, 0, 8 * 200e-6, 8 * 200e-6)
    ground = culture(area={"width": "2 mm", "height": "1 mm"}).ground
    assert ground == pytest.approx((-0.2e-3, 0.3e-3, 2e-3, 1e-3))


@pytest.mark.parametrize(
    ("text", "per_m2"), [("1000 / mm2", 1e9), ("1000/mm2", 1e9), ("1e5 / cm2", 1e9), ("0.1 /mm2", 1e5)]
)
def test_densities_are_exact(text: str, per_m2: float) -> None:
    assert parse_density(text) == per_m2


@pytest.mark.parametrize("text", ["1000", 1000, "1000 mm2", "1000 / mm", "3 / um2", "/ mm2", None, True])
def test_what_is_no_density_is_refused(text: Any) -> None:
    with pytest.raises(UnitError, match="allowed: / mm2 or / cm2"):
        parse_density(text)


def test_pulses_of_a_grid_without_corners_reach_the_electrodes_at_their_places(tmp_path: Path) -> None:
    text = GOOD.replace("  neurons:", "  array: mcs_8x8\n  neurons:").replace("[[0, 0], [1, 0]]", "[[0, 1], [1, 0]]")
    protocol = load(written(tmp_path, text.replace("[[0, 7]]", "[[7, 6]]")))
    assert isinstance(protocol, DishProtocol)
    used = set(electrode_pulses(protocol, expand_dish(protocol)).electrode.tolist())
    assert used == {0, 6, 59}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "array",
            "mcs_8x8",
            "patterns.left.electrodes: (0, 0) has no electrode; allowed: places that culture.array has",
        ),
        ("array", "mcs_9x9", "culture.array: 'mcs_9x9' is no layout; allowed: mcs_8x8, hd_64x64, a mapping"),
        ("array", "3", "culture.array: 3 is not allowed"),
        ("array", "{rows: 8, cols: 8}", "culture.array.cols: unknown key; did you mean 'columns'?"),
        ("array", "{missing: [[9, 0]]}", "culture.array: missing: (9, 0) lies outside the array; allowed: rows 0 to 5"),
        ("array", "{missing: [[0, -1]]}", "culture.array.missing.0.1: -1 is not allowed"),
        ("array", "{rows: 1, columns: 2, corners: false}", "culture.array: missing: all electrodes"),
        ("patterns.left.electrodes", "[3]", "patterns.left.electrodes: '3'; allowed: [row, column] pairs"),
        ("patterns.left.electrodes", "[A1]", "patterns.left.electrodes: 'A1'; allowed: [row, column] pairs"),
        ("patterns.left.electrodes", "[]", "patterns.left.electrodes: is not allowed: value should have at least 1"),
        ("culture.neurons.density", "3 / mm2", "culture.neurons: both count and density"),
        ("culture.neurons.count", "null", "culture.neurons: neither count nor density"),
        ("culture.neurons", "{density: 3}", "culture.neurons.density: 3 is not a density"),
        ("culture.neurons", "{density: 1e-3 / mm2}", "culture: neurons.density: gives 0 neurons; allowed: 1 to"),
        ("culture.neurons.placement", "clumps", "culture.neurons.placement: rule 'clumps'; allowed: "),
        ("culture.area", "{width: 0 mm, height: 1 mm}", "culture.area.width"),
    ],
)
def test_a_mistake_about_the_array_is_one_clear_line(key: str, value: str, expected: str, tmp_path: Path) -> None:
    key = "culture.array" if key == "array" else key
    with pytest.raises(ProtocolFault) as fault:
        load(written(tmp_path, GOOD), [f"{key}={value}"])
    (line,) = fault.value.lines
    assert line.startswith(expected)


@pytest.mark.parametrize("array", ["mcs_8x8", "{rows: 6, columns: 10, missing: [[2, 3]]}"])
def test_the_published_model_needs_a_full_grid(array: str) -> None:
    with pytest.raises(ProtocolFault, match=r"culture.array: .*has no electrode at \(.*; allowed: a full grid"):
        load("ruaro2005", [f"culture.array={array}"])
