"""Predicted metric over pairs of the most important parameters."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from figures.runs.study import Answer
from figures.runs.study_parts import Objective, Parameter, Surface, Trial
from figures.search import marks
from figures.style import THOUSANDS, canvas, separate_thousands

HEIGHTS = {1: 4.2, 2: 3.2}  # inches per row, by number of panels in it; 2.5 for more
FILLED, LINES = 24, 7  # levels of colour, contour lines
UNSURE = 0.25  # share of the colours' range; a larger sd is hatched
HATCHED = f"uncertain: sd over {100 * UNSURE:.0f} % of the colours' range"
DOT = {**marks.TRIAL, "color": "white", "mec": "black", "mew": 0.5, "zorder": 3, "ms": 3}
FINE, NARROW, WIDE = (1, 2, 5), 5, 50  # digits of ticks on logarithmic axes whose high / low lies between these
FEW = 5  # ticks of a narrower axis


def figure(answer: Answer) -> Figure | None:
    """One row per objective, one panel per pair: the mean as colour, hatched where uncertain; None without surfaces.

    All other parameters have the values of the best trial; dots are trials, whatever their other values.
    """
    rows = [(o, [s for s in answer.surfaces if s.objective == o.metric]) for o in answer.objectives]
    rows = [(objective, surfaces) for objective, surfaces in rows if surfaces]
    if not rows:
        return None
    columns = max(len(surfaces) for _, surfaces in rows)
    fig, axes = canvas(len(rows), columns, HEIGHTS.get(columns, 2.5) * len(rows) + 0.4)
    for ax in axes.flat:
        ax.set_visible(False)
    for row, (objective, surfaces) in zip(axes, rows, strict=True):
        _draw_row(fig, row, answer, objective, surfaces)
    fig.suptitle(
        f"{answer.title} (predicted from the trials; all else as recommended)",
        x=0.01,
        ha="left",
        fontsize=9,
    )
    handles: list[Artist] = [Line2D([], [], **mark) for mark in (marks.BEST, marks.START, DOT)]
    if any(ax.get_label() == HATCHED for ax in axes.flat):
        handles.append(Patch(fc="none", ec="0.4", hatch="////", lw=0, label=HATCHED))
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    return fig


def _draw_row(fig: Figure, axes: np.ndarray, answer: Answer, objective: Objective, surfaces: Sequence[Surface]) -> None:
    means = np.concatenate([np.ravel(surface.mean) for surface in surfaces])
    low, high = float(means.min()), float(means.max())
    colors = Normalize(low, high if high > low else low + 1)
    shown = axes[: len(surfaces)]
    for ax, surface in zip(shown, surfaces, strict=True):
        ax.set_visible(True)
        _draw(ax, answer, surface, colors)
    cmap = "viridis" if objective.direction == "maximise" else "viridis_r"
    bar = fig.colorbar(ScalarMappable(colors, cmap), ax=list(shown), pad=0.02, aspect=25)
    separate_thousands(bar.ax.yaxis)
    bar.set_label(objective.tall)
    bar.outline.set_visible(False)


def _draw(ax: Axes, answer: Answer, surface: Surface, colors: Normalize) -> None:
    x, y = answer.by_path[surface.x], answer.by_path[surface.y]
    mean, sd = np.array(surface.mean), np.array(surface.sd)
    low, high = float(colors.vmin or 0), float(colors.vmax or 0)
    levels = np.linspace(low, high, FILLED)
    cmap = "viridis" if _goal(answer, surface).direction == "maximise" else "viridis_r"
    ax.contourf(surface.x_values, surface.y_values, mean, levels, cmap=cmap, norm=colors, extend="both")
    if np.ptp(mean) > 0:
        lines = np.linspace(mean.min(), mean.max(), LINES)[1:-1]
        ax.contour(surface.x_values, surface.y_values, mean, lines, colors="white", linewidths=0.5, alpha=0.7)
    unsure = UNSURE * (high - low)
    if sd.max() > unsure:
        hatched = ax.contourf(
            surface.x_values, surface.y_values, sd, [unsure, sd.max() + 1], colors="none", hatches=["////"]
        )
        hatched.set(edgecolor=(1, 1, 1, 0.6), linewidth=0)
        ax.set_label(HATCHED)
    ax.plot(*_places(answer.complete, surface), **DOT)
    for trial, mark in ((answer.start_trial, marks.START), (answer.best_trial, marks.BEST)):
        if trial is not None:
            ax.plot(*_places([trial], surface), **mark, clip_on=False)
    _axis(ax, "x", x)
    _axis(ax, "y", y)


def _goal(answer: Answer, surface: Surface) -> Objective:
    return next(objective for objective in answer.objectives if objective.metric == surface.objective)


def _places(trials: Sequence[Trial], surface: Surface) -> tuple[list[float], list[float]]:
    """Coordinates of the trials that have both values."""
    both = [trial.values for trial in trials if {surface.x, surface.y} <= trial.values.keys()]
    return [values[surface.x] for values in both], [values[surface.y] for values in both]


def _axis(ax: Axes, which: str, parameter: Parameter) -> None:
    """Set limits, scale, ticks and label of an axis."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    low, high = float(parameter.low or 0), float(parameter.high or 0)
    ax.set(**{f"{which}label": parameter.label})
    if parameter.scale == "log":
        ax.set(**{f"{which}scale": "log"})
        narrow = MaxNLocator(FEW, steps=[1, 2, 5, 10])  # for axes with too few such digits
        axis.set_major_locator(narrow if high / low < NARROW else LogLocator(subs=FINE if high / low < WIDE else (1,)))
        axis.set_major_formatter(THOUSANDS)
        axis.set_minor_formatter(NullFormatter())
    ax.set(**{f"{which}lim": (low, high)})
    separate_thousands(axis)
