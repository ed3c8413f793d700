"""Benchmark of an epoch of Hebbian pre-training over image files: ``python -m hebbian_dl.bench.epoch``.

The files are generated like ImageNet's: JPEG of 300 to 500 pixels in folders of classes, a few of them unreadable. The
epoch runs as in an experiment: files are listed, decoded by worker processes, normalised, learned; memory is measured
after every step. Afterwards its step, the forward pass alone and a step of backprop take turns on batches of the same
images, and decoding is timed alone.
"""

import csv
import functools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import torch
import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hebbian_dl.bench.peers import Setting, Step, prepared
from hebbian_dl.bench.steps import GEMM, Call, check_options, gemm, machine, resident_mb, take_turns
from hebbian_dl.environment import device_of
from hebbian_dl.images.in_memory import Examples, Images, Splits
from hebbian_dl.images.prepared import inputs_of, unreadable
from hebbian_dl.memory import limits
from hebbian_dl.networks import saved
from hebbian_dl.run import NetworkLearner
from hebbian_dl.training.hebbian import hebbian_training
from protocols.loading.loader import load
from protocols.loading.overrides import changed
from protocols.runs import cli
from protocols.runs.machine import available_memory_bytes, cores
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.rules import HebbianPCA, SoftWTA

IMAGES_PER_CLASS, MOST_CLASSES = 16, 125
UNREADABLE = 400  # one image in this number is unreadable
KEPT = 4  # decoded batches that the steps take turns on
IMAGENET = 1_281_167  # training images
COLUMNS = [
    *("device", "threads", "batch", "network", "images", "what", "per_s", "per_s_low", "per_s_high"),
    *("peak_mb", "mb_a_step"),
]


@dataclass(frozen=True)
class Epoch:
    """Time and memory of an epoch.

    Parameters
    ----------
    n_images
        Images that were learned.
    wall_s
        From the start of the workers to the last step.
    resident_mb
        Resident memory of this process before the first step and after each; NaN where the system does not report it.
    peak_mb
        Peak resident memory, between steps too; NaN where the system does not report it.
    """

    n_images: int
    wall_s: float
    resident_mb: np.ndarray
    peak_mb: float

    @property
    def slope_mb(self) -> float:
        """Growth per step: slope of a line fitted to all but the first quarter, in which allocators settle."""
        settled = self.resident_mb[len(self.resident_mb) // 4 :]
        return float(np.polyfit(np.arange(len(settled)), settled, 1)[0]) if len(settled) > 1 else float("nan")

    @property
    def quarters_mb(self) -> list[float]:
        """Resident memory after each quarter of the steps."""
        last = len(self.resident_mb) - 1
        return [float(self.resident_mb[round(last * k / 4)]) for k in range(1, 5)] if last > 0 else []


def over_generated_images(
    protocol: NetworkProtocol, n_images: int, workers: int | None, methods: dict[str, HebbianPretraining]
) -> NetworkProtocol:
    """The protocol with these methods alone, on at least `n_images` generated training images."""
    # odd: otherwise the unreadable images, evenly spread, could all be the first of a class, which are for validation
    n_classes = max(3, min(MOST_CLASSES, n_images // IMAGES_PER_CLASS) | 1)
    data = {
        "source": "synthetic",
        "n_classes": n_classes,
        "images": -(-n_images // n_classes) + 1,
        "test_images": 1,
        "validation": n_classes,
        "size": list(protocol.data.shape[1:]),
        "corrupt": max(1, n_images // UNREADABLE),
        "most_corrupt": max(1, n_images // UNREADABLE),
        "workers": workers,
    }
    plain = {name: method.model_dump(mode="json") for name, method in methods.items()}
    return cast(NetworkProtocol, changed(protocol, {"data": data, "network.methods": plain}))


def epoch(setting: Setting, name: str, method: HebbianPretraining, splits: Splits[Images]) -> Epoch:
    """Pre-train for one epoch as a run does, checkpoints included; measures time and memory."""
    protocol = setting.protocol
    features = saved.draw(protocol, method, 0).features.to(setting.device)
    training = hebbian_training(name, features, method, splits, len(protocol.data.class_list))
    learn, resident, n_images = training.step, [_resident("VmRSS")], 0

    def step(batch: Examples) -> None:
        nonlocal n_images
        learn(batch)
        n_images += len(batch)
        resident.append(_resident("VmRSS"))

    training.step, training.score = step, dict  # no evaluation
    _forget_peak()
    with Progress(console=Console(stderr=True), transient=True) as progress, tempfile.TemporaryDirectory() as folder:
        task = progress.add_task("epoch", total=1.0)
        started = time.perf_counter()
        training.run(
            0, Path(folder) / "checkpoint.safetensors", None, lambda done: progress.update(task, completed=done)
        )
        wall_s = time.perf_counter() - started
    return Epoch(n_images, wall_s, np.array(resident), _resident("VmHWM"))


def steps(setting: Setting, step: Step, images: Images, rounds: int) -> tuple[dict[str, np.ndarray], float]:
    """Images per second of a Hebbian step, forward pass and SGD step, in turns; and GFLOP/s of a matrix product."""
    kept = list(islice(images.batches(setting.batch, torch.arange(len(images))), KEPT))
    calls: dict[str, Call] = {"gemm": gemm(setting.device)}
    for each in (step, Step.FORWARD, Step.SGD):
        calls[each.value] = functools.partial(_next, prepared(each, setting), cycle(kept))
    times = take_turns(calls, rounds, setting.device)
    rate = 2 * GEMM**3 / 1e9 / float(np.median(times.pop("gemm")))
    sizes = np.array([len(batch) for batch in islice(cycle(kept), 1, rounds + 1)])  # the first round is not counted
    return {f"{name}, one step": sizes / seconds for name, seconds in times.items()}, rate


def _next(act: Callable[[Examples], object], batches: Iterator[Examples]) -> None:
    act(next(batches))


def decoding(images: Images, batch: int) -> float:
    """Images per second from the workers while nothing is learned."""
    started = time.perf_counter()
    n = sum(len(part) for part in images.batches(batch, torch.arange(len(images))))
    return n / (time.perf_counter() - started)


def _resident(field: str) -> float:
    try:
        return resident_mb(field)
    except (OSError, KeyError):
        return float("nan")


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # the peak is then that of the whole life of the process


def show(console: Console, seen: Epoch, rates: dict[str, np.ndarray], left_out: int) -> None:
    """Print the results as a table and two lines."""
    table = Table("images a second", "median", "quartiles", box=box.SIMPLE_HEAD)
    for name, rate in rates.items():
        low, middle, high = np.quantile(rate, (0.25, 0.5, 0.75))
        table.add_row(name, f"{middle:.2f}", f"{low:.2f} - {high:.2f}" if len(rate) > 1 else "")
    console.print(table)
    hours = IMAGENET / (seen.n_images / seen.wall_s) / 3600
    console.print(
        f"epoch: {seen.n_images} images in {seen.wall_s:.1f} s, {left_out} unreadable ones left out; "
        f"the {IMAGENET:,} of ImageNet would take {hours:.1f} h"
    )
    quarters = ", ".join(f"{mb:.0f}" for mb in seen.quarters_mb)
    console.print(
        f"memory: at most {seen.peak_mb:.0f} MB resident; after each quarter of the steps {quarters} MB; "
        f"{seen.slope_mb:+.2f} MB a step; a worker at most {_worker_mb():.0f} MB, much of it shared"
    )


def _worker_mb() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6


def write_csv(path: Path, setting: Setting, seen: Epoch, rates: dict[str, np.ndarray]) -> None:
    """Write one row for each rate; that of the epoch has peak memory and its growth, too."""
    with open(path, "w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        for index, (name, rate) in enumerate(rates.items()):
            low, middle, high = np.quantile(rate, (0.25, 0.5, 0.75))
            memory = ["", ""] if index else [f"{seen.peak_mb:.0f}", f"{seen.slope_mb:.3f}"]
            values = [f"{value:.4g}" for value in (middle, low, high)]
            whose = (setting.device, setting.threads, setting.batch, setting.protocol.name, seen.n_images)
            lines.writerow([*whose, name, *values, *memory])


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def bench(
    images: Annotated[int, typer.Option(min=4, help="Training images to generate, at least.")] = 2000,
    batch: Annotated[int | None, typer.Option(min=2, help="Images per step. Default: the method's.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch. Default: one per core.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode. Default: one per core.")] = None,
    device: Annotated[str, typer.Option(help=" | ".join(NetworkLearner.devices))] = "auto",
    protocol: Annotated[str, typer.Option(help="Protocol of the network: a file or a bare name.")] = "vgg11_imagenet",
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override, e.g. data.size=[64,64].")] = None,
    method: Annotated[str, typer.Option(help="Which of its Hebbian methods.")] = "HPCA",
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each step after the epoch.")] = 5,
    csv_: Annotated[Path | None, typer.Option("--csv", help="Write the result to this file too.")] = None,
) -> None:
    """Measure an epoch of Hebbian pre-training over generated image files, beside forward passes and SGD."""
    check_options(device, csv_)
    loaded = load(protocol, set_ or [])
    if not isinstance(loaded, NetworkProtocol) or not loaded.network.layers:
        raise ProtocolFault(
            [f"--protocol {protocol}: no network.layers to train; allowed: vgg11_imagenet, for example"]
        )
    hebbian = {name: each for name, each in loaded.network.methods.items() if isinstance(each, HebbianPretraining)}
    known = {name: each for name, each in hebbian.items() if isinstance(each.rule, HebbianPCA | SoftWTA)}
    if method not in known:
        raise ProtocolFault(
            [f"--method {method}: allowed: {', '.join(known) or 'none, the protocol has no HPCA or SWTA'}"]
        )
    once = {"epochs": 1, "selection": "last", "batch": batch or known[method].batch}
    spec = known[method].model_copy(update=once)
    found = over_generated_images(loaded, images, workers, {method: spec})
    setting = Setting(found, device_of(device), threads or cores(), spec.batch)
    limits.check(found, available_memory_bytes())
    torch.set_num_threads(setting.threads)
    console = Console(width=120, highlight=False, markup=False)
    splits = inputs_of(found.data, spec, torch.device(setting.device))
    seen = epoch(setting, method, spec, splits)
    step = Step.HPCA if isinstance(spec.rule, HebbianPCA) else Step.SWTA
    rates = {f"{method}, whole epoch": np.array([seen.n_images / seen.wall_s])}
    more, rate = steps(setting, step, splits.training, rounds)
    rates |= more | {"decoding alone": np.array([decoding(splits.training, spec.batch)])}
    show(console, seen, rates, len(unreadable(splits.training)))
    console.print(machine(setting, rate))
    if csv_ is not None:
        write_csv(csv_, setting, seen, rates)


if __name__ == "__main__":
    cli.main(app)
