"""Measure closed loops: ``python -m culture_sim.bench --live``.

A tick's overhead is its time less that of the simulation and of the controller: frames, pipes, arrays, the record.
Paced by the clock, a tick is late by the time from when it was due to when it is handed out.
"""

import time
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from culture_sim.bench.living import spec
from culture_sim.closed_loop.dish import Dish, Tick
from culture_sim.closed_loop.engine import opened
from culture_sim.closed_loop.pace import Pace
from culture_sim.living import LivingCulture, LivingState

WITHIN = 60e-6  # m; an electrode hears cells nearer than this
MANY = 5  # spikes in a tick that the reacting controller answers


@dataclass(frozen=True)
class Measurement:
    """One loop; `wall_s`: of all ticks; `overhead_s`, `late_s`: of each tick, shape (n_ticks,)."""

    neurons: int
    rate_hz: float
    pace: Pace
    reacts: bool
    simulated_s: float
    wall_s: float
    computing_s: float
    overhead_s: np.ndarray
    late_s: np.ndarray
    spikes: int
    pulses: int


def measure(count: int, rate_hz: float, seconds: float, pace: Pace = "fast", *, reacts: bool = False) -> Measurement:
    """Measure one loop of the default culture, from rest; the controller does nothing, or answers many spikes."""
    culture = LivingCulture.grow(spec(count, 40, "float64", False), 0)
    with opened(culture, LivingState.at_rest(culture), "cpp") as engine:
        dish = Dish(culture, engine, 0, WITHIN, np.zeros((0, 2), np.int64))
        started, heard = time.perf_counter(), 0
        for tick in dish.loop(rate_hz, seconds, pace):
            heard += len(tick.spikes.time)
            if reacts:
                _answer(dish, tick)
        wall_s = time.perf_counter() - started
    record = dish.record
    return Measurement(
        *(count, rate_hz, pace, reacts, seconds, wall_s, dish.computing_s),
        *(np.array(record.overhead), np.array(record.late)),
        *(heard, len(record.pulses)),
    )


def _answer(dish: Dish, tick: Tick) -> None:
    if len(tick.spikes.electrode) >= MANY:
        dish.stimulate(int(tick.spikes.electrode[0]))


def table(measurements: list[Measurement]) -> Table:
    """The measurements as a table."""
    shown = Table(
        *("neurons", "ticks", "Hz", "pace", "controller", "s in all", "s simulation"),
        *("overhead, us: median", "p99", "most", "late, ms: p99", "most", "spikes heard", "pulses"),
        box=box.SIMPLE_HEAD,
    )
    for m in measurements:
        paced = m.pace == "realtime"
        shown.add_row(
            f"{m.neurons}",
            f"{len(m.overhead_s)}",
            f"{m.rate_hz:g}",
            m.pace,
            "reacts" if m.reacts else "idle",
            f"{m.wall_s:.2f}",
            f"{m.computing_s:.2f}",
            *(f"{1e6 * np.quantile(m.overhead_s, q):.0f}" for q in (0.5, 0.99, 1)),
            *(f"{1e3 * np.quantile(m.late_s, q):.2f}" if paced else "" for q in (0.99, 1)),
            f"{m.spikes}",
            f"{m.pulses}",
        )
    return shown


def bench(console: Console, full: bool) -> None:
    """Measure 10,000 ticks at 1 kHz, and with `full` also a minute paced by the clock."""
    rows = [measure(count, 1000, 10, reacts=reacts) for count in (240, 1000) for reacts in (False, True)]
    if full:
        rows.append(measure(1000, 100, 60, "realtime"))
    console.print(table(rows))
    console.print(
        "s in all: wall time of all ticks. overhead: of a tick, besides simulation and controller. late: from when a "
        "paced tick was due to when it was handed out."
    )
