"""Importance of each searched parameter, including interactions."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.runs.study import Answer
from figures.runs.study_parts import Objective
from figures.style import AFTER, canvas

ROW = 0.22  # inches per bar


def figure(answer: Answer) -> Figure | None:
    """One panel per objective with known importances, the largest on top; None if there are none."""
    known = [objective for objective in answer.objectives if answer.importance.get(objective.metric)]
    if not known:
        return None
    fig, axes = canvas(len(known), 1, (0.8 + ROW * len(answer.parameters)) * len(known))
    for ax, objective in zip(axes[:, 0], known, strict=True):
        draw(ax, answer, objective)
        ax.set_title(objective.label, loc="left")
    axes[-1, 0].set_xlabel("share of the metric's variation over the searched space, %")
    return fig


def draw(ax: Axes, answer: Answer, objective: Objective, most: int | None = None) -> None:
    """Draw bars in per cent, at most `most`."""
    shares = sorted(answer.importance[objective.metric].items(), key=lambda item: -item[1])[:most]
    names = [answer.by_path[path].name for path, _ in shares]
    rows = range(len(shares))
    percent = [100 * share for _, share in shares]
    ax.barh(rows, percent, 0.68, color=AFTER)
    for row, value in zip(rows, percent, strict=True):
        text = f"{value:.0f} %" if value >= 0.5 else "< 1 %"
        ax.annotate(text, (value, row), (3, 0), textcoords="offset points", va="center", fontsize=7)
    ax.set_yticks(rows, names)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(shares) - 0.5, -0.5)
    ax.set_xlim(0, 1.15 * max(percent))
