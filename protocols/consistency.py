"""What the parts of a protocol must agree on; every check raises ValueError with a path, what is given and allowed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocols.schema import Phase, Protocol
    from protocols.stimuli import Stimulus


MOST_STEPS = 2**31 - 1  # what a simulator counts in 32 bits


def check_consistency(protocol: "Protocol") -> None:
    """Check stimuli against the array and the step, phases against stimuli, measures against phases."""
    names = [phase.name for phase in protocol.phases]
    if len(set(names)) < len(names):
        raise ValueError(f"phases: names must differ, given {', '.join(names)}")
    for name, stimulus in protocol.stimuli.items():
        _check_stimulus(protocol, name, stimulus)
    for phase in protocol.phases:
        _check_phase(protocol, phase)
    _check_evoked(protocol)
    steps = sum(protocol.culture.steps(p.window) * len(p.present) * p.repetitions for p in protocol.phases)
    if steps > MOST_STEPS:
        raise ValueError(f"phases: {steps:.3g} time steps in all; allowed: {MOST_STEPS:.3g}")


def _check_stimulus(protocol: "Protocol", name: str, stimulus: "Stimulus") -> None:
    array, dt = protocol.culture.array, protocol.culture.simulation.dt
    for row, column in stimulus.electrodes:
        if not (0 <= row < array.rows and 0 <= column < array.columns):
            raise ValueError(
                f"stimuli.{name}.electrodes: ({row}, {column}) lies outside the array; "
                f"allowed: rows 0 to {array.rows - 1}, columns 0 to {array.columns - 1}"
            )
    if len(set(stimulus.electrodes)) < len(stimulus.electrodes):
        raise ValueError(f"stimuli.{name}.electrodes: an electrode is listed twice")
    rate = getattr(stimulus.train, "rate", 0.0)
    if rate * dt > 1 + 1e-9:
        raise ValueError(f"stimuli.{name}.train.rate: {rate:g} Hz; allowed: at most one pulse a step, {1 / dt:g} Hz")
    _whole(protocol, f"stimuli.{name}.onset", stimulus.onset, at_least=0)
    _whole(protocol, f"stimuli.{name}.duration", stimulus.duration)


def _check_phase(protocol: "Protocol", phase: "Phase") -> None:
    _whole(protocol, f"phases.{phase.name}.window", phase.window)
    if len(set(phase.present)) < len(phase.present):
        raise ValueError(f"phases.{phase.name}.present: a stimulus is listed twice; use 'repetitions'")
    for name in phase.present:
        if name not in protocol.stimuli:
            raise ValueError(
                f"phases.{phase.name}.present: no stimulus '{name}'; allowed: {', '.join(protocol.stimuli)}"
            )
        end = protocol.stimuli[name].onset + protocol.stimuli[name].duration
        if end > phase.window * (1 + 1e-9):
            raise ValueError(
                f"phases.{phase.name}.window: {phase.window * 1e3:g} ms; stimulus '{name}' ends at {end * 1e3:g} ms"
            )


def _check_evoked(protocol: "Protocol") -> None:
    probing = {phase.name: phase for phase in protocol.phases if not phase.plastic}
    windows, scale = protocol.evoked.windows, protocol.evoked.calibrate_on
    for name, window in windows.items():
        if name not in probing:
            raise ValueError(f"evoked.windows.{name}: not a phase without learning; allowed: {', '.join(probing)}")
        _whole(protocol, f"evoked.windows.{name}", window)
        for phase in probing.values():
            end = window + max(protocol.stimuli[stimulus].onset for stimulus in phase.present)
            if end > phase.window * (1 + 1e-9):
                raise ValueError(
                    f"evoked.windows.{name}: {window * 1e3:g} ms; it ends at {end * 1e3:g} ms, "
                    f"phase '{phase.name}' at {phase.window * 1e3:g} ms"
                )
    measured = [f"evoked/{stimulus}/{name}" for name in windows for stimulus in probing[name].present]
    if scale is not None and scale not in measured:
        raise ValueError(
            f"evoked.calibrate_on: '{scale}'; allowed: {', '.join(measured) or 'nothing, no window is given'}"
        )


def _whole(protocol: "Protocol", path: str, duration_s: float, at_least: int = 1) -> None:
    dt, steps = protocol.culture.simulation.dt, protocol.culture.steps(duration_s)
    if abs(duration_s / dt - steps) > 1e-6 * max(1, steps) or steps < at_least:
        raise ValueError(f"{path}: {duration_s * 1e3:g} ms; allowed: a whole number of steps of {dt * 1e3:g} ms")
