"""Page of a culture as a reservoir: accuracy beside the controls, curves, memory, confusions."""

import numpy as np

from figures.culture.reservoir.sources import NAMES, cultures, sources, value
from figures.html import common
from figures.html.blocks import Block, Plot, Section, Series, Subject, Table
from figures.runs.run import ReservoirRun

MOST_CLASSES = 20  # whose confusions are written as a table


def subject(run: ReservoirRun, name: str) -> Subject:
    """The run with its sections."""
    chance = run.metrics["chance"]["mean"]
    names = [*(f"accuracy/{source}" for source in sources(run)), "chance", "information", "evoked spikes"]
    sections = [
        common.asked(run),
        common.result(run, names, *([table] if (table := _confusion(run)) else [])),
        Section("Accuracy against trials and electrodes", _curves(run, chance)),
        *([Section("Fading memory", _memory(run))] if run.protocol.reservoir.memory else []),
        common.provenance(run),
    ]
    return Subject(name, run.protocol.title, sections, common.headline(run, names))


def _confusion(run: ReservoirRun) -> Block | None:
    """Share of the trials of each class with each answer; None of many classes."""
    if len(run.classes) > MOST_CLASSES:
        return None
    tables = run.stack("confusion").sum(axis=0)
    share = 100 * tables / np.maximum(tables.sum(axis=1, keepdims=True), 1)
    rows = [(name, *(f"{cell:.1f}" for cell in row)) for name, row in zip(run.classes, share, strict=True)]
    return Table(("class \\ answer", *run.classes), rows, note=f"Per cent of the trials of a class, {cultures(run)}.")


def _curves(run: ReservoirRun, chance: float) -> list[Block]:
    plots = list[Block]()
    for kind, label in (("trials", "training trials of each class"), ("electrodes", "electrodes that are read")):
        every = run.stack(f"curve/{kind}")
        x = every[0, :, 0]
        each = [Series("", x, 100 * curve[:, 1], "before", "thin") for curve in every] if len(every) > 1 else []
        mean = Series(f"mean of {cultures(run)}", x, 100 * every[..., 1].mean(axis=0))
        levels = [(100 * chance, "chance")]
        plots.append(Plot("", label, "test accuracy (%)", [*each, mean], log_x=True, levels=levels))
    return plots


def _memory(run: ReservoirRun) -> list[Block]:
    plots, lags = list[Block](), list(range(1, run.protocol.reservoir.memory + 1))
    titles = {"memory": "Class of the k-th stimulus before", "parity": "Whether it differs from the present one"}
    for kind, title in titles.items():
        if f"{kind}/1/culture" not in run.metrics:
            continue
        series = []
        for k, source in enumerate(sources(run)):
            found = [value(run, f"{kind}/{lag}/", source) for lag in lags]
            mean = [100 * one["mean"] for one in found]
            bounds = [one["ci95"] or [one["mean"]] * 2 for one in found]
            low, high = ([100 * bound[side] for bound in bounds] for side in (0, 1))
            series.append(Series(NAMES[source], lags, mean, k, "line", low, high))
        ticks = [(float(lag), str(lag)) for lag in lags]
        plots.append(Plot(title, "k", "test accuracy (%)", series, ticks=ticks))
    return plots
