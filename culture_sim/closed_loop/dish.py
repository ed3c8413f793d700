"""A dish in a closed loop: what a controller sees of it, and what it can do to it."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from culture_sim.closed_loop.engine import Engine
from culture_sim.closed_loop.pace import Clock, Pace
from culture_sim.closed_loop.record import Record
from culture_sim.closed_loop.schedule import NONE, Pulse, Schedule
from culture_sim.living import LivingCulture
from culture_sim.living.session import MOST_STEPS
from culture_sim.model.electrodes import each_hearing, neurons_within
from protocols.spec.array import Array
from protocols.spec.quantity import parse
from protocols.spec.random_streams import stream

#: what electrodes are called: a number, (row, column), or the id of a probe's contact
Place = int | tuple[int, int] | str


class Spikes(NamedTuple):
    """Spikes that electrodes hear, in order of time, once for each electrode that hears them; shapes (n_spikes,).

    `time`: in seconds of the dish's life.
    """

    electrode: np.ndarray
    time: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """One turn of a loop.

    Parameters
    ----------
    index
        From 0.
    time
        At its end, in seconds of the dish's life.
    spikes
        Since the last tick.
    late_s
        How long after it was due it is handed out; 0 unless the loop is paced by the clock.
    """

    index: int
    time: float
    spikes: Spikes
    late_s: float


class Dish:
    """A living culture that waits between ticks.

    Parameters
    ----------
    culture, engine
        The culture, and the engine that simulates it.
    step
        Time steps of its life so far.
    within
        An electrode hears the spikes of all cells nearer than this (m).
    plastic : int, shape (n_intervals, 2)
        Intervals of steps in which synapses learn, unless `learning` says otherwise.
    seed
        Of `rng`.
    stream_name
        Random stream of `rng`.
    """

    def __init__(
        self,
        culture: LivingCulture,
        engine: Engine,
        step: int,
        within: float,
        plastic: np.ndarray,
        seed: int = 0,
        stream_name: str = "loop",
    ) -> None:
        self.culture, self.first, self.step = culture, step, step
        self.record, self.schedule = Record(), Schedule(culture)
        #: whether synapses learn; None: when the protocol says so
        self.learning: bool | None = None
        #: random numbers for a controller, the same for the same seed
        self.rng = np.random.default_rng(stream(stream_name, seed))
        self.dt: float = culture.spec.simulation.dt
        self.computing_s = 0.0  # of the simulation so far
        self._engine, self._plastic = engine, plastic
        self._reached = neurons_within(within, culture.electrodes, culture.positions).tocsc()

    @property
    def time(self) -> float:
        """Seconds of the dish's life so far."""
        return self.step * self.dt

    @property
    def n_electrodes(self) -> int:
        """Number of electrodes."""
        return len(self.culture.electrodes)

    @property
    def positions(self) -> np.ndarray:
        """Positions of the electrodes in metres, shape (n_electrodes, 2)."""
        return self.culture.electrodes.copy()

    def loop(self, rate_hz: float = 100.0, seconds: float | None = None, pace: Pace = "fast") -> Iterator[Tick]:
        """Ticks, one after the other: each is simulated, then handed out; stimuli act from the next time step on.

        Parameters
        ----------
        rate_hz
            Ticks per second of the dish's life; a tick is a whole number of time steps.
        seconds
            Length; None: until the caller leaves the loop.
        pace
            ``"fast"``: as fast as it can. ``"realtime"``: not before the clock says so.

        Raises
        ------
        ValueError
            If the rate, the length or the pace is not allowed.
        RuntimeError
            If the simulator fails or was killed.
        """
        n_steps = self._steps_of_a_tick(rate_hz)
        n_ticks = math.inf if seconds is None else self._ticks(seconds, rate_hz)
        return self._ticking(n_steps, n_ticks, Clock(n_steps * self.dt, pace))

    def stimulate(
        self,
        electrodes: Place | Sequence[Place] | np.ndarray,
        amplitude: str | float = "20 uA",
        width: str | float = "200 us",
        at: str | float | None = None,
        label: str = "stimulus",
    ) -> None:
        """Give a current pulse on some electrodes, all at the same time.

        Parameters
        ----------
        electrodes
            One or more: numbers, (row, column) pairs of a grid, or ids of a probe's contacts.
        amplitude
            Current of the cathodic phase (magnitude): ``"20 uA"``, or a number of amperes.
        width
            Width of that phase: ``"200 us"``, or a number of seconds.
        at
            When, in seconds of the dish's life (``"1.5 s"``, or a number); None: in the next time step.
        label
            A name for the record.

        Raises
        ------
        ValueError
            If there is no such electrode, or a value is not allowed.
        """
        if self.culture.spec.stimulation is None:
            raise ValueError("stimulate: a pulse; allowed: none, the culture has stimulation: null")
        numbers = self.numbers(electrodes)
        current = _quantity("amplitude", amplitude, "A", "20 uA", 1e-9, 1e-2)
        length = _quantity("width", width, "s", "200 us", 1e-6, 1e-1)
        step = self.step
        if at is not None:
            moment = _quantity("at", at, "s", "1.5 s", 0.0, MOST_STEPS * self.dt)
            step = round(moment / self.dt)
            if step < self.step:
                raise ValueError(f"at: {moment:g} s; allowed: from {self.time:g} s on, which is now")
        for number in numbers:
            self.schedule.add(Pulse(step, number, current, length, str(label)))

    def note(self, name: str, value: float = math.nan) -> None:
        """Note an event at this time in the record, with a number if it has one."""
        self.record.events.append((self.step, str(name), float(value)))

    def numbers(self, electrodes: Place | Sequence[Place] | np.ndarray) -> list[int]:
        """Numbers of electrodes.

        Raises
        ------
        ValueError
            If there is no such electrode.
        """
        alone = isinstance(electrodes, (int, np.integer, str)) or _is_place(electrodes)
        given: Sequence[Any] = [electrodes] if alone else electrodes  # type: ignore[assignment]
        array = self.culture.spec.array
        found = []
        for place in given:
            if isinstance(place, (int, np.integer)) and not isinstance(place, bool):
                if not 0 <= place < self.n_electrodes:
                    raise ValueError(f"electrode {place}; allowed: 0 to {self.n_electrodes - 1}")
                found.append(int(place))
            elif isinstance(array, Array):
                if not _is_place(place) or tuple(place) not in array.places:
                    raise ValueError(
                        f"electrode {place}; allowed: a number, or the (row, column) of an electrode in "
                        f"{array.rows} rows and {array.columns} columns (both count from 0)"
                    )
                found.append(array.places[tuple(place)])
            else:
                if place not in {contact.id for contact in array.contacts}:
                    raise ValueError(f"electrode {place}; allowed: the number or the id of a contact of the probe")
                found += array.numbers([place])
        return found

    def advance(self, n_steps: int) -> Spikes:
        """Simulate so many time steps; the spikes that electrodes heard.

        Raises
        ------
        RuntimeError
            If the simulator fails or was killed.
        """
        if self.step + n_steps > MOST_STEPS:
            raise RuntimeError(f"the dish has lived {self.step} time steps; allowed: {MOST_STEPS}")
        heard = []
        for n, learns in self._stretches(n_steps):
            pulses = self.schedule.until(self.step + n)
            advanced = self._engine.advance(n, *self.schedule.hits(pulses, self.step), learns)
            self.record.pulses += pulses
            if len(advanced.neuron):
                self.record.spikes.append(advanced)
                heard.append(advanced)
            self.step += n
            self.computing_s += advanced.computing_s
        return self._heard(heard)

    def _heard(self, stretches: list[Any]) -> Spikes:
        if not stretches:
            return NO_SPIKES
        neuron, step = stretches[0][:2]
        if len(stretches) > 1:
            neuron, step = (np.concatenate([stretch[k] for stretch in stretches]) for k in range(2))
        spike, electrode = each_hearing(self._reached, neuron)
        return Spikes(electrode, (step[spike] + self.first) * self.dt)

    def _stretches(self, n_steps: int) -> Iterator[tuple[int, bool]]:
        """Parts of the next steps in which synapses learn, or do not."""
        if self.learning is not None or not len(self._plastic):
            yield n_steps, bool(self.learning)
            return
        last = self.step + n_steps
        edges = self._plastic.ravel()
        for stop in [*edges[(edges > self.step) & (edges < last)].tolist(), last]:
            yield stop - self.step, bool(np.searchsorted(edges, self.step, "right") % 2)

    def _ticking(self, n_steps: int, n_ticks: float, clock: Clock) -> Iterator[Tick]:
        record, index = self.record, 0
        while index < n_ticks:
            began, computed = time.perf_counter(), self.computing_s
            spikes = self.advance(n_steps)
            record.overhead.append(time.perf_counter() - began - self.computing_s + computed)
            late = clock.wait(index)
            record.ticks.append(self.step)
            record.late.append(late)
            began = time.perf_counter()
            try:
                yield Tick(index, self.time, spikes, late)
            finally:
                record.controller.append(time.perf_counter() - began)
            index += 1

    def _steps_of_a_tick(self, rate_hz: float) -> int:
        steps = 1 / (rate_hz * self.dt) if rate_hz > 0 else 0.0
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-6 * steps:
            raise ValueError(
                f"rate_hz: {rate_hz:g}; allowed: at most {1 / self.dt:g}, a whole number of time steps "
                f"({self.dt * 1e3:g} ms) from tick to tick"
            )
        return round(steps)

    def _ticks(self, seconds: float, rate_hz: float) -> int:
        if not 0 < seconds * rate_hz < math.inf or round(seconds * rate_hz) < 1:
            raise ValueError(f"seconds: {seconds:g}; allowed: at least one tick, {1 / rate_hz:g} s")
        return round(seconds * rate_hz)


def _is_place(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and all(isinstance(k, (int, np.integer)) for k in given)


def _quantity(name: str, given: str | float, unit: str, example: str, least: float, most: float) -> float:
    """A quantity as text with a unit, or as a number in SI."""
    try:
        value = parse(given, unit, example) if isinstance(given, str) else float(given)
    except ValueError as error:
        raise ValueError(f"{name}: '{given}' {error}") from None
    if not least <= value <= most:
        raise ValueError(f"{name}: {value:g} {unit}; allowed: {least:g} to {most:g} {unit}")
    return value


NO_SPIKES = Spikes(NONE, np.zeros(0))
