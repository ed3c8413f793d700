"""Agreement with the masks over their fraction: Dice coefficient and 95 % Hausdorff distance, a curve per method."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.networks.methods import Look, looks_of
from figures.runs.run import SegmentationRun
from figures.style import canvas

HEIGHT = 3.2  # inches
PANELS = {
    "dice": ("Dice coefficient of test images, %", 100.0),
    "hausdorff95": ("95 % Hausdorff distance, {unit}", 1.0),
}


def figure(run: SegmentationRun) -> Figure:
    """Mean over seeds, and as a band its 95 % interval; thin lines are seeds."""
    look = looks_of(run.protocol.segmentation.methods)
    fig, axes = canvas(1, len(PANELS), HEIGHT)
    for ax, (measure, (name, factor)) in zip(axes[0], PANELS.items(), strict=True):
        for method in run.methods:
            _curve(ax, run, measure, method, look[method], factor)
        _axis(ax, run)
        ax.set_ylabel(name.format(unit=run.value(measure, run.methods[0], next(iter(run.regimes.values())))["unit"]))
    axes[0, 0].set_title(run.protocol.title, loc="left", fontsize=8, wrap=True)
    handles = [
        Line2D([], [], color=own.color, marker=own.marker, lw=1.8, ms=4.5, label=name) for name, own in look.items()
    ]
    n = len(run.seeds)
    said = f"mean of {n} seeds, 95 % interval; thin: one seed" if n > 1 else "one seed"
    fig.legend(handles=handles, title=said, title_fontsize=7, ncols=min(6, len(handles)), loc="outside lower center")
    return fig


def _curve(ax: Axes, run: SegmentationRun, measure: str, method: str, look: Look, factor: float) -> None:
    """The curve of one method over the fractions of the masks."""
    values = [run.value(measure, method, regime) for regime in run.regimes.values()]
    x = list(run.regimes)
    if all(value["ci95"] is not None for value in values):
        low, high = factor * np.transpose([value["ci95"] for value in values])
        ax.fill_between(x, low, high, color=look.color, alpha=0.2, lw=0)
    if values[0]["n"] > 1:
        for seed in factor * np.transpose([value["per_seed"] for value in values]):
            ax.plot(x, seed, color=look.color, lw=0.5, alpha=0.5)
    means = [factor * value["mean"] for value in values]
    ax.plot(x, means, color=look.color, marker=look.marker, lw=1.8, ms=4.5, zorder=2.5)


def _axis(ax: Axes, run: SegmentationRun) -> None:
    """Logarithmic fractions, each with its number of masks."""
    first = run.methods[0]
    numbers = [run.value("dice", first, regime)["masks"] for regime in run.regimes.values()]
    ax.set_xscale("log")
    ax.minorticks_off()
    labels = [f"{100 * fraction:g} %\n{number}" for fraction, number in zip(run.regimes, numbers, strict=True)]
    ax.set_xticks(list(run.regimes), labels, fontsize=6.5)
    ax.set_xlabel("training images with a mask")
