"""Times of training steps, from the table that ``python -m hebbian_dl.bench --csv FILE`` writes."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from figures.style import AFTER, BEFORE, GREY, PUBLISHED, THOUSANDS, canvas
from protocols.spec.faults import ProtocolFault

COLUMNS = ("device", "threads", "batch", "network", "step", "ms", "ms_low", "ms_high", "ratio_to_sgd")
BACKPROP = {"forward", "SGD", "VAE"}
OTHER_WAYS = ("im2col", "ordinary")
LEGEND = {BEFORE: "forward pass and backprop", AFTER: "FastHebb", PUBLISHED: "other ways to the same update"}
WIDE = 30  # ratio of times above which the axis is logarithmic
BAR = 0.24  # height of a bar in inches


@dataclass(frozen=True)
class Step:
    """One row of the table: a kind of training step, its time in ms."""

    setup: tuple[str, str, str]  # device, threads, network
    batch: str
    name: str
    ms: float
    ms_low: float
    ms_high: float
    ratio_to_sgd: float | None

    @property
    def color(self) -> str:
        """Colour of the kind of step, see `LEGEND`."""
        if self.name in BACKPROP:
            return BEFORE
        return PUBLISHED if any(way in self.name for way in OTHER_WAYS) else AFTER


def figure(path: Path) -> Figure:
    """Bars in ms per step, in the order of the table; one panel per device, number of threads and network.

    Raises
    ------
    ProtocolFault
        If the file is not such a table.
    """
    steps = read_steps(path)
    setups = {setup: [step for step in steps if step.setup == setup] for setup in dict.fromkeys(s.setup for s in steps)}
    heights = [len(group) + 2.6 for group in setups.values()]
    fig, axes = canvas(len(setups), 1, BAR * (sum(heights) + 1.5), height_ratios=heights)
    for ax, (setup, group) in zip(axes[:, 0], setups.items(), strict=True):
        _draw(ax, group)
        device, threads, network = setup
        plural = "" if threads == "1" else "s"
        ax.set_title(f"{network} on {device}, {threads} thread{plural}, batch {group[0].batch}", loc="left")
    colors = {step.color for step in steps}
    handles = [Patch(color=color, label=label) for color, label in LEGEND.items() if color in colors]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig


def _draw(ax: Axes, group: Sequence[Step]) -> None:
    """One bar per step, whiskers from the lowest to the highest time; its time and its ratio to SGD as text."""
    times = np.array([step.ms for step in group])
    rows = range(len(group))
    batch = group[0].batch
    names = [s.name if s.batch == batch or "batch" in s.name else f"{s.name} (batch {s.batch})" for s in group]
    ax.barh(rows, times, 0.72, color=[step.color for step in group])
    spread = np.transpose([(max(0, step.ms - step.ms_low), max(0, step.ms_high - step.ms)) for step in group])
    ax.errorbar(times, rows, xerr=spread, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.5)
    logarithmic = times.max() > WIDE * times.min()
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(THOUSANDS)
        ax.set_xlim(10 ** math.floor(math.log10(min(s.ms_low for s in group)) - 0.05), None)
    for row, step in zip(rows, group, strict=True):
        ax.annotate(words(step), (step.ms_high, row), (4, 0), textcoords="offset points", va="center", fontsize=7)
    low = ax.get_xlim()[0]
    highest = max(step.ms_high for step in group)
    ax.set_xlim(low, highest * (highest / low) ** 0.28 if logarithmic else highest * 1.35)  # room for the text
    ax.set_yticks(rows, names)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("ms a training step" + (" (logarithmic)" if logarithmic else ""), color=GREY)


def words(step: Step) -> str:
    """The time to three digits, and its ratio to SGD's."""
    time = f"{step.ms:.0f}" if step.ms >= 100 else f"{step.ms:.3g}"
    ratio = step.ratio_to_sgd
    return f"{time} ms" + ("" if ratio is None else f", {ratio:.{2 if ratio < 10 else 1}f} x SGD")


def read_steps(path: Path) -> list[Step]:
    """The rows of the table."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise ProtocolFault([f"{path}: no table of python -m hebbian_dl.bench --csv: no column {missing[0]}"])
            steps = [_step(path, number, row) for number, row in enumerate(reader, 1)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ProtocolFault([f"{path}: not a readable CSV table: {error}"]) from None
    if not steps:
        raise ProtocolFault([f"{path}: holds no step"])
    return steps


def _step(path: Path, number: int, row: dict[str, str]) -> Step:
    try:
        low, ms, high = (float(row[key]) for key in ("ms_low", "ms", "ms_high"))
        ratio = float(row["ratio_to_sgd"]) if row["ratio_to_sgd"] else None
    except (TypeError, ValueError) as error:
        raise ProtocolFault([f"{path}: row {number}: {error}"]) from None
    if not all(0 < value < math.inf for value in (low, ms, high)):
        raise ProtocolFault([f"{path}: row {number}: {ms:g} ms, {low:g} to {high:g}; allowed: positive times"])
    return Step((row["device"], row["threads"], row["network"]), row["batch"], row["step"], ms, low, high, ratio)
