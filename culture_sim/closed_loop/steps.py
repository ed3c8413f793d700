"""Closed loops of a timeline: a controller decides, tick by tick, what is done to the culture."""

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from culture_sim.closed_loop.controllers import built
from culture_sim.closed_loop.dish import Dish
from culture_sim.closed_loop.engine import opened
from culture_sim.closed_loop.record import Record
from culture_sim.living import LivingCulture, LivingRecording, LivingSession, LivingState
from protocols.plan.dish import DishPlan
from protocols.runs.run_directory import Run
from protocols.spec.dish.loops import LiveProgram
from protocols.spec.dish.timeline import Loop, unrolled
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol

SLOW = 0.01  # share of the ticks in which a controller may take longer than the tick, before it is said


#: Carries a step out; called with the state and a progress callback; returns the recording, and more to keep of it.
CarryOut = Callable[[LivingState, Callable[[int, int], None]], tuple[LivingRecording, dict[str, np.ndarray]]]


class OwnStretch(NamedTuple):
    """Steps `first` to before `last` of a session that something else than its plan decides on: a closed loop."""

    first: int
    last: int
    carry_out: CarryOut


def own_stretches(
    protocol: DishProtocol, plan: DishPlan, culture: LivingCulture, device: str, seed: int, run: Run
) -> list[OwnStretch]:
    """The closed loops of a timeline, to be carried out in one piece each; `run`: keeps what a failed one recorded."""
    found = []
    for (name, step), row in zip(unrolled(protocol.timeline), plan.steps, strict=True):
        if isinstance(step, Loop):
            carry_out = _ClosedLoop(protocol, name, step, culture, device, seed, run).carry_out
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


@dataclass(frozen=True, eq=False)
class _ClosedLoop:
    """A step with its controller, for one culture."""

    protocol: DishProtocol
    name: str
    step: Loop
    culture: LivingCulture
    device: str
    seed: int
    run: Run

    def carry_out(
        self, state: LivingState, progress: Callable[[int, int], None]
    ) -> tuple[LivingRecording, dict[str, np.ndarray]]:
        """As `CarryOut`.

        Raises
        ------
        RuntimeError
            If the controller or the simulator fails; what was recorded until then is kept as a part of the run.
        """
        first, n_steps = state.step, self.culture.spec.steps(self.step.duration)
        plastic = np.array([[first, first + n_steps]] if self.step.plastic else np.zeros((0, 2)), np.int64)
        with opened(self.culture, state, self.device) as engine:
            within, stream_name = self.protocol.record.within, f"loop/{self.name}"
            dish = Dish(self.culture, engine, first, within, plastic, self.seed, stream_name)
            try:
                self._play(dish, n_steps, progress)
                after = engine.state()
            except RuntimeError as error:
                raise RuntimeError(f"timeline.{self.name}: {error} ({self._kept(dish)})") from error
            except BaseException:  # interrupted
                self._kept(dish)
                raise
        _say_if_slow(self.name, dish, 1 / self.step.rate)
        session = LivingSession(n_steps, plastic=plastic - first)
        recording = LivingRecording(dish.dt, session, *dish.record.all_spikes(first, dish.step), after)
        return recording, dish.record.arrays(0, dish.step)

    def _play(self, dish: Dish, n_steps: int, progress: Callable[[int, int], None]) -> None:
        first = dish.step
        try:
            controller = built(self.step.loop, dish, self.protocol)
            for tick in dish.loop(self.step.rate, self.step.duration):
                try:
                    controller.tick(tick)
                except RuntimeError as error:  # of the controller, not of the simulator
                    raise _failed(error, dish) from error
                progress(dish.step - first, n_steps)
        except RuntimeError:
            raise
        except Exception as error:
            raise _failed(error, dish) from error

    def _kept(self, dish: Dish) -> str:
        """Keep what was recorded until now; says where."""
        part = f"seed_{self.seed}_ended_{self.name}"
        names = ("neuron", "step", "direct")
        spikes = zip(names, dish.record.all_spikes(dish.first, dish.step), strict=True)
        self.run.save_part(part, {f"spikes/{key}": values for key, values in spikes} | dish.record.arrays(0, dish.step))
        return f"what was recorded of this step: {self.run.partial / part}.npz"


def _failed(error: Exception, dish: Dish) -> RuntimeError:
    """An error of a controller in one line: time, the line of code, what was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return RuntimeError(f"the controller failed at {dish.time:g} s ({where}): {said}")


def _say_if_slow(name: str, dish: Dish, period_s: float) -> None:
    timing = dish.record.timing(period_s)
    if timing["slow_controller_ticks"] > SLOW * timing["ticks"]:
        print(
            f"timeline.{name}: the controller took longer than a tick ({period_s * 1e3:g} ms) in "
            f"{timing['slow_controller_ticks']} of {timing['ticks']} ticks, "
            f"{timing['controller_ms']['most']:.0f} ms at most",
            file=sys.stderr,
        )
