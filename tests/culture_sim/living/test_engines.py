"""The compiled program and Brian2 against the literal reference, and going on from a saved state."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from culture_sim.engines import compiled
from culture_sim.engines.compiled import compiler
from culture_sim.living import (
    LivingCulture,
    LivingRecording,
    LivingSession,
    LivingState,
    cpp,
    runtime,
    simulate,
    simulation,
)
from tests.culture_sim.living.cases import ALL, INGREDIENTS, STDP, assert_equal, reference_run, session, spec

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
ENGINES = [pytest.param("cpp", marks=needs_compiler), "runtime"]


@pytest.mark.parametrize("device", ENGINES)
@pytest.mark.parametrize("ingredient", [*INGREDIENTS, "all"])
def test_spikes_and_weights_equal_the_literal_model(device: str, ingredient: str) -> None:
    culture = LivingCulture.grow(spec(**(ALL if ingredient == "all" else INGREDIENTS[ingredient])), seed=2)
    done = session(culture)
    recording = simulate(culture, done, device)
    assert len(recording.neuron) > 30
    assert_equal(culture, recording, reference_run(culture, done))
    if ingredient in ("stdp", "all"):
        change = np.abs(recording.state.weight - culture.synapses.weight)
        assert change.max() > 1e-3  # learning took place
        np.testing.assert_array_equal(change[~culture.excitatory_synapses], 0)
    if ingredient in ("stimulation", "all"):
        assert recording.direct.sum() > 10
    if ingredient in ("homeostasis", "all"):
        assert recording.state.scale.std() > 1e-3


@pytest.mark.parametrize("device", ENGINES)
def test_another_time_step(device: str) -> None:
    culture = LivingCulture.grow(spec(dt="0.25 ms", **ALL), seed=2)
    done = session(culture)
    assert_equal(culture, simulate(culture, done, device), reference_run(culture, done))


@needs_compiler
def test_potentiation_that_waits_longer_than_its_buffer_is_exact() -> None:
    """Credit is due every 1,000 steps; here 2,500 steps learn, at other time constants than the defaults."""
    plasticity = {"A_plus": 0.02, "A_minus": 0.03, "trace_decay": "50 ms", "bound": 3}
    culture = LivingCulture.grow(spec(20, synapses={"fan_in": 8, "delay": {}}, plasticity=plasticity), seed=1)
    done = LivingSession(2500, plastic=[[0, 2500]])
    assert_equal(culture, simulate(culture, done, "cpp"), reference_run(culture, done))


def halves(whole: LivingSession, at: int) -> tuple[LivingSession, LivingSession]:
    first = whole.step < at
    pulses = ("step", "electrode", "amplitude_A", "width_s")
    a, b = ({name: getattr(whole, name)[part] for name in pulses} for part in (first, ~first))
    b["step"] = b["step"] - at
    return (
        LivingSession(at, **a, plastic=np.clip(whole.plastic, 0, at)),
        LivingSession(whole.n_steps - at, **b, plastic=np.clip(whole.plastic - at, 0, None)),
    )


def assert_same_state(a: LivingState, b: LivingState, tolerance: float) -> None:
    for name, value in vars(a).items():
        other = getattr(b, name)
        np.testing.assert_allclose(other, value, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(
    ("devices", "tolerance"),
    [
        pytest.param(("cpp", "cpp"), 0, marks=needs_compiler),
        (("runtime", "runtime"), 0),
        pytest.param(("cpp", "runtime"), 1e-12, marks=needs_compiler),
        pytest.param(("runtime", "cpp"), 1e-12, marks=needs_compiler),
    ],
)
def test_going_on_from_a_saved_state_equals_the_uninterrupted_run(devices: tuple[str, str], tolerance: float) -> None:
    """The cut is within a learning interval, with spikes on their way."""
    culture = LivingCulture.grow(spec(**ALL), seed=3)
    whole = session(culture)
    expected = simulate(culture, whole, devices[0])
    cut = int(expected.step[len(expected.step) * 7 // 8]) + 1  # a step after some cell fired
    first, second = halves(whole, cut)
    a = simulate(culture, first, devices[0])
    assert len(a.state.in_flight_neuron)
    b = simulate(culture, second, devices[1], state=a.state)
    np.testing.assert_array_equal(np.concatenate([a.neuron, b.neuron]), expected.neuron)
    np.testing.assert_array_equal(np.concatenate([a.step, b.step + cut]), expected.step)
    assert_same_state(expected.state, b.state, tolerance)


@pytest.mark.parametrize("device", ENGINES)
def test_snapshots_are_the_weights_that_a_shorter_session_ends_with(device: str) -> None:
    culture = LivingCulture.grow(spec(synapses={"fan_in": 10}, plasticity=STDP), seed=2)
    whole = LivingSession(300, plastic=[[50, 250]], snapshots=[0, 200, 300])
    recording = simulate(culture, whole, device)
    shorter = simulate(culture, LivingSession(200, plastic=[[50, 200]]), device)
    assert len(recording.snapshots) == 3
    np.testing.assert_array_equal(recording.snapshots[0], culture.synapses.weight)
    np.testing.assert_array_equal(recording.snapshots[1], shorter.state.weight)
    np.testing.assert_array_equal(recording.snapshots[2], recording.state.weight)


@needs_compiler
def test_single_precision_has_the_same_statistics() -> None:
    double = LivingCulture.grow(spec(**ALL), seed=0)
    single = LivingCulture.grow(spec(precision="float32", **ALL), seed=0)
    a, b = (simulate(culture, session(culture, 2000), "cpp") for culture in (double, single))
    assert b.state.weight.dtype == np.float32
    assert len(a.neuron) == pytest.approx(len(b.neuron), rel=0.05)
    assert np.corrcoef(a.state.weight, b.state.weight)[0, 1] > 0.9


@needs_compiler
def test_same_input_gives_the_same_and_the_culture_is_left_alone() -> None:
    culture = LivingCulture.grow(spec(**ALL), seed=0)
    before = culture.synapses.weight.copy()
    a, b = (simulate(culture, session(culture), "cpp") for _ in range(2))
    assert_same_state(a.state, b.state, 0)
    np.testing.assert_array_equal(culture.synapses.weight, before)


@needs_compiler
def test_one_program_serves_all_sizes_and_it_reports_progress() -> None:
    first = cpp.program()
    modified = first.stat().st_mtime_ns
    reports: list[tuple[int, int]] = []

    def note(done: int, of: int) -> None:
        reports.append((done, of))

    culture = LivingCulture.grow(spec(3), seed=0)
    recording: LivingRecording = simulate(culture, LivingSession(500), "cpp", progress=note)
    assert reports[-1] == (500, 500)
    assert recording.duration_s == pytest.approx(0.5)
    assert cpp.program() == first
    assert first.stat().st_mtime_ns == modified


@needs_compiler
def test_a_failing_program_is_an_error_with_its_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "main"
    monkeypatch.setattr(cpp, "program", lambda: broken)
    culture = LivingCulture.grow(spec(3), seed=0)
    for script, message in (("echo no room >&2; exit 3", "code 3: no room"), ("kill -9 $$", "code -9")):
        broken.write_text(f"#!/bin/sh\n{script}\n")
        broken.chmod(0o755)
        with pytest.raises(RuntimeError, match=message):
            simulate(culture, LivingSession(10), "cpp")


def test_without_a_compiler_brian2_is_used_and_this_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulation, "compiler", lambda: None)
    monkeypatch.setattr(compiled, "compiler", lambda: None)
    monkeypatch.setattr(runtime, "run", lambda *arguments: "runtime")
    culture = LivingCulture.grow(spec(3), seed=0)
    assert simulate(culture, LivingSession(10)) == "runtime"
    assert "No C++ compiler" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="no C\\+\\+ compiler"):
        simulate(culture, LivingSession(10), "cpp")


def test_bad_input_is_refused_in_one_clear_line() -> None:
    culture = LivingCulture.grow(spec(3), seed=0)
    pulse = LivingSession(10, step=[0], electrode=[64], amplitude_A=[1e-6], width_s=[1e-4])
    rest = LivingState.at_rest(culture)
    with pytest.raises(ValueError, match="electrode 64; allowed: 0 to 63"):
        simulate(culture, pulse)
    with pytest.raises(ValueError, match="stimulation: null"):
        simulate(culture, replace(pulse, electrode=np.array([0])))
    with pytest.raises(ValueError, match="plasticity: null"):
        simulate(culture, LivingSession(10, plastic=[[0, 5]]))
    with pytest.raises(ValueError, match="device 'gpu'; allowed: auto, cpp, runtime"):
        simulate(culture, LivingSession(10), "gpu")
    with pytest.raises(ValueError, match=r"state.v: shape \(2,\); allowed: \(3,\)"):
        simulate(culture, LivingSession(10), state=replace(rest, v=np.zeros(2)))
    with pytest.raises(ValueError, match="ends at step"):
        simulate(culture, LivingSession(10), state=replace(rest, step=2**31 - 2**20))
