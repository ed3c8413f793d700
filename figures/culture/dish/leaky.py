"""Leaky time courses of the responses of a living culture, beside the published ones."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture.evoked import draw_published
from figures.runs.run import DishRun
from figures.style import AFTER, BEFORE, canvas
from protocols.spec.dish.asked import Course
from protocols.spec.dish.timeline import patterns_of, unrolled


def figure(run: DishRun) -> Figure | None:
    """One column a pattern, one row a step of the first `course` measure: mean of the cultures and its +- sd band."""
    asked = next(((name, m) for name, m in run.protocol.measure.items() if isinstance(m, Course)), None)
    if asked is None:
        return None
    name, course = asked
    steps = dict(unrolled(run.protocol.timeline))
    patterns = list(dict.fromkeys(pattern for step in course.course for pattern in patterns_of(steps[step])))
    fig, axes = canvas(len(course.course), len(patterns), 1.9 * len(course.course) + 0.5, sharex=True, sharey=True)
    for row, step in enumerate(course.course):
        for ax, pattern in zip(axes[row], patterns, strict=True):
            if pattern not in patterns_of(steps[step]):
                ax.set_axis_off()
                continue
            paths = [f"{name}/{step}/{pattern}/{key}" for key in course.bins]
            _twin(ax, run, paths, course.bin * 1e3, BEFORE if row == 0 else AFTER)
            _published(ax, run, paths, course.bin * 1e3)
            ax.set_title(f"{pattern.replace('_', ' ')}, {step}", loc="left")
            ax.legend(loc="upper right")
            if row == len(course.course) - 1:
                ax.set_xlabel("time from the pulse (ms)")
        axes[row, 0].set_ylabel("leaky spikes per neuron")
    axes[0, 0].set_xlim(0, course.window * 1e3)
    axes[0, 0].set_ylim(bottom=0)
    return fig


def _twin(ax: Axes, run: DishRun, paths: list[str], bin_ms: float, color: str) -> None:
    """Steps over the bins; without a band where there is one culture."""
    values = [run.metrics[path] for path in paths]
    if not all(value["n"] for value in values):
        return  # no electrode hears a neuron
    edges = np.arange(len(paths) + 1) * bin_ms
    mean = np.array([value["mean"] for value in values])
    sd = np.array([value["sd"] or 0.0 for value in values])
    ax.stairs(mean + sd, edges, baseline=mean - sd, fill=True, color=color, alpha=0.3, lw=0)
    ax.stairs(mean, edges, baseline=None, color=color, lw=1.5, label=f"twin, +- sd (n={values[0]['n']})")


def _published(ax: Axes, run: DishRun, paths: list[str], bin_ms: float) -> None:
    middle = {path: (k + 0.5) * bin_ms for k, path in enumerate(paths)}
    draw_published(ax, [(middle[target.quantity], target) for target in run.targets if target.quantity in middle])
