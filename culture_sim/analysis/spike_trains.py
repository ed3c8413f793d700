"""Spike trains of a recording, real or simulated: the one input of all measures of spontaneous activity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np


class Stimuli(NamedTuple):
    """Stimulation of a recording; shapes (n_stimuli,).

    `time`: onset of each stimulus from the start of the recording (s), ascending; `pattern`: what was stimulated, text.
    """

    time: np.ndarray
    pattern: np.ndarray


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spikes of all units of a recording, in order of time.

    A unit is what the recording tells apart: a sorted neuron, or an electrode.

    Parameters
    ----------
    time
        Time of each spike from the start of the recording (s), ascending, shape (n_spikes,).
    unit
        Unit of each spike, 0 to ``n_units - 1``, shape (n_spikes,).
    n_units
        Number of units, silent ones included.
    duration
        Length of the recording (s).
    positions
        Position of each unit's electrode (m), shape (n_units, 2); None if it is not known.
    metadata
        What the file says of the culture: age, region, and the like, by name.
    stimuli
        Stimulation; None where there is none.
    notes
        What was mended, left out or assumed when the file was read, a sentence each.

    Raises
    ------
    ValueError
        If times are not finite, not ascending, negative or beyond the duration, or a unit is out of range.
    """

    time: np.ndarray
    unit: np.ndarray
    n_units: int
    duration: float
    positions: np.ndarray | None = None
    metadata: dict[str, str | int | float] = field(default_factory=dict)
    stimuli: Stimuli | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not np.isfinite(self.duration) or self.duration <= 0:
            raise ValueError(f"duration: {self.duration:g} s; allowed: more than 0")
        if len(self.time) != len(self.unit):
            raise ValueError(f"{len(self.time)} times for {len(self.unit)} units of spikes; allowed: as many")
        if not np.all(np.isfinite(self.time)):
            raise ValueError(f"{int((~np.isfinite(self.time)).sum())} spike times are not finite; allowed: seconds")
        if np.any(np.diff(self.time) < 0):
            raise ValueError("spike times do not ascend; allowed: sorted times (SpikeTrains.sorted sorts them)")
        if len(self.time) and self.time[0] < 0:
            raise ValueError(f"a spike at {self.time[0]:g} s; allowed: from 0 s, the start of the recording")
        if len(self.time) and self.time[-1] > self.duration:
            raise ValueError(f"a spike at {self.time[-1]:g} s; allowed: up to {self.duration:g} s, the duration")
        if len(self.unit) and not 0 <= self.unit.min() <= self.unit.max() < self.n_units:
            raise ValueError(f"unit {self.unit.max()}; allowed: 0 to {self.n_units - 1}")
        if self.positions is not None and self.positions.shape != (self.n_units, 2):
            raise ValueError(f"positions of shape {self.positions.shape}; allowed: ({self.n_units}, 2)")

    @classmethod
    def sorted(
        cls,
        time: np.ndarray,
        unit: np.ndarray,
        n_units: int,
        duration: float,
        positions: np.ndarray | None = None,
        metadata: Mapping[str, str | int | float] | None = None,
    ) -> "SpikeTrains":
        """Spike trains from spikes in any order."""
        order = np.argsort(time, kind="stable")
        return cls(time[order], np.asarray(unit)[order], n_units, duration, positions, dict(metadata or {}))

    @cached_property
    def trains(self) -> list[np.ndarray]:
        """Spike times of each unit (s)."""
        order = np.argsort(self.unit, kind="stable")
        return np.split(self.time[order], np.searchsorted(self.unit[order], np.arange(1, self.n_units)))

    @cached_property
    def rates(self) -> np.ndarray:
        """Mean firing rate of each unit (Hz), shape (n_units,)."""
        return np.bincount(self.unit, minlength=self.n_units) / self.duration

    def between(self, start: float, stop: float) -> "SpikeTrains":
        """The stretch from `start` to `stop` (s), as a recording that begins at 0 s; without stimulation."""
        inside = (self.time >= start) & (self.time < stop)
        return SpikeTrains(
            *(self.time[inside] - start, self.unit[inside], self.n_units, stop - start, self.positions),
            metadata=self.metadata,
            notes=self.notes,
        )
