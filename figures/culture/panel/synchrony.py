"""Synchrony against distance: the spike time tiling coefficient of pairs of units (Cutts and Eglen 2014)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture.panel import groups as shared
from figures.culture.panel.recorded import Grouped, Recorded, by_distance, distance_edges, everyone
from figures.style import BEFORE


def figure(groups: Grouped) -> Figure | None:
    """Mean of the pairs in bins of distance; of one recording, all pairs and quartiles too. None without positions."""
    edges = distance_edges(everyone(groups))
    if not len(edges):
        return None
    only = shared.alone(groups)
    middle = 5e2 * (edges[1:] + edges[:-1])  # mm
    fig, axes = shared.columns(groups, 1, 2.3)
    for ax, (title, panel) in zip(axes[0], groups.items(), strict=True):
        for name, color, recordings in shared.drawn(panel):
            means = np.array([by_distance(each, edges)[0] for each in recordings])
            if only is not None:
                _pairs(ax, only, edges, color)
            elif len(means) > 1:
                ax.plot(middle, means.T, color=color, lw=0.5, alpha=0.5)
            there = np.isfinite(means)
            total = np.where(there, means, 0).sum(axis=0) / np.where(there.any(axis=0), there.sum(axis=0), np.nan)
            ax.plot(middle, total, "o-", ms=3, color=color, lw=1.6, label=name or "mean")
        shared.legend(ax, title, 2 if only is None else 3)
        ax.set_xlabel("distance of electrodes (mm)")
    axes[0, 0].set_ylabel(f"STTC (dt {everyone(groups)[0].dt * 1e3:g} ms)")
    axes[0, 0].set_xlim(left=0)
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(min(low, 0), min(max(high, 1), 1.05))
    shared.explain(fig, groups)
    return fig


def _pairs(ax: Axes, recorded: Recorded, edges: np.ndarray, color: str) -> None:
    """Every pair, and the quartiles of the pairs of each bin."""
    _, low, high = by_distance(recorded, edges)
    pairs = f"{np.isfinite(recorded.sttc).sum():,} pairs"
    ax.plot(1e3 * recorded.distance, recorded.sttc, ".", ms=3, mew=0, color=BEFORE, alpha=0.6, label=pairs)
    ax.fill_between(5e2 * (edges[1:] + edges[:-1]), low, high, color=color, alpha=0.25, lw=0, label="quartiles")
