"""Time courses around the probing pulses of a living culture, one panel a pattern, one line a step."""

import numpy as np
from matplotlib.figure import Figure

from figures.runs.run import DishRun
from figures.style import AFTER, BEFORE, canvas
from protocols.plan.dish import COURSE, expand_dish

COLORS = (BEFORE, AFTER, "#117733", "#ddcc77", "#882255")


def figure(run: DishRun) -> Figure | None:
    """Rate of the electrodes in bins around the pulse, mean of all cultures and its +- sd band; None without probes."""
    patterns = steps_by_pattern(run)
    if not patterns:
        return None
    plan = expand_dish(run.protocol)
    fig, axes = canvas(1, len(patterns), 2.4, sharey=True)
    for ax, (pattern, steps) in zip(axes[0], patterns.items(), strict=True):
        for color, step in zip(COLORS, steps, strict=False):
            edges, mean, sd = rates(run, step, pattern)
            width = edges[1] - edges[0]
            ax.stairs(mean + sd, edges * 1e3, baseline=mean - sd, fill=True, color=color, alpha=0.25, lw=0)
            label = f"{step}, +- sd (n={len(run.seeds)})"
            ax.stairs(mean, edges * 1e3, baseline=None, color=color, lw=1.2, label=label)
            pulses = plan.pulses_of(step, pattern)
            direct = np.mean([_direct(run, seed, pulses) for seed in run.seeds]) / width
            ax.hlines(direct, 0, width * 1e3, color=color, lw=1.2, ls=(0, (1, 0.6)))
        ax.axvline(0, color="k", lw=0.5, ls=":")
        ax.set_title(pattern.replace("_", " "), loc="left")
        ax.set_xlabel("time from the pulse (ms)")
        ax.legend()
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].set_ylabel("spikes per electrode (Hz)")
    axes[0, -1].plot([], [], color="k", lw=1.2, ls=(0, (1, 0.6)), label="caused directly by the pulse")
    axes[0, -1].legend()
    return fig


def steps_by_pattern(run: DishRun) -> dict[str, list[str]]:
    """Steps whose time courses were measured, of each pattern."""
    prefix, found = f"seed_{run.seeds[0]}/course/", dict[str, list[str]]()
    for path in run.arrays:
        if path.startswith(prefix):
            step, pattern = path.removeprefix(prefix).rsplit("/", 1)
            found.setdefault(pattern, []).append(step)
    return found


def rates(run: DishRun, step: str, pattern: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of the bins around a pulse (s); rate of the electrodes in them (Hz), mean and sd over cultures."""
    courses = run.stack(f"course/{step}/{pattern}")
    edges = np.linspace(*COURSE, courses.shape[1] + 1)
    each = courses / (edges[1] - edges[0])
    return edges, each.mean(axis=0), each.std(axis=0, ddof=min(1, len(each) - 1))


def _direct(run: DishRun, seed: int, pulses: np.ndarray) -> float:
    """Spikes per electrode and pulse that the pulse caused directly; they fall into its own time step."""
    at = run.array(seed, "heard/step")[run.array(seed, "heard/direct")]
    return float(np.isin(at, pulses).sum() / (len(pulses) * len(run.array(seed, "electrodes"))))
