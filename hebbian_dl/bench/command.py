"""Command of the benchmark of training steps: ``python -m hebbian_dl.bench``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hebbian_dl.bench import gpu
from hebbian_dl.bench.peers import ORDINARY, Setting, Step
from hebbian_dl.bench.steps import EPOCH_IMAGES, check_options, epochs, machine, measure, memory_of, table, write_csv
from hebbian_dl.environment import device_of, set_up_torch
from hebbian_dl.run import NetworkLearner
from protocols.loading.loader import load
from protocols.runs import cli
from protocols.runs.machine import cores
from protocols.runs.stages import Rows, carry_out
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import NetworkProtocol

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def bench(
    batch: Annotated[int, typer.Option(min=2, help="Images per step.")] = 64,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch. Default: one per core.")] = None,
    device: Annotated[str, typer.Option(help=" | ".join(NetworkLearner.devices))] = "auto",
    protocol: Annotated[str, typer.Option(help="Protocol of the network: a file or a bare name.")] = "fasthebb_cifar10",
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each step.")] = 9,
    csv_: Annotated[Path | None, typer.Option("--csv", help="Write the result to this file too.")] = None,
    epoch: Annotated[bool, typer.Option("--epoch", help="Time epochs of 40,000 images too.")] = False,
    memory: Annotated[bool, typer.Option(help="Measure memory.")] = True,
    skip_slow: Annotated[bool, typer.Option("--skip-slow", help="Leave the ordinary forms out.")] = False,
    stages: Annotated[
        bool | None, typer.Option("--stages/--no-stages", help="Measure what a GPU needs. Default: on a GPU.")
    ] = None,
    images: Annotated[int, typer.Option(min=2, help="With stages: images of an epoch.")] = EPOCH_IMAGES,
    total: Annotated[float, typer.Option(min=1, help="With stages: seconds for all of them.")] = 300.0,
) -> None:
    """Measure a training step by Hebbian rules, by backprop, and in the forms that FastHebb replaces.

    On a GPU in stages: the most important results first, each written to the CSV file (gpu.csv) at once.
    """
    check_options(device, csv_)
    loaded = load(protocol, [])
    if not isinstance(loaded, NetworkProtocol) or not loaded.network.layers:
        raise ProtocolFault([f"--protocol {protocol}: no network.layers to train; allowed: fasthebb_cifar10, say"])
    setting = Setting(loaded, device_of(device), threads or cores(), batch)
    set_up_torch(setting.threads, tiny_is_zero=True)
    if stages or (stages is None and setting.device == "cuda"):
        _in_stages(setting, csv_ or Path("gpu.csv"), images, rounds, total)
        return
    steps = [step for step in Step if not (skip_slow and step in ORDINARY)]
    rows, rate = measure(steps, setting, rounds)
    if memory:
        rows = [replace(row, extra_mb=mb) for row, mb in zip(rows, memory_of(steps, setting), strict=True)]
    if epoch:
        rows += epochs(setting, rounds, rate)
    console = Console(width=150, highlight=False, markup=False)
    console.print(table(rows))
    console.print(machine(setting, rate))
    console.print(
        "ms: median; GFLOP: matrix products, triangular ones count half for SWTA and HPCA; extra MB: peak memory of "
        "two steps beyond parameters and batch, with gradients and momentum (ordinary forms: on their smaller batch)."
    )
    if csv_ is not None:
        write_csv(csv_, rows, setting)


def _in_stages(setting: Setting, path: Path, images: int, rounds: int, total_s: float) -> None:
    """Carry out the stages of `gpu.plan`; exit code 1 if one of them has no complete result."""
    print(machine(setting))
    lines = carry_out(gpu.plan(setting, images, rounds), Rows(path, gpu.COLUMNS), total_s, ["hebbian_dl.bench.gpu"])
    cli.tell(lines)
    if lines:
        raise typer.Exit(1)
