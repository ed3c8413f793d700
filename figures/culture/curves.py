"""Learning curves: accuracy over training presentations, of each seed and their mean with its interval."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from figures.runs.run import AssociationRun


def draw_curve(ax: Axes, run: AssociationRun, color: str, label: str) -> None:
    """Draw a thin line per seed, a bold line for their mean and, for several seeds, its 95 % interval shaded."""
    curve = run.metrics["accuracy/curve"]
    presentations = curve["presentations"]
    if None not in curve["ci95"]:
        low, high = np.transpose(curve["ci95"])
        ax.fill_between(presentations, low, high, color=color, alpha=0.22, lw=0)
    for accuracy in curve["per_seed"]:
        ax.plot(presentations, accuracy, color=color, lw=0.6, alpha=0.55, label="_seed")
    ax.plot(presentations, curve["mean"], color=color, lw=2, label=label)


def accuracy_axis(ax: Axes, runs: Sequence[AssociationRun]) -> None:
    """Set the limits of the axis: from chance, or the lowest accuracy shown, to 1."""
    lowest = min(min(map(min, run.metrics["accuracy/curve"]["per_seed"])) for run in runs)
    ax.set_ylim(min(lowest, *(chance(run) for run in runs)) - 0.03, 1.01)
    ax.set_xlim(left=0)


def chance(run: AssociationRun) -> float:
    """Accuracy of random answers."""
    return 1 / len(run.classes)


def spelled(value: dict[str, object]) -> str:
    """A mean with its 95 % interval, if there is one, as text."""
    ci95 = value["ci95"]
    return f"{value['mean']:.3f}" + (f" [{ci95[0]:.3f}, {ci95[1]:.3f}]" if isinstance(ci95, list) else "")
