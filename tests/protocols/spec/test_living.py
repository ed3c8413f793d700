"""The ``culture:`` section of a living culture."""

import json

import pytest
from pydantic import ValidationError

from protocols.spec.dish.living import LivingCulture


def read(**changes: object) -> LivingCulture:
    return LivingCulture.model_validate({"model": "living", "neurons": {"count": 240}, **changes})


def test_a_section_survives_writing_and_reading() -> None:
    spec = read(
        synapses={"delay": {"speed": "0.3 m/s"}, "nmda": None},
        plasticity={"homeostasis": {"target": "2 Hz"}},
        stimulation={"k": "500 uA/mm2", "rheobase": "3 uA", "axons": {}},
        adaptation=None,
    )
    assert read(**json.loads(spec.model_dump_json())) == spec
    assert spec.stimulation is not None
    assert spec.stimulation.k == 500.0  # A/m2
    assert spec.stimulation.rheobase == 3e-6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "lagani2021"}, "Input should be 'living'"),
        ({"depressio": None}, "Extra inputs are not permitted"),
        ({"simulation": {"dt": "2 ms"}}, "neurons.refractory must be a whole number of simulation.dt"),
        ({"simulation": {"dt": "3 ms"}}, "synapses.delay: null, that is 1 ms, must be a whole number"),
        ({"synapses": {"delay": {"least": "1.5 ms"}}}, "synapses.delay.least must be a whole number"),
        ({"synapses": {"delay": {"least": "4 ms", "most": "2 ms"}}}, "most must not lie below least"),
        ({"synapses": {"fan_in": 240}}, "synapses.fan_in must not exceed the 239 possible inputs"),
        ({"neurons": {"count": 9, "reset": "20 mV"}}, "reset must lie below threshold"),
        ({"neurons": {"count": 0}}, "greater than or equal to 1"),
        ({"depression": {"U": 0}}, "greater than 0"),
        ({"depression": {"U": 1.5}}, "less than or equal to 1"),
        ({"stimulation": {"k": "3 uA"}}, "allowed: a quantity in uA/mm2"),
    ],
)
def test_nonsense_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(**changes)
