"""The library's entry point: a culture, a session, and where the last one ended."""

import sys
from collections.abc import Callable

from culture_sim.engines.compiled import compiler
from culture_sim.living import cpp
from culture_sim.living.culture import LivingCulture
from culture_sim.living.recording import LivingRecording, LivingState
from culture_sim.living.session import MOST_STEPS, LivingSession

DEVICES = ("auto", "cpp", "runtime")


def prepare(device: str) -> str:
    """The device that ``auto`` stands for here, compiled if it needs to be.

    Raises
    ------
    RuntimeError
        If there is no GPU engine for living cultures, no compiler for ``cpp``, or the compiler fails.
    """
    if device not in DEVICES:
        raise RuntimeError(f"--device {device}: living cultures have none; allowed: {', '.join(DEVICES)}")
    if device == "auto" and compiler() is None:
        print("No C++ compiler found: falling back to Brian2 with NumPy, which is slower.", file=sys.stderr)
        return "runtime"
    if device != "runtime":
        cpp.program()
        return "cpp"
    return device


def simulate(
    culture: LivingCulture,
    session: LivingSession,
    device: str = "auto",
    state: LivingState | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LivingRecording:
    """Simulate a culture through a session. The culture itself is left as it was.

    Parameters
    ----------
    culture
        From `LivingCulture.grow`.
    session
        Its length, stimulation, and when synapses are plastic.
    device
        ``"cpp"``: the compiled program. ``"runtime"``: Brian2, slow. ``"auto"``: compiled where there is a compiler.
        All give the same spikes.
    state
        The `state` of an earlier recording of this culture, to go on from, bit for bit; None: at rest.
    progress
        Called with (steps done, steps in all).

    Raises
    ------
    ValueError
        If an electrode does not exist, the state is another culture's, or the device is unknown.
    RuntimeError
        If the compiler or the compiled program fails.
    """
    if device not in DEVICES:
        raise ValueError(f"device {device!r}; allowed: {', '.join(DEVICES)}")
    n_electrodes = len(culture.electrodes)
    if len(session.electrode) and session.electrode.max() >= n_electrodes:
        raise ValueError(f"electrode {session.electrode.max()}; allowed: 0 to {n_electrodes - 1}")
    if len(session.electrode) and culture.spec.stimulation is None:
        raise ValueError("session: stimulation pulses; allowed: none, the culture has stimulation: null")
    if len(session.plastic) and culture.spec.plasticity is None:
        raise ValueError("session.plastic: intervals; allowed: none, the culture has plasticity: null")
    if state is None:
        state = LivingState.at_rest(culture)
    state.check(culture)
    if state.step + session.n_steps > MOST_STEPS:
        raise ValueError(f"session.n_steps: ends at step {state.step + session.n_steps}; allowed: {MOST_STEPS}")
    if device == "auto":
        device = prepare(device)
    done = progress or (lambda steps, of: None)
    if device == "runtime":
        from culture_sim.living import runtime  # brings Brian2

        return runtime.run(culture, session, state, done)
    return cpp.run(culture, session, state, done)
