"""Consistency checks of a protocol with a timeline: names, times, electrodes, and the measures over them."""

from collections.abc import Mapping, Sequence
from typing import Any

from protocols.spec.array import Array
from protocols.spec.consistency import at_most_one_pulse_a_step, inside_array, whole_steps
from protocols.spec.dish.asked import Asked, Course, EvokedSpikes, Growth, PairedPulse, Rally, steps_of
from protocols.spec.dish.living import LivingCulture
from protocols.spec.dish.loops import Pong
from protocols.spec.dish.timeline import (
    Loop,
    Pair,
    Pattern,
    Probe,
    Single,
    Step,
    Train,
    duration,
    patterns_of,
    unrolled,
)
from protocols.spec.faults import nearest, short

MOST_STEPS = 2**31 - 2**20  # simulators count time steps in 32-bit integers
MOST_PULSES = 10**7


def check_dish(
    culture: LivingCulture, patterns: Mapping[str, Pattern], timeline: Sequence[Step], measure: Mapping[str, Asked]
) -> None:
    """Check patterns against the array, steps against patterns and the time step, measures against steps."""
    for name, pattern in patterns.items():
        _check_electrodes(culture, f"patterns.{name}.electrodes", pattern.electrodes)
    steps = dict(unrolled(timeline))
    names = [name for name, _ in unrolled(timeline)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"timeline: two steps are called '{twice}'; allowed: a name of its own for each (name: ...)")
    for name, step in steps.items():
        _check_step(culture, patterns, f"timeline.{name}", step)
    total = sum(duration(step) for step in steps.values()) / culture.simulation.dt
    if total > MOST_STEPS:
        raise ValueError(f"timeline: {total:.3g} time steps in all; allowed: {MOST_STEPS:.3g}")
    for name, asked in measure.items():
        _check_measure(f"measure.{name}", asked, steps)
        if isinstance(asked, Course):
            _check_course(culture, f"measure.{name}", asked, steps)


def _check_electrodes(culture: LivingCulture, path: str, electrodes: tuple[Any, ...]) -> None:
    """Check that electrodes are places of the grid, or contacts of the probe, each once."""
    array, contacts = culture.array, [electrode for electrode in electrodes if isinstance(electrode, int | str)]
    if isinstance(array, Array):
        if contacts:
            raise ValueError(f"{path}: '{short(contacts[0])}'; allowed: [row, column] pairs, or a drawing of the array")
        inside_array(culture, path, electrodes)
        return
    ids = {contact.id for contact in array.contacts}
    if not contacts:
        raise ValueError(f"{path}: (row, column) pairs; allowed: contacts of the probe, by number or by id")
    for contact in contacts:
        if isinstance(contact, str) and contact not in ids:
            raise ValueError(f"{path}: no contact with the id '{short(contact)}'; {nearest(contact, ids)}")
        if isinstance(contact, int) and not 0 <= contact < array.n_electrodes:
            raise ValueError(f"{path}: no contact {contact}; allowed: 0 to {array.n_electrodes - 1}, or an id as text")
    if len(set(array.numbers(contacts))) < len(contacts):
        raise ValueError(f"{path}: a contact is listed twice")


def _check_step(culture: LivingCulture, patterns: Mapping[str, Pattern], path: str, step: Single) -> None:
    for pattern in patterns_of(step):
        if pattern not in patterns:
            raise ValueError(f"{path}: no pattern '{pattern}'; allowed: {', '.join(patterns) or 'none is given'}")
    if patterns_of(step) and culture.stimulation is None:
        raise ValueError(f"{path}: stimulates; allowed: only with culture.stimulation")
    for key in ("rest", "every", "interval", "duration"):
        if hasattr(step, key):
            whole_steps(culture, f"{path}.{key}", getattr(step, key))
    match step:
        case Pair(interval=interval, every=every) if interval >= every:
            raise ValueError(f"{path}.interval: {interval * 1e3:g} ms; allowed: less than every, {every * 1e3:g} ms")
        case Train(rate=rate, pulses=pulses, every=every):
            at_most_one_pulse_a_step(culture, f"{path}.rate", rate)
            if (pulses - 1) / rate >= every:
                raise ValueError(
                    f"{path}.every: {every:g} s; allowed: longer than the train, {(pulses - 1) / rate:g} s"
                )
        case Loop(rate=rate, duration=duration_s):
            whole_steps(culture, f"{path}.rate: {rate:g} Hz, a tick", 1 / rate)
            if (ticks := duration_s * rate) < 1 - 1e-6 or abs(ticks - round(ticks)) > 1e-6 * ticks:
                raise ValueError(f"{path}.duration: {duration_s:g} s; allowed: whole ticks of {1 / rate:g} s")
    n_pulses = len(patterns_of(step)) * getattr(step, "repetitions", 0) * getattr(step, "pulses", 1)
    if n_pulses > MOST_PULSES:
        raise ValueError(f"{path}: {n_pulses:.3g} pulses; allowed: {MOST_PULSES:.3g}")


def _check_measure(path: str, asked: Asked, steps: Mapping[str, Single]) -> None:
    for name in steps_of(asked):
        if name not in steps:
            raise ValueError(f"{path}: no step '{name}'; allowed: {', '.join(steps)}")
    match asked:
        case PairedPulse(paired_pulse=name, window=window):
            step = steps[name]
            if not isinstance(step, Pair):
                raise ValueError(f"{path}: step '{name}' has no pairs of pulses; allowed: a step with pair:")
            if window[1] > step.interval + 1e-9:
                raise ValueError(
                    f"{path}.window: ends at {window[1] * 1e3:g} ms; "
                    f"allowed: at most the interval of the pulses, {step.interval * 1e3:g} ms"
                )
        case Rally(rally=name, early=early):
            step = steps[name]
            if not (isinstance(step, Loop) and isinstance(step.loop, Pong)):
                raise ValueError(f"{path}: step '{name}' has no rallies; allowed: a loop of the controller pong")
            if early >= step.duration:
                raise ValueError(f"{path}.early: {early:g} s; allowed: less than the step, {step.duration:g} s")
        case EvokedSpikes(evoked=names) | Course(course=names) | Growth(growth=names):
            for name in names:
                if not isinstance(steps[name], Probe):
                    raise ValueError(f"{path}: step '{name}' has no probes; allowed: a step with probe:")
            if isinstance(asked, Growth) and set(patterns_of(steps[names[0]])) != set(patterns_of(steps[names[1]])):
                raise ValueError(f"{path}: the steps probe different patterns; allowed: the same in both")
    if isinstance(asked, (PairedPulse, Growth)) and asked.window[1] <= asked.window[0]:
        raise ValueError(f"{path}.window: ends at {asked.window[1] * 1e3:g} ms; allowed: after its start")


def _check_course(culture: LivingCulture, path: str, asked: Course, steps: Mapping[str, Single]) -> None:
    whole_steps(culture, f"{path}.bin", asked.bin)
    n_bins = asked.window / asked.bin
    if round(n_bins) < 1 or abs(n_bins - round(n_bins)) > 1e-6:
        raise ValueError(
            f"{path}.window: {asked.window * 1e3:g} ms; allowed: a whole number of bins of {asked.bin * 1e3:g} ms"
        )
    every = min(step.every for name in asked.course if isinstance(step := steps[name], Probe))
    if asked.window > every + 1e-9:
        raise ValueError(
            f"{path}.window: {asked.window * 1e3:g} ms; allowed: at most every, {every * 1e3:g} ms, of its steps"
        )
