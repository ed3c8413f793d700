"""Which class was answered for which: the confusions of all cultures."""

import numpy as np
from matplotlib.figure import Figure

from figures.culture.reservoir.sources import cultures
from figures.runs.run import ReservoirRun
from figures.style import WIDTH, canvas

MOST_NAMED = 16  # classes whose names and shares are written


def figure(run: ReservoirRun) -> Figure:
    """Share of the trials of each class (row) with each answer (column), mean over cultures."""
    tables = run.stack("confusion").astype(float)
    share = 100 * (tables / np.maximum(tables.sum(axis=2, keepdims=True), 1)).mean(axis=0)
    n, names = len(share), run.classes
    fig, axes = canvas(1, 1, 4.2 if n > MOST_NAMED else min(4.8, 1.7 + 0.3 * n))
    ax = axes[0, 0]
    fig.set_size_inches(min(WIDTH, 3.2 + 0.4 * n), fig.get_figheight())
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
    if n <= MOST_NAMED:
        for (row, column), value in np.ndenumerate(share):
            if value >= 0.5:
                ax.text(
                    column, row, f"{value:.0f}", ha="center", va="center", fontsize=7,
                    color="white" if value > 60 else "black",
                )  # fmt: skip
        turned = 0 if max(map(len, names)) <= 3 else 30
        ax.set_xticks(range(n), names, rotation=turned, ha="center" if not turned else "right")
        ax.set_yticks(range(n), names)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0 if n <= MOST_NAMED else 3)
    ax.set_xlabel("answer")
    ax.set_ylabel("class of the stimulus")
    fig.colorbar(image, ax=ax, label="share of a class, %", shrink=0.8)
    ax.set_title(f"{run.protocol.name}: {cultures(run)}", loc="left")
    return fig
