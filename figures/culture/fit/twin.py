"""A twin beside its recording: what it predicts of each measure, and the posterior of its parameters."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.runs.fit import FitData
from figures.style import AFTER, BEFORE, GREY, PUBLISHED, WIDTH

BINS = 30


def predictive(fit: FitData) -> Figure:
    """Predictive interval of each measure of the distance, beside the recording."""
    rows = [row for row in fit.content["predictive"] if row["of_distance"]]
    drawn, ax = plt.subplots(figsize=(WIDTH, 0.6 + 0.36 * len(rows)))
    for place, row in enumerate(rows):
        low, middle, high = ((row[key] - row["recorded"]) / row["sd"] for key in ("low", "median", "high"))
        ax.plot([low, high], [place, place], color=AFTER, lw=7, alpha=0.4, solid_capstyle="butt")
        ax.plot(middle, place, "|", color=AFTER, ms=11, mew=1.8)
        values = f"{row['recorded']:.3g} {row['unit']}   twin {row['low']:.3g} to {row['high']:.3g}"
        ax.annotate(values, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=7)
    ax.axvline(0, color=PUBLISHED, lw=1.5)
    ax.set_yticks(range(len(rows)), [row["measure"] for row in rows])
    ax.invert_yaxis()
    ax.set_xlabel("difference from the recording, in standard deviations between real cultures")
    ax.set_title(f"{fit.content['recording']} (line), 90 % of simulated cultures and their median (bars)")
    return drawn


def parameters(fit: FitData) -> Figure:
    """Distribution of each parameter and of each pair; grey: the prior. Above: the correlation of the pair."""
    rows: list[dict[str, Any]] = fit.content["parameters"]
    n = len(rows)
    drawn, axes = plt.subplots(n, n, figsize=(WIDTH, WIDTH), squeeze=False)
    thinned, varied = fit.samples[:1000], np.ptp(fit.samples, axis=0) > 0  # a search may leave a single trial
    for i in range(n):
        for j in range(n):
            ax: Axes = axes[i, j]
            if j > i:
                ax.set_axis_off()
                if varied[i] and varied[j]:
                    r = np.corrcoef(fit.samples[:, i], fit.samples[:, j])[0, 1]
                    ax.text(0.5, 0.5, f"{r:+.2f}", transform=ax.transAxes, ha="center", va="center", color=GREY)
                continue
            ax.set_xlim(0, 1)
            ax.set_xticks([0, 0.5, 1])
            ax.set_yticks([])
            ax.tick_params(labelsize=6, labelbottom=i == n - 1)
            if i == j:
                ax.hist(fit.samples[:, i], np.linspace(0, 1, BINS + 1).tolist(), color=AFTER, alpha=0.85, density=True)
                ax.axhline(1, color=BEFORE, lw=1)
            else:
                ax.plot(thinned[:, j], thinned[:, i], ".", ms=1, alpha=0.3, color=AFTER, rasterized=True)
                ax.set_ylim(0, 1)
            if i == n - 1:
                ax.set_xlabel(_folded(rows[j]["label"]), fontsize=6)
            if j == 0 and i > 0:
                ax.set_ylabel(_folded(rows[i]["label"]), fontsize=6)
    drawn.suptitle(
        f"{fit.content['recording']}: each axis is the range of the prior (grey line); above: correlations",
        fontsize=8,
    )
    return drawn


def _folded(label: str) -> str:
    head, _, tail = label.partition(" ")
    return f"{head}\n{tail}"
