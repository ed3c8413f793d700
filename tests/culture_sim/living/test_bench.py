"""The bench of the living culture, at a small size."""

import pytest

from culture_sim.bench.living import measure, spec, table
from culture_sim.engines.compiled import compiler


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
def test_a_measurement_counts_what_was_simulated() -> None:
    found = measure(60, 20, "float64", True, 3000, neurons={"count": 60, "drive": {"mean": "19 mV"}})
    assert found.spikes > 60
    assert found.events / found.spikes == pytest.approx(20, rel=0.2)
    assert found.run_s > 0
    assert found.floor_s > 0
    assert table([found]).row_count == 1


def test_weights_fall_as_inputs_grow() -> None:
    few, many = spec(1000, 40, "float64", False), spec(1000, 400, "float64", False)
    assert few.synapses is not None
    assert many.synapses is not None
    assert many.synapses.excitatory == pytest.approx(few.synapses.excitatory / 10, rel=1e-5)
    assert many.synapses.fan_in == 400
    assert spec(1000, 0, "float64", False).synapses is None
