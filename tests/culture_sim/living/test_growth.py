"""Grown cultures: fan-in, distance law, weights, signs, delays, independent random streams."""

from dataclasses import replace

import numpy as np
import pytest

from culture_sim.living import LivingCulture
from culture_sim.living.wiring import Synapses, wire
from protocols.spec.dish.living import LivingSynapses
from tests.culture_sim.living.cases import spec


def grown(count: int = 1500, **synapses: object) -> LivingCulture:
    return LivingCulture.grow(spec(count, synapses={"fan_in": 60, **synapses}), seed=1)


def pairs(culture: LivingCulture) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, target and distance (m) of every synapse."""
    source = np.repeat(np.arange(len(culture.positions)), np.diff(culture.synapses.start))
    target = culture.synapses.target
    return source, target, np.linalg.norm(culture.positions[source] - culture.positions[target], axis=1)


def test_cells_have_the_asked_signs_and_inputs() -> None:
    culture = grown()
    source, target, _ = pairs(culture)
    assert culture.excitatory.sum() == 1200
    assert np.all(source != target)
    assert len(np.unique(source * 1500 + target)) == len(source)
    assert len(source) / 1500 == pytest.approx(60, rel=0.02)
    assert np.mean(culture.excitatory[source]) == pytest.approx(0.8, abs=0.02)


def test_connections_become_rarer_with_distance_as_asked() -> None:
    """Pairs in bins of distance: log of the connected share falls by the bin width over lambda."""
    culture = grown(reach="0.25 mm", inhibitory_reach="0.1 mm", fan_in=30)
    source, _, distance = pairs(culture)
    every = np.linalg.norm(culture.positions[:, None] - culture.positions, axis=2)
    for excites, reach in ((True, 0.25e-3), (False, 0.1e-3)):
        edges = np.arange(1, 4.5) * reach
        of_sign = culture.excitatory[source] == excites
        connected, _ = np.histogram(distance[of_sign], edges)
        possible, _ = np.histogram(every[culture.excitatory == excites], edges)
        step = np.diff(np.log(connected / possible))
        np.testing.assert_allclose(step, -1, atol=0.2)


def test_weights_are_log_normal_and_delays_grow_with_distance() -> None:
    culture = grown(excitatory="3 mV", inhibitory="5 mV", spread=0.5, delay={"speed": "0.3 m/s", "most": "5 ms"})
    source, _, distance = pairs(culture)
    for excites, median in ((True, 3e-3), (False, 5e-3)):
        log = np.log(culture.synapses.weight[culture.excitatory[source] == excites] / median)
        assert log.mean() == pytest.approx(0, abs=0.02)
        assert log.std() == pytest.approx(0.5, rel=0.02)
        assert np.mean(((log - log.mean()) / log.std()) ** 3) == pytest.approx(0, abs=0.1)  # no skew
    asked = np.minimum(1e-3 + distance / 0.3, 5e-3) / 1e-3
    np.testing.assert_allclose(culture.synapses.delay, asked, atol=0.5 + 1e-3)
    assert culture.synapses.delay.max() == 5


def test_a_new_ingredient_or_value_changes_no_others_numbers() -> None:
    base = spec(200, synapses={"fan_in": 20}, stimulation={})
    changed = spec(
        200,
        synapses={"fan_in": 20, "delay": {}, "inhibitory_reach": "0.1 mm", "spread": 0.3, "nmda": {}},
        stimulation={"axons": {}},
        depression={},
        adaptation={},
        plasticity={},
    )
    a, b = (LivingCulture.grow(s, seed=4) for s in (base, changed))
    for name in ("positions", "excitatory", "drive", "sensitivity"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.noise_seed, a.shared_noise_seed) == (b.noise_seed, b.shared_noise_seed)

    def excitation(culture: LivingCulture) -> dict[tuple[int, int], float]:
        source, target, _ = pairs(culture)
        given = culture.spec.synapses
        assert given is not None
        normal = np.log(culture.synapses.weight / given.excitatory) / given.spread
        return {(j, i): w for j, i, w in zip(source, target, normal, strict=True) if culture.excitatory[j]}

    one, other = excitation(a), excitation(b)
    assert one.keys() == other.keys()
    np.testing.assert_allclose([one[pair] for pair in one], [other[pair] for pair in one], atol=1e-9)
    c = LivingCulture.grow(base, seed=5)
    assert not np.any(a.positions == c.positions)
    assert a.noise_seed != c.noise_seed


def test_the_extremes_of_fan_in() -> None:
    positions, excitatory = np.random.default_rng(0).random((30, 2)) * 1e-3, np.arange(30) < 20
    dtype = np.dtype(float)
    full = wire(LivingSynapses(fan_in=29), positions, excitatory, 1e-3, dtype, 0)
    assert len(full.target) > 0.99 * 30 * 29
    assert len(wire(LivingSynapses(fan_in=0), positions, excitatory, 1e-3, dtype, 0).target) == 0
    assert len(wire(LivingSynapses(fan_in=0), positions[:1], excitatory[:1], 1e-3, dtype, 0).target) == 0


def test_arrays_that_make_no_culture_are_refused() -> None:
    culture = LivingCulture.grow(spec(10, synapses={"fan_in": 4}), seed=0)
    start, target, weight, delay = culture.synapses
    for synapses, message in (
        (Synapses(start[:-1], target, weight, delay), "synapses.start"),
        (Synapses(start, target + 10, weight, delay), "synapses.target: 10 to .*; allowed: 0 to 9"),
        (Synapses(start, target, -weight, delay), "synapses.weight: allowed: finite magnitudes"),
        (Synapses(start, target, weight, 0 * delay), "synapses.delay: allowed: 1 step or more"),
        (Synapses(start, target, weight[1:], delay), "as many targets as weights"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(culture, synapses=synapses)
    with pytest.raises(ValueError, match=r"drive: shape \(3,\); allowed: \(10,\)"):
        replace(culture, drive=np.zeros(3))
