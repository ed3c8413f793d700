"""Profiles of network bursts: rate of the active electrodes around the peak (van Pelt et al. 2004)."""

import numpy as np
from matplotlib.figure import Figure

from figures.culture.panel import groups as shared
from figures.culture.panel.recorded import Grouped, everyone


def figure(groups: Grouped) -> Figure | None:
    """Mean over the bursts of each recording; of one recording, quartiles of the bursts too. None without bursts."""
    if not any(each.n_bursts for each in everyone(groups)):
        return None
    only = shared.alone(groups)
    fig, axes = shared.columns(groups, 1, 2.3)
    for ax, (title, panel) in zip(axes[0], groups.items(), strict=True):
        for name, color, recordings in shared.drawn(panel):
            kept = [each for each in recordings if each.n_bursts]
            if not kept:
                continue
            lag, means = 1e3 * kept[0].lag, np.array([each.profile[0] for each in kept])
            if len(means) > 1:
                ax.plot(lag, means.T, color=color, lw=0.5, alpha=0.5)
            bursts = f"{sum(each.n_bursts for each in kept):,} bursts"
            label = f"{name}: {bursts}" if name else f"mean of {bursts}"
            ax.plot(lag, means.mean(axis=0), color=color, lw=1.8, label=label)
            if only is not None:
                ax.fill_between(lag, *only.profile[1:], color=color, alpha=0.25, lw=0, label="quartiles")
        ax.set_xlabel("time from the peak (ms)")
        ax.axvline(0, color="black", lw=0.5, ls=":")
        ax.set_title(title, loc="left")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="upper right")  # bursts are over there
    axes[0, 0].set_ylabel("rate of the active electrodes (Hz)")
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].margins(x=0)
    shared.explain(fig, groups)
    return fig
