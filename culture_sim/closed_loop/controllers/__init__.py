"""Controllers of closed loops: the interface, and the controller that a section of a protocol describes."""

from typing import Protocol

from culture_sim.closed_loop.controllers.idle import IdleController
from culture_sim.closed_loop.controllers.own import own
from culture_sim.closed_loop.controllers.pong import PongController
from culture_sim.closed_loop.controllers.rate_control import RateController
from culture_sim.closed_loop.dish import Dish, Tick
from protocols.spec.dish.loops import BurstSuppression, Code, Idle, LiveProgram, Pong, RateClamp
from protocols.spec.dish.loops import Controller as ControllerSpec
from protocols.spec.protocol import DishProtocol


class Controller(Protocol):
    """Decides at every tick what is done to a dish."""

    def tick(self, tick: Tick) -> None:
        """Look at the spikes since the last tick, and stimulate."""


def built(spec: ControllerSpec, dish: Dish, protocol: DishProtocol) -> Controller:
    """The controller of a section, for a dish.

    Raises
    ------
    ValueError
        If it is a program outside of the protocol, or the user's class cannot be used.
    """
    patterns = protocol.patterns
    match spec:
        case Idle():
            return IdleController()
        case BurstSuppression() | RateClamp():
            return RateController(spec, dish, patterns[spec.pattern])
        case Pong():
            return PongController(spec, dish, *(patterns[name] for name in (spec.sensory, spec.up, spec.down)))
        case Code():
            return own(spec, dish)
        case LiveProgram():
            raise ValueError("a program outside of the protocol carried this step out: it cannot be run again")
    raise TypeError(type(spec))
