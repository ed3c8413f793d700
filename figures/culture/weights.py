"""Outgoing weight of each electrode's cell, before and after learning."""

import numpy as np
from matplotlib.figure import Figure

from figures.culture import array_map
from figures.runs.run import EvokedRun
from figures.style import canvas


def figure(run: EvokedRun) -> Figure | None:
    """One row per plastic projection: outgoing weight of each electrode's cell before, after, and the change.

    None if nothing is plastic.
    """
    names = [name for name, projection in run.protocol.culture.projections.items() if projection.plastic]
    if not names:
        return None
    array = run.protocol.culture.array
    fig, axes = canvas(len(names), 3, 1.35 * len(names) + 0.5)
    for row, name in enumerate(names):
        before, after = (_outgoing(run, name, when) for when in ("before", "after"))
        change = after - before
        top, widest = max(before.max(), after.max()), np.abs(change).max() or 1.0
        images: list[tuple[str, np.ndarray, str, float, float]] = [
            ("before", before, "viridis", 0, top),
            ("after", after, "viridis", 0, top),
            ("change", change, "RdBu_r", -widest, widest),
        ]
        for column, (title, image, cmap, low, high) in enumerate(images):
            ax, grid = axes[row, column], image.reshape(array.rows, array.columns)
            shown = array_map.draw(ax, grid, f"{name}, {title}", cmap, limits=(low, high))
            fig.colorbar(shown, ax=ax, label="mV", shrink=0.9)
    fig.suptitle("Mean weight onto the neurons of the array: from each electrode, and from the neurons around it")
    return fig


def _outgoing(run: EvokedRun, name: str, when: str) -> np.ndarray:
    """Weight from each cell in mV, mean over target cells and seeds; shape (n_cells,)."""
    return np.nanmean(run.stack(f"weights/{name}/{when}"), axis=(0, 2)) * 1e3
