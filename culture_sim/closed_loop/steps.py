"""Closed loops of a timeline: a controller decides, tick by tick, what is done to the culture."""

import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from culture_sim.closed_loop.controllers import built
from culture_sim.closed_loop.dish import Dish
from culture_sim.closed_loop.engine import opened
from culture_sim.closed_loop.record import Record
from culture_sim.living import LivingCulture, LivingRecording, LivingSession, LivingState
from protocols.plan.dish import DishPlan
from protocols.spec.dish.loops import LiveProgram
from protocols.spec.dish.timeline import Loop, unrolled
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol

Result = TypeVar("Result")
SLOW = 0.01  # share of the ticks in which a controller may take longer than the tick, before it is said


#: Carries a step out; called with the state and a progress callback; returns the recording, and more to keep of it.
CarryOut = Callable[[LivingState, Callable[[int, int], None]], tuple[LivingRecording, dict[str, np.ndarray]]]


class OwnStretch(NamedTuple):
    """Steps `first` to before `last` of a session that something else than its plan decides on: a closed loop."""

    first: int
    last: int
    carry_out: CarryOut


def own_stretches(
    protocol: DishProtocol, plan: DishPlan, culture: LivingCulture, device: str, seed: int
) -> list[OwnStretch]:
    """The closed loops of a timeline, to be carried out in one piece each."""
    found = []
    for (name, step), row in zip(unrolled(protocol.timeline), plan.steps, strict=True):
        if isinstance(step, Loop):
            carry_out = functools.partial(_carry_out, protocol, name, step, culture, device, seed)
            found.append(OwnStretch(int(row["start"]), int(row["stop"]), carry_out))
    return found


def check(protocol: DishProtocol) -> None:
    """Refuse a step that a program outside of the protocol carried out.

    Raises
    ------
    ProtocolFault
        If there is one.
    """
    for name, step in unrolled(protocol.timeline):
        if isinstance(step, Loop) and isinstance(step.loop, LiveProgram):
            raise ProtocolFault(
                [
                    f"timeline.{name}.loop.controller: live, a program outside of the protocol; "
                    "allowed: a controller, to run it again"
                ]
            )


def nothing() -> dict[str, np.ndarray]:
    """What an open-loop stretch adds to the record of closed loops."""
    return Record().arrays(0, 0)


def _carry_out(
    protocol: DishProtocol,
    name: str,
    step: Loop,
    culture: LivingCulture,
    device: str,
    seed: int,
    state: LivingState,
    progress: Callable[[int, int], None],
) -> tuple[LivingRecording, dict[str, np.ndarray]]:
    first, n_steps = state.step, culture.spec.steps(step.duration)
    last = first + n_steps
    plastic = np.array([[first, last]] if step.plastic else np.zeros((0, 2)), np.int64)
    with opened(culture, state, device) as engine:
        dish = Dish(culture, engine, first, protocol.record.within, plastic, seed, f"loop/{name}")
        controller = _called(name, dish, lambda: built(step.loop, dish, protocol))
        for tick in dish.loop(step.rate, step.duration):
            _called(name, dish, lambda: controller.tick(tick))  # noqa: B023
            progress(dish.step - first, n_steps)
        after = engine.state()
    _say_if_slow(name, dish, 1 / step.rate)
    neuron, when, direct = dish.record.all_spikes(first, last)
    session = LivingSession(n_steps, plastic=plastic - first)
    recording = LivingRecording(dish.dt, session, neuron, when, direct, after)
    return recording, dish.record.arrays(0, last)


def _called(name: str, dish: Dish, call: Callable[[], Result]) -> Result:
    """Call a controller; whatever it raises becomes one line.

    Raises
    ------
    RuntimeError
        With step, time, error, and the line of code that raised it.
    """
    try:
        return call()
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise RuntimeError(f"timeline.{name}: the controller failed at {dish.time:g} s ({where}): {said}") from error


def _say_if_slow(name: str, dish: Dish, period_s: float) -> None:
    timing = dish.record.timing(period_s)
    if timing["slow_controller_ticks"] > SLOW * timing["ticks"]:
        print(
            f"timeline.{name}: the controller took longer than a tick ({period_s * 1e3:g} ms) in "
            f"{timing['slow_controller_ticks']} of {timing['ticks']} ticks, "
            f"{timing['controller_ms']['most']:.0f} ms at most",
            file=sys.stderr,
        )
