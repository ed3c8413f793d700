"""Distributions of the durations of network bursts and of the intervals between them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from figures.culture.dish.spontaneous_step import spontaneous_steps
from figures.runs.run import DishRun
from figures.style import AFTER, CLASS_COLORS, GREY, PUBLISHED, THIN, canvas

MANY_DECADES = 10**2.5  # from here on, only powers of ten are labelled
#: starts and ends of the network bursts of a recording (s)
Bursts = tuple[np.ndarray, np.ndarray]


def figure(run: DishRun) -> Figure | None:
    """Of a run's cultures; None if nothing measures spontaneous activity, or no culture bursts twice."""
    steps = spontaneous_steps(run)
    recordings = [(step.start, step.end) for step in steps]
    if not any(len(start) > 1 for start, _ in recordings):
        return None
    return distributions({f"twin, {steps[0].step}": recordings})


def distributions(groups: Mapping[str, Sequence[Bursts]]) -> Figure:
    """Cumulative distributions: a thin line a recording, a bold one for the mean over the recordings of a group.

    Parameters
    ----------
    groups
        Network bursts of the recordings of each group, by its name.
    """
    fig, axes = canvas(1, 2, 2.6 + 0.15 * len(groups), sharey=True)
    durations = {name: [end - start for start, end in recordings] for name, recordings in groups.items()}
    intervals = {name: [np.diff(start) for start, _ in recordings] for name, recordings in groups.items()}
    colors = (AFTER, PUBLISHED, *CLASS_COLORS)
    for ax, kinds, of in zip(axes[0], (durations, intervals), ("bursts", "intervals"), strict=True):
        for k, (name, values) in enumerate(kinds.items()):
            _cumulative(ax, [each for each in values if len(each)], colors[k % len(colors)], name, of)
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < MANY_DECADES else (1,)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1))  # above: curves reach every corner
    axes[0, 0].set_xlabel("duration of network bursts (s)")
    axes[0, 1].set_xlabel("interval of network bursts, onset to onset (s)")
    axes[0, 0].set_ylabel("cumulative share")
    axes[0, 0].set_ylim(0, 1.01)
    if any(len(recordings) > 1 for recordings in groups.values()):
        fig.supxlabel(THIN, fontsize=7, color=GREY)
    return fig


def _cumulative(ax: Axes, recordings: Sequence[np.ndarray], color: str, name: str, of: str) -> None:
    if not recordings:
        return
    at = np.unique(np.concatenate(recordings))
    shares = [np.searchsorted(np.sort(values), at, "right") / len(values) for values in recordings]
    for share in shares:
        ax.step(at, share, where="post", color=color, lw=0.5, alpha=0.45)
    n = f"{sum(map(len, recordings)):,} {of}"
    label = f"{name} (n={len(recordings)}; {n})"
    ax.step(at, np.mean(shares, axis=0), where="post", color=color, lw=2, label=label)
