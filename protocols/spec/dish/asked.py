"""The ``measure:`` section: named measures over named steps of the timeline."""

from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from protocols.spec.culture import PositiveTime
from protocols.spec.dish.measures import Measures
from protocols.spec.dish.timeline import ONE_OR_MORE
from protocols.spec.evoked import Name
from protocols.spec.quantity import Length, Rate, Time
from protocols.spec.section import Section, ToldByKey

Window = tuple[Annotated[Time, Field(ge=0, le=1e3)], Annotated[Time, Field(gt=0, le=1e3)]]

Blank = Annotated[Time, Field(ge=0, le=1)]

#: measures of an evoked response besides its windows
BESIDES = ("direct", "latency")


class Panel(Section):
    """Spontaneous activity of a step: rates, bursts, network bursts, synchrony, avalanches.

    Parameters
    ----------
    panel
        Name of the step.
    definitions
        Of the measures.
    blank
        Time after each pulse in which spikes are left out: those that it causes directly, and that an artefact hides.
    """

    panel: Name
    definitions: Measures = Measures()
    blank: Blank = 0.0


class EvokedSpikes(Section):
    """Spikes of the electrodes after each pulse of probing steps, without those that the pulse caused directly.

    Parameters
    ----------
    evoked
        Step, or steps.
    windows
        By name, each from and to (after the pulse); spikes are counted per electrode and pulse, less those of an
        equally long stretch before the pulse. The spikes that the pulse caused (``direct``) and the time to the first
        other spike (``latency``) are measured besides.
    """

    evoked: Annotated[tuple[Name, ...], ONE_OR_MORE]
    windows: dict[Name, Window] = Field(default_factory=lambda: {"early": (1e-3, 50e-3), "late": (50e-3, 300e-3)})

    @model_validator(mode="after")
    def _ordered(self) -> "EvokedSpikes":
        for name, (first, last) in self.windows.items():
            if name in BESIDES:
                raise ValueError(f"windows.{name}: is measured besides; allowed: other names than {', '.join(BESIDES)}")
            if last <= first:
                raise ValueError(f"windows.{name}: ends at {last * 1e3:g} ms; allowed: after {first * 1e3:g} ms")
        return self


class Course(Section):
    """Time course of the leaky spike count after each pulse of probing steps (Ruaro et al. 2005), in bins.

    Each neuron's count is zero before the pulse, grows by one with each spike, also one that the pulse caused directly,
    and decays; the bins are its mean over the neurons that an electrode hears, then over electrodes and pulses.

    Parameters
    ----------
    course
        Step, or steps.
    leak
        Time constant of the decay.
    bin
        Width of a bin.
    window
        Time from the pulse to the end of the last bin.
    """

    course: Annotated[tuple[Name, ...], ONE_OR_MORE]
    leak: PositiveTime = 20e-3
    bin: PositiveTime = 10e-3
    window: PositiveTime = 100e-3

    @property
    def bins(self) -> tuple[str, ...]:
        """Names of the bins: their starts after the pulse."""
        return tuple(f"{k * self.bin * 1e3:g}ms" for k in range(round(self.window / self.bin)))


class PairedPulse(Section):
    """Ratio of the mean second response to the mean first one, of a step with pairs of pulses; culture by culture.

    Parameters
    ----------
    paired_pulse
        Name of the step.
    window
        Stretch after each pulse in which spikes are counted; spontaneous ones are not taken off.
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


class Tiling(Section):
    """Synchrony of pairs of active electrodes: their spike time tiling coefficient (Cutts and Eglen 2014).

    Parameters
    ----------
    dt
        Spikes closer than this count as synchronous.
    active_rate
        Least mean rate at which an electrode counts as active.
    """

    dt: PositiveTime = 0.1
    active_rate: Rate = 0.01


class Sttc(Tiling):
    """Mean synchrony of near and of far pairs of electrodes in a step.

    Parameters
    ----------
    sttc
        Step, or steps.
    near
        Distance of two electrodes up to which they are near. Electrodes that hear the same neurons (`record.within`
        above half their distance) are synchronous for that reason.
    """

    sttc: Annotated[tuple[Name, ...], ONE_OR_MORE]
    near: Length = 300e-6


class Connectivity(Tiling):
    """Change of functional connectivity from one step to another, over pairs of electrodes that are active in both.

    `correlation` of the pairs' coefficients in the two steps (1: the same pattern of connections), their mean `change`,
    and the mean `absolute change`.

    Parameters
    ----------
    connectivity
        The earlier and the later step.
    """

    connectivity: tuple[Name, Name]


class BurstControl(Section):
    """Network bursts of a step against those of another, culture by culture.

    `ratio` of the second rate to the first, both rates, the share of time that bursts take, and the `burstiness` of
    both (Wagenaar et al. 2005): of the seconds of a step, the 15 % with most spikes hold a share f of all spikes (the
    directly caused ones, too); burstiness is (f - 0.15) / 0.85: 0 of steady firing, 1 where these seconds hold all.

    Parameters
    ----------
    burst_control
        The step to compare with, such as a sham stimulation, and the step.
    definitions
        Of network bursts, and of active electrodes.
    blank
        Time after each pulse in which spikes are left out of network bursts.
    """

    burst_control: tuple[Name, Name]
    definitions: Measures = Measures()
    blank: Blank = 1e-3


class Rally(Section):
    """Rallies of pong: hits before each miss, in the first part of a step and in the rest.

    Means over rallies, that of the rest less that of the first part as the `change`; and the share of `hits` of all
    arrivals of the ball.

    Parameters
    ----------
    rally
        Name of the step.
    early
        Length of the first part.
    """

    rally: Name
    early: PositiveTime = 300.0


#: metrics of a measure of rallies
RALLY = ("early", "late", "change", "early hits", "late hits", "hit change", "balls")
#: and of one of burst control
BURST_CONTROL = ("ratio", "first", "second", "first share", "second share", "first burstiness", "second burstiness")

MEASURES = ToldByKey(
    {
        "panel": Panel,
        "evoked": EvokedSpikes,
        "course": Course,
        "paired_pulse": PairedPulse,
        "growth": Growth,
        "sttc": Sttc,
        "connectivity": Connectivity,
        "burst_control": BurstControl,
        "rally": Rally,
    },
    "no measure",
    suffix=" measure",
)

Asked = Annotated[
    Annotated[Panel, Tag("panel measure")]
    | Annotated[EvokedSpikes, Tag("evoked measure")]
    | Annotated[Course, Tag("course measure")]
    | Annotated[PairedPulse, Tag("paired_pulse measure")]
    | Annotated[Growth, Tag("growth measure")]
    | Annotated[Sttc, Tag("sttc measure")]
    | Annotated[Connectivity, Tag("connectivity measure")]
    | Annotated[BurstControl, Tag("burst_control measure")]
    | Annotated[Rally, Tag("rally measure")],
    Discriminator(MEASURES.tag),
    BeforeValidator(MEASURES.known),
]


def steps_of(measure: Asked) -> tuple[str, ...]:
    """Names of the steps that a measure reads."""
    match measure:
        case Panel(panel=step) | PairedPulse(paired_pulse=step) | Rally(rally=step):
            return (step,)
        case EvokedSpikes(evoked=steps) | Course(course=steps) | Growth(growth=steps):
            return steps
        case Sttc(sttc=steps) | Connectivity(connectivity=steps) | BurstControl(burst_control=steps):
            return steps
    raise TypeError(type(measure))
