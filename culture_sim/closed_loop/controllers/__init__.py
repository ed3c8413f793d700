"""Controllers of closed loops: the interface, and the controller that a section of a protocol describes."""

from typing import Protocol

from culture_sim.closed_loop.controllers.idle import IdleController
from culture_sim.closed_loop.dish import Dish, Tick
from protocols.spec.dish.loops import Controller as ControllerSpec
from protocols.spec.dish.loops import Idle, LiveProgram
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
        Of a program outside of the protocol.
    """
    match spec:
        case Idle():
            return IdleController()
        case LiveProgram():
            raise ValueError("a program outside of the protocol carried this step out: it cannot be run again")
    raise TypeError(type(spec))
