"""A living culture simulated in stretches: each is saved, and an interrupted run goes on from the last one.

The state between stretches is exact, so that the result does not depend on where they end.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np

from culture_sim.closed_loop.steps import OwnStretch
from culture_sim.living import LivingCulture, LivingRecording, LivingSession, LivingState, simulate
from protocols.runs.reporting import Report
from protocols.runs.run_directory import Run

SHORTEST_S, LONGEST_S = 10.0, 1800.0  # simulated time; the longest bounds the spikes in memory
WALL_S = 60.0  # computing time of a stretch: about what a killed run loses at most
GROWTH = 4  # of the length from one stretch to the next, at most

SPIKES = "seed_{}_stretch_{}"  # name of the part with the spikes of a stretch
STATE = "seed_{}_state_{}"  # and of the state after it: two, written in turn, so that one is always whole

#: Arrays to keep of a stretch; called with its recording, and its first step.
Kept = Callable[[LivingRecording, int], dict[str, np.ndarray]]


def simulated(
    culture: LivingCulture,
    session: LivingSession,
    device: str,
    run: Run,
    seed: int,
    kept: Kept,
    report: Report,
    own: Sequence[OwnStretch] = (),
    nothing: dict[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Simulate a session, or the rest of it; returns the kept arrays of all stretches, joined.

    Parameters
    ----------
    culture, session, device
        As in `culture_sim.living.simulate`, from the start of the culture's life.
    run, seed
        Run directory in which every stretch is saved, and the seed in the names of these parts.
    kept
        Which arrays of a stretch are kept.
    report
        Called with the fraction done.
    own
        Stretches that are carried out as they say, in order of time; each is saved at its end.
    nothing
        What is kept, besides, of all other stretches: arrays of no length, by the names of those that `own` ones add.

    Raises
    ------
    OSError
        If a stretch cannot be saved; the earlier ones are.
    """
    n, state = last_saved(run, seed) or (0, LivingState.at_rest(culture))
    length, dt = SHORTEST_S, culture.spec.simulation.dt
    while (first := state.step) < session.n_steps:
        began, progress = time.monotonic(), _counted(report, first, session.n_steps)
        if this := next((stretch for stretch in own if stretch.first == first), None):
            last = this.last
            recording, more = this.carry_out(state, progress)
        else:
            ahead = (stretch.first for stretch in own if stretch.first > first)
            last = min(first + max(1, round(length / dt)), session.n_steps, *ahead)
            recording, more = simulate(culture, session.between(first, last), device, state, progress), nothing or {}
        state = recording.state
        run.save_part(SPIKES.format(seed, n), kept(recording, first) | more | {"edges": np.array([first, last])})
        n += 1
        run.save_part(STATE.format(seed, n % 2), {**vars(state), "stretches": np.array(n)})
        pace = (last - first) * dt / max(time.monotonic() - began, 1e-3)
        length = min(pace * WALL_S, GROWTH * length, LONGEST_S)
    return _joined(run, seed, n)


def last_saved(run: Run, seed: int) -> tuple[int, LivingState] | None:
    """Number of saved stretches and the state after them; None if there is none, or it is damaged."""
    states = [state for turn in (0, 1) if (state := run.load_part(STATE.format(seed, turn))) is not None]
    for saved in sorted(states, key=lambda state: -int(state["step"])):
        n, step = int(saved.pop("stretches")), int(saved.pop("step"))
        if _end(run, seed, n) == step:
            return n, LivingState(step=step, shared=float(saved.pop("shared")), **saved)
    return None


def resumed(run: Run, seeds: Sequence[int], session_s: float, dt: float) -> tuple[list[str], dict[int, float]]:
    """Where interrupted seeds go on: a line each, and the fraction that is done.

    Parameters
    ----------
    run, seeds
        Run directory, and the seeds that are not finished.
    session_s, dt
        Length of the session and of a time step in seconds.
    """
    lines, done = [], {}
    for seed in seeds:
        if (saved := last_saved(run, seed)) is not None:
            seconds = saved[1].step * dt
            lines.append(f"Resuming seed {seed} at {seconds:g} of {session_s:g} s.")
            done[seed] = seconds / session_s
        elif any(run.has_part(STATE.format(seed, turn)) for turn in (0, 1)):
            lines.append(f"What was saved of seed {seed} in {run.partial} is damaged: it starts again.")
    return lines, done


def discard(run: Run, seed: int) -> None:
    """Delete what was saved of a seed that is finished."""
    for name in (SPIKES, STATE):
        for path in run.partial.glob(f"{name.format(seed, '*')}.npz"):
            path.unlink()


def _end(run: Run, seed: int, n: int) -> int:
    """Step at which the first `n` stretches end, if they are whole and follow one another; else -1."""
    end = 0
    for k in range(n):
        part = run.load_part(SPIKES.format(seed, k))
        if part is None or part["edges"][0] != end:
            return -1
        end = int(part["edges"][1])
    return end


def _joined(run: Run, seed: int, n: int) -> dict[str, np.ndarray]:
    """The kept arrays of `n` stretches, one after the other."""
    parts = [part for k in range(n) if (part := run.load_part(SPIKES.format(seed, k))) is not None]
    if len(parts) < n:
        raise RuntimeError(f"{run.partial}: spikes of seed {seed} are damaged; the same command simulates them again")
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0]) if name != "edges"}


def _counted(report: Report, first: int, n_steps: int) -> Callable[[int, int], None]:
    return lambda done, _: report((first + done) / n_steps)
