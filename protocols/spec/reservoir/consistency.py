"""Consistency checks of a protocol with a reservoir: patterns against the array, windows against the times."""

from collections import Counter

from protocols.spec.array import Array
from protocols.spec.consistency import at_most_one_pulse_a_step, check_classes, inside_array, whole_steps
from protocols.spec.data import Data
from protocols.spec.dish.consistency import MOST_PULSES, MOST_STEPS
from protocols.spec.dish.living import LivingCulture
from protocols.spec.faults import listed
from protocols.spec.reservoir.layout import classes, pixels, placed
from protocols.spec.reservoir.patterns import ClockDigits, Grid, Images, OwnClasses, Patterns, Xor
from protocols.spec.reservoir.section import Reservoir

LEAST_UNITS = 10  # of an echo state network; the spectral radius of smaller sparse ones may be zero


def check_reservoir(culture: LivingCulture, data: Data | None, reservoir: Reservoir) -> None:
    """Check that patterns lie on the array, windows between stimuli, and controls fit the culture."""
    if not isinstance(culture.array, Array):
        raise ValueError("culture.array: a probe; allowed: rows and columns (patterns lie on a grid)")
    if culture.stimulation is None:
        raise ValueError("culture.stimulation: null; allowed: a mapping (a reservoir is stimulated)")
    if data is None and isinstance(reservoir.patterns, Images):
        raise ValueError("data: null; allowed: a section with the images that reservoir.patterns.images presents")
    if data is not None and not isinstance(reservoir.patterns, Images):
        raise ValueError("data: given; allowed: null, unless reservoir.patterns is images")
    if data is not None:
        check_classes(data)
    _check_patterns(culture.array, culture, data, reservoir)
    _check_times(culture, reservoir)
    _check_trials(culture, reservoir)
    _check_controls(culture, reservoir)


def _check_patterns(array: Array, culture: LivingCulture, data: Data | None, reservoir: Reservoir) -> None:
    patterns = reservoir.patterns
    if isinstance(patterns, Images) and data is not None:
        _check_fits(patterns, data.size, array, "data.size")
        shown = pixels(patterns, data.size, array)
        inside_array(culture, f"reservoir.patterns (images of {data.size[0]} x {data.size[1]})", shown)
        used = len(shown)
    else:
        used = _check_placed(patterns, array, culture)
    if reservoir.response.electrodes == "unstimulated" and used >= array.n_electrodes:
        raise ValueError(
            "reservoir.response.electrodes: unstimulated, but the patterns stimulate all; allowed: all, or an array "
            "with more electrodes than the patterns need"
        )


def _check_placed(patterns: Patterns, array: Array, culture: LivingCulture) -> int:
    """Check patterns that are no images; returns the number of electrodes that they stimulate."""
    if isinstance(patterns, ClockDigits) and patterns.size[0] % 2 == 0:
        raise ValueError(f"reservoir.patterns.size: {patterns.size[0]} rows; allowed: an odd number of rows")
    if isinstance(patterns, ClockDigits):
        _check_fits(patterns, patterns.size, array, "reservoir.patterns.size")
    if isinstance(patterns, OwnClasses):
        for name, drawings in patterns.classes.items():
            for places in drawings:
                inside_array(culture, f"reservoir.patterns.classes.{name}", places)
    elif isinstance(patterns, Xor):
        for number, places in enumerate(patterns.xor, start=1):
            inside_array(culture, f"reservoir.patterns.xor.{number}", places)
        if shared := set(patterns.xor[0]) & set(patterns.xor[1]):
            raise ValueError(f"reservoir.patterns.xor: both sets have {min(shared)}; allowed: no common electrode")
    names, members = classes(patterns, array), placed(patterns, array)
    for one in members:
        inside_array(culture, f"reservoir.patterns ({names[one.truth]})", tuple(one.places))
    n_same = Counter(frozenset(one.places) for one in members)
    if twice := next((places for places, n in n_same.items() if n > 1), None):
        who = ", ".join(names[one.truth] for one in members if frozenset(one.places) == twice)
        raise ValueError(f"reservoir.patterns: the same electrodes twice ({who}); allowed: different patterns")
    if len(names) < 2:
        raise ValueError(f"reservoir.patterns: {len(names)} class; allowed: at least 2")
    return len({place for one in members for place in one.places})


def _check_fits(grid: Grid, size: tuple[int, int], array: Array, path: str) -> None:
    """Check that a pattern of rows and columns is no larger than the array."""
    rows, columns = ((n - 1) * grid.stride + 1 for n in size)
    if (grid.row or 0) + rows > array.rows or (grid.column or 0) + columns > array.columns:
        centred = grid.row is None and grid.column is None
        where = "" if centred else f" from row {grid.row or 0}, column {grid.column or 0} on"
        raise ValueError(
            f"{path}: {size[0]} x {size[1]} points take {rows} x {columns} electrodes{where}; "
            f"allowed: what fits onto the array of {array.rows} x {array.columns}"
        )


def _check_times(culture: LivingCulture, reservoir: Reservoir) -> None:
    stimulus, every = reservoir.stimulus, reservoir.every
    for key in ("every", "settling"):
        whole_steps(culture, f"reservoir.{key}", getattr(reservoir, key))
    pause = reservoir.sessions.pause
    whole_steps(culture, "reservoir.sessions.pause", pause)
    if reservoir.sessions.count > 1 and pause < every - 1e-9:
        raise ValueError(f"reservoir.sessions.pause: {pause:g} s; allowed: at least every, {every:g} s")
    at_most_one_pulse_a_step(culture, "reservoir.stimulus.rate", stimulus.rate)
    length = (stimulus.pulses - 1) / stimulus.rate
    if length >= every:
        given = f"{length * 1e3:g} ms in all"
        raise ValueError(f"reservoir.stimulus.pulses: {given}; allowed: less than every, {every * 1e3:g} ms")
    for name, (first, last) in reservoir.response.windows.items():
        path = f"reservoir.response.windows.{name}"
        for edge in (first, last):
            whole_steps(culture, path, edge, at_least=0)
        if last <= first:
            raise ValueError(f"{path}: ends at {last * 1e3:g} ms; allowed: after {first * 1e3:g} ms, its start")
        if last > every + 1e-9:
            raise ValueError(
                f"{path}: ends at {last * 1e3:g} ms, when the next trial has begun: training and test trials would "
                f"share spikes; allowed: at most every, {every * 1e3:g} ms"
            )

    longest = max(last for _, last in reservoir.response.windows.values())
    if longest > reservoir.settling + 1e-9 and "before" in reservoir.controls:
        raise ValueError(f"reservoir.settling: {reservoir.settling:g} s; allowed: at least the windows, {longest:g} s")


def _check_trials(culture: LivingCulture, reservoir: Reservoir) -> None:
    images, folds = isinstance(reservoir.patterns, Images), reservoir.readout.folds
    if images and (reservoir.sessions.count > 1 or reservoir.trials != Reservoir.model_fields["trials"].default):
        raise ValueError("reservoir.trials, sessions: given; allowed: none of them with images, each is shown once")
    if images and reservoir.memory:
        raise ValueError(f"reservoir.memory: {reservoir.memory}; allowed: 0 with images")
    if images:
        return
    members = placed(reservoir.patterns, culture.array)  # type: ignore[arg-type]
    n = Counter(one.truth for one in members)
    fewest, trials = min(n.values()) * reservoir.trials, len(members) * reservoir.trials
    if fewest < folds or fewest - -(-fewest // folds) < 2:
        raise ValueError(
            f"reservoir.trials: {reservoir.trials}, so that a class has {fewest} in a session; allowed: so many that "
            f"each of the {folds} folds (reservoir.readout.folds) tests one and learns from two"
        )
    if reservoir.memory and trials - reservoir.memory < (enough := 4 * folds * len(n)):
        raise ValueError(
            f"reservoir.memory: {reservoir.memory}; allowed: so few that {enough} of the {trials} trials of a session "
            "have as many before them"
        )
    seconds = reservoir.settling + reservoir.sessions.count * (trials * reservoir.every + reservoir.sessions.pause)
    if (steps := seconds / culture.simulation.dt) > MOST_STEPS:
        raise ValueError(f"reservoir.trials: {steps:.3g} time steps in all; allowed: {MOST_STEPS:.3g}")
    shown = sum(len(one.places) for one in members) * reservoir.trials * reservoir.sessions.count
    if (pulses := shown * reservoir.stimulus.pulses) > MOST_PULSES:
        raise ValueError(f"reservoir.trials: {pulses:.3g} pulses; allowed: {MOST_PULSES:.3g}")


def _check_controls(culture: LivingCulture, reservoir: Reservoir) -> None:
    controls = reservoir.controls
    if len(set(controls)) < len(controls):
        raise ValueError(f"reservoir.controls: one is listed twice; given {listed(controls)}")
    changes = reservoir.plastic or reservoir.sessions.plastic
    if "without_plasticity" in controls and not changes:
        raise ValueError(
            "reservoir.controls: without_plasticity; allowed: only with reservoir.plastic or sessions.plastic"
        )
    if changes and culture.plasticity is None:
        raise ValueError("reservoir: plastic; allowed: only where culture.plasticity is given")
    if (needing := {"shuffled", "unconnected", "lif"} & set(controls)) and culture.synapses is None:
        raise ValueError(f"reservoir.controls: {min(needing)}; allowed: only where the culture has synapses")
    features = culture.array.n_electrodes * len(reservoir.response.windows)
    if "echo_state" in controls and features < LEAST_UNITS:
        raise ValueError(
            f"reservoir.controls: echo_state, with {features} features; allowed: {LEAST_UNITS} or more, its units"
        )
