"""What a device allows: its rates in large matrix products and copies, and the shortest time of a step at these rates.

No step is faster than its operations at the rate of a large matrix product, nor than reading each layer's weights and
input once and writing its weights and output once at the rate of a copy.
"""

import csv
import functools
from dataclasses import dataclass

import numpy as np
import torch

from hebbian_dl.bench.peers import Setting, Step, flop
from hebbian_dl.bench.steps import take_turns
from hebbian_dl.memory.work import forward_flop
from protocols.runs.stages import Rows
from protocols.spec.nets.layers import Layer, map_sizes

PRECISIONS = ("float32", "tf32", "bfloat16")
SIDE = {"cuda": 8192, "cpu": 1024}  # of the matrices of the product
COPIED = {"cuda": 2**29, "cpu": 2**24}  # float32 values
COPY = "copy"


def set_precision(precision: str) -> str:
    """Allow tensor cores to round inputs of float32 products to 10 bits (tf32) or not; returns the type of numbers."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    return "bfloat16" if precision == "bfloat16" else "float32"


def measure(setting: Setting, rows: Rows) -> None:
    """Rates of matrix products in each precision, and of a copy, then the floor of every step."""
    device, n = setting.device, SIDE[setting.device]
    for precision in PRECISIONS:
        dtype = getattr(torch, set_precision(precision))
        a, b = torch.randn(2, n, n, device=device).to(dtype)
        seconds = np.median(take_turns({precision: functools.partial(torch.mm, a, b)}, 5, device)[precision])
        rows.add(what=f"product of {n} x {n}", precision=precision, rate=2 * n**3 / seconds / 1e12, unit="TFLOP/s")
    source = torch.randn(COPIED[device], device=device)
    target = torch.empty_like(source)
    seconds = np.median(take_turns({COPY: lambda: target.copy_(source)}, 5, device)[COPY])
    rows.add(what=COPY, rate=2 * source.nbytes / seconds / 1e12, unit="TB/s")
    for precision in PRECISIONS:
        floor = Floor.of(rows, precision)
        for step in (Step.FORWARD, Step.SGD, Step.SWTA, Step.HPCA, Step.VAE):
            network, shape, batch = setting.protocol.network.used_layers, setting.protocol.data.shape, setting.batch
            rows.add(
                what=f"floor of {step}",
                batch=batch,
                precision=precision,
                gflop=flop(step, network, shape, batch) / 1e9,
                floor_ms=floor.ms(step, setting),
            )


@dataclass(frozen=True)
class Floor:
    """Rates from which the shortest time of a step follows; NaN where they were not measured.

    Parameters
    ----------
    tera_flop, tera_bytes
        Per second, in units of 1e12.
    word
        Bytes of a number.
    """

    tera_flop: float
    tera_bytes: float
    word: int

    @classmethod
    def of(cls, rows: Rows, precision: str) -> "Floor":
        """The rates that `measure` wrote into the file."""
        with open(rows.path, newline="") as file:
            found = {(row["what"][:4], row["precision"]): row["rate"] for row in csv.DictReader(file) if row["rate"]}
        rate, copy = found.get(("prod", precision), "nan"), found.get((COPY, ""), "nan")
        return cls(float(rate), float(copy), 2 if precision == "bfloat16" else 4)

    def ms(self, step: Step, setting: Setting) -> float:
        """Milliseconds below which no such step can take."""
        layers, shape = setting.protocol.network.used_layers, setting.protocol.data.shape
        work = flop(step, layers, shape, setting.batch) / self.tera_flop
        moved = values_moved(layers, shape, setting.batch) * self.word / self.tera_bytes
        return max(work, moved) / 1e9


def values_moved(layers: tuple[Layer, ...], shape: tuple[int, int, int], batch: int) -> int:
    """Numbers that the layers with weights must read and write at least: input, output, and the weights twice."""
    total, before = 0, shape
    for layer, after in zip(layers, map_sizes(layers, *shape), strict=True):
        outputs = after[0] * after[1] * after[2]
        if forward := forward_flop((layer,), before):
            weights = forward / (2 * after[1] * after[2])
            total += int(batch * (before[0] * before[1] * before[2] + outputs) + 2 * weights)
        before = after
    return total
