"""Benchmark of a GPU, in stages that leave their results whenever they are cut off: the most important ones first.

`plan` lists the stages. Steps and epochs are those of the package, on random images that are on the device already.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from hebbian_dl.bench import ceilings
from hebbian_dl.bench.ceilings import Floor, set_precision
from hebbian_dl.bench.peers import Setting, Step, flop, prepared
from hebbian_dl.bench.steps import call_of, extra_memory, seconds_of, take_turns
from hebbian_dl.images.in_memory import Examples
from hebbian_dl.layers import patch_sums
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.training.queued import WARM_UP, Replayed
from protocols.runs.stages import Rows, Stage
from protocols.spec.nets.layers import Convolution, map_sizes

COLUMNS = (
    *("stage", "what", "batch", "precision", "graph", "ms", "ms_low", "ms_high", "images_per_s"),
    *("gflop", "floor_ms", "ratio_to_sgd", "extra_mb", "rate", "unit"),
)
HEBBIAN = (Step.SWTA, Step.HPCA)
STEPS = (Step.SGD, *HEBBIAN, Step.FORWARD, Step.VAE)
BATCHES = (64, 128, 256, 512, 1024, 2048)
SCAN_BLOCKS = (64, 128, 256, 512, 1024)
REPEATS = {"cuda": 10, "cpu": 1}  # steps in a row between two looks at the clock
KERNELS = 12  # of the profile of a step


def plan(setting: Setting, images: int, rounds: int) -> list[Stage]:
    """The stages in the order of their worth, with limits in seconds.

    Parameters
    ----------
    images
        Images of an epoch.
    rounds
        Measurements of each step.
    """
    graph = setting.device == "cuda"

    def turns(precision: str, *, graph: bool, trial: bool = False) -> Callable[[Rows], None]:
        return functools.partial(steps, setting, precision, graph, rounds, trial)

    return [
        Stage("ceilings", 60, functools.partial(ceilings.measure, setting)),
        Stage("epoch", 90, functools.partial(epoch, setting, images, graph)),
        Stage("steps", 60, turns("tf32", graph=graph)),
        Stage("best batch", 90, functools.partial(best_batch, setting, images, graph, rounds)),
        Stage("steps in float32", 60, turns("float32", graph=graph)),
        Stage("steps in bfloat16", 60, turns("bfloat16", graph=graph)),
        *([Stage("steps, convolutions tried", 60, turns("tf32", graph=True, trial=True))] if graph else []),
        *([Stage("steps kernel by kernel", 60, turns("tf32", graph=False))] if graph else []),
        Stage("profile", 60, functools.partial(profiled, setting)),
        Stage("scan blocks", 60, functools.partial(scan_blocks, setting, graph, rounds)),
        Stage("memory formats", 60, functools.partial(memory_formats, setting, rounds)),
        Stage("other forms", 90, functools.partial(other_forms, setting, rounds)),
    ]


def acting(step: Step, setting: Setting, graph: bool) -> Callable[[Examples], object]:
    """A step of a new model, recorded as a CUDA graph or not, warmed up."""
    torch.set_num_threads(setting.threads)
    act: Any = prepared(step, setting)
    act = Replayed(act) if graph else act
    batch = setting.images(setting.batch)
    for _ in range(WARM_UP + 2):
        act(batch)
    if graph and act.fails:
        raise RuntimeError(f"{step}: cannot be recorded as a CUDA graph")
    return act


def timed(step: Step, setting: Setting, graph: bool) -> Callable[[], object]:
    """Several steps in a row, on a batch of their own."""
    act, batch = acting(step, setting, graph), setting.images(setting.batch)

    def several() -> None:
        for _ in range(REPEATS[setting.device]):
            act(batch)

    return several


def in_turns(calls: dict[Any, Callable[[], object]], rounds: int, device: str) -> dict[Any, np.ndarray]:
    """Milliseconds of one step of each, in each round."""
    return {name: s * 1e3 / REPEATS[device] for name, s in take_turns(calls, rounds, device).items()}


def _quartiles(ms: np.ndarray, batch: int) -> dict[str, float]:
    low, middle, high = (float(value) for value in np.quantile(ms, (0.25, 0.5, 0.75)))
    return {"ms": middle, "ms_low": low, "ms_high": high, "images_per_s": batch / middle * 1e3}


def _about(step: Step, setting: Setting, precision: str, graph: bool, rows: Rows) -> dict[str, Any]:
    layers, shape = setting.protocol.network.used_layers, setting.protocol.data.shape
    return {
        "batch": setting.batch,
        "precision": precision,
        "graph": "yes" if graph else "no",
        "gflop": flop(step, layers, shape, setting.batch) / 1e9,
        "floor_ms": Floor.of(rows, precision).ms(step, setting),
    }


def steps(setting: Setting, precision: str, graph: bool, rounds: int, trial: bool, rows: Rows) -> None:
    """Each step, in turns, with its ratio to backprop; on a GPU, kernel by kernel, also its memory.

    With `trial` cuDNN times its kernels for a convolution once, and keeps the fastest.
    """
    torch.backends.cudnn.benchmark = trial
    here = replace(setting, precision=set_precision(precision))
    ms = in_turns({step: timed(step, here, graph) for step in STEPS}, rounds, setting.device)
    sgd = float(np.median(ms[Step.SGD]))
    for step in STEPS:
        extra = extra_memory(step, here) if setting.device == "cuda" and not graph else None
        measured = _quartiles(ms[step], setting.batch)
        about = _about(step, here, precision, graph, rows)
        rows.add(what=str(step), **about, **measured, ratio_to_sgd=measured["ms"] / sgd, extra_mb=extra)


def epoch(setting: Setting, images: int, graph: bool, rows: Rows) -> None:
    """A whole epoch by each rule: batches are drawn on the device; the first epoch, a warm-up, is not counted."""
    for recorded in dict.fromkeys((graph, False)):
        for step in (*HEBBIAN, Step.SGD):
            set_precision("tf32")
            _epoch(step, setting, images, recorded, rows)


def _epoch(step: Step, setting: Setting, images: int, graph: bool, rows: Rows) -> None:
    act, examples = acting(step, setting, graph), setting.images(images)

    def whole() -> None:
        for batch in examples.batches(setting.batch, torch.randperm(images)):
            act(batch)

    for _ in range(2 if setting.device == "cuda" else 1):
        ms = seconds_of(whole, setting.device) * 1e3
    about, n_steps = _about(step, setting, "tf32", graph, rows), images / setting.batch
    about |= {"gflop": about["gflop"] * n_steps, "floor_ms": about["floor_ms"] * n_steps}
    rows.add(what=f"{step} epoch of {images} images", **about, ms=ms, images_per_s=images / ms * 1e3)


def best_batch(setting: Setting, images: int, graph: bool, rounds: int, rows: Rows) -> None:
    """The Hebbian steps at growing batches, and an epoch of each at the batch that learns most images a second."""
    set_precision("tf32")
    for step in HEBBIAN:
        found = dict[int, float]()
        for batch in BATCHES:
            here = replace(setting, batch=batch)
            ms = in_turns({step: timed(step, here, graph)}, rounds, setting.device)[step]
            measured = _quartiles(ms, batch)
            found[batch] = measured["images_per_s"]
            rows.add(what=str(step), **_about(step, here, "tf32", graph, rows), **measured)
        _epoch(step, replace(setting, batch=max(found, key=lambda b: found[b])), images, graph, rows)


def profiled(setting: Setting, rows: Rows) -> None:
    """The kernels that take most of a Hebbian step's time."""
    set_precision("tf32")
    cuda = setting.device == "cuda"
    for step in HEBBIAN:
        act, batch = acting(step, setting, False), setting.images(setting.batch)
        with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as found:
            act(batch)
        events = found.key_averages()
        time_of = (lambda e: e.self_device_time_total) if cuda else (lambda e: e.self_cpu_time_total)
        for event in sorted(events, key=time_of, reverse=True)[:KERNELS]:
            name = f"{step}: {event.count} x {event.key[:80]}"
            rows.add(what=name, batch=setting.batch, precision="tf32", graph="no", ms=time_of(event) / 1e3)


def scan_blocks(setting: Setting, graph: bool, rounds: int, rows: Rows) -> None:
    """HPCA with blocks of several sizes in its dense layers."""
    set_precision("tf32")
    for size in SCAN_BLOCKS:
        patch_sums.BLOCK = patch_sums.GPU_BLOCK = size
        ms = in_turns({size: timed(Step.HPCA, setting, graph)}, rounds, setting.device)[size]
        about = _about(Step.HPCA, setting, "tf32", graph, rows)
        rows.add(what=f"HPCA, blocks of {size} neurons", **about, **_quartiles(ms, setting.batch))


def memory_formats(setting: Setting, rounds: int, rows: Rows) -> None:
    """Projection and correlation of every convolution, with channels last and first."""
    before = setting.protocol.data.shape
    layers = setting.protocol.network.used_layers
    for layer, after in zip(layers, map_sizes(layers, *setting.protocol.data.shape), strict=True):
        if isinstance(layer, Convolution):
            for precision in ("tf32", "bfloat16"):
                dtype = getattr(torch, set_precision(precision))
                for form in (torch.channels_last, torch.contiguous_format):
                    name = f"convolution {before[0]}-{layer.conv}, {str(form).removeprefix('torch.')}"
                    call = _convolution(layer, before, after, setting, dtype, form)
                    ms = in_turns({name: call}, rounds, setting.device)[name]
                    measured = _quartiles(ms, setting.batch)
                    rows.add(what=name, batch=setting.batch, precision=precision, graph="no", **measured)
        before = after


def _convolution(
    layer: Convolution, before: tuple[int, ...], after: tuple[int, ...], setting: Setting, dtype: Any, form: Any
) -> Callable[[], object]:
    module = nn.Conv2d(before[0], layer.conv, layer.kernel, layer.stride, layer.padding, bias=False)
    geometry = Geometry.of(module)

    def on_device(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(setting.device, dtype).contiguous(memory_format=form)

    weights = on_device(module.weight.detach())
    inputs, signal = (on_device(torch.randn(setting.batch, *size)) for size in (before, after))

    def several() -> None:
        for _ in range(REPEATS[setting.device]):
            geometry.project(inputs, weights)
            geometry.correlate(inputs, signal, weights)

    return several


def other_forms(setting: Setting, rounds: int, rows: Rows) -> None:
    """The matrix form on stored patches, and the ordinary form, from which FastHebb's speed-up follows."""
    set_precision("tf32")
    for step in (Step.SWTA_IM2COL, Step.HPCA_IM2COL, Step.SWTA_ORDINARY, Step.HPCA_ORDINARY):
        here = setting.of(step)
        ms = take_turns({step: call_of(step, here)}, min(rounds, 3), setting.device)[step] * 1e3
        about = _about(step, here, "tf32", False, rows)
        rows.add(what=str(step), **about, **_quartiles(ms, here.batch))
