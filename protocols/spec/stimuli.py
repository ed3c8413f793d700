"""The ``stimuli:`` section: which electrodes are stimulated, and how."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator

from protocols.spec.quantity import Rate, Time
from protocols.spec.section import Section

NonNegativeTime = Annotated[Time, Field(ge=0, le=1e6)]
PositiveTime = Annotated[Time, Field(ge=1e-6, le=1e6)]
PositiveRate = Annotated[Rate, Field(ge=1e-3, le=1e6)]


class Drawing(tuple[tuple[int, int], ...]):
    """(row, column) pairs of the electrodes that a drawing of the array marks; `lines`: the drawing itself."""

    lines: tuple[str, ...]


def drawn_lines(drawing: str, marks: str, meaning: str) -> tuple[str, ...]:
    """Lines of a drawing of the array, one a row, equally long and of these marks only.

    Raises
    ------
    ValueError
        Naming the first line that is wrong; lines count from 1.
    """
    lines = tuple(drawing.split())
    for number, line in enumerate(lines, start=1):
        if unknown := set(line) - set(marks):
            raise ValueError(f"line {number} of the drawing has '{min(unknown)}'; allowed: {meaning}")
        if len(line) != len(lines[0]):
            raise ValueError(
                f"line {number} of the drawing has {len(line)} marks, line 1 has {len(lines[0])}; "
                "allowed: lines of equal length"
            )
    return lines


def _read(electrodes: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    """Convert a drawing of the array (one line per row, ``#`` for a stimulated electrode) to (row, column) pairs."""
    if not isinstance(electrodes, str):
        return validated(electrodes)
    lines = drawn_lines(electrodes, "#.", "'#' (stimulated) and '.' (silent), one line a row of the array")
    drawing = Drawing(validated([(r, c) for r, line in enumerate(lines) for c, mark in enumerate(line) if mark == "#"]))
    drawing.lines = lines
    return drawing


def _written(electrodes: Any) -> Any:
    """The drawing that was read, or the pairs."""
    return "\n".join(electrodes.lines) + "\n" if isinstance(electrodes, Drawing) else electrodes


#: (row, column) pairs, which count from 0, or a drawing
Electrodes = Annotated[
    tuple[tuple[int, int], ...], WrapValidator(_read), Field(min_length=1), PlainSerializer(_written)
]


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
