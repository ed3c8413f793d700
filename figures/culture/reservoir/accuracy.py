"""Accuracy of the readout of the culture beside the controls: one point a culture, the mean and its interval."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture.reservoir.sources import COLORS, NAMES, cultures, sources, value
from figures.runs.run import ReservoirRun
from figures.style import GREY, PUBLISHED, canvas

ROW = 0.28  # inches


def figure(run: ReservoirRun) -> Figure:
    """One row a source; the published value, where there is one, is a dashed line."""
    names = sources(run)
    fig, axes = canvas(1, 1, 1.25 + ROW * len(names))
    ax: Axes = axes[0, 0]
    for row, name in enumerate(names):
        found = value(run, "accuracy/", name)
        each = 100 * np.array(found["per_seed"])
        spread = np.linspace(-0.16, 0.16, len(each)) if len(each) > 1 else np.zeros(1)
        ax.plot(each, row + spread, "o", ms=3, mfc="none", mec=COLORS[name], mew=0.7, alpha=0.7, zorder=2)
        if found["ci95"] is not None:
            ax.plot(100 * np.array(found["ci95"]), [row] * 2, color=COLORS[name], lw=2.2, zorder=3)
        ax.plot(100 * found["mean"], row, "D", ms=5, color=COLORS[name], zorder=4)
    chance = 100 * run.metrics["chance"]["mean"]
    ax.axvline(chance, color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1)
    top = -0.75
    ax.text(chance, top, f"chance {chance:.3g} %", color=GREY, fontsize=7, ha="center", va="bottom")
    for target in run.targets:
        if target.quantity == "accuracy/culture":
            ax.axvline(100 * target.value, color=PUBLISHED, lw=0.9, ls="--", zorder=1)
            text = f"published {100 * target.value:.3g} %"
            ax.text(100 * target.value, top, text, color=PUBLISHED, fontsize=7, ha="center", va="bottom")
    ax.set_yticks(range(len(names)), [NAMES[name] for name in names])
    ax.set_ylim(len(names) - 0.4, -0.7)
    ax.set_xlim(0, 103)
    key = f"circles: {cultures(run)}; diamond and bar: mean, 95 % interval" if len(run.seeds) > 1 else "one culture"
    ax.set_xlabel(f"test accuracy, %   ({key})")
    ax.set_title(run.protocol.title, loc="left", pad=14)
    return fig
