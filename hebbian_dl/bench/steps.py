"""Benchmark of training steps on this machine.

All steps are of one network, on random images, and take turns in one process, so that other load on the machine slows
all of them alike. A large matrix product takes its turn too, as a reference for the speed of the machine. Memory is
measured in a fresh process for each step.
"""

import csv
import math
import platform
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hebbian_dl.bench.peers import Setting, Step, flop, prepared
from hebbian_dl.run import NetworkLearner
from protocols.spec.faults import ProtocolFault

GEMM = 2048  # rows and columns of the matrices of the reference product
EPOCH_IMAGES = 40_000
SHORT_S = 1.0  # seconds of a call that is made twice
BATCHES = (64, 128, 256, 512, 1024)
HEBBIAN = (Step.SWTA, Step.HPCA)
COLUMNS = [
    *("device", "threads", "batch", "network", "step", "ms", "ms_low", "ms_high"),
    *("gflop", "fraction_of_gemm", "extra_mb", "ratio_to_sgd"),
]


@dataclass(frozen=True)
class Row:
    """Result for one step: median and quartiles of its time for a batch or an epoch, its work (`flop`), its memory.

    `fraction_of_gemm` is relative to the rate of a large matrix product; `extra_mb` is None where it was not measured.
    """

    batch: int
    step: str
    ms: float
    ms_low: float
    ms_high: float
    gflop: float
    fraction_of_gemm: float
    extra_mb: float | None = None
    ratio_to_sgd: float = math.nan
    ratio_to_vae: float = math.nan


Call = Callable[[], object]
Name = TypeVar("Name")


def take_turns(calls: Mapping[Name, Call], rounds: int, device: str) -> dict[Name, np.ndarray]:
    """Seconds of each call in each round, after one round that is not counted.

    On a CPU a short call is made twice in a round, and the second one counts: the first finds caches and free memory as
    the call of another name left them, while in a training every step follows one of its kind.
    """
    times: dict[Name, list[float]] = {name: [] for name in calls}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for _ in progress.track(range(rounds + 1), description="rounds"):
            for name, call in calls.items():
                seconds = seconds_of(call, device)
                again = device == "cpu" and seconds < SHORT_S
                times[name].append(seconds_of(call, device) if again else seconds)
    return {name: np.array(each[1:]) for name, each in times.items()}


def seconds_of(call: Call, device: str) -> float:
    """Seconds of a call, on a GPU until all that it queued is done."""
    finish = torch.cuda.synchronize if device == "cuda" else lambda: None
    finish()
    started = time.perf_counter()
    call()
    finish()
    return time.perf_counter() - started


def gemm(device: str) -> Call:
    """The large matrix product that serves as a reference for the machine."""
    a, b = torch.randn(2, GEMM, GEMM, device=device)
    product = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=product)


def call_of(step: Step, setting: Setting) -> Call:
    """A step on a batch of its own."""
    act, batch = prepared(step, setting.of(step)), setting.of(step).images(setting.of(step).batch)
    return lambda: act(batch)


def extra_memory(step: Step, setting: Setting) -> float | None:
    """Peak megabytes of two steps, beyond parameters and batch; None where the system does not report it.

    Gradients and momentum count; code of libraries that is loaded on first use does not.
    """
    torch.set_num_threads(setting.threads)
    act = call_of(step, setting)
    if setting.device == "cuda":
        gemm("cuda")()  # the library's own workspace
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        act()
        act()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        resident, code = resident_mb("VmRSS"), resident_mb("RssFile")
        act()
        act()
        return resident_mb("VmHWM") - resident - (resident_mb("RssFile") - code)
    except (OSError, KeyError):
        return None


def resident_mb(field: str) -> float:
    """Memory of this process in megabytes, by the name of a field in /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(dict(line.split(":", 1) for line in lines)[field].split()[0]) * 1024 / 1e6


def memory_of(steps: list[Step], setting: Setting) -> list[float | None]:
    """Extra memory of each step, on a CPU each in a process of its own."""
    if setting.device == "cuda":
        return [extra_memory(step, setting) for step in steps]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        return list(fresh.map(extra_memory, steps, repeat(setting)))


def measure(steps: list[Step], setting: Setting, rounds: int) -> tuple[list[Row], float]:
    """Time all steps, and the rate of the matrix product in GFLOP/s."""
    calls: dict[str, Call] = {step: call_of(step, setting) for step in steps}
    times = take_turns(calls | {"gemm": gemm(setting.device)}, rounds, setting.device)
    rate = 2 * GEMM**3 / 1e9 / float(np.median(times["gemm"]))
    return _compared([_row(step, times[step], setting, rate) for step in steps]), rate


def _row(step: Step, seconds: np.ndarray, setting: Setting, rate: float, n_steps: float = 1) -> Row:
    """Row from the times of `n_steps` steps, scaled where the batch was smaller; the ratios are filled in later."""
    protocol, measured = setting.protocol, setting.of(step).batch
    scale = setting.batch / measured
    low, ms, high = (float(value) for value in np.quantile(seconds, (0.25, 0.5, 0.75)) * 1e3 * scale)
    work = n_steps * flop(step, protocol.network.used_layers, protocol.data.shape, setting.batch) / 1e9
    name = step if scale == 1 else f"{step} (x{scale:g} from batch {measured})"
    return Row(setting.batch, name, ms, low, high, work, work / (ms / 1e3) / rate)


def _compared(rows: list[Row]) -> list[Row]:
    sgd, vae = (next(row.ms for row in rows if row.step.split(" ")[0] == step) for step in (Step.SGD, Step.VAE))
    return [replace(row, ratio_to_sgd=row.ms / sgd, ratio_to_vae=row.ms / vae) for row in rows]


def best_batches(setting: Setting, rounds: int) -> list[tuple[Step, int]]:
    """Each Hebbian step and the batch with which it learns the most images a second."""
    cases = [(step, batch) for step in HEBBIAN for batch in BATCHES]
    calls = {(step, batch): call_of(step, replace(setting, batch=batch)) for step, batch in cases}
    times = take_turns(calls, rounds, setting.device)
    return [min((c for c in cases if c[0] == step), key=lambda c: np.median(times[c]) / c[1]) for step in HEBBIAN]


def epochs(setting: Setting, rounds: int, rate: float) -> list[Row]:
    """A whole epoch of each learner at the given batch, and of the Hebbian ones at the batch that is best for them."""
    cases = [(step, setting.batch) for step in (*HEBBIAN, Step.SGD, Step.VAE)] + best_batches(setting, rounds)
    rows = []
    for step, batch in dict.fromkeys(cases):
        one = replace(setting, batch=batch)
        row = _row(step, np.array([_epoch(step, one)]), one, rate, EPOCH_IMAGES / batch)
        rows.append(replace(row, step=f"{step} epoch"))
    return _compared(rows)


def _epoch(step: Step, setting: Setting) -> float:
    act, examples = prepared(step, setting), setting.images(EPOCH_IMAGES)
    order = torch.randperm(EPOCH_IMAGES)
    act(examples.take(order[: setting.batch].to(setting.device)))

    def whole() -> None:
        for batch in examples.batches(setting.batch, order):
            act(batch)

    return seconds_of(whole, setting.device)


def table(rows: list[Row]) -> Table:
    """The rows as a table for the terminal."""
    shown = Table("batch", "step", box=box.SIMPLE_HEAD)
    for name in ("ms", "quartiles", "GFLOP", "of GEMM", "extra MB", "/ SGD", "/ VAE"):
        shown.add_column(name, justify="right")
    for row in rows:
        shown.add_row(
            *(str(row.batch), row.step, f"{row.ms:.1f}", f"{row.ms_low:.1f} - {row.ms_high:.1f}", f"{row.gflop:.1f}"),
            *(f"{row.fraction_of_gemm:.2f}", "not measured" if row.extra_mb is None else f"{row.extra_mb:.0f}"),
            *(f"{row.ratio_to_sgd:.2f}", f"{row.ratio_to_vae:.2f}"),
        )
    return shown


def write_csv(path: Path, rows: list[Row], setting: Setting) -> None:
    """Write one line per row."""
    with open(path, "w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        for row in rows:
            names = (setting.device, setting.threads, row.batch, setting.protocol.name, row.step)
            values = (row.ms, row.ms_low, row.ms_high, row.gflop, row.fraction_of_gemm, row.extra_mb, row.ratio_to_sgd)
            lines.writerow([*names, *("" if value is None else f"{value:.6g}" for value in values)])


def machine(setting: Setting, rate: float | None = None) -> str:
    """Description of the machine: processor or GPU, threads, version of torch, rate of the matrix product."""
    name = torch.cuda.get_device_name() if setting.device == "cuda" else platform.processor() or platform.machine()
    if setting.device == "cpu" and Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        name = found.group(1) if found else name
    product = "" if rate is None else f", GEMM {rate:.0f} GFLOP/s (float32, {GEMM}^3)"
    return f"{name}, {setting.threads} threads, torch {torch.__version__}{product}"


def check_options(device: str, csv_: Path | None) -> None:
    """Refuse an unknown device, and a table that cannot be written."""
    if device not in NetworkLearner.devices:
        raise ProtocolFault([f"--device {device}: allowed: {', '.join(NetworkLearner.devices)}"])
    if csv_ is not None and (csv_.is_dir() or not csv_.parent.is_dir()):
        raise ProtocolFault([f"--csv {csv_}: allowed: a file in a directory that exists"])
