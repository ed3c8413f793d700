"""Cultures in one batch give the same spikes and weights as each alone."""

from dataclasses import replace

import numpy as np
import pytest

from culture_sim.engines.batch import Batch
from culture_sim.engines.recording import Recording
from culture_sim.engines.runtime import RuntimeEngine
from culture_sim.engines.session import Session
from culture_sim.model.culture import PROJECTIONS, Culture
from tests.conftest import TUNED, random_session, spec

pytestmark = pytest.mark.whole

N_STEPS = [100, 37, 230, 60]


def different_cultures() -> Batch:
    """Three cultures that differ in everything that may differ within a batch, and one without synapses."""
    specs = [
        spec(60),
        spec(
            60,
            excitatory__strength="90 mV",
            neurons__membrane_decay="70 ms",
            neurons__rest="-70 mV",
            neurons__refractory="3 ms",
            plasticity__A_plus="0.08 mV",
            plasticity__trace_decay="12 ms",
        ),
        spec(60, **TUNED),
    ]
    cultures = [Culture.grow(of_one, seed) for seed, of_one in enumerate(specs)]
    none = {name: np.zeros((60, 60)) for name in PROJECTIONS}
    cultures.append(Culture.from_arrays(spec(60), np.zeros((60, 2)), none))
    learning = [[1, 0.3, 1, 0], [0, 1, 0.5, 2], [1, 1, 0, 1], [1, 1, 1, 1]]
    snapshot = [[0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
    return Batch(tuple(cultures), tuple(map(session, range(4), learning, snapshot)))


def session(seed: int, learning: list[float], snapshot: list[int]) -> Session:
    pulses = np.random.default_rng(seed).random((sum(N_STEPS), 60)) < 0.05 + 0.02 * seed
    step, electrode = np.nonzero(pulses)
    return Session(np.array(N_STEPS), np.array(learning), electrode, step, np.array(snapshot))


def assert_same(found: Recording, expected: Recording, culture: Culture, atol: float = 1e-12) -> None:
    np.testing.assert_array_equal(found.step, expected.step)
    np.testing.assert_array_equal(found.neuron, expected.neuron)
    assert [k for k, _ in found.snapshots] == [k for k, _ in expected.snapshots]
    pairs = [(found.weights, expected.weights)]
    pairs += [(a, b) for (_, a), (_, b) in zip(found.snapshots, expected.snapshots, strict=True)]
    for weights, alone in pairs:
        for name in PROJECTIONS:
            scale = culture.spec.projections[name].strength
            np.testing.assert_array_equal(weights[name].indices, alone[name].indices)
            np.testing.assert_allclose(weights[name].data / scale, alone[name].data / scale, rtol=0, atol=atol)


def test_every_culture_of_a_batch_does_what_it_does_alone() -> None:
    batch = different_cultures()
    engine = RuntimeEngine("numpy")
    done: list[int] = []
    together = engine.run_batch(batch, lambda presentation, of: done.append(presentation))
    assert done == [1, 2, 3, 4]
    counts = []
    for culture, presented, recording in zip(batch.cultures, batch.sessions, together, strict=True):
        alone = engine.run(culture, presented, lambda done, of: None)
        assert_same(recording, alone, culture)
        assert recording.session is presented
        counts.append(len(alone.neuron))
    assert min(counts[:3]) > 1000
    assert counts[3] == 0
    for k in range(3):  # each culture has learned, and differently
        moved = together[k].weights["excitatory"].data - batch.cultures[k].weights["excitatory"].data
        assert np.abs(moved).max() > 1e-3 * batch.cultures[k].spec.excitatory.strength


def test_a_batch_puts_synapses_and_pulses_of_a_culture_after_those_of_the_one_before() -> None:
    batch = different_cultures()
    joint = batch.weights("excitatory").toarray()
    for k, culture in enumerate(batch.cultures):
        mine = slice(60 * k, 60 * (k + 1))
        np.testing.assert_array_equal(joint[mine, mine], culture.weights["excitatory"].toarray())
        joint[mine, mine] = 0
    assert not joint.any()
    electrode, step = batch.pulses()
    assert np.all(np.diff(step) >= 0)
    for k, presented in enumerate(batch.sessions):
        mine = electrode // 60 == k
        np.testing.assert_array_equal(electrode[mine] - 60 * k, presented.electrode)
        np.testing.assert_array_equal(step[mine], presented.step)


def test_what_cannot_be_joined_is_refused() -> None:
    culture, session = Culture.grow(spec(60), 0), random_session(2)
    Batch((culture, culture), (session, session))
    longer = replace(session, n_steps=np.array([100, 101]))
    with pytest.raises(ValueError, match="session 1: other lengths of presentations than session 0"):
        Batch((culture, culture), (session, longer))
    with pytest.raises(ValueError, match="culture 1: Shape"):
        Batch((culture, Culture.grow(spec(30), 0)), (session, session))
    with pytest.raises(ValueError, match="2 cultures, 1 sessions"):
        Batch((culture, culture), (session,))
    with pytest.raises(ValueError, match="session 0: electrode 60; allowed: 0 to 59"):
        Batch((culture,), (Session([10], [1], [60], [0]),))
