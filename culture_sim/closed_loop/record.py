"""What was done to a dish and what it did, tick by tick, in memory until the session ends."""

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from culture_sim.closed_loop.advanced import Advanced
from culture_sim.closed_loop.schedule import Pulse


class Record:
    """All of a session. Steps are those of the culture's life.

    A call of each method adds all or nothing, so that an interruption at any moment leaves a record that is whole.
    """

    def __init__(self) -> None:
        self.spikes: list[Advanced] = []
        self.pulses: list[Pulse] = []
        self.events: list[tuple[int, str, float]] = []
        self.ticks = array("q")  # step at which each tick ends
        self.late = array("d")  # s; how late it was handed out
        self.overhead = array("d")  # s; of a tick beyond the simulation: frames, pipes, arrays, this record
        self.controller = array("d")  # s; from handing it out to asking for the next

    def arrays(self, first: int, last: int) -> dict[str, np.ndarray]:
        """What was done, by path; steps are counted from `first`; pulses at `last` or later did not happen.

        ``stimuli/step``, ``electrode``, ``amplitude_A``, ``width_s``, ``label``: pulses, one row an electrode;
        ``events/step``, ``name``, ``value``: notes of the controller; ``ticks/step``: ends of the ticks.
        """
        pulses = [pulse for pulse in self.pulses if pulse.step < last]
        events = [event for event in self.events if event[0] <= last]
        return {
            "stimuli/step": np.array([pulse.step - first for pulse in pulses], np.int64),
            "stimuli/electrode": np.array([pulse.electrode for pulse in pulses], np.int64),
            "stimuli/amplitude_A": np.array([pulse.amplitude_A for pulse in pulses], float),
            "stimuli/width_s": np.array([pulse.width_s for pulse in pulses], float),
            "stimuli/label": np.array([pulse.label for pulse in pulses], np.str_),
            "events/step": np.array([step - first for step, _, _ in events], np.int64),
            "events/name": np.array([name for _, name, _ in events], np.str_),
            "events/value": np.array([value for _, _, value in events], float),
            "ticks/step": np.array(self.ticks, np.int64) - first,
        }

    def all_spikes(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Neuron, step from `first`, and whether a pulse caused it, of every spike before `last`."""
        neuron = np.concatenate([*(spikes.neuron for spikes in self.spikes), np.zeros(0, np.int32)]).astype(np.int32)
        step = np.concatenate([*(spikes.step for spikes in self.spikes), np.zeros(0, np.int32)]).astype(np.int32)
        direct = np.concatenate([*(spikes.direct for spikes in self.spikes), np.zeros(0, bool)])
        before = step < last - first
        return neuron[before], step[before], direct[before]

    def timing(self, period_s: float) -> Mapping[str, Any]:
        """How punctual the ticks were, for the provenance; times in milliseconds."""
        slow = np.array(self.controller) > period_s
        return {
            "ticks": len(self.ticks),
            "late_ms": _spread(self.late),
            "overhead_ms": _spread(self.overhead),
            "controller_ms": _spread(self.controller),
            "slow_controller_ticks": int(slow.sum()),
        }


def _spread(seconds: array) -> dict[str, float] | None:
    """Median, 99th percentile and maximum, in milliseconds."""
    if not len(seconds):
        return None
    median, p99 = np.percentile(seconds, [50, 99]).tolist()
    return {"median": round(median * 1e3, 4), "p99": round(p99 * 1e3, 4), "most": round(max(seconds) * 1e3, 4)}
