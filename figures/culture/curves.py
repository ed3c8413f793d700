"""Accuracy over the presentations of training: every culture or network, their mean, its uncertainty."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from figures.runs.run import AssociationRun


def draw_curve(ax: Axes, run: AssociationRun, color: str, label: str) -> None:
    """Thin a line per seed, bold their mean, shaded its 95 % interval where there are several seeds."""
    curve = run.metrics["accuracy/curve"]
    presentations = curve["presentations"]
    if None not in curve["ci95"]:
        low, high = np.transpose(curve["ci95"])
        ax.fill_between(presentations, low, high, color=color, alpha=0.22, lw=0)
    for accuracy in curve["per_seed"]:
        ax.plot(presentations, accuracy, color=color, lw=0.6, alpha=0.55, label="_seed")
    ax.plot(presentations, curve["mean"], color=color, lw=2, label=label)


def accuracy_axis(ax: Axes, runs: Sequence[AssociationRun]) -> None:
    """Limit the axis to what can be expected: from chance, or the lowest accuracy shown, to 1."""
    lowest = min(min(map(min, run.metrics["accuracy/curve"]["per_seed"])) for run in runs)
    ax.set_ylim(min(lowest, *(chance(run) for run in runs)) - 0.03, 1.01)
    ax.set_xlim(left=0)


def chance(run: AssociationRun) -> float:
    """Accuracy of an answer that knows nothing of the image."""
    return 1 / len(run.classes)


def spelled(value: dict[str, object]) -> str:
    """A mean with its 95 % interval, where there is one."""
    ci95 = value["ci95"]
    return f"{value['mean']:.3f}" + (f" [{ci95[0]:.3f}, {ci95[1]:.3f}]" if isinstance(ci95, list) else "")
