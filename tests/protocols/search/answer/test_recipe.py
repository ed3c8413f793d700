"""Rows of the recipe against values worked out by hand from the built-in protocols."""

from typing import Any

import pytest

from protocols.loading.loader import load
from protocols.search.answer.recipe import recipe
from protocols.search.answer.row import number, size
from protocols.spec.protocol import Protocol


def changed(protocol: Protocol, **changes: Any) -> Protocol:
    """A copy with other values; dots of the paths are doubled underscores."""
    content = protocol.model_dump(mode="json")
    for path, value in changes.items():
        *above, last = path.split("__")
        node: Any = content
        for key in above:
            node = next(item for item in node if item["name"] == key) if isinstance(node, list) else node[key]
        node[int(last) if isinstance(node, list) else last] = value
    return type(protocol).model_validate(content)


def parameter(path: str, unit: str = "", kind: str = "float") -> dict[str, Any]:
    return {"path": path, "unit": unit, "kind": kind}


def by_name(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    assert all(list(row) == ["what", "start", "best", "range", "searched"] for row in rows)
    found = {row["what"]: (row["start"], row["best"], row["range"], row["searched"]) for row in rows}
    assert len(found) == len(rows)
    return found


def test_an_association_in_the_units_of_a_lab() -> None:
    start = load("mnist01")
    best = changed(
        start,
        culture__neurons__count=482,
        culture__excitatory__strength="61.2345 mV",
        culture__inhibitory__sigma="123.4 um",
        culture__inhibitory__strength="12000 mV",
        association__training__order="shuffled",
        association__training__presentations=3000,
    )
    searched = [
        parameter("culture.neurons.count", kind="int"),
        parameter("culture.excitatory.strength", "mV"),
        parameter("culture.inhibitory.sigma", "um"),
        parameter("culture.inhibitory.strength", "V"),
        parameter("association.training.order", kind="choice"),
        parameter("association.training.presentations", kind="int"),
        parameter("culture.neurons.membrane_decay", "ms"),
    ]
    region: dict[str, dict[str, Any]] = {
        "culture.neurons.count": {"low": 360, "high": 480},
        "culture.excitatory.strength": {"low": 49.96, "high": 101.07},
        "culture.inhibitory.sigma": {"low": 80.0, "high": 200.0},
        "culture.inhibitory.strength": {"low": 0.4, "high": 12.0},
        "association.training.order": {"choices": {"interleaved": 0.204, "shuffled": 0.796, "blocked": 0.0}},
        "association.training.presentations": {"low": 1500, "high": 3000},
    }
    assert by_name(recipe(start, best, region, searched)) == {
        # the array is 5 mm x 3 mm, 0.15 cm2
        "Neuron density": ("1,600 cells/cm2", "3,210 cells/cm2", "2,400 to 3,210 cells/cm2", True),
        "Cells on the array": ("240", "482", "360 to 482", True),
        "Excitatory reach (sigma)": ("1.2 mm", "1.2 mm", None, False),
        "Excitatory strength (sum of incoming weights)": ("40 mV", "61.2 mV", "50 to 101 mV", True),
        "Inhibitory reach (sigma)": ("0.15 mm", "0.123 mm", "0.08 to 0.2 mm", True),
        "Inhibitory strength (sum of incoming weights)": ("400 mV", "12,000 mV", "400 to 12,000 mV", True),
        "Stimulation reach (sigma)": ("0.3 mm", "0.3 mm", None, False),
        "Stimulation strength (sum of incoming weights)": ("40 mV", "40 mV", None, False),
        "Resting potential": ("-70 mV", "-70 mV", None, False),
        "Potentiation of a spike pair (A+)": ("0.4 mV", "0.4 mV", None, False),
        "Depression of a spike pair (A-)": ("0.004 mV", "0.004 mV", None, False),
        "Factor on A+ and A- at the start of training": ("0.05", "0.05", None, False),
        "Factor over the training": ("linear", "linear", None, False),
        "Pulse rate of a white pixel": ("200 Hz", "200 Hz", None, False),
        "Pulse rate of the label": ("400 Hz", "400 Hz", None, False),
        "Length of a presentation": ("200 ms", "200 ms", None, False),
        "Presentations in training": ("2,128", "3,000", "1,500 to 3,000", True),
        "Stimulation in training": ("7.09 min", "10 min", "5 to 10 min", True),  # 200 ms each
        "Order of the classes": ("interleaved", "shuffled", "shuffled (80 %), interleaved (20 %)", True),
        "Decision between the regions": ("largest_response", "largest_response", None, False),
        "culture.neurons.membrane_decay": ("50 ms", "50 ms", None, True),
    }


def test_what_two_searched_parameters_make_has_no_range_of_its_own() -> None:
    start = load("mnist01")
    searched = [parameter("association.presentation", "ms"), parameter("association.training.presentations")]
    region = {p["path"]: {"low": 100, "high": 1000} for p in searched}
    best = changed(start, association__presentation="300 ms")
    rows = by_name(recipe(start, best, region, searched))
    assert rows["Length of a presentation"] == ("200 ms", "300 ms", "100 to 1,000 ms", True)
    assert rows["Stimulation in training"] == ("7.09 min", "10.6 min", None, True)
    assert rows["Presentations in training"][2] == "100 to 2,128"  # the best value does as well


def test_evoked_responses_name_the_phase_that_teaches() -> None:
    start = load("ruaro2005")
    best = changed(start, phases__tetanisation__repetitions=75, stimuli__tetanus__train__rate="100 Hz")
    searched = [parameter("phases.tetanisation.repetitions"), parameter("stimuli.L.train.rate", "Hz")]
    region = {"phases.tetanisation.repetitions": {"low": 30, "high": 30}}
    rows = by_name(recipe(start, best, region, searched))
    assert rows["Neuron density"] == ("27,040 cells/cm2", "27,040 cells/cm2", None, False)  # 40 % of the dish's 67,600
    assert rows["Pulse rate of tetanus"] == ("250 Hz", "100 Hz", None, False)
    assert rows["Presentations in tetanisation"] == ("40", "75", "30 to 75", True)
    assert rows["Stimulation in tetanisation"] == ("0.267 min", "0.5 min", "0.2 to 0.5 min", True)  # 400 ms each
    assert rows["stimuli.L.train.rate"] == ("1,000 Hz", "1,000 Hz", None, True)
    assert not any("before" in what or "Pulse rate of L" in what for what in rows)


def test_a_network_has_what_was_searched_and_its_layers() -> None:
    start = load("digits_hebb")
    best = changed(start, network__layers__2={"dense": 1064}, network__methods__HPCA__learning_rate=0.012345)
    searched = [parameter("network.layers.2.dense", kind="int"), parameter("network.methods.HPCA.learning_rate")]
    region = {"network.methods.HPCA.learning_rate": {"low": 0.00123, "high": 0.02}}
    assert by_name(recipe(start, best, region, searched)) == {
        "network.layers.2.dense": ("32", "1,064", None, True),
        "network.methods.HPCA.learning_rate": ("0.003", "0.0123", "0.00123 to 0.02", True),
        "Layers": (
            "16 conv 5 x 5, batch norm, 32 dense, batch norm",
            "16 conv 5 x 5, batch norm, 1,064 dense, batch norm",
            None,
            True,
        ),
    }


def test_a_network_in_the_place_of_a_culture_has_no_rows_of_the_culture() -> None:
    start = load("mnist01")
    rows = by_name(recipe(start, start, {}, [parameter("network.rule.temperature")]))
    assert rows == {
        "network.rule.temperature": ("0.02", "0.02", None, True),
        "Layers": ("100 dense", "100 dense", None, False),
    }


def test_values_that_are_no_numbers_are_words() -> None:
    start = load("mnist01")
    best = changed(start, culture__neurons__lower_bound=None, culture__inhibitory__plastic=False)
    searched = [parameter("culture.neurons.lower_bound", "mV"), parameter("culture.inhibitory.plastic", kind="choice")]
    rows = by_name(recipe(start, best, {}, searched))
    assert rows["culture.neurons.lower_bound"][:2] == ("-90 mV", "none")
    assert rows["culture.inhibitory.plastic"][:2] == ("yes", "no")


def test_choices_of_any_kind_are_words() -> None:
    start = load("mnist01")
    best = changed(start, network__rule={"rule": "hpca"})
    searched = [parameter(path, kind="choice") for path in ("network.rule", "culture.neurons.refractory")]
    searched.append(parameter("network.rule.temperature"))
    options = {'{"rule": "hpca"}': 0.75, "null": 0.15, "2": 0.1}
    region = {"network.rule": {"choices": options}, "culture.neurons.refractory": {"choices": {"5 ms": 1.0}}}
    rows = by_name(recipe(start, best, region, searched))
    assert rows["network.rule"][2] == "rule hpca (75 %), none (15 %), 2 (10 %)"
    assert "temperature 0.02" in rows["network.rule"][0]
    assert rows["network.rule"][1].startswith("rule hpca")
    assert rows["culture.neurons.refractory"] == ("5 ms", "5 ms", "5 ms (100 %)", True)
    assert rows["network.rule.temperature"] == ("0.02", "not used", None, True)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12345, "12,345"), (12345.6, "12,300"), (-70.0, "-70"), (0.3 - 0.1, "0.2"), (1.234e-5, "0.0000123")],
)
def test_numbers_have_three_digits_or_are_whole(value: float, text: str) -> None:
    assert number(value) == text


def test_units_have_their_size() -> None:
    assert [size(unit) for unit in ("mV", "um", "kHz", "min", "cells/cm2", "")] == [1e-3, 1e-6, 1e3, 1, 1, 1]
