"""Speed of a GPU by the number of cultures simulated at once: ``python -m culture_sim.bench.cuda``.

Training presentations as in `culture_sim.bench.presentations`, each culture in a part of one network. Every size is a
stage of its own (`protocols.runs.stages`): what was measured is in the CSV file whenever the command is cut off.

A program is compiled for a size and an architecture, so it can be built ahead where nvcc is (``--build FOLDER``), and
taken to the GPU (``--programs FOLDER``), whose minutes are then not the compiler's.
"""

import functools
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from culture_sim.bench.presentations import bench_spec, training
from culture_sim.engines import gpu
from culture_sim.engines.base import BatchEngine
from culture_sim.engines.batch import Batch
from culture_sim.engines.cuda import CudaEngine
from culture_sim.engines.recording import Recording
from culture_sim.model.culture import Culture
from culture_sim.model.parameters import Shape
from protocols.runs import cli
from protocols.runs.stages import Rows, Stage, carry_out
from protocols.spec.faults import ProtocolFault

#: (neurons, cultures), the most important first
SIZES = ((240, 1000), (10140, 1), (240, 100), (240, 1), (10140, 8), (240, 10), (10140, 4), (10140, 2))
DISTINCT = {240: 10}  # cultures that are grown and then repeated; of larger ones a single one, for the time it takes
COLUMNS = (
    *("stage", "gpu", "neurons", "cultures", "precision", "program", "prepare_s", "load_s", "ms_batch", "ms_culture"),
    *("cultures_in_real_time", "spikes", "events", "floor_ms", "device_gb"),
)
PRESENTATION_MS = 100.0
CARRIED, COMPILED = "carried", "compiled"


@dataclass(frozen=True)
class Measurement:
    """Times of one batch, in seconds; `presentation_s` and `events` are for the whole batch, `spikes` for a culture."""

    prepare_s: float
    load_s: float
    presentation_s: float
    spikes: float
    events: float


def measure(batch: Batch, prepare: Callable[[Batch], BatchEngine]) -> Measurement:
    """Time the presentations of a batch; the first is a warm-up."""
    started = time.perf_counter()
    engine = prepare(batch)
    prepared = time.perf_counter()
    marks: list[float] = []
    recordings = engine.run_batch(batch, lambda done, of: marks.append(time.perf_counter()))
    presentation_s = (marks[-1] - marks[0]) / (len(marks) - 1)
    return Measurement(
        prepare_s=prepared - started,
        load_s=marks[0] - prepared - presentation_s,
        presentation_s=presentation_s,
        spikes=float(np.mean([len(recording.neuron) for recording in recordings])) / len(marks),
        events=sum(map(_events, batch.cultures, recordings)) / len(marks),
    )


def _events(culture: Culture, recording: Recording) -> int:
    """Synapses that a culture's spikes arrived at, those of the stimulus not counted."""
    fan_out = np.diff(culture.weights["excitatory"].indptr) + np.diff(culture.weights["inhibitory"].indptr)
    return int(fan_out[recording.neuron].sum())


def bench_batch(count: int, precision: str, n_cultures: int, presentations: int) -> Batch:
    """A batch of `n_cultures` published cultures, all with the same session; only some of them differ."""
    grown = [
        Culture.grow(bench_spec(count, precision), seed) for seed in range(min(n_cultures, DISTINCT.get(count, 1)))
    ]
    session = training(presentations + 1, len(grown[0].electrodes))
    return Batch(tuple(islice(cycle(grown), n_cultures)), (session,) * n_cultures)


def program_in(folder: Path, neurons: int, cultures: int, precision: str, capability: str) -> Path:
    """File of a program built ahead."""
    return folder / f"culture_{neurons}x{cultures}_{precision}_sm{capability.replace('.', '')}"


def stage(
    neurons: int,
    cultures: int,
    precision: str,
    programs: Path | None,
    presentations: int,
    bandwidth: float,
    card: gpu.Gpu,
    rows: Rows,
) -> None:
    """Measure one size."""
    batch = bench_batch(neurons, precision, cultures, presentations)
    needed = sum(map(gpu.bytes_per_culture, batch.cultures))
    if gpu.batch_size(batch.cultures, card.free_bytes) < cultures:
        raise RuntimeError(f"needs {needed / 1e9:.1f} GB of GPU memory, {card.free_bytes / 1e9:.1f} GB are free")
    carried = programs and program_in(programs, neurons, cultures, precision, card.capability)
    source = CARRIED if carried and carried.is_file() else COMPILED

    def prepare(batch: Batch) -> BatchEngine:
        if carried and source == CARRIED:
            return CudaEngine(batch.shape, cultures, carried.resolve())
        return CudaEngine.prepare(batch.shape, cultures)

    m = measure(batch, prepare)
    rows.add(
        gpu=card.name,
        neurons=neurons,
        cultures=cultures,
        precision=precision,
        program=source,
        prepare_s=m.prepare_s,
        load_s=m.load_s,
        ms_batch=m.presentation_s * 1e3,
        ms_culture=m.presentation_s / cultures * 1e3,
        cultures_in_real_time=cultures * PRESENTATION_MS / 1e3 / m.presentation_s,
        spikes=m.spikes,
        events=m.events,
        floor_ms=m.events * 2 * np.dtype(precision).itemsize / bandwidth / 1e9,
        device_gb=needed / 1e9,
    )


def build(folder: Path, sizes: list[tuple[int, int]], precision: str, capability: str) -> None:
    """Compile the programs of all sizes and put them into a folder; prints how long each took.

    Their host code has no instructions that only the processor of this machine may have.
    """
    gpu.require_toolchain()
    from brian2 import prefs

    from culture_sim.engines.cuda_program import compiled

    flags = prefs.codegen.cpp.extra_compile_args_gcc
    prefs.codegen.cpp.extra_compile_args_gcc = [flag for flag in flags if not flag.startswith("-march")]
    for neurons, cultures in sizes:
        started = time.perf_counter()
        found = compiled(Shape.of(bench_spec(neurons, precision)), cultures, capability)
        target = program_in(folder, neurons, cultures, precision, capability)
        shutil.copy(found, target)
        print(f"{target}: {time.perf_counter() - started:.0f} s, {target.stat().st_size / 1e6:.1f} MB", flush=True)


def _sizes(given: list[str] | None) -> list[tuple[int, int]]:
    """Sizes from texts such as ``240x1000``."""
    sizes = []
    for text in given or []:
        neurons, _, cultures = text.partition("x")
        if not (neurons.isdigit() and cultures.isdigit() and int(neurons) and int(cultures)):
            raise ProtocolFault([f"--size {text}: allowed: neurons x cultures, for example 240x1000"])
        sizes.append((int(neurons), int(cultures)))
    return sizes or list(SIZES)


def _folder(option: str, path: Path | None) -> None:
    if path is not None and not path.is_dir():
        raise ProtocolFault([f"{option} {path}: allowed: a folder that exists"])


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def bench(
    size: Annotated[list[str] | None, typer.Option(help="NEURONSxCULTURES; may be given several times.")] = None,
    precision: Annotated[str, typer.Option(help="float64 or float32.")] = "float32",
    presentations: Annotated[int, typer.Option(min=1, help="Presentations that are timed.")] = 20,
    programs: Annotated[Path | None, typer.Option(help="Folder of programs built ahead.")] = None,
    build_: Annotated[Path | None, typer.Option("--build", help="Only build the programs, into this folder.")] = None,
    capability: Annotated[str, typer.Option(help="With --build: of the GPU.")] = gpu.DEFAULT_CAPABILITY,
    limit: Annotated[float, typer.Option(min=1, help="Seconds for each size, its compilation included.")] = 150.0,
    total: Annotated[float, typer.Option(min=1, help="Seconds for all sizes.")] = 600.0,
    bandwidth: Annotated[float, typer.Option(help="Of the GPU's memory, TB/s, for the floor.")] = 3.0,
    csv_: Annotated[Path, typer.Option("--csv", help="File of the results, written as they come.")] = Path("cuda.csv"),
) -> None:
    """Measure batches of several sizes, each in a program of its own; without nvcc only those built ahead."""
    if precision not in ("float32", "float64"):
        raise ProtocolFault([f"--precision {precision}: allowed: float32, float64"])
    sizes = _sizes(size)
    _folder("--programs", programs)
    _folder("--build", build_)
    _folder("--csv: folder", csv_.parent)
    if build_ is not None:
        build(build_, sizes, precision, capability)
        return
    if programs is None:
        gpu.require_toolchain()
    card = gpu.require_gpu()
    print(f"{card.name}, compute capability {card.capability}, {card.free_bytes / 1e9:.0f} GB free")
    stages = [
        Stage(
            f"{n}x{cultures}",
            limit,
            functools.partial(stage, n, cultures, precision, programs, presentations, bandwidth, card),
        )
        for n, cultures in sizes
    ]
    lines = carry_out(stages, Rows(csv_, COLUMNS), total)
    cli.tell(lines)
    if lines:
        raise typer.Exit(1)


if __name__ == "__main__":
    cli.main(app)
