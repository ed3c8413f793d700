"""The ``measure:`` section: named measures over named steps of the timeline."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from protocols.spec.dish.measures import Measures
from protocols.spec.evoked import Name
from protocols.spec.quantity import Time
from protocols.spec.section import Section

Window = tuple[Annotated[Time, Field(ge=0, le=1e3)], Annotated[Time, Field(gt=0, le=1e3)]]


class Panel(Section):
    """Spontaneous activity of a step: rates, bursts, network bursts, synchrony, avalanches.

    Parameters
    ----------
    panel
        Name of the step.
    definitions
        Of the measures.
    """

    panel: Name
    definitions: Measures = Measures()


class EvokedSpikes(Section):
    """Spikes of the electrodes after each pulse of probing steps, without those that the pulse caused directly.

    Parameters
    ----------
    evoked
        Step, or steps.
    windows
        By name, each from and to (after the pulse); spikes are counted per electrode and pulse, less those of an
        equally long stretch before the pulse.
    """

    evoked: Annotated[tuple[Name, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]
    windows: dict[Name, Window] = Field(default_factory=lambda: {"early": (1e-3, 50e-3), "late": (50e-3, 300e-3)})

    @model_validator(mode="after")
    def _ordered(self) -> "EvokedSpikes":
        for name, (first, last) in self.windows.items():
            if last <= first:
                raise ValueError(f"windows.{name}: ends at {last * 1e3:g} ms; allowed: after {first * 1e3:g} ms")
        return self


class PairedPulse(Section):
    """Ratio of the second response to the first, of a step with pairs of pulses.

    Parameters
    ----------
    paired_pulse
        Name of the step.
    window
        Stretch after each pulse in which spikes are counted.
    """

    paired_pulse: Name
    window: Window = (1e-3, 30e-3)


class Growth(Section):
    """Ratio of the responses to each pattern in one step to those in an earlier step.

    Parameters
    ----------
    growth
        The earlier and the later step, both with probes of the same patterns.
    window
        Stretch after each pulse in which spikes are counted.
    """

    growth: tuple[Name, Name]
    window: Window = (1e-3, 50e-3)


KINDS: dict[str, type[Section]] = {
    "panel": Panel,
    "evoked": EvokedSpikes,
    "paired_pulse": PairedPulse,
    "growth": Growth,
}


def _kind(measure: Any) -> str | None:
    if isinstance(measure, Section):
        return next(f"{key} measure" for key, kind in KINDS.items() if isinstance(measure, kind))
    return next((f"{key} measure" for key in KINDS if key in measure), None) if isinstance(measure, Mapping) else None


def _known(measure: Any) -> Any:
    if _kind(measure) is None:
        given = f"keys {', '.join(map(str, measure))}; " if isinstance(measure, Mapping) and measure else "no measure; "
        raise ValueError(f"{given}allowed: a mapping with one of {', '.join(KINDS)}")
    return measure


Asked = Annotated[
    Annotated[Panel, Tag("panel measure")]
    | Annotated[EvokedSpikes, Tag("evoked measure")]
    | Annotated[PairedPulse, Tag("paired_pulse measure")]
    | Annotated[Growth, Tag("growth measure")],
    Discriminator(_kind),
    BeforeValidator(_known),
]


def steps_of(measure: Panel | EvokedSpikes | PairedPulse | Growth) -> tuple[str, ...]:
    """Names of the steps that a measure reads."""
    match measure:
        case Panel(panel=step) | PairedPulse(paired_pulse=step):
            return (step,)
        case EvokedSpikes(evoked=steps) | Growth(growth=steps):
            return steps
    raise TypeError(type(measure))
