"""Protocols of spiking networks: the presentations of the culture's, and one line for each mistake."""

from pathlib import Path

import pytest

from protocols.loading.loader import load
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import AssociationProtocol, SpikingAssociation


@pytest.mark.parametrize("name", ["mnist01", "digits01"])
def test_images_and_evaluations_are_those_of_the_culture(name: str) -> None:
    culture, network = load(name), load(f"{name}_diehl_cook")
    assert isinstance(culture, AssociationProtocol)
    assert isinstance(network, SpikingAssociation)
    assert network.data == culture.data
    assert network.association.evaluation == culture.association.evaluation
    assert network.association.training.presentations == culture.association.training.presentations
    assert network.association.training.order == culture.association.training.order
    assert network.seed_list == culture.seed_list


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "spiking_network.presentation.duration=350.2 ms",
            "spiking_network.presentation.duration: 350.2 ms; allowed: a whole number of steps of 0.5 ms",
        ),
        (
            "spiking_network.dt=0.3 ms",
            "spiking_network.presentation.duration: 350 ms; allowed: a whole number of steps of 0.3 ms",
        ),
        (
            "spiking_network.presentation.attempts=100",
            "spiking_network.presentation.attempts: 100; the last has a rate of 3219.38 Hz; "
            "allowed: at most one spike a step, 2000 Hz",
        ),
        (
            "association.evaluation.every=5000",
            "association.evaluation.every: 5000; allowed: at most the 1200 training presentations",
        ),
        ("data.classes=[0, 0]", "data.classes: a class is listed twice in 0, 0"),
    ],
)
def test_a_mistake_is_one_line(override: str, line: str) -> None:
    with pytest.raises(ProtocolFault) as caught:
        load("digits01_diehl_cook", [override])
    assert caught.value.lines == [line]


@pytest.mark.parametrize(
    ("override", "start"),
    [
        ("spiking_network.neurons=1", "spiking_network.neurons: 1 is not allowed: input should be greater"),
        ("spiking_network.presentation.rate=63.75", "spiking_network.presentation.rate: 63.75 has no unit; allowed:"),
        ("spiking_network.plasticity.A_plus=-1", "spiking_network.plasticity.A_plus: -1"),
    ],
)
def test_a_wrong_value_names_its_path(override: str, start: str) -> None:
    with pytest.raises(ProtocolFault) as caught:
        load("digits01_diehl_cook", [override])
    (line,) = caught.value.lines
    assert line.startswith(start), line


def test_a_culture_beside_a_spiking_network_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text("base: digits01.yaml\nname: both\nspiking_network: {neurons: 10}\n")
    with pytest.raises(ProtocolFault) as caught:
        load(str(path))
    assert caught.value.lines == ["culture: beside spiking_network; allowed: one of them"]


def test_a_spiking_network_without_an_association_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    path.write_text("name: none\ntitle: none\ncitation: none\nspiking_network: {neurons: 10}\n")
    with pytest.raises(ProtocolFault) as caught:
        load(str(path))
    assert {line.split(":")[0] for line in caught.value.lines} == {"data", "association"}
