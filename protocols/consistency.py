"""What the parts of a protocol must agree on; every check raises ValueError with a path, what is given and allowed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocols.schema import AssociationProtocol, EvokedProtocol, Phase, Protocol
    from protocols.stimuli import Stimulus


MOST_STEPS = 2**31 - 1  # what a simulator counts in 32 bits


def check_evoked(protocol: "EvokedProtocol") -> None:
    """Check stimuli against the array and the step, phases against stimuli, measures against phases."""
    names = [phase.name for phase in protocol.phases]
    if len(set(names)) < len(names):
        raise ValueError(f"phases: names must differ, given {', '.join(names)}")
    for name, stimulus in protocol.stimuli.items():
        _check_stimulus(protocol, name, stimulus)
    for phase in protocol.phases:
        _check_phase(protocol, phase)
    _check_windows(protocol)
    steps = sum(protocol.culture.steps(p.window) * len(p.present) * p.repetitions for p in protocol.phases)
    if steps > MOST_STEPS:
        raise ValueError(f"phases: {steps:.3g} time steps in all; allowed: {MOST_STEPS:.3g}")


def check_association(protocol: "AssociationProtocol") -> None:
    """Check the image and the label regions against the array and each other, regions against classes."""
    array, plan, data = protocol.culture.array, protocol.association, protocol.data
    if len(set(data.classes)) < len(data.classes):
        raise ValueError(f"data.classes: a class is listed twice in {', '.join(map(str, data.classes))}")
    if len(data.classes) < 2:
        raise ValueError(f"data.classes: {len(data.classes)} given; allowed: at least 2")
    (height, width), image = data.size, plan.image
    if image.row + height > array.rows or image.column + width > array.columns:
        raise ValueError(
            f"data.size: {height} x {width} pixels from row {image.row}, column {image.column} on; "
            f"allowed: what fits onto the array of {array.rows} x {array.columns} electrodes"
        )
    if set(plan.label.regions) != set(data.classes):
        given, allowed = sorted(plan.label.regions), sorted(data.classes)
        raise ValueError(
            f"association.label.regions: regions of {given}; allowed: one for each of data.classes {allowed}"
        )
    pixels = {(image.row + r, image.column + c) for r in range(height) for c in range(width)}
    taken: set[tuple[int, int]] = set()
    for label, region in plan.label.regions.items():
        path = f"association.label.regions.{label}"
        _inside_array(protocol, path, region)
        if pixels & set(region):
            raise ValueError(
                f"{path}: {min(pixels & set(region))} shows a pixel of the image; allowed: other electrodes"
            )
        if taken & set(region):
            raise ValueError(f"{path}: {min(taken & set(region))} belongs to another class; allowed: other electrodes")
        taken |= set(region)
    _whole(protocol, "association.presentation", plan.presentation)
    for path, rate in (("image", plan.image.rate), ("label", plan.label.rate)):
        _at_most_one_pulse_a_step(protocol, f"association.{path}.rate", rate)
    if plan.evaluation.every > plan.training.presentations:
        raise ValueError(
            f"association.evaluation.every: {plan.evaluation.every}; "
            f"allowed: at most the {plan.training.presentations} training presentations"
        )


def _inside_array(protocol: "Protocol", path: str, electrodes: tuple[tuple[int, int], ...]) -> None:
    array = protocol.culture.array
    for row, column in electrodes:
        if not (0 <= row < array.rows and 0 <= column < array.columns):
            raise ValueError(
                f"{path}: ({row}, {column}) lies outside the array; "
                f"allowed: rows 0 to {array.rows - 1}, columns 0 to {array.columns - 1}"
            )
    if len(set(electrodes)) < len(electrodes):
        raise ValueError(f"{path}: an electrode is listed twice")


def _at_most_one_pulse_a_step(protocol: "Protocol", path: str, rate_hz: float) -> None:
    dt = protocol.culture.simulation.dt
    if rate_hz * dt > 1 + 1e-9:
        raise ValueError(f"{path}: {rate_hz:g} Hz; allowed: at most one pulse a step, {1 / dt:g} Hz")


def _check_stimulus(protocol: "EvokedProtocol", name: str, stimulus: "Stimulus") -> None:
    _inside_array(protocol, f"stimuli.{name}.electrodes", stimulus.electrodes)
    _at_most_one_pulse_a_step(protocol, f"stimuli.{name}.train.rate", getattr(stimulus.train, "rate", 0.0))
    _whole(protocol, f"stimuli.{name}.onset", stimulus.onset, at_least=0)
    _whole(protocol, f"stimuli.{name}.duration", stimulus.duration)


def _check_phase(protocol: "EvokedProtocol", phase: "Phase") -> None:
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


def _check_windows(protocol: "EvokedProtocol") -> None:
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
