"""An experiment on one culture, as files hold it: spikes of the electrodes, steps, stimulation pulses, provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains, Stimuli
from protocols.plan.loops import NO_EVENTS, Events


class Steps(NamedTuple):
    """Steps of the experiment, in order; `start`, `stop`: in ticks. Shapes (n_steps,)."""

    name: np.ndarray
    start: np.ndarray
    stop: np.ndarray


class Pulses(NamedTuple):
    """Stimulation pulses, in order of time; shapes (n_pulses,).

    `at`: ticks from the start; `pattern`, `step`: names; `trial`: of the pattern in the step, from 0; `turn`: number
    within the trial, from 0; `amplitude_A`; `width_s`: of a phase; `electrodes`: their numbers, an array a pulse.
    """

    at: np.ndarray
    pattern: np.ndarray
    step: np.ndarray
    trial: np.ndarray
    turn: np.ndarray
    amplitude_A: np.ndarray
    width_s: np.ndarray
    electrodes: list[np.ndarray]


class Subject(NamedTuple):
    """The culture that a simulated one stands for; `age`: days in vitro (ISO 8601), ``P1D/`` where it is not known."""

    species: str
    region: str
    age: str


#: what the living model stands for: cortex and hippocampus of Charlesworth et al. 2015, to which it was fitted
MOUSE = Subject("Mus musculus", "Cerebrum", "P21D")
#: what the model in phases stands for: Ruaro et al. 2005
RAT = Subject("Rattus norvegicus", "hippocampus", "P1D/")


@dataclass(frozen=True, eq=False)
class Experiment:
    """Spikes that electrodes heard of one culture while a timeline was carried out.

    Parameters
    ----------
    tick_s
        Resolution of all times (s); times are whole ticks, so that files give them back exactly.
    n_ticks
        Length.
    spike : int, shape (n_spikes,)
        Tick of each spike, ascending.
    electrode : int, shape (n_spikes,)
    positions : shape (n_electrodes, 2)
        Of the electrodes (m).
    steps, pulses
        What was done.
    metadata
        Of the recordings: protocol, seed.
    protocol
        The resolved protocol, YAML.
    provenance
        Code version and the like.
    whole
        Whether all of it is one recording; otherwise each step is one.
    subject
        The kind of culture.
    events
        What the controller of a closed loop noted, in ticks.
    ticks : int, shape (n_ticks_of_the_loop,)
        Ends of a closed loop's turns, in ticks of `tick_s`.
    """

    tick_s: float
    n_ticks: int
    spike: np.ndarray
    electrode: np.ndarray
    positions: np.ndarray
    steps: Steps
    pulses: Pulses
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)
    protocol: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)
    whole: bool = False
    subject: Subject = MOUSE
    events: Events = NO_EVENTS
    ticks: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of_seconds(
        cls,
        tick_s: float,
        duration_s: float,
        trains: Sequence[np.ndarray],
        positions: np.ndarray,
        steps: tuple[np.ndarray, np.ndarray, np.ndarray],
        stimuli: tuple[np.ndarray, np.ndarray, np.ndarray],
        metadata: Mapping[str, str | int | float],
        whole: bool,
    ) -> Self:
        """From what a file holds, to measure it: times in seconds become ticks again.

        `trains`: of each electrode; `steps`: names, starts and stops; `stimuli`: onsets, patterns and steps.
        """

        def ticks(times: np.ndarray) -> np.ndarray:
            return np.rint(np.asarray(times, float) / tick_s).astype(np.int64)

        spike = ticks(np.concatenate([*trains, np.zeros(0)]))
        electrode = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
        order = np.lexsort((electrode, spike))
        onset, pattern, step = (np.asarray(values) for values in stimuli)
        by_time = np.argsort(onset, kind="stable")
        nothing = np.zeros(len(onset))
        pulses = Pulses(
            ticks(onset)[by_time],
            pattern.astype(np.str_)[by_time],
            step.astype(np.str_)[by_time],
            *(nothing.astype(np.int64), nothing.astype(np.int64), nothing * np.nan, nothing * np.nan),
            [np.zeros(0, np.int64)] * len(onset),
        )
        name, start, stop = steps
        return cls(
            tick_s,
            int(ticks(np.array(duration_s))),
            spike[order],
            electrode[order],
            positions,
            Steps(np.asarray(name, np.str_), ticks(start), ticks(stop)),
            pulses,
            metadata,
            whole=whole,
        )

    @property
    def facts(self) -> dict[str, object]:
        """What files hold of it besides spikes, steps and stimulation, so that `of_seconds` can make it again."""
        return {
            "tick_s": self.tick_s,
            "duration_s": self.duration_s,
            "whole": self.whole,
            "recording": dict(self.metadata),
        }

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_ticks * self.tick_s

    @property
    def trains(self) -> list[np.ndarray]:
        """Spike times of each electrode (s)."""
        order = np.argsort(self.electrode, kind="stable")
        cuts = np.searchsorted(self.electrode[order], np.arange(1, len(self.positions)))
        return np.split(self.spike[order] * self.tick_s, cuts)

    def recordings(self) -> dict[str, SpikeTrains]:
        """A recording for each step, by name; a single one without a name of the `whole`."""
        if self.whole:
            return {"": self._between(0, self.n_ticks, self.metadata)}
        return {
            str(name): self._between(int(start), int(stop), {**self.metadata, "step": str(name)})
            for name, start, stop in zip(*self.steps, strict=True)
        }

    def _between(self, start: int, stop: int, metadata: Mapping[str, str | int | float]) -> SpikeTrains:
        first, last = np.searchsorted(self.spike, [start, stop])
        stimulated = (self.pulses.at >= start) & (self.pulses.at < stop)
        stimuli = None
        if stimulated.any():
            pattern, step = self.pulses.pattern[stimulated], self.pulses.step[stimulated]
            named = np.char.add(np.char.add(pattern, " "), step) if self.whole else pattern
            stimuli = Stimuli((self.pulses.at[stimulated] - start) * self.tick_s, named)
        return SpikeTrains(
            (self.spike[first:last] - start) * self.tick_s,
            self.electrode[first:last],
            len(self.positions),
            float(stop - start) * self.tick_s,
            self.positions,
            dict(metadata),
            stimuli,
        )
