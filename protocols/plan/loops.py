"""What a closed loop did, from the arrays of a run: pulses with their electrodes, step by step of the timeline."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from protocols.plan.dish import DishPlan


class LoopPulse(NamedTuple):
    """A pulse on some electrodes at the same time.

    `at`: time step from the start of the experiment; `step`: name of the step; `trial`: of the label in it, from 0.
    """

    at: int
    step: str
    label: str
    trial: int
    amplitude_A: float
    width_s: float
    electrodes: np.ndarray


class Events(NamedTuple):
    """What a controller noted, in order of time; shapes (n_events,).

    `at`: time step from the start of the experiment; `value`: NaN where there is none.
    """

    at: np.ndarray
    name: np.ndarray
    value: np.ndarray


NO_EVENTS = Events(np.zeros(0, np.int64), np.zeros(0, "U1"), np.zeros(0))


def loop_pulses(plan: DishPlan, arrays: Mapping[str, np.ndarray], seed: int) -> list[LoopPulse]:
    """The pulses of the closed loops of one seed, in order of time; none where the timeline has no loop."""
    if f"seed_{seed}/stimuli/step" not in arrays or not len(arrays[f"seed_{seed}/stimuli/step"]):
        return []
    names = ("step", "label", "amplitude_A", "width_s")
    at, label, amplitude, width = (arrays[f"seed_{seed}/stimuli/{name}"] for name in names)
    electrode = arrays[f"seed_{seed}/stimuli/electrode"]
    _, kind = np.unique(label, return_inverse=True)
    order = np.lexsort((electrode, width, amplitude, kind, at))
    key = np.column_stack([at, kind, amplitude, width])[order]
    changes = np.flatnonzero(np.any(np.diff(key, axis=0) != 0, axis=1)) + 1
    step_of = np.searchsorted(plan.steps["start"], at, "right") - 1
    trials: dict[tuple[str, str], int] = {}
    found = []
    for rows in np.split(order, changes):
        k = rows[0]
        named = plan.names[step_of[k]], str(label[k])
        trials[named] = trials.get(named, -1) + 1
        found.append(
            LoopPulse(int(at[k]), *named, trials[named], float(amplitude[k]), float(width[k]), electrode[rows])
        )
    return found


def events(arrays: Mapping[str, np.ndarray], seed: int) -> Events:
    """The events of the closed loops of one seed."""
    return events_of(arrays, f"seed_{seed}/")


def events_of(arrays: Mapping[str, np.ndarray], prefix: str) -> Events:
    """The events in arrays whose names begin with `prefix`."""
    if f"{prefix}events/step" not in arrays:
        return NO_EVENTS
    return Events(*(arrays[f"{prefix}events/{name}"] for name in ("step", "name", "value")))


def ticks(arrays: Mapping[str, np.ndarray], seed: int) -> np.ndarray:
    """Time steps at which the ticks of the closed loops of one seed end."""
    return arrays.get(f"seed_{seed}/ticks/step", np.zeros(0, np.int64))
