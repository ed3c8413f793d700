"""Speed of a GPU by the number of cultures simulated at once: ``python -m culture_sim.bench.cuda``.

Training presentations as in `culture_sim.bench.presentations`, each culture with its own seed; all numbers come from
one process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from culture_sim.bench.presentations import bench_spec, training
from culture_sim.engines.base import BatchEngine
from culture_sim.engines.batch import Batch
from culture_sim.engines.gpu import batch_size, require_gpu, require_toolchain
from culture_sim.model.culture import Culture
from protocols.runs import cli


@dataclass(frozen=True)
class Measurement:
    """Times of one batch, in seconds; `presentation_s` is for the whole batch."""

    neurons: int
    cultures: int
    precision: str
    prepare_s: float
    load_s: float
    presentation_s: float
    spikes: float


def measure(batch: Batch, prepare: Callable[[Batch], BatchEngine]) -> Measurement:
    """Time the presentations of a batch; the first is a warm-up."""
    started = time.perf_counter()
    engine = prepare(batch)
    prepared = time.perf_counter()
    marks: list[float] = []
    recordings = engine.run_batch(batch, lambda done, of: marks.append(time.perf_counter()))
    presentation_s = (marks[-1] - marks[0]) / (len(marks) - 1)
    return Measurement(
        neurons=batch.shape.n_neurons,
        cultures=len(batch.cultures),
        precision=batch.shape.precision,
        prepare_s=prepared - started,
        load_s=marks[0] - prepared - presentation_s,
        presentation_s=presentation_s,
        spikes=float(np.mean([len(recording.neuron) for recording in recordings])) / len(marks),
    )


def bench_batch(count: int, precision: str, n_cultures: int, presentations: int) -> Batch:
    """A batch of `n_cultures` published cultures, all with the same session."""
    cultures = tuple(Culture.grow(bench_spec(count, precision), seed) for seed in range(n_cultures))
    session = training(presentations + 1, len(cultures[0].electrodes))
    return Batch(cultures, (session,) * n_cultures)


def table(measurements: list[Measurement]) -> Table:
    """The measurements as a table."""
    shown = Table(
        *("neurons", "cultures", "precision", "compile", "load", "ms, the batch", "ms a culture", "spikes a culture"),
        box=box.SIMPLE_HEAD,
    )
    for m in measurements:
        shown.add_row(
            f"{m.neurons}",
            f"{m.cultures}",
            m.precision,
            f"{m.prepare_s:.1f} s",
            f"{m.load_s:.1f} s",
            f"{m.presentation_s * 1e3:.2f}",
            f"{m.presentation_s / m.cultures * 1e3:.3f}",
            f"{m.spikes:.0f}",
        )
    return shown


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def bench(
    cultures: Annotated[list[int] | None, typer.Option(help="Cultures at once; may be given several times.")] = None,
    neurons: Annotated[int, typer.Option(help="Neurons of each.")] = 240,
    precision: Annotated[str, typer.Option(help="float64 or float32.")] = "float64",
) -> None:
    """Measure batches of several sizes, each compiled once; those too large for the GPU's memory are skipped."""
    console = Console(width=120, highlight=False)
    require_toolchain()
    gpu = require_gpu()
    from culture_sim.engines.cuda import CudaEngine

    rows = []
    for n_cultures in cultures or [1, 16, 256]:
        batch = bench_batch(neurons, precision, n_cultures, presentations=20)
        if batch_size(batch.cultures, gpu.free_bytes) < n_cultures:
            console.print(f"{n_cultures} cultures of {neurons} neurons do not fit into {gpu.free_bytes / 1e9:.0f} GB.")
            continue
        rows.append(measure(batch, lambda batch: CudaEngine.prepare(batch.shape, len(batch.cultures))))
    console.print(f"{gpu.name}, compute capability {gpu.capability}")
    console.print(table(rows))


if __name__ == "__main__":
    cli.main(app)
