"""Runtime and C++ engines against a literal NumPy reference of the published step, and against each other."""

import numpy as np
import pytest

from culture_sim import engines
from culture_sim.engines import CppEngine, Engine, compiled
from culture_sim.engines.compiled import compiler
from culture_sim.engines.cpp import MOST_STEPS
from culture_sim.engines.recording import Recording
from culture_sim.engines.runtime import RuntimeEngine
from culture_sim.engines.session import Session
from culture_sim.model.culture import PROJECTIONS, Culture
from culture_sim.model.parameters import Shape, longest_segment
from tests.conftest import TUNED, random_session, spec
from tests.culture_sim.engines.test_batch import assert_same
from tests.reference import step as reference

pytestmark = pytest.mark.whole

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


def engine(name: str) -> Engine:
    return CppEngine.prepare() if name == "cpp" else RuntimeEngine(name)


def run(name: str, culture: Culture, session: Session) -> Recording:
    return engine(name).run(culture, session, lambda done, of: None)


def reference_run(culture: Culture, session: Session) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    s = culture.spec
    bound = -np.inf if s.neurons.lower_bound is None else s.neurons.lower_bound
    parameters = reference.Parameters(
        a_plus=s.plasticity.A_plus,
        a_minus=s.plasticity.A_minus,
        rest=s.neurons.rest,
        threshold=s.neurons.threshold,
        reset=s.neurons.reset,
        lower_bound=bound,
        refractory=s.steps(s.neurons.refractory),
        strength={name: p.strength for name, p in s.projections.items()},
    )
    weights = {name: w.toarray() for name, w in culture.weights.items()}
    connected = {name: (w != 0).toarray() for name, w in culture.weights.items()}
    pulses = np.zeros((session.n_steps.sum(), len(culture.electrodes)), bool)
    pulses[session.step, session.electrode] = True
    spikes, final = reference.simulate(
        parameters, weights, connected, list(session.n_steps), list(session.learning), pulses
    )
    step, neuron = np.nonzero(spikes)
    return neuron, step, final


@pytest.mark.parametrize("name", [pytest.param("cpp", marks=needs_compiler), "numpy"])
@pytest.mark.parametrize("changes", [{}, TUNED], ids=["biological", "tuned"])
def test_spikes_and_weights_equal_the_literal_step(name: str, changes: dict) -> None:
    culture = Culture.grow(spec(**changes), seed=3)
    session = random_session(20)
    neuron, step, final = reference_run(culture, session)
    recording = run(name, culture, session)
    assert len(neuron) > 10_000
    np.testing.assert_array_equal(recording.step, step)
    np.testing.assert_array_equal(recording.neuron, neuron)
    for projection in PROJECTIONS:
        scale = culture.spec.projections[projection].strength
        np.testing.assert_allclose(
            recording.weights[projection].toarray() / scale, final[projection] / scale, rtol=0, atol=1e-9
        )
        changed = np.abs(recording.weights[projection] - culture.weights[projection]).max() / scale
        assert changed > 1e-3  # learning took place


@pytest.mark.slow
@needs_compiler
def test_cython_equals_cpp() -> None:
    culture = Culture.grow(spec(60), seed=1)
    session = random_session(5)
    cython, cpp = run("cython", culture, session), run("cpp", culture, session)
    np.testing.assert_array_equal(cython.neuron, cpp.neuron)
    np.testing.assert_array_equal(cython.step, cpp.step)


@needs_compiler
def test_presentations_of_any_length_with_and_without_learning() -> None:
    """Lengths that are no multiple of the flush interval, long presentations, varying and pausing learning."""
    culture = Culture.grow(spec(60), seed=5)
    rng = np.random.default_rng(0)
    n_steps = np.array([1, 7, 137, 100, 250, 401, 99])
    pulses = rng.random((n_steps.sum(), 60)) < 0.08
    step, electrode = np.nonzero(pulses)
    learning = np.array([1, 0.3, 1, 0, 0.05, 2, 0])
    session = Session(n_steps, learning, electrode, step)
    neuron, steps, final = reference_run(culture, session)
    for name in ("cpp", "numpy"):
        recording = run(name, culture, session)
        np.testing.assert_array_equal(recording.neuron, neuron)
        np.testing.assert_array_equal(recording.step, steps)
        for projection in PROJECTIONS:
            np.testing.assert_allclose(recording.weights[projection].toarray(), final[projection], rtol=0, atol=1e-11)


@needs_compiler
@pytest.mark.parametrize("name", ["cpp", "numpy"])
def test_depression_stronger_than_potentiation_keeps_weights_at_zero_or_above(name: str) -> None:
    """The lower bound of zero acts all the time, within the deferred sums."""
    culture = Culture.grow(spec(60, plasticity__A_plus="0.05 mV", plasticity__A_minus="0.4 mV"), seed=1)
    session = random_session(4)
    neuron, step, final = reference_run(culture, session)
    recording = run(name, culture, session)
    np.testing.assert_array_equal(recording.neuron, neuron)
    np.testing.assert_array_equal(recording.step, step)
    assert (final["excitatory"][culture.weights["excitatory"].toarray() > 0] == 0).mean() > 0.01
    for projection in PROJECTIONS:
        found = recording.weights[projection]
        assert found.data.min() >= 0
        np.testing.assert_allclose(found.toarray(), final[projection], rtol=0, atol=1e-11)
    Culture(culture.spec, culture.electrodes, culture.positions, recording.weights)  # valid to continue from


@needs_compiler
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "changes",
    [
        {"excitatory__sigma": "0.2 mm", "inhibitory__sigma": "2 mm", "electrode__sigma": "2 mm"},
        {
            "excitatory__wiring": {"rule": "sparse", "fan_in": 20},
            "inhibitory__wiring": {"rule": "sparse", "fan_in": 50},
        },
        {"inhibitory__plastic": False, "excitatory__sigma": "0.2 mm", "inhibitory__sigma": "2 mm"},
    ],
    ids=["inhibition denser than excitation", "drawn pairs", "static and dense"],
)
def test_dense_and_sparse_projections_of_any_kind_do_the_same(changes: dict, precision: str) -> None:
    """The program stores a projection with or without indices, whichever is smaller."""
    culture = Culture.grow(spec(60, simulation__precision=precision, **changes), seed=4)
    session = random_session(8, plastic=np.array([1, 1, 0, 0.5, 1, 0, 1, 1]), snapshot=np.array([0, 1] * 4))
    found, expected = run("cpp", culture, session), run("numpy", culture, session)
    assert len(expected.neuron) > 500
    assert_same(found, expected, culture, atol=1e-12 if precision == "float64" else 1e-5)


@needs_compiler
def test_traces_longer_than_the_program_remembers_at_once() -> None:
    culture = Culture.grow(spec(60, plasticity__trace_decay="300 ms", plasticity__A_plus="0.05 mV"), seed=1)
    step, electrode = np.nonzero(np.random.default_rng(0).random((1300, 60)) < 0.02)
    session = Session([1300], [1], electrode, step)
    assert longest_segment(culture.spec) > MOST_STEPS
    found, expected = run("cpp", culture, session), run("numpy", culture, session)
    assert len(expected.neuron) > 1000
    assert_same(found, expected, culture, atol=1e-9)


@needs_compiler
def test_single_precision_follows_double_for_a_while() -> None:
    double = Culture.grow(spec(), seed=0)
    single_spec = spec(simulation__precision="float32")
    weights = {name: w.astype(np.float32) for name, w in double.weights.items()}
    single = Culture(single_spec, double.electrodes, double.positions, weights)
    session = random_session(3)
    a, b = run("cpp", double, session), run("cpp", single, session)
    assert abs(len(a.neuron) - len(b.neuron)) < 0.01 * len(a.neuron)
    for name in PROJECTIONS:
        x, y = a.weights[name].data, b.weights[name].data
        assert np.corrcoef(x, y)[0, 1] > 0.99


@needs_compiler
def test_same_input_gives_identical_arrays_and_input_is_left_alone(session: Session) -> None:
    culture = Culture.grow(spec(), seed=0)
    before = {name: w.data.copy() for name, w in culture.weights.items()}
    a, b = run("cpp", culture, session), run("cpp", culture, session)
    np.testing.assert_array_equal(a.neuron, b.neuron)
    np.testing.assert_array_equal(a.step, b.step)
    for name in PROJECTIONS:
        np.testing.assert_array_equal(a.weights[name].data, b.weights[name].data)
        np.testing.assert_array_equal(culture.weights[name].data, before[name])


@pytest.mark.parametrize("name", [pytest.param("cpp", marks=needs_compiler), "numpy"])
def test_snapshots_are_the_weights_a_shorter_session_ends_with(name: str) -> None:
    culture = Culture.grow(spec(60), seed=2)
    whole = random_session(6, snapshot=np.array([0, 0, 1, 0, 0, 1], bool))
    start = whole.step < 300
    part = Session(whole.n_steps[:3], whole.learning[:3], whole.electrode[start], whole.step[start])
    recording, shorter = run(name, culture, whole), run(name, culture, part)
    assert [k for k, _ in recording.snapshots] == [2, 5]
    for projection in PROJECTIONS:
        taken = [weights[projection].data for _, weights in recording.snapshots]
        np.testing.assert_array_equal(taken[0], shorter.weights[projection].data)
        np.testing.assert_array_equal(taken[1], recording.weights[projection].data)


@pytest.mark.parametrize("name", [pytest.param("cpp", marks=needs_compiler), "numpy"])
def test_silence_stays_silent_and_static_projections_stay(name: str) -> None:
    culture = Culture.grow(spec(60, excitatory__plastic=False), seed=2)
    silent = Session([100, 100], [True, True], [], [])
    recording = run(name, culture, silent)
    assert len(recording.neuron) == 0
    stimulated = run(name, culture, random_session(3))
    assert len(stimulated.neuron) > 100
    np.testing.assert_array_equal(stimulated.weights["excitatory"].data, culture.weights["excitatory"].data)
    assert np.any(stimulated.weights["electrode"].data != culture.weights["electrode"].data)


def tiny(**entries: dict[tuple[int, int], float]) -> Culture:
    """Sixty neurons with only the given (source, target) weights, in volts."""
    weights = {name: np.zeros((60, 60)) for name in PROJECTIONS}
    for name, synapses in entries.items():
        for pair, weight in synapses.items():
            weights[name][pair] = weight
    return Culture.from_arrays(spec(60), np.zeros((60, 2)), weights)


def answer(name: str, culture: Culture, n_steps: int, *pulses: tuple[int, int]) -> list[tuple[int, int]]:
    """(step, neuron) of the spikes evoked by (step, electrode) pulses, without learning."""
    step, electrode = zip(*pulses, strict=True)
    recording = run(name, culture, Session([n_steps], [False], electrode, step))
    return list(zip(recording.step.tolist(), recording.neuron.tolist(), strict=True))


@pytest.mark.parametrize("name", [pytest.param("cpp", marks=needs_compiler), "numpy"])
def test_membrane_decay_and_refractory_period_are_exact(name: str) -> None:
    """Two pulses of 15 mV reach the 20 mV to threshold if 15 exp(-d / 50) + 15 >= 20, that is up to d = 54 steps."""
    weak = tiny(electrode={(0, 0): 15e-3})
    assert answer(name, weak, 200, (0, 0), (54, 0)) == [(55, 0)]
    assert answer(name, weak, 200, (0, 0), (55, 0)) == []
    strong = tiny(electrode={(0, 0): 40e-3})
    spikes = answer(name, strong, 61, *((t, 0) for t in range(60)))
    assert spikes == [(t, 0) for t in range(1, 61, 6)]  # the shortest interval is 6 ms


@needs_compiler
def test_no_step_is_lost_or_gained_in_a_long_session() -> None:
    """One pulse at the start of each of 30,000 presentations: one spike, at their second step, in each."""
    n, length = 30_000, 7
    pulses = np.arange(n) * length
    session = Session(np.full(n, length), np.zeros(n), np.zeros(n, int), pulses)
    recording = run("cpp", tiny(electrode={(0, 0): 40e-3}), session)
    np.testing.assert_array_equal(recording.step, pulses + 1)


@pytest.mark.parametrize("name", [pytest.param("cpp", marks=needs_compiler), "numpy"])
def test_inhibition_arrives_one_step_after_excitation(name: str) -> None:
    """Neuron 0 fires at step 1: its excitation acts at step 2, its inhibition at step 3."""
    excited = tiny(electrode={(0, 0): 40e-3}, excitatory={(0, 1): 25e-3})
    assert answer(name, excited, 20, (0, 0)) == [(1, 0), (2, 1)]
    # Excitation of 12 mV is below threshold: with 10 mV from a second electrode it fires at step 2, but not at step 3.
    held = tiny(electrode={(0, 0): 40e-3, (1, 1): 10e-3}, excitatory={(0, 1): 12e-3}, inhibitory={(0, 1): 30e-3})
    assert answer(name, held, 20, (0, 0), (1, 1)) == [(1, 0), (2, 1)]
    assert answer(name, held, 20, (0, 0), (2, 1)) == [(1, 0)]
    free = tiny(electrode={(0, 0): 40e-3, (1, 1): 10e-3}, excitatory={(0, 1): 12e-3})
    assert answer(name, free, 20, (0, 0), (2, 1)) == [(1, 0), (3, 1)]


def test_no_compiler_falls_back_to_numpy_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (engines, compiled):
        monkeypatch.setattr(module, "compiler", lambda: None)
    chosen = engines.prepare("auto", Shape.of(spec()))
    assert isinstance(chosen, RuntimeEngine)
    assert chosen.target == "numpy"
    assert "No C++ compiler" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="no C\\+\\+ compiler"):
        engines.prepare("cpp", Shape.of(spec()))
