"""Time courses around the probing pulses of a living culture, one panel a pattern, one line a step."""

import numpy as np
from matplotlib.figure import Figure

from figures.runs.run import DishRun
from figures.style import AFTER, BEFORE, canvas
from protocols.plan.dish import COURSE, expand_dish

COLORS = (BEFORE, AFTER, "#117733", "#ddcc77", "#882255")


def figure(run: DishRun) -> Figure | None:
    """Rate of the electrodes in bins around the pulse, mean of all cultures and its +- sd band; None without probes."""
    prefix = f"seed_{run.seeds[0]}/course/"
    paths = [path.removeprefix(prefix).rsplit("/", 1) for path in run.arrays if path.startswith(prefix)]
    if not paths:
        return None
    patterns = list(dict.fromkeys(pattern for _, pattern in paths))
    fig, axes = canvas(1, len(patterns), 2.4, sharey=True)
    for ax, pattern in zip(axes[0], patterns, strict=True):
        for color, step in zip(COLORS, (step for step, name in paths if name == pattern), strict=False):
            courses = run.stack(f"course/{step}/{pattern}")
            edges = np.linspace(*COURSE, courses.shape[1] + 1)
            rates = courses / (edges[1] - edges[0])
            mean, sd = rates.mean(axis=0), rates.std(axis=0, ddof=min(1, len(rates) - 1))
            ax.stairs(mean + sd, edges * 1e3, baseline=mean - sd, fill=True, color=color, alpha=0.25, lw=0)
            ax.stairs(mean, edges * 1e3, baseline=None, color=color, lw=1.2, label=f"{step}, +- sd (n={len(courses)})")
            direct = np.mean([_direct(run, seed, step, pattern) for seed in run.seeds]) / (edges[1] - edges[0])
            ax.hlines(direct, 0, (edges[1] - edges[0]) * 1e3, color=color, lw=1.2, ls=(0, (1, 0.6)))
        ax.axvline(0, color="k", lw=0.5, ls=":")
        ax.set_title(pattern.replace("_", " "), loc="left")
        ax.set_xlabel("time from the pulse (ms)")
        ax.legend()
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].set_ylabel("spikes per electrode (Hz)")
    axes[0, -1].plot([], [], color="k", lw=1.2, ls=(0, (1, 0.6)), label="caused directly by the pulse")
    axes[0, -1].legend()
    return fig


def _direct(run: DishRun, seed: int, step: str, pattern: str) -> float:
    """Spikes per electrode and pulse that the pulse caused directly; they fall into its own time step."""
    pulses = expand_dish(run.protocol).pulses_of(step, pattern)
    at = run.array(seed, "heard/step")[run.array(seed, "heard/direct")]
    return float(np.isin(at, pulses).sum() / (len(pulses) * len(run.array(seed, "electrodes"))))
