"""Fading memory: how well earlier stimuli are read from the response to the present one."""

import numpy as np
from matplotlib.figure import Figure

from figures.culture.reservoir.sources import COLORS, NAMES, cultures, sources, value
from figures.runs.run import ReservoirRun
from figures.style import GREY, MARKERS, canvas


def figure(run: ReservoirRun) -> Figure | None:
    """Left: the class of the k-th stimulus before; right, of two classes: whether it differs from the present one."""
    n = run.protocol.reservoir.memory
    if not n:
        return None
    kinds = [("memory", "class of the k-th stimulus before")]
    if len(run.classes) == 2:
        kinds.append(("parity", "does the k-th stimulus before differ from the present one?"))
    fig, axes = canvas(1, len(kinds), 2.9, sharey=True)
    lags = np.arange(1, n + 1)
    for ax, (kind, title) in zip(axes[0], kinds, strict=True):
        for k, name in enumerate(sources(run)):
            found = [value(run, f"{kind}/{lag}/", name) for lag in lags]
            mean = 100 * np.array([one["mean"] for one in found])
            look = {"color": COLORS[name], "label": NAMES[name]}
            ax.plot(lags, mean, f"{MARKERS[k % len(MARKERS)]}-", ms=4, lw=1.4, **look)
            if all(one["ci95"] for one in found):
                low, high = 100 * np.array([one["ci95"] for one in found]).T
                ax.fill_between(lags, low, high, color=COLORS[name], alpha=0.2, lw=0)
        ax.axhline(100 / len(run.classes), color=GREY, lw=0.9, ls=(0, (1, 2)))
        ax.set_xticks(lags)
        ax.set_xlabel(f"k   (stimuli come every {run.protocol.reservoir.every * 1e3:g} ms)")
        ax.set_title(title, loc="left", fontsize=8)
    axes[0, 0].set_ylabel("test accuracy, %")
    axes[0, 0].set_ylim(top=102)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    bands = "; bands: 95 % interval of the mean" if len(run.seeds) > 1 else ""
    title = f"{cultures(run)}{bands}; dotted: chance"
    fig.legend(handles, labels, ncols=4, loc="outside lower left", title=title)
    return fig
