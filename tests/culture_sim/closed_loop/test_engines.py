"""Engines that wait between ticks, against one run of the same session."""

import itertools
import os
import signal

import numpy as np
import pytest

from culture_sim.closed_loop.compiled import CompiledEngine
from culture_sim.closed_loop.engine import opened
from culture_sim.engines.compiled import compiler
from culture_sim.living import LivingCulture, LivingSession, LivingState, simulate
from culture_sim.living.pulses import Pulses
from tests.culture_sim.living.cases import ALL, session, spec
from tests.culture_sim.living.test_engines import assert_same_state

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
ENGINES = [pytest.param("cpp", marks=needs_compiler), "runtime"]


def in_parts(
    culture: LivingCulture, whole: LivingSession, cuts: list[int], device: str, state: LivingState | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, LivingState]:
    """A session advanced from cut to cut; the cuts hold the edges of its learning intervals."""
    hits = Pulses.of(culture, whole).hit(len(culture.positions))
    learns = np.zeros(whole.n_steps, bool)
    for first, last in whole.plastic:
        learns[first:last] = True
    found = []
    with opened(culture, state or LivingState.at_rest(culture), device) as engine:
        for first, last in itertools.pairwise(cuts):
            rows = [(k - first, cell) for k in range(first, last) if k in hits for cell in np.flatnonzero(hits[k])]
            step, cell = np.array(rows, np.int32).reshape(-1, 2).T
            found.append(engine.advance(last - first, step, cell, bool(learns[first])))
        end = engine.state()
    neuron, step, direct = (np.concatenate([part[k] for part in found]) for k in range(3))
    return neuron, step, direct, end


@pytest.mark.parametrize("device", ENGINES)
def test_tick_by_tick_equals_one_run_bit_for_bit(device: str) -> None:
    """Pulses, learning with edges, ticks of unequal lengths; spikes and state, which hold the noise's place."""
    culture = LivingCulture.grow(spec(**ALL), seed=3)
    whole = session(culture)
    cuts = sorted({0, whole.n_steps, *whole.plastic.ravel().tolist(), *range(0, whole.n_steps, 7)})
    expected = simulate(culture, whole, device)
    neuron, step, direct, end = in_parts(culture, whole, cuts, device)
    assert len(neuron) > 30
    assert direct.sum() > 5
    np.testing.assert_array_equal(neuron, expected.neuron)
    np.testing.assert_array_equal(step, expected.step)
    np.testing.assert_array_equal(direct, expected.direct)
    assert_same_state(expected.state, end, 0)


@pytest.mark.parametrize("device", ENGINES)
def test_going_on_from_a_saved_state_of_the_middle(device: str) -> None:
    culture = LivingCulture.grow(spec(**ALL), seed=3)
    whole = LivingSession(300)
    expected = simulate(culture, whole, device)
    first = in_parts(culture, whole, [0, 50, 130], device)
    second = in_parts(culture, LivingSession(170), [0, 60, 170], device, first[3])
    np.testing.assert_array_equal(np.concatenate([first[0], second[0]]), expected.neuron)
    np.testing.assert_array_equal(np.concatenate([first[1], second[1] + 130]), expected.step)
    assert_same_state(expected.state, second[3], 0)


@needs_compiler
def test_a_state_asked_for_twice_leaves_the_culture_as_it_was() -> None:
    culture = LivingCulture.grow(spec(**ALL), seed=1)
    none = np.zeros(0, np.int32)
    with opened(culture, LivingState.at_rest(culture), "cpp") as engine:
        engine.advance(100, none, none, True)
        assert_same_state(engine.state(), engine.state(), 0)
        engine.advance(100, none, none, True)
        end = engine.state()
    expected = simulate(culture, LivingSession(200, plastic=[[0, 200]]), "cpp")
    assert_same_state(expected.state, end, 0)


@needs_compiler
def test_a_killed_process_is_an_error_in_one_line() -> None:
    culture = LivingCulture.grow(spec(3), seed=0)
    none = np.zeros(0, np.int32)
    with CompiledEngine(culture, LivingState.at_rest(culture)) as engine:
        engine.advance(10, none, none, False)
        assert engine.process is not None
        os.kill(engine.process.pid, signal.SIGKILL)
        engine.process.wait()
        with pytest.raises(RuntimeError, match="ended with code -9"):
            engine.advance(10, none, none, False)


@needs_compiler
def test_the_process_ends_with_its_context_and_ignores_the_terminals_interrupt() -> None:
    culture = LivingCulture.grow(spec(3), seed=0)
    none = np.zeros(0, np.int32)
    with CompiledEngine(culture, LivingState.at_rest(culture)) as engine:
        process = engine.process
        assert process is not None
        engine.advance(1, none, none, False)
        process.send_signal(signal.SIGINT)
        assert engine.advance(10, none, none, False).computing_s > 0
        assert engine.state().step == 11
        assert process.poll() is None
    assert process.poll() is not None
    with pytest.raises(RuntimeError, match="not simulated any more"):
        engine.advance(1, none, none, False)


@needs_compiler
def test_more_spikes_than_a_pipe_holds_arrive_whole() -> None:
    culture = LivingCulture.grow(spec(400, neurons={"noise": None, "drive": {"mean": "60 mV"}}), seed=0)
    none = np.zeros(0, np.int32)
    with opened(culture, LivingState.at_rest(culture), "cpp") as engine:
        found = engine.advance(1000, none, none, False)
    expected = simulate(culture, LivingSession(1000), "cpp")
    assert 9 * len(found.neuron) > 2**17
    np.testing.assert_array_equal(found.neuron, expected.neuron)
    np.testing.assert_array_equal(found.step, expected.step)
