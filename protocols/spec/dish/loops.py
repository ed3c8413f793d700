"""Controllers of closed loops: what a ``loop:`` step hands the spikes of every tick to."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from protocols.spec.culture import PositiveTime
from protocols.spec.evoked import Name
from protocols.spec.nets.architecture import Argument, Factory
from protocols.spec.quantity import Rate, Time
from protocols.spec.section import Section

PositiveRate = Annotated[Rate, Field(gt=0, le=1e4)]
Number = Annotated[float, Field(ge=0, le=1e6)]
Share = Annotated[float, Field(gt=0, le=1)]


class Idle(Section):
    """Does nothing: the step is a rest, tick by tick."""

    controller: Literal["idle"]


class RateControl(Section):
    """Electrodes in random order, each tick as many at once as a feedback on the firing rate asks for.

    Parameters
    ----------
    pattern
        Whose electrodes, amplitude and width.
    target
        Set point of the rate, per electrode of the array.
    average
        Time constant of the running average of the rate.
    gain
        Change of the number of electrodes a tick, per second and per Hz that the rate is off its set point.
    start
        Number of electrodes a tick at first.
    least, most
        Bounds of that number.
    """

    pattern: Name
    target: PositiveRate
    average: PositiveTime = 1.0
    gain: Number = 5.0
    start: Number = 10.0
    least: Number = 4.0
    most: Annotated[float, Field(gt=0, le=1e4)] = 16.0


class BurstSuppression(RateControl):
    """Distributed stimulation holds down the spikes that it does not cause directly (Wagenaar et al. 2005).

    The more spikes there are besides those in the first moments after a pulse, the more electrodes are stimulated:
    fast stimulation of all keeps synapses depleted and cells adapted, so that bursts do not start. (J Neurosci 25:680
    found that it is fast, distributed, fine-tuned stimulation that controls bursts.)

    Parameters
    ----------
    blank
        Time after a pulse in which spikes do not count: the directly caused ones, and what an artefact would hide.
    """

    controller: Literal["burst_suppression"]
    target: PositiveRate = 0.15
    blank: Annotated[Time, Field(ge=0, le=1)] = 1e-3


class RateClamp(RateControl):
    """Distributed stimulation holds the firing rate up at a set point: the fewer spikes, the more electrodes."""

    controller: Literal["rate_clamp"]
    target: PositiveRate = 5.0
    start: Number = 0.0
    least: Number = 0.0


class Pong(Section):
    """A game of pong (Kagan et al. 2022, Neuron 110:3952).

    The ball flies in a square of side 1 and bounces off its walls; at the left side the culture has a paddle. The place
    of the ball along that side chooses one of the sensory electrodes, its distance the rate of the pulses. The paddle
    moves towards the side whose motor region fires more than usual. After a hit all sensory electrodes get a regular
    train, after a miss sensory electrodes get pulses at random places and times, and the ball starts anew.

    Parameters
    ----------
    sensory
        Pattern whose electrodes, in order, code the place of the ball.
    up, down
        Patterns whose electrodes' spikes move the paddle; they are not stimulated.
    far, near
        Rate of the pulses when the ball is at the far side, and at the paddle.
    speed
        Of the ball: sides a second.
    paddle
        Length of the paddle.
    paddle_speed
        Sides a second.
    average
        Time constant of the running average that a motor region's rate is compared with.
    window
        Time constant of the rate itself.
    feedback
        ``stimulus``: as above. ``none``: no stimulus after a hit or a miss, and the same pause. ``shuffled``: after
        each, the stimulus of one that is drawn from all outcomes so far.
    hit_length, hit_rate
        Of the train after a hit.
    miss_length, miss_rate
        Of the random pulses after a miss: how long, and pulses a second.
    """

    controller: Literal["pong"]
    sensory: Name = "sensory"
    up: Name = "up"
    down: Name = "down"
    far: PositiveRate = 4.0
    near: PositiveRate = 40.0
    speed: Annotated[float, Field(gt=0, le=100)] = 0.5
    paddle: Share = 0.3
    paddle_speed: Annotated[float, Field(gt=0, le=100)] = 1.0
    average: PositiveTime = 10.0
    window: PositiveTime = 0.1
    feedback: Literal["stimulus", "none", "shuffled"] = "stimulus"
    hit_length: PositiveTime = 0.1
    hit_rate: PositiveRate = 100.0
    miss_length: PositiveTime = 4.0
    miss_rate: PositiveRate = 5.0


class Code(Section):
    """A controller of one's own, which runs only with ``--allow-code``.

    Parameters
    ----------
    module
        ``package.module:Class``, found beside the protocol file or on PYTHONPATH. The class is called with the dish
        (`culture_sim.closed_loop.dish.Dish`) and `arguments`; its method ``tick`` gets every tick.
    arguments
        Keyword arguments of the class.
    module_sha256
        Hash of the source of the module's package or file; written by the command, and checked where it is given.
    """

    controller: Literal["code"]
    module: Factory
    arguments: dict[str, Argument] = Field(default_factory=dict)
    module_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class LiveProgram(Section):
    """A program outside of the protocol (`culture_sim.live`): recorded in a finished run, and cannot be run again."""

    controller: Literal["live"]


Controller = Annotated[Idle | BurstSuppression | RateClamp | Pong | Code | LiveProgram, Discriminator("controller")]


def patterns_used(controller: Controller) -> tuple[str, ...]:
    """Names of the patterns that a controller refers to."""
    match controller:
        case RateControl(pattern=name):
            return (name,)
        case Pong(sensory=sensory, up=up, down=down):
            return (sensory, up, down)
    return ()
