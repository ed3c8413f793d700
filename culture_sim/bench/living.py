"""Measure the living culture's compiled program: ``python -m culture_sim.bench --living``.

The time of a run is split in two: updates of neurons, measured on the same neurons without synapses, and synaptic
events, the rest. The floor is what the memory allows: an event must at least read its weight and its target, an update
must at least read and write the neuron's potential, currents and resources.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from culture_sim.bench.memory import streaming_rate
from culture_sim.living import LivingCulture, LivingSession, LivingState, simulate
from protocols.spec.dish.living import LivingCulture as LivingSpec

STATE_VARIABLES = 10  # read and written for each neuron in each step: potential, three currents, resources, ...
SMALLEST = 2**18  # bytes; of a shorter array, NumPy's own overhead would be measured
SETTLE = 5000  # steps before the measurement: the first burst takes the culture out of rest


@dataclass(frozen=True)
class Measurement:
    """The compiled program at one size; times in seconds."""

    neurons: int
    fan_in: int
    precision: str
    plastic: bool
    grow_s: float
    n_steps: int
    dt: float
    run_s: float
    updates_s: float  # of neurons alone, for as many steps
    spikes: int
    events: int
    floor_s: float


def spec(count: int, fan_in: int, precision: str, plastic: bool, **more: Any) -> LivingSpec:
    """The default culture at a size; weights fall as inputs grow, so that a neuron receives the same on average."""
    content: dict[str, Any] = {"neurons": {"count": count}, "simulation": {"precision": precision}, **more}
    default = LivingSpec.model_validate({"model": "living", "neurons": {"count": count}}).synapses
    if fan_in and default is not None:
        scale = default.fan_in / fan_in
        content["synapses"] = {
            "fan_in": fan_in,
            "excitatory": f"{default.excitatory * scale * 1e3:.6g} mV",
            "inhibitory": f"{default.inhibitory * scale * 1e3:.6g} mV",
            **more.get("synapses", {}),
        }
    elif not fan_in:
        content["synapses"] = None
    return LivingSpec.model_validate({"model": "living", "plasticity": {} if plastic else None, **content})


def measure(count: int, fan_in: int, precision: str, plastic: bool, n_steps: int, **more: Any) -> Measurement:
    """Measure one size. More sections of the spec may be given."""
    given = spec(count, fan_in, precision, plastic, **more)
    started = time.perf_counter()
    culture = LivingCulture.grow(given, 0)
    grow_s = time.perf_counter() - started
    alone = LivingCulture.grow(spec(count, 0, precision, False, **{**more, "synapses": None}), 0)
    updates_s, _, _ = timed(alone, n_steps, False)
    run_s, spikes, events = timed(culture, n_steps, plastic)
    word = np.dtype(precision).itemsize
    event_rate = streaming_rate(max(len(culture.synapses.target) * (word + 4), SMALLEST), 20)
    update_rate = streaming_rate(max(count * word * STATE_VARIABLES, SMALLEST), 200)
    floor_s = events * (word + 4) / event_rate + n_steps * count * 2 * STATE_VARIABLES * word / update_rate
    dt = given.simulation.dt
    return Measurement(
        *(count, fan_in, precision, plastic, grow_s, n_steps, dt, run_s, updates_s, spikes, events, floor_s)
    )


def timed(culture: LivingCulture, n_steps: int, plastic: bool) -> tuple[float, int, int]:
    """Seconds, spikes and synaptic events of a run from a settled state, without the loading of its arrays."""
    state: LivingState = simulate(culture, LivingSession(SETTLE), "cpp").state
    marks: list[tuple[float, int]] = []
    session = LivingSession(n_steps, plastic=[[0, n_steps]] if plastic else np.zeros((0, 2)))  # type: ignore[arg-type]
    started = time.perf_counter()
    recording = simulate(culture, session, "cpp", state, lambda done, of: marks.append((time.perf_counter(), done)))
    if len(marks) > 2:  # the pace between the first and the last report
        (first, done), (last, of) = marks[0], marks[-1]
        seconds = (last - first) * n_steps / (of - done)
    else:
        seconds = marks[-1][0] - started
    events = int(np.diff(culture.synapses.start)[recording.neuron].sum())
    return seconds, len(recording.neuron), events


def table(measurements: list[Measurement]) -> Table:
    """The measurements as a table."""
    shown = Table(
        *("neurons", "inputs", "precision", "learns", "grow", "x real time", "rate, Hz", "ns / neuron update"),
        *("M events / s", "ns / event", "x floor"),
        box=box.SIMPLE_HEAD,
    )
    for m in measurements:
        simulated_s = m.n_steps * m.dt
        shown.add_row(
            f"{m.neurons}",
            f"{m.fan_in}",
            m.precision,
            "yes" if m.plastic else "no",
            f"{m.grow_s:.1f} s",
            f"{simulated_s / m.run_s:.0f}",
            f"{m.spikes / m.neurons / simulated_s:.2f}",
            f"{m.updates_s / m.n_steps / m.neurons * 1e9:.2f}",
            f"{m.events / m.run_s / 1e6:.0f}",
            f"{max(m.run_s - m.updates_s, 0) / max(m.events, 1) * 1e9:.2f}",
            f"{m.run_s / m.floor_s:.1f}",
        )
    return shown


def bench(console: Console, full: bool) -> None:
    """Measure 240 neurons, and with `full` also 10,000, with and without learning."""
    rows = [
        measure(240, 40, precision, plastic, 2_000_000)
        for precision, plastic in (("float64", False), ("float64", True), ("float32", False))
    ]
    if full:
        dish = {"array": {"rows": 16, "columns": 16, "pitch": "200 um"}}
        wide = {"synapses": {"reach": "0.4 mm", "inhibitory_reach": "0.4 mm", "delay": {}}}
        rows += [measure(10_000, 1000, "float32", plastic, 20_000, **dish, **wide) for plastic in (False, True)]
    console.print(table(rows))
    console.print(
        "x real time: biological time over computing time, one core. ns / event: what is left of the time after the "
        "updates of neurons. The floor is the time to read each event's weight and target, and to read and write each "
        "neuron's state, at the rates measured here."
    )
