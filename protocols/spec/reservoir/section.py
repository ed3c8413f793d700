"""The ``reservoir:`` section: stimuli, trials, what is read of the responses and how, beside which controls."""

from typing import Annotated, Literal

from pydantic import Field

from protocols.spec.dish.asked import Window
from protocols.spec.dish.timeline import StepTime
from protocols.spec.evoked import Name
from protocols.spec.quantity import Current, Length, Rate, Time
from protocols.spec.reservoir.patterns import Patterns
from protocols.spec.section import Section

Some = Annotated[int, Field(ge=1, le=10**6, strict=True)]

#: controls without a simulation of their own; those with one; artificial reservoirs
FROM_RESPONSES = ("pattern", "stimulated", "before")
CULTURES = ("shuffled", "unconnected", "without_plasticity")
ARTIFICIAL = ("echo_state", "lif")
Control = Literal[
    "pattern", "stimulated", "before", "shuffled", "unconnected", "without_plasticity", "echo_state", "lif"
]


def _default_windows() -> dict[str, tuple[float, float]]:
    return {"first": (2e-3, 5e-3), "second": (5e-3, 12e-3), "third": (12e-3, 20e-3)}


class StimulusPulses(Section):
    """What each electrode of a pattern gives: current pulses (cathodic phase), all electrodes at the same time.

    Parameters
    ----------
    amplitude, width
        Current (magnitude) and width of a pulse.
    pulses, rate
        Pulses of a stimulus, and their rate if there are several.
    noise
        Probability that an electrode of the pattern stays silent; on average as many others are stimulated in its
        place. Drawn anew for each trial.
    """

    amplitude: Annotated[Current, Field(ge=1e-9, le=1e-2)] = 60e-6
    width: Annotated[Time, Field(ge=1e-6, le=1e-1)] = 200e-6
    pulses: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    rate: Annotated[Rate, Field(ge=1e-3, le=1e6)] = 100.0
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0


class Sessions(Section):
    """Sessions of trials with a pause between them, in which the response to a pattern may drift.

    Parameters
    ----------
    count
        Number of sessions; the readout of the first is tested on all later ones.
    pause
        From the last trial of a session to the first of the next.
    plastic
        Whether synapses change in the pauses.
    """

    count: Annotated[int, Field(ge=1, le=100, strict=True)] = 1
    pause: StepTime = 60.0
    plastic: bool = False


class Response(Section):
    """What is read of the response to a stimulus: the features of the readout.

    Spikes that a pulse caused directly, without a synapse, are left out, as a lab blanks the artefact.

    Parameters
    ----------
    features
        Of each electrode and window. ``counts``: spikes; ``latency``: time from the window's start to the first
        spike, its length where there is none; ``trace``: the spikes, each weighted by exp(-t / `decay`), t before the
        end of the window.
    windows
        By name, each from and to (after the stimulus, which begins at its first pulse).
    decay
        Time constant of the trace.
    within
        An electrode hears the spikes of all cells nearer than this.
    electrodes
        ``all``, or only those that no pattern stimulates (``unstimulated``).
    """

    features: Literal["counts", "latency", "trace"] = "counts"
    windows: Annotated[dict[Name, Window], Field(min_length=1)] = Field(default_factory=_default_windows)
    decay: Annotated[Time, Field(ge=1e-4, le=10)] = 20e-3
    within: Annotated[Length, Field(ge=1e-6, le=1e-2)] = 100e-6
    electrodes: Literal["all", "unstimulated"] = "all"


class Readout(Section):
    """Linear classifier of the features, which are standardised; of counts and traces, their square roots.

    Parameters
    ----------
    kind
        ``ridge``: regression on the classes, its L2 penalty chosen by the training trials, left out one at a time;
        ``logistic``: logistic regression, chosen by threefold cross-validation within them; ``perceptron``:
        Rosenblatt's rule, one against the rest, without a penalty, as published.
    folds
        Of the cross-validation over trials: each trial is tested once, by a readout that learned from the others.
        Images have training and test images instead.
    """

    kind: Literal["ridge", "logistic", "perceptron"] = "ridge"
    folds: Annotated[int, Field(ge=2, le=100, strict=True)] = 5


class Reservoir(Section):
    """A culture as a reservoir: patterns are presented in random order, and read from the evoked responses.

    Parameters
    ----------
    trials
        Of each pattern, in each session; images are presented once.
    every
        From one stimulus to the next.
    settling
        Before the first stimulus.
    plastic
        Whether synapses change during the trials.
    memory
        Number of earlier trials whose class is read, too, from the response to the present one: fading memory.
    controls
        The same readout on something else. ``pattern``: the currents of the electrodes themselves; ``stimulated``:
        electrodes that some pattern stimulates; ``before``: equally long windows before the stimulus; ``shuffled``: a
        culture whose synapses have random targets; ``unconnected``: without synapses; ``without_plasticity``;
        ``echo_state``: an echo state network (Jaeger 2001) with as many units as there are features; ``lif``: as many
        integrate-and-fire neurons as the culture has, with random wiring, without adaptation and depression.
    budget
        Settings of the artificial reservoirs that are tried; in each fold, the best on its validation trials is tested.
    """

    patterns: Patterns
    stimulus: StimulusPulses = StimulusPulses()
    trials: Some = 30
    every: StepTime = 1.0
    settling: StepTime = 10.0
    plastic: bool = False
    sessions: Sessions = Sessions()
    response: Response = Response()
    readout: Readout = Readout()
    memory: Annotated[int, Field(ge=0, le=100, strict=True)] = 0
    controls: tuple[Control, ...] = ("pattern", "before")
    budget: Annotated[int, Field(ge=1, le=1000, strict=True)] = 8
