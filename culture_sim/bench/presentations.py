"""Measure the simulator on this machine: ``python -m culture_sim.bench``.

All numbers come from one process. A training presentation is 100 steps of 1 ms in which a random half of the
electrodes fires at 125 Hz while all synapses learn. The floor is the time that the memory bandwidth allows: every
synaptic event must at least read and write one weight.
"""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from culture_sim.bench import drawing
from culture_sim.bench.memory import streaming_rate
from culture_sim.engines import CppEngine, Engine
from culture_sim.engines.compiled import compiler
from culture_sim.engines.cpp import stored_bytes
from culture_sim.engines.runtime import RuntimeEngine
from culture_sim.engines.session import Session
from culture_sim.model.culture import Culture
from protocols.spec.culture import Culture as CultureSpec
from protocols.spec.faults import ProtocolFault, installation

STEPS = 100


@dataclass(frozen=True)
class Measurement:
    """Times of one engine at one size, in seconds; `presentation_s`, `alone_s` and `floor_s` are per presentation.

    `alone_s` is for the same pulses without learning.
    """

    neurons: int
    engine: str
    precision: str
    grow_s: float
    prepare_s: float
    load_s: float
    presentation_s: float
    alone_s: float
    spikes: float
    events: float
    bytes_per_synapse: float
    floor_s: float


def bench_spec(count: int, precision: str) -> CultureSpec:
    """The published biological culture."""
    return CultureSpec.model_validate(
        {
            "neurons": {"count": count},
            "electrode": {"sigma": "0.3 mm", "strength": "40 mV"},
            "excitatory": {"sigma": "1.2 mm", "strength": "40 mV"},
            "inhibitory": {"sigma": "0.15 mm", "strength": "400 mV"},
            "simulation": {"precision": precision},
        }
    )


def training(n: int, n_electrodes: int, share: float = 0.5, rate: float = 0.125) -> Session:
    """Training presentations; in each an electrode is driven with probability `share`, at `rate` pulses per step."""
    rng = np.random.default_rng(0)
    driven = rng.random((n, 1, n_electrodes)) < share
    pulses = (rng.random((n, STEPS, n_electrodes)) < rate) & driven
    step, electrode = np.nonzero(pulses.reshape(n * STEPS, n_electrodes))
    return Session(np.full(n, STEPS), np.ones(n, bool), electrode, step)


def measure(count: int, precision: str, prepare: Callable[[Culture], Engine], presentations: int) -> Measurement:
    """Measure one engine at one size."""
    started = time.perf_counter()
    culture = Culture.grow(bench_spec(count, precision), 0)
    grown = time.perf_counter()
    engine = prepare(culture)
    prepared = time.perf_counter()
    marks: list[float] = []
    session = training(presentations + 1, len(culture.electrodes))
    recording = engine.run(culture, session, lambda done, of: marks.append(time.perf_counter()))
    per_presentation = (marks[-1] - marks[0]) / presentations  # the first is a warm-up
    alone: list[float] = []
    unlearned = replace(session, learning=np.zeros(presentations + 1))
    engine.run(culture, unlearned, lambda done, of: alone.append(time.perf_counter()))
    counted = recording.step >= STEPS
    fan_out = np.diff(culture.weights["excitatory"].indptr) + np.diff(culture.weights["inhibitory"].indptr)
    pulses = session.electrode[session.step >= STEPS]
    events = fan_out[recording.neuron[counted]].sum() + np.diff(culture.weights["electrode"].indptr)[pulses].sum()
    word = np.dtype(precision).itemsize
    stored = sum(stored_bytes(w.nnz, w.shape[0] * w.shape[1], word) for w in culture.weights.values())
    rate = streaming_rate(culture.n_synapses * word, 5 if count > 1000 else 200)
    return Measurement(
        neurons=count,
        engine=engine.name,
        precision=precision,
        grow_s=grown - started,
        prepare_s=prepared - grown,
        load_s=marks[0] - prepared - per_presentation,
        presentation_s=per_presentation,
        alone_s=(alone[-1] - alone[0]) / presentations,
        spikes=counted.sum() / presentations,
        events=events / presentations,
        bytes_per_synapse=stored / culture.n_synapses,
        floor_s=events / presentations * 2 * word / rate,
    )


def table(measurements: list[Measurement]) -> Table:
    """The measurements as a table."""
    shown = Table(
        *("neurons", "engine", "precision", "grow", "compile", "load", "ms, learning", "ms, alone"),
        *("spikes", "M events / s"),
        *("ns / event", "B / synapse", "x floor"),
        box=box.SIMPLE_HEAD,
    )
    for m in measurements:
        shown.add_row(
            f"{m.neurons}",
            m.engine,
            m.precision,
            f"{m.grow_s:.1f} s",
            f"{m.prepare_s:.1f} s",
            f"{m.load_s:.1f} s",
            f"{m.presentation_s * 1e3:.2f}",
            f"{m.alone_s * 1e3:.2f}",
            f"{m.spikes:.0f}",
            f"{m.events / m.presentation_s / 1e6:.0f}",
            f"{m.presentation_s / m.events * 1e9:.2f}",
            f"{m.bytes_per_synapse:.1f}" if m.engine == "cpp" else "",
            f"{m.presentation_s / m.floor_s:.1f}",
        )
    return shown


def _bench_search(console: Console) -> None:
    for package in ("optuna", "distributed", "sklearn"):
        if importlib.util.find_spec(package) is None:
            raise ProtocolFault([f"--search: {package} is not installed ({installation('search,data')})"])
    from culture_sim.bench import search as bench_search

    bench_search.bench(console)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def bench(
    full: Annotated[bool, typer.Option(help="Measure 10,140 neurons and their figures too: 2 GB, a minute.")] = True,
    cython: Annotated[bool, typer.Option(help="Measure Cython too, which takes minutes to compile once.")] = False,
    search: Annotated[bool, typer.Option("--search", help="Measure only a search: trials per hour.")] = False,
    living: Annotated[bool, typer.Option("--living", help="Measure only the living culture.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Measure only closed loops: ticks, overhead, lateness.")] = False,
) -> None:
    """Measure every engine at 240 neurons, and the fastest at the density of the dish (10,140)."""
    console = Console(width=150, highlight=False)
    if search:
        _bench_search(console)
        return
    if living:
        from culture_sim.bench import living as bench_living

        bench_living.bench(console, full)
        return
    if live:
        from culture_sim.bench import live as bench_live

        bench_live.bench(console, full)
        return
    compiled = compiler() is not None

    def cpp(culture: Culture) -> Engine:
        return CppEngine.prepare()

    rows = [measure(240, "float64", lambda culture: RuntimeEngine("numpy"), 20)]
    if cython and compiled:
        measure(240, "float64", lambda culture: RuntimeEngine("cython"), 1)  # fills Brian2's cache
        rows.append(measure(240, "float64", lambda culture: RuntimeEngine("cython"), 50))
    if compiled:
        rows += [measure(240, "float64", cpp, 1000), measure(240, "float32", cpp, 1000)]
    if full and compiled:
        rows.append(measure(10140, "float32", cpp, 5))
    console.print(table(rows))
    console.print(
        "ms: a presentation of 100 ms while all synapses learn, and the same pulses without learning, which evoke "
        "fewer spikes; the other columns are of learning. load: passing a culture's arrays to the program. The floor "
        "is the time to read and write each event's weight once at the rate measured here."
    )
    if full:
        drawing.bench(console)
