"""Cultures of the controls: what is kept, and what is taken away."""

from pathlib import Path

import numpy as np

from culture_sim.living import LivingCulture, LivingSession, simulate
from culture_sim.reservoir import variants
from tests.protocols.plan.test_reservoir import loaded
from tests.protocols.spec.test_reservoir import GOOD


def grown(folder: Path) -> LivingCulture:
    return LivingCulture.grow(loaded(folder, GOOD).culture, 0)


def test_shuffled_wiring_keeps_every_cell_s_synapses_but_their_targets(tmp_path: Path) -> None:
    culture = grown(tmp_path)
    other = variants.shuffled(culture, 0)
    start = culture.synapses.start
    assert np.array_equal(other.synapses.start, start)
    for cell in range(100):
        own, new = slice(start[cell], start[cell + 1]), other.synapses
        assert sorted(zip(new.weight[own], new.delay[own], strict=True)) == sorted(
            zip(culture.synapses.weight[own], culture.synapses.delay[own], strict=True)
        )
        assert cell not in new.target[own]
    source = np.repeat(np.arange(100), np.diff(start))

    def reach(c: LivingCulture) -> float:
        return float(np.linalg.norm(c.positions[source] - c.positions[c.synapses.target], axis=1).mean())

    assert reach(other) > 1.3 * reach(culture), "targets lie anywhere"
    assert np.array_equal(other.synapses.target, variants.shuffled(culture, 0).synapses.target)


def test_a_culture_without_synapses_has_none(tmp_path: Path) -> None:
    culture = variants.unconnected(grown(tmp_path))
    assert len(culture.synapses.target) == 0
    assert culture.spec.synapses is None
    assert len(simulate(culture, LivingSession(500)).neuron) > 0, "its drive is still there"


def test_integrate_and_fire_neurons_are_silent_until_they_are_driven(tmp_path: Path) -> None:
    spec = variants.integrate_and_fire(loaded(tmp_path, GOOD).culture, 1.0)
    culture = LivingCulture.grow(spec, 0)
    assert (spec.depression, spec.adaptation, spec.plasticity) == (None, None, None)
    pulses = (np.array([300] * 3), np.array([9, 18, 27]), np.full(3, 80e-6), np.full(3, 2e-4))
    recording = simulate(culture, LivingSession(600, *pulses))
    before, after = (recording.step < 300).sum(), ((recording.step >= 300) & (recording.step < 320)).sum()
    assert after > 20 * max(1, before) / 15, "rates before and after a pulse"
    assert recording.direct.any()
    assert np.allclose(np.diff(np.log(variants.strengths(5))), np.log(15) / 4)
