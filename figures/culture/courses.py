"""Time courses around the probing pulses of a living culture, one panel a pattern, one line a step."""

import numpy as np
from matplotlib.figure import Figure

from figures.runs.run import DishRun
from figures.style import AFTER, BEFORE, canvas
from protocols.plan.dish import COURSE

COLORS = (BEFORE, AFTER, "#117733", "#ddcc77", "#882255")


def figure(run: DishRun) -> Figure | None:
    """Spikes per electrode and pulse in bins around the pulse, mean of all cultures; None if nothing was probed."""
    prefix = f"seed_{run.seeds[0]}/course/"
    paths = [path.removeprefix(prefix).rsplit("/", 1) for path in run.arrays if path.startswith(prefix)]
    if not paths:
        return None
    patterns = list(dict.fromkeys(pattern for _, pattern in paths))
    fig, axes = canvas(1, len(patterns), 2.4, sharey=True)
    for ax, pattern in zip(axes[0], patterns, strict=True):
        for color, step in zip(COLORS, (step for step, name in paths if name == pattern), strict=False):
            courses = run.stack(f"course/{step}/{pattern}")
            width = (COURSE[1] - COURSE[0]) / courses.shape[1]
            edges = COURSE[0] + width * np.arange(courses.shape[1])
            ax.step(
                edges * 1e3,
                courses.mean(axis=0) / width,
                where="post",
                color=color,
                lw=1.2,
                label=f"{step} (n={len(courses)})",
            )
        ax.axvline(0, color="k", lw=0.5, ls=":")
        ax.set_title(pattern.replace("_", " "), loc="left")
        ax.set_xlabel("time from the pulse (ms)")
        ax.legend()
    axes[0, 0].set_ylabel("spikes per electrode (Hz)")
    return fig
