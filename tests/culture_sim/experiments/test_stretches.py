"""Simulations in stretches: the same result wherever they end, are interrupted, or are damaged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from culture_sim.engines.compiled import compiler
from culture_sim.experiments import stretches
from culture_sim.living import LivingCulture, LivingRecording, LivingSession, simulate
from protocols.loading.loader import load
from protocols.runs.run_directory import Run
from tests.culture_sim.living.cases import ALL, session, spec
from tests.culture_sim.living.test_engines import halves

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
N_STEPS = 2000


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of at most 300 steps."""
    monkeypatch.setattr(stretches, "LONGEST_S", 0.3)
    monkeypatch.setattr(stretches, "SHORTEST_S", 0.1)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path, load("spontaneous"), "key")
    run.partial.mkdir(parents=True)
    return run


@pytest.fixture(scope="module")
def culture() -> LivingCulture:
    return LivingCulture.grow(spec(**ALL), seed=3)


@pytest.fixture(scope="module")
def whole(culture: LivingCulture) -> LivingRecording:
    return simulate(culture, session(culture, N_STEPS), "cpp")


def spikes(recording: LivingRecording, first: int) -> dict[str, np.ndarray]:
    return {"neuron": recording.neuron, "step": recording.step + first, "direct": recording.direct}


def go(culture: LivingCulture, run: Run, report: Callable[[float], None] = lambda _: None) -> dict[str, np.ndarray]:
    return stretches.simulated(culture, session(culture, N_STEPS), "cpp", run, 0, spikes, report)


def go_until(share: float, culture: LivingCulture, run: Run) -> None:
    """Begin, and be interrupted when the share is done."""

    def stop(done: float) -> None:
        if done >= share:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(culture, run, stop)


def assert_whole(found: dict[str, np.ndarray], whole: LivingRecording) -> None:
    assert len(whole.neuron) > 200
    for name in ("neuron", "step", "direct"):
        np.testing.assert_array_equal(found[name], getattr(whole, name), err_msg=name)


def saved(run: Run, kind: str) -> list[Path]:
    return sorted(run.partial.glob(f"seed_0_{kind}_*.npz"))


def test_the_parts_of_a_session_are_what_was_in_them(culture: LivingCulture) -> None:
    """Against a cut written by hand; and a snapshot at the cut is taken once."""
    given = session(culture)
    for part, expected in zip((given.between(0, 130), given.between(130, 400)), halves(given, 130), strict=True):
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(part, name), value, err_msg=name)
    shown = LivingSession(300, snapshots=[0, 100, 101, 300])
    assert [shown.between(*edges).snapshots.tolist() for edges in ((0, 100), (100, 300))] == [[0, 100], [1, 200]]


def test_stretches_give_the_uninterrupted_simulation(culture: LivingCulture, whole: LivingRecording, run: Run) -> None:
    told: list[float] = []
    assert_whole(go(culture, run, told.append), whole)
    assert len(saved(run, "stretch")) == 8  # 100 steps, then 300 each, and the rest
    assert told == sorted(told)
    assert told[-1] == 1
    n, state = stretches.last_saved(run, 0) or (0, None)
    assert n == 8
    for name, value in vars(whole.state).items():
        np.testing.assert_array_equal(getattr(state, name), value, err_msg=name)
    stretches.discard(run, 0)
    assert not list(run.partial.iterdir())


def test_an_interrupted_simulation_goes_on(culture: LivingCulture, whole: LivingRecording, run: Run) -> None:
    for share in (0.01, 0.3, 0.65):
        go_until(share, culture, run)
    lines, done = stretches.resumed(run, [0, 1], 2.0, 1e-3)
    assert lines == ["Resuming seed 0 at 1.1 of 2 s."]
    assert done == pytest.approx({0: 0.55})
    told: list[float] = []
    assert_whole(go(culture, run, told.append), whole)
    assert told[0] > 0.55


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short", None])
def test_a_damaged_state_costs_one_stretch(
    content: bytes | None, culture: LivingCulture, whole: LivingRecording, run: Run
) -> None:
    go_until(0.65, culture, run)  # 100, 400, 700, 1000 steps are saved
    newest = max(saved(run, "state"), key=lambda path: int(np.load(path)["step"]))
    newest.write_bytes(newest.read_bytes()[:-200] if content is None else content)
    assert stretches.resumed(run, [0], 2.0, 1e-3)[0] == ["Resuming seed 0 at 0.7 of 2 s."]
    assert_whole(go(culture, run), whole)


def test_a_flipped_bit_of_an_early_stretch_starts_the_seed_again(
    culture: LivingCulture, whole: LivingRecording, run: Run
) -> None:
    go_until(0.65, culture, run)
    damaged = saved(run, "stretch")[1]
    content = bytearray(damaged.read_bytes())
    content[200] ^= 1
    damaged.write_bytes(content)
    (line,) = stretches.resumed(run, [0], 2.0, 1e-3)[0]
    assert line == f"What was saved of seed 0 in {run.partial} is damaged: it starts again."
    assert_whole(go(culture, run), whole)


def test_a_stretch_that_ends_elsewhere_than_the_state_is_not_believed(
    culture: LivingCulture, whole: LivingRecording, run: Run
) -> None:
    """As a kill leaves it between the spikes and the state of a stretch that is simulated a second time."""
    go_until(0.65, culture, run)
    last = saved(run, "stretch")[3]
    part = dict(np.load(last))
    kept = part["step"] < 800
    run.save_part(last.stem, {name: part[name][kept] for name in ("neuron", "step", "direct")} | {"edges": [700, 800]})
    found = stretches.last_saved(run, 0)
    assert found is not None
    assert (found[0], found[1].step) == (3, 700)
    assert_whole(go(culture, run), whole)


def test_a_full_disk_leaves_what_was_saved(
    culture: LivingCulture, whole: LivingRecording, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = np.savez, []

    def full(path: Path, **arrays: np.ndarray) -> None:
        calls.append(path)
        write(path, **arrays)
        if len(calls) == 6:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("protocols.runs.run_directory.np.savez", full)
    with pytest.raises(OSError, match=r"No space left on device: .*seed_0_state_1\.unfinished\.npz"):
        go(culture, run)
    assert not list(run.partial.glob("*unfinished*"))
    monkeypatch.undo()
    assert stretches.resumed(run, [0], 2.0, 1e-3)[1] == {0: 0.2}
    assert_whole(go(culture, run), whole)
