"""How recordings from files are measured: the panel's definitions, evoked responses, spike detection in raw traces."""

from typing import Annotated

from pydantic import Field, model_validator

from protocols.spec.culture import PositiveTime
from protocols.spec.dish.asked import Window
from protocols.spec.dish.measures import Measures
from protocols.spec.quantity import Rate, Time
from protocols.spec.section import Section


class EvokedWindows(Section):
    """Spikes after the stimuli of a recording, in windows from the stimulus.

    A stimulus counts for a window if no other one comes before the window ends.

    Parameters
    ----------
    blank
        Time after a stimulus in which nothing counts: the artefact.
    direct, early, late
        Each from and to: spikes that the pulse itself causes, and those that reach a unit through synapses.
    baseline
        Time before a stimulus whose rate is taken off.
    bin
        Width of a bin of the peristimulus time histogram.
    """

    blank: Annotated[Time, Field(ge=0, le=1)] = 0.0
    direct: Window = (0.0, 10e-3)
    early: Window = (10e-3, 50e-3)
    late: Window = (50e-3, 300e-3)
    baseline: PositiveTime = 0.3
    bin: PositiveTime = 5e-3

    @model_validator(mode="after")
    def _ordered(self) -> "EvokedWindows":
        for name in ("direct", "early", "late"):
            first, last = getattr(self, name)
            if last <= max(first, self.blank):
                raise ValueError(
                    f"{name}: ends at {last * 1e3:g} ms; allowed: after its start and blank, "
                    f"{max(first, self.blank) * 1e3:g} ms"
                )
        return self


class Detection(Section):
    """Spikes in raw traces: negative peaks beyond a multiple of the noise (Quian Quiroga et al. 2004).

    Each channel is filtered (Butterworth, forwards and backwards). Its noise is the median of the magnitude over
    0.6745, the standard deviation of Gaussian noise.

    Parameters
    ----------
    threshold
        In standard deviations of the noise.
    low, high
        Corners of the band that is kept.
    order
        Of the filter.
    dead_time
        The lowest peak of a channel within this time is the spike; no other one of the channel is nearer to it.
    """

    threshold: Annotated[float, Field(gt=0, le=100)] = 5.0
    low: Annotated[Rate, Field(gt=0, le=1e5)] = 300.0
    high: Annotated[Rate, Field(gt=0, le=1e5)] = 3000.0
    order: Annotated[int, Field(ge=1, le=8, strict=True)] = 3
    dead_time: PositiveTime = 1e-3

    @model_validator(mode="after")
    def _ordered(self) -> "Detection":
        if self.high <= self.low:
            raise ValueError(f"high: {self.high:g} Hz; allowed: more than low, {self.low:g} Hz")
        return self


class RecordingMeasures(Measures):
    """Definitions for recordings: those of the panel, of evoked responses, and of detection in raw traces."""

    evoked: EvokedWindows = EvokedWindows()
    detection: Detection = Detection()
