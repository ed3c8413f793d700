"""Live sessions: the spikes of an ordinary run, stimuli in time, everything in a run directory, whatever happens."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from culture_sim.closed_loop.compiled import CompiledEngine
from culture_sim.engines.compiled import compiler
from culture_sim.export import nwb_file
from culture_sim.formats.finished_run import experiments
from culture_sim.live import LiveDish, Tick, live
from culture_sim.living import LivingCulture, LivingSession, simulate
from figures.html.runs.dish import subject
from figures.runs.run import DishRun, read_run
from protocols.loading.loader import load
from protocols.plan.dish import electrode_pulses, expand_dish
from protocols.runs.run_directory import RunInUse
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol
from tests.protocols.spec.test_dish import GOOD, written

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


@pytest.fixture
def protocol(tmp_path: Path) -> DishProtocol:
    found = load(written(tmp_path, GOOD + "record: {spikes: all, within: 150 um}\n"))
    assert isinstance(found, DishProtocol)
    return found


def reacting(dish: LiveDish, seconds: float = 3.0, **more: object) -> None:
    """Stimulate wherever much was heard, note it, and give one pulse a little later."""
    for tick in dish.loop(100, seconds, **more):  # type: ignore[arg-type]
        if len(tick.spikes.time) > 4:
            loudest = np.bincount(tick.spikes.electrode).argmax()
            dish.stimulate(int(loudest), amplitude="30 uA", label="answer")
            dish.stimulate([1, 2], amplitude=25e-6, at=dish.time + 0.035, label="later")
            dish.note("loud", len(tick.spikes.time))


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path / "arrays.npz") as file:
        return dict(file)


@needs_compiler
def test_a_loop_that_does_nothing_gives_the_spikes_of_the_protocol_bit_for_bit(protocol: DishProtocol) -> None:
    """Its planned pulses and learning included; the ticks do not meet the edges of the steps."""
    plan = expand_dish(protocol)
    culture = LivingCulture.grow(protocol.culture, 1)
    learning = plan.steps[plan.steps["plastic"]]
    planned = LivingSession(
        plan.n_steps,
        *electrode_pulses(protocol, plan),
        plastic=np.column_stack([learning["start"], learning["stop"]]),
    )
    expected = simulate(culture, planned, "cpp")
    with live(protocol, 1, out=None, quiet=True) as dish:
        for _ in dish.loop(rate_hz=1000 / 7, seconds=plan.n_steps // 7 * 7 * 1e-3):
            pass
        end = dish._engine.state()
    neuron, step, direct = dish.record.all_spikes(0, dish.step)
    there = expected.step < dish.step
    assert direct.sum() > 10
    np.testing.assert_array_equal(neuron, expected.neuron[there])
    np.testing.assert_array_equal(step, expected.step[there])
    np.testing.assert_array_equal(direct, expected.direct[there])
    assert np.abs(end.weight - culture.synapses.weight).max() > 0  # it has learned
    given = sorted((pulse.step, pulse.electrode) for pulse in dish.record.pulses)
    assert given == sorted(zip(planned.step.tolist(), planned.electrode.tolist(), strict=True))


@needs_compiler
def test_stimuli_act_in_the_next_time_step_or_when_they_are_told_to() -> None:
    with live("spontaneous", out=None, quiet=True) as dish:
        for tick in dish.loop(50, 0.2):
            if tick.index == 1:
                dish.stimulate(27, amplitude="100 uA")
                dish.stimulate((3, 4), amplitude=1e-4, at="0.0705 s")
                dish.stimulate([0, (7, 7)], amplitude="1 mA", at=9)
        near = np.linalg.norm(dish.culture.positions - dish.positions[27], axis=1).argmin()
        assert len(dish.schedule.coming) == 2  # not given: the loop ended before
    neuron, step, direct = dish.record.all_spikes(0, dish.step)
    assert set(step[direct]) == {40, 70}
    assert near in neuron[direct & (step == 40)]
    assert [(p.step, p.electrode) for p in dish.record.pulses] == [(40, 27), (70, 28)]


@needs_compiler
def test_what_a_tick_hears_is_what_the_electrodes_near_the_cells_hear(protocol: DishProtocol) -> None:
    with live(protocol, out=None, quiet=True) as dish:
        ticks = list(dish.loop(100, 2))
        culture = dish.culture
    neuron, step, _ = dish.record.all_spikes(0, dish.step)
    near = np.linalg.norm(culture.electrodes[:, None] - culture.positions[None], axis=2) <= 150e-6
    expected = sorted((s * 1e-3, e) for s, n in zip(step, neuron, strict=True) for e in np.flatnonzero(near[:, n]))
    found = [(t, e) for tick in ticks for t, e in zip(tick.spikes.time, tick.spikes.electrode, strict=True)]
    assert len(found) > 50
    np.testing.assert_allclose(sorted(found), expected)
    for tick in ticks:
        assert np.all((tick.spikes.time >= tick.time - 0.01 - 1e-9) & (tick.spikes.time < tick.time))


@needs_compiler
@pytest.mark.parametrize("other", ["fast", "realtime"])
def test_the_same_program_gives_the_same_run_at_any_pace(other: str, protocol: DishProtocol, tmp_path: Path) -> None:
    found = []
    for folder, pace in (("a", "fast"), ("b", other)):
        with live(protocol, 2, out=tmp_path / folder, quiet=True) as dish:
            reacting(dish, 1.0, pace=pace)
        assert dish.run_dir is not None
        found.append(dish.run_dir)
    a, b = map(arrays_of, found)
    assert len(a["seed_2/stimuli/step"]) > 5
    assert a.keys() == b.keys()
    for name, values in a.items():
        np.testing.assert_array_equal(b[name], values, err_msg=name)
    assert found[0].name == found[1].name
    assert (found[0] / "metrics.json").read_bytes() == (found[1] / "metrics.json").read_bytes()


@needs_compiler
def test_a_run_directory_holds_everything_and_is_read_like_any_other(protocol: DishProtocol, tmp_path: Path) -> None:
    with live(protocol, 2, out=tmp_path, quiet=True) as dish:
        reacting(dish)
        reacting(dish, 0.5)
    assert dish.run_dir is not None
    run = read_run(dish.run_dir)
    assert isinstance(run, DishRun)
    assert [step.name for step in run.protocol.timeline] == ["live", "live_2"]  # type: ignore[union-attr]
    assert run.duration_s == pytest.approx(3.5)
    assert run.metrics["live/rate"]["n"] == 1
    assert run.provenance["live"]["ticks"] == 350
    assert run.provenance["live"]["ended_by"] == "the program's end"
    np.testing.assert_array_equal(run.array(2, "ticks/step"), np.arange(10, 3501, 10))
    (experiment,) = experiments(dish.run_dir).values()
    answers = [k for k, name in enumerate(experiment.pulses.pattern) if name == "answer"]
    later = [k for k, name in enumerate(experiment.pulses.pattern) if name == "later"]
    given = {(pulse.step, pulse.label) for pulse in dish.record.pulses}  # two of a step and label are one pulse
    assert len(answers) == len({step for step, label in given if label == "answer"})
    assert {tuple(experiment.pulses.electrodes[k]) for k in later} == {(1, 2)}
    assert np.all(np.diff(experiment.pulses.at) >= 0)
    np.testing.assert_array_equal(experiment.events.at + 0, [step for step, _, _ in dish.record.events])
    assert set(experiment.events.name) == {"loud"}
    page = subject(run, "live", 1000)
    assert any(section.heading == "Recording and array" for section in page.sections)


@needs_compiler
def test_nwb_holds_stimuli_events_and_ticks(protocol: DishProtocol, tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    with live(protocol, 2, out=tmp_path, quiet=True) as dish:
        reacting(dish, 1.0)
        dish.note("done")
    assert dish.run_dir is not None
    (experiment,) = experiments(dish.run_dir).values()
    with pynwb.NWBHDF5IO(nwb_file.write(experiment, tmp_path / "dish.nwb"), "r") as io:
        file = io.read()
        assert set(file.intervals["stimulation"]["pattern"][:]) == {"answer", "later"}
        notes = file.intervals["loop_events"]
        assert notes["event"][0] == "loud"
        assert notes["value"][0] > 4
        assert notes["event"][-1] == "done"
        assert notes["start_time"][-1] == pytest.approx(1.0)
        np.testing.assert_allclose(file.acquisition["loop_ticks"].timestamps[:], 0.01 * np.arange(1, 101))


@needs_compiler
def test_a_saved_state_goes_on_bit_for_bit_with_the_pulses_that_are_to_come(
    protocol: DishProtocol, tmp_path: Path
) -> None:
    def run(dish: LiveDish, first: int, last: int) -> None:
        for tick in dish.loop(100, (last - first) * 0.01):
            if (first + tick.index) % 20 == 0:
                dish.stimulate([9, 10], amplitude="40 uA", at=dish.time + 0.3)

    with live(protocol, 3, out=None, quiet=True) as whole:
        run(whole, 0, 250)
    with live(protocol, 3, out=None, quiet=True) as first:
        run(first, 0, 123)
        first.save(tmp_path / "dish.npz")
    with live(protocol, 3, out=None, quiet=True, state=tmp_path / "dish.npz") as second:
        assert second.time == pytest.approx(1.23)
        run(second, 123, 250)
    expected = whole.record.all_spikes(0, 2500)
    parts = first.record.all_spikes(0, 1230), second.record.all_spikes(1230, 2500)
    np.testing.assert_array_equal(np.concatenate([parts[0][0], parts[1][0]]), expected[0])
    np.testing.assert_array_equal(np.concatenate([parts[0][1], parts[1][1] + 1230]), expected[1])
    assert expected[2].sum() > 10


@needs_compiler
def test_a_state_of_another_culture_or_a_damaged_one_is_refused(protocol: DishProtocol, tmp_path: Path) -> None:
    path = tmp_path / "dish.npz"
    with live(protocol, 3, out=None, quiet=True) as dish:
        dish.save(path)
    with pytest.raises(ProtocolFault, match="of another culture or seed"), live(protocol, 4, out=None, state=path):
        pass
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ProtocolFault, match="damaged"), live(protocol, 3, out=None, state=path):
        pass
    with pytest.raises(ProtocolFault, match="No such file"), live(protocol, 3, out=None, state=tmp_path / "none"):
        pass


def fails(dish: LiveDish, tick: Tick) -> None:
    raise ZeroDivisionError("of the controller")


def reaches_out(dish: LiveDish, tick: Tick) -> None:
    dish.stimulate(64)


def interrupted(dish: LiveDish, tick: Tick) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def kills_the_engine(dish: LiveDish, tick: Tick) -> None:
    assert isinstance(dish._engine, CompiledEngine)
    assert dish._engine.process is not None
    os.kill(dish._engine.process.pid, signal.SIGKILL)


@needs_compiler
@pytest.mark.parametrize(
    ("does", "error", "said"),
    [
        (fails, ZeroDivisionError, "ended at 0.3 s by ZeroDivisionError: of the controller"),
        (reaches_out, ValueError, "ended at 0.3 s by ValueError: electrode 64; allowed: 0 to 63"),
        (interrupted, KeyboardInterrupt, "ended at 0.3 s by KeyboardInterrupt"),
        (kills_the_engine, RuntimeError, "the compiled culture ended with code -9"),
    ],
)
def test_whatever_ends_a_session_what_was_recorded_is_kept(
    does: Callable[[LiveDish, Tick], None],
    error: type[BaseException],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(error), live("spontaneous", 7, out=tmp_path) as dish:  # noqa: PT012  (it is the session that ends)
        dish.note("begin")
        for tick in dish.loop(100, 5):
            if tick.index == 29:
                does(dish, tick)
    err = capsys.readouterr().err.strip()
    assert said in err
    assert len(err.splitlines()) == 1
    assert dish.run_dir is not None
    assert dish.run_dir.name in err
    assert not list(dish.run_dir.parent.glob("*.partial"))
    run = read_run(dish.run_dir)
    assert isinstance(run, DishRun)
    assert run.duration_s == pytest.approx(0.3)
    with live("spontaneous", 7, out=None, quiet=True) as other:
        list(other.loop(100, 0.3))
    assert run.array(7, "heard/step").tolist() == heard(other)
    assert run.array(7, "events/name").tolist() == ["begin"]


def heard(dish: LiveDish) -> list[int]:
    """Steps at which electrodes heard something, by a loop over all spikes."""
    neuron, step, _ = dish.record.all_spikes(0, dish.step)
    culture = dish.culture
    near = np.linalg.norm(culture.electrodes[:, None] - culture.positions[None], axis=2) <= 60e-6
    return [int(s) for s, n in zip(step, neuron, strict=True) for _ in range(near[:, n].sum())]


@needs_compiler
def test_a_session_without_a_tick_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(ValueError, match="rate_hz: 300; allowed: at most 1000"),
        live("spontaneous", out=tmp_path) as dish,
    ):
        list(dish.loop(300, 1))
    assert "no run directory" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and path != tmp_path / "spontaneous"]


@needs_compiler
def test_two_programs_on_one_dish_are_refused(tmp_path: Path) -> None:
    with (
        live("spontaneous", out=tmp_path, quiet=True),
        live("spontaneous", 1, out=tmp_path, quiet=True),
        pytest.raises(RunInUse, match=r"another program has this dish open \(spontaneous, seed 0"),
        live("spontaneous", out=tmp_path),
    ):
        pass


@needs_compiler
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.stimulate(-1), "electrode -1; allowed: 0 to 63"),
        (lambda d: d.stimulate((8, 0)), r"electrode \(8, 0\); allowed: a number, or the \(row, column\)"),
        (lambda d: d.stimulate("A1"), "electrode A1; allowed: a number"),
        (
            lambda d: d.stimulate(0, amplitude="400 mV"),
            "amplitude: '400 mV' has the wrong unit 'mV'; allowed: a quantity",
        ),
        (lambda d: d.stimulate(0, amplitude=0), "amplitude: 0 A; allowed: 1e-09 to 0.01 A"),
        (lambda d: d.stimulate(0, width="2 s"), "width: 2 s; allowed: 1e-06 to 0.1 s"),
        (lambda d: d.stimulate(0, at=-1), "at: -1 s; allowed: 0 to"),
        (lambda d: d.stimulate(0, at=float("nan")), "at: nan s"),
        (lambda d: d.loop(0), "rate_hz: 0; allowed"),
        (lambda d: d.loop(100, 0.001), "seconds: 0.001; allowed: at least one tick, 0.01 s"),
        (lambda d: next(d.loop(100, 1, "slow")), "pace: 'slow'; allowed: fast, realtime"),
    ],
)
def test_bad_values_are_refused_in_one_line(call: Callable[[LiveDish], object], message: str) -> None:
    with live("spontaneous", out=None, quiet=True) as dish, pytest.raises(ValueError, match=message):
        call(dish)


@needs_compiler
def test_a_pulse_in_the_past_is_refused() -> None:
    with live("spontaneous", out=None, quiet=True) as dish:
        next(iter(dish.loop(10)))
        with pytest.raises(ValueError, match=r"at: 0.05 s; allowed: from 0.1 s on, which is now"):
            dish.stimulate(3, at="50 ms")
        dish.stimulate(3, at="100 ms")


def test_a_protocol_without_a_living_culture_is_refused() -> None:
    with pytest.raises(ProtocolFault, match=r"ruaro2005: is not of a living culture"):
        live("ruaro2005")
    with pytest.raises(ProtocolFault, match=r"reservoir_xor: .* living culture with a timeline; allowed: .* timeline"):
        live("reservoir_xor")


@needs_compiler
def test_a_program_that_is_too_slow_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with live("spontaneous", out=tmp_path) as dish:
        for tick in dish.loop(100, 0.2, pace="realtime"):
            if tick.index == 5:
                time.sleep(0.05)
    err = capsys.readouterr().err
    assert "live: the program took longer than a tick (10 ms) in " in err
    assert "ticks came more than 5 ms late" in err
    assert dish.run_dir is not None
    timing = json.loads((dish.run_dir / "provenance.json").read_text())["live"]
    assert timing["slow_controller_ticks"] >= 1
    assert timing["late_ms"]["most"] > 30


@needs_compiler
def test_brian2_gives_the_same_session(protocol: DishProtocol) -> None:
    found = []
    for device in ("cpp", "runtime"):
        with live(protocol, 2, out=None, quiet=True, device=device) as dish:
            reacting(dish, 0.4)
        found.append((dish.record.all_spikes(0, 400), dish.record.arrays(0, 400)))
    (a, done), (b, same) = found
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(other, one)
    assert len(done["stimuli/step"]) > 3
    for name, values in done.items():
        np.testing.assert_array_equal(same[name], values, err_msg=name)
