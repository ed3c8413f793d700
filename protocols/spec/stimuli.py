"""The ``stimuli:`` section: which electrodes are stimulated, and how."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from protocols.spec.quantity import Rate, Time
from protocols.spec.section import Section

NonNegativeTime = Annotated[Time, Field(ge=0, le=1e6)]
PositiveTime = Annotated[Time, Field(ge=1e-6, le=1e6)]
PositiveRate = Annotated[Rate, Field(ge=1e-3, le=1e6)]


def _pairs(electrodes: Any) -> Any:
    """Convert a drawing of the array (one line per row, ``#`` for a stimulated electrode) to (row, column) pairs."""
    if not isinstance(electrodes, str):
        return electrodes
    rows = electrodes.split()
    if set("".join(rows)) - set("#."):
        raise ValueError("may hold only '#' (stimulated) and '.' (silent), one line a row of the array")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("must draw rows of equal length")
    return [(r, c) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark == "#"]


#: (row, column) pairs, or a drawing
Electrodes = Annotated[tuple[tuple[int, int], ...], BeforeValidator(_pairs), Field(min_length=1)]


class RegularTrain(Section):
    """Pulses at equal intervals, the first at the onset."""

    encoder: Literal["regular"]
    rate: PositiveRate


class PoissonTrain(Section):
    """A pulse with probability rate x dt in every time step."""

    encoder: Literal["poisson"]
    rate: PositiveRate


class IntervalTrain(Section):
    """Intervals drawn from a Poisson distribution of mean 1 / rate, in whole steps, at least one (Lagani 2021)."""

    encoder: Literal["interval"]
    rate: PositiveRate


class SpikeList(Section):
    """Explicit pulse times after the onset, the same on every electrode of the stimulus."""

    encoder: Literal["spikes"]
    times: tuple[NonNegativeTime, ...]


Train = Annotated[RegularTrain | PoissonTrain | IntervalTrain | SpikeList, Field(discriminator="encoder")]


class Stimulus(Section):
    """A train of pulses on some electrodes, within a presentation."""

    electrodes: Electrodes
    train: Train
    onset: NonNegativeTime = 0.0
    duration: PositiveTime
