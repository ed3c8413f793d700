"""The ``phases:``, ``evoked:`` and ``record:`` sections: stimulus presentations and measurement of evoked responses."""

from typing import Annotated, Literal

from pydantic import Field

from protocols.spec.culture import PositiveTime
from protocols.spec.section import Section

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=100)]
Count = Annotated[int, Field(ge=1, le=10**6, strict=True)]


class Phase(Section):
    """Presentations of one or more stimuli.

    `interleaved` presents A B A B, `blocked` A A B B, `shuffled` a random order. Learning happens only in `plastic`
    phases. After every presentation the weights are normalised and the state is reset. The pause between two
    presentations is therefore not simulated; `every` (the time from one to the next) only documents it.
    """

    name: Name
    present: Annotated[tuple[Name, ...], Field(min_length=1)]
    repetitions: Count = 1
    order: Literal["interleaved", "blocked", "shuffled"] = "interleaved"
    window: PositiveTime
    every: PositiveTime | None = None
    plastic: bool = False


class Evoked(Section):
    """Measurement of evoked responses: the leaky spike count, averaged over windows that start at stimulus onset.

    Parameters
    ----------
    windows
        For each probing phase, the averaging window of its published mean. Every window is applied to every phase.
    scale
        Factor from leaky spikes per neuron to the published unit.
    calibrate_on
        If the published unit is unknown: the metric whose published value fixes the scale.
    """

    windows: dict[Name, PositiveTime]
    scale: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    calibrate_on: str | None = None


class Record(Section):
    """Data saved from a run in addition to its metrics."""

    spikes: Literal["units", "all", "none"] = "units"
    weights: bool = False
