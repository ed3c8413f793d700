"""Expand a timeline of steps into plain tables: when each step begins and ends, and every stimulation pulse."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from protocols.spec.dish.timeline import Pair, Probe, Single, Train, duration, unrolled
from protocols.spec.protocol import DishProtocol

#: time courses around pulses: from and to (s from the pulse), width of a bin
COURSE = (-0.05, 0.3)
COURSE_BIN = 0.005
STEP = np.dtype([("start", np.int64), ("stop", np.int64), ("plastic", np.bool_)])
PULSE = np.dtype(
    [
        ("step", np.int32),
        ("trial", np.int32),
        ("pattern", np.int32),
        ("turn", np.int32),
        ("at", np.int64),
    ]
)


@dataclass(frozen=True)
class DishPlan:
    """A timeline in time steps of the simulation, from the start of the experiment.

    Parameters
    ----------
    names, patterns
        Names of steps and patterns; the tables refer to them by index.
    steps : structured array, shape (n_steps,)
        ``start``, ``stop`` (one past the last), ``plastic``.
    pulses : structured array, shape (n_pulses,)
        One row a pulse of a pattern, in order of time: ``step``; ``trial`` (of this pattern in this step, from 0);
        ``pattern``; ``turn`` (number within its train or pair, from 0); ``at``.
    """

    names: tuple[str, ...]
    patterns: tuple[str, ...]
    steps: np.ndarray
    pulses: np.ndarray

    @property
    def n_steps(self) -> int:
        """Time steps of the whole experiment."""
        return int(self.steps["stop"][-1])

    def pulses_of(self, step: str, pattern: str, turn: int = 0) -> np.ndarray:
        """Times of a pattern's pulses in a step (time steps from the start of the experiment), shape (n_trials,)."""
        rows = self.pulses[
            (self.pulses["step"] == self.names.index(step))
            & (self.pulses["pattern"] == self.patterns.index(pattern))
            & (self.pulses["turn"] == turn)
        ]
        return rows["at"]


def expand_dish(protocol: DishProtocol) -> DishPlan:
    """Expand a checked protocol."""
    dt, patterns = protocol.culture.simulation.dt, tuple(protocol.patterns)
    names, steps, pulses = [], [], []
    start = 0.0
    for index, (name, step) in enumerate(unrolled(protocol.timeline)):
        names.append(name)
        steps.append((round(start / dt), round((start + duration(step)) / dt), step.plastic))
        pulses += [
            (index, trial, patterns.index(pattern), turn, round((start + at) / dt))
            for at, pattern, trial, turn in _pulses(step)
        ]
        start += duration(step)
    return DishPlan(tuple(names), patterns, np.array(steps, STEP), np.array(pulses, PULSE))


def _pulses(step: Single) -> list[tuple[float, str, int, int]]:
    """Pulses of one step: time from its start (s), pattern, trial, turn."""
    match step:
        case Probe(probe=patterns, repetitions=n, every=every):
            order = [(pattern, trial) for trial in range(n) for pattern in patterns]
            return [(k * every, pattern, trial, 0) for k, (pattern, trial) in enumerate(order)]
        case Train(train=pattern, repetitions=n, every=every, pulses=pulses, rate=rate):
            return [(k * every + turn / rate, pattern, k, turn) for k in range(n) for turn in range(pulses)]
        case Pair(pair=patterns, interval=interval, repetitions=n, every=every):
            both = (patterns[0], patterns[-1])
            return [(k * every + turn * interval, both[turn], k, turn) for k in range(n) for turn in range(2)]
    return []


class ElectrodePulses(NamedTuple):
    """Every pulse of every electrode, in order of time; shapes (n_pulses,)."""

    step: np.ndarray
    electrode: np.ndarray
    amplitude_A: np.ndarray
    width_s: np.ndarray


def electrode_pulses(protocol: DishProtocol, plan: DishPlan) -> ElectrodePulses:
    """The pulses of the plan, one row an electrode."""
    rows = []
    for pulse in plan.pulses:
        pattern = protocol.patterns[plan.patterns[pulse["pattern"]]]
        rows += [
            (int(pulse["at"]), electrode, pattern.amplitude, pattern.width)
            for electrode in protocol.culture.array.numbers(pattern.electrodes)
        ]
    at, electrode, amplitude, width = zip(*rows, strict=True) if rows else ((), (), (), ())
    return ElectrodePulses(
        np.array(at, np.int64), np.array(electrode, np.int64), np.array(amplitude, float), np.array(width, float)
    )
