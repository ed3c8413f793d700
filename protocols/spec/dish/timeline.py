"""The ``patterns:`` and ``timeline:`` sections: what is done to a living dish, step by step, in continuous time."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidatorFunctionWrapHandler, WrapValidator

from protocols.spec.dish.loops import Controller, patterns_used
from protocols.spec.evoked import Count, Name
from protocols.spec.quantity import Current, Length, Rate, Time
from protocols.spec.section import Section, ToldByKey
from protocols.spec.stimuli import Electrodes

StepTime = Annotated[Time, Field(ge=1e-6, le=1e6)]


def _contact(given: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise ValueError("is no contact; allowed: numbers and ids of contacts, or only [row, column] pairs")
    return given


#: for a list of names: a single name stands for a list of one
ONE_OR_MORE = BeforeValidator(lambda names: (names,) if isinstance(names, str) else names)
#: of a probe: its number or its id
Contact = Annotated[int | str, WrapValidator(_contact)]
Names = Annotated[tuple[Name, ...], Field(min_length=1), ONE_OR_MORE]


def _kind(given: Any) -> str:
    """Contacts are told by the first item of their list: a number or an id, no pair."""
    first = given[0] if isinstance(given, (list, tuple)) and given else None
    return "probe contacts" if isinstance(first, int | str) else "electrode places"


class Pattern(Section):
    """Electrodes that are stimulated at the same time, with one current pulse each.

    Parameters
    ----------
    electrodes
        (row, column) pairs, or a drawing of the array; of a probe, contacts by number (from 0, in the order of the
        file) or by id (in quotes, where it is a number).
    amplitude
        Current of the pulse's cathodic phase (magnitude).
    width
        Width of that phase.
    """

    electrodes: Annotated[
        Annotated[Electrodes, Tag("electrode places")] | Annotated[tuple[Contact, ...], Tag("probe contacts")],
        Discriminator(_kind),
    ]
    amplitude: Annotated[Current, Field(ge=1e-9, le=1e-2)] = 20e-6
    width: Annotated[Time, Field(ge=1e-6, le=1e-1)] = 200e-6


class Rest(Section):
    """Nothing is stimulated for a time."""

    rest: StepTime
    name: Name | None = None
    plastic: bool = False


class Probe(Section):
    """Single pulses of one or more patterns in turn, one every so often, to measure their responses.

    Parameters
    ----------
    probe
        Pattern, or patterns presented in turn.
    repetitions
        Pulses of each pattern.
    every
        Time from one pulse to the next.
    """

    probe: Names
    repetitions: Count = 1
    every: StepTime
    name: Name | None = None
    plastic: bool = False


class Train(Section):
    """Trains of pulses of a pattern, such as a tetanus.

    Parameters
    ----------
    train
        Pattern.
    pulses
        Pulses of each train.
    rate
        Of the pulses within a train.
    repetitions
        Number of trains.
    every
        Time from the start of one train to the start of the next.
    """

    train: Name
    pulses: Count
    rate: Annotated[Rate, Field(ge=1e-3, le=1e6)]
    repetitions: Count = 1
    every: StepTime
    name: Name | None = None
    plastic: bool = True


class Pair(Section):
    """Pairs of pulses, for paired-pulse ratios or to pair two pathways.

    Parameters
    ----------
    pair
        Pattern of both pulses, or of the first and the second.
    interval
        Time from the first pulse to the second.
    repetitions
        Number of pairs.
    every
        Time from the start of one pair to the start of the next.
    """

    pair: Annotated[Names, Field(max_length=2)]
    interval: StepTime
    repetitions: Count = 1
    every: StepTime
    name: Name | None = None
    plastic: bool = False


class Loop(Section):
    """A closed loop: at every tick a controller gets the spikes since the last one, and may stimulate.

    Parameters
    ----------
    loop
        The controller, with its settings.
    duration
        Length of the step.
    rate
        Ticks per second of the culture's time, each a whole number of time steps.
    """

    loop: Controller
    duration: StepTime
    rate: Annotated[Rate, Field(ge=1e-3, le=1e6)] = 100.0
    name: Name | None = None
    plastic: bool = False


class Repeat(Section):
    """Some steps several times over; their names get the number of the round: ``before_1``, ``before_2``."""

    repeat: Count
    steps: Annotated[tuple["Step", ...], Field(min_length=1)]


Single = Rest | Probe | Train | Pair | Loop
STEPS = ToldByKey(
    {"rest": Rest, "probe": Probe, "train": Train, "pair": Pair, "loop": Loop, "repeat": Repeat},
    "is no step",
    suffix=" step",
)

Step = Annotated[
    Annotated[Rest, Tag("rest step")]
    | Annotated[Probe, Tag("probe step")]
    | Annotated[Train, Tag("train step")]
    | Annotated[Pair, Tag("pair step")]
    | Annotated[Loop, Tag("loop step")]
    | Annotated[Repeat, Tag("repeat step")],
    Discriminator(STEPS.tag),
    BeforeValidator(STEPS.known),
]


def unrolled(timeline: Sequence[Any], suffix: str = "") -> Iterator[tuple[str, Single]]:
    """Every step in order with its name: its own, else its kind; repetitions written out."""
    for step in timeline:
        if isinstance(step, Repeat):
            for turn in range(step.repeat):
                yield from unrolled(step.steps, f"{suffix}_{turn + 1}")
        else:
            yield (step.name or str(STEPS.tag(step)).removesuffix(STEPS.suffix)) + suffix, step


def duration(step: Single) -> float:
    """Length of a step (s)."""
    match step:
        case Rest(rest=length):
            return length
        case Probe(probe=patterns, repetitions=n, every=every):
            return len(patterns) * n * every
        case Train(repetitions=n, every=every) | Pair(repetitions=n, every=every):
            return n * every
        case Loop(duration=length):
            return length
    raise TypeError(type(step))


def patterns_of(step: Single) -> tuple[str, ...]:
    """Names of the patterns that a step stimulates."""
    match step:
        case Probe(probe=names) | Pair(pair=names):
            return names
        case Train(train=name):
            return (name,)
        case Loop(loop=controller):
            return patterns_used(controller)
    return ()


class DishRecord(Section):
    """What is recorded and kept of a dish.

    Parameters
    ----------
    within
        An electrode hears the spikes of all cells nearer than this.
    spikes
        Kept spikes: those that electrodes hear (``heard``), or those of all neurons too (``all``).
    """

    within: Annotated[Length, Field(ge=1e-6, le=1e-2)] = 60e-6
    spikes: Literal["heard", "all"] = "heard"
