"""Spontaneous activity of a living culture: raster, population rate, and the panel beside published values."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture.dish.spontaneous_step import SpontaneousStep, spontaneous_steps
from figures.runs.run import DishRun
from figures.style import AFTER, BEFORE, PUBLISHED, panels

MOST_SHOWN = 60.0  # s, of the raster
RATE_BIN = 0.02  # s
MOST_SDS = 6.0


def figure(run: DishRun) -> Figure | None:
    """Raster and rate of the first culture in the first step that a panel measures; None if there is none."""
    steps = spontaneous_steps(run)
    if not steps:
        return None
    name = steps[0].measure
    rows = [row for row in run.metrics["targets"] if row["quantity"].startswith(f"{name}/") and row["published"]["sd"]]
    fig, grid = panels(3.6, height_ratios=(3, 1), width_ratios=(2.2, 1) if rows else (1,))
    raster, rate = fig.add_subplot(grid[0, 0]), fig.add_subplot(grid[1, 0])
    _raster(steps[0], run.protocol.culture.array.n_electrodes, raster, rate)
    if rows:
        _compared(run, rows, name, fig.add_subplot(grid[:, 1]))
    return fig


def _raster(step: SpontaneousStep, n: int, raster: Axes, rate: Axes) -> None:
    length = min(step.duration, MOST_SHOWN)
    shown = slice(0, int(np.searchsorted(step.time, length - 1e-9)))
    time = step.time[shown]
    raster.plot(time, step.electrode[shown], "|", ms=2.2, mew=0.4, color=AFTER, rasterized=True)
    raster.set_ylim(n - 0.5, -0.5)
    raster.set_ylabel("electrode")
    raster.set_title(f"{step.step}, culture {step.seed}", loc="left")
    edges = np.arange(0, length + RATE_BIN / 2, RATE_BIN)
    counts, _ = np.histogram(time, edges)
    rate.fill_between(edges[:-1], counts / RATE_BIN / n, step="post", color=BEFORE, lw=0)
    rate.set_ylabel("Hz per electrode")
    rate.set_xlabel("time (s)")
    for ax in (raster, rate):
        ax.set_xlim(0, length)
    raster.tick_params(labelbottom=False)


def _compared(run: DishRun, rows: list[dict], name: str, ax: Axes) -> None:
    """Each culture's measures as distances from the published mean, in published standard deviations."""
    for y, row in enumerate(rows):
        published = row["published"]
        values = np.array(run.metrics[row["quantity"]]["per_seed"])
        sds = np.clip((values - published["mean"]) / published["sd"], -MOST_SDS, MOST_SDS)
        ax.plot(sds, np.full(len(sds), y), "o", ms=3, color=AFTER, alpha=0.6, mew=0)
    ax.axvspan(-1, 1, color=PUBLISHED, alpha=0.15, lw=0)
    ax.axvline(0, color=PUBLISHED, lw=0.8)
    ax.set_yticks(range(len(rows)), [row["quantity"].removeprefix(f"{name}/") for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(-MOST_SDS - 0.3, MOST_SDS + 0.3)
    ax.set_xlabel("distance from the mean (sd)")
    ax.set_title(f"{len(run.seeds)} cultures\nshaded: published sd", loc="left")
