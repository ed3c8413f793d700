"""The recipe that a search leaves a lab, on one page to print."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import fig_search_importance, recipe_table
from figures.search_data import Answer, Measured, Prediction, labelled, spoken
from figures.style import AFTER, BEFORE, GREY, THOUSANDS

A4 = (8.27, 11.69)  # inches, portrait
LEFT, TOP, BOTTOM = 0.75, 0.7, 0.6  # margins, in inches
TABLE = 2.05  # where the table begins, from the top
PANELS = 2.6  # height of the panels and their labels, below the table
FOOTER = 0.75
IMPORTANT = 7  # parameters shown
CHARACTERS = 92  # of the sentence, a line
CAUTION = (
    "This is what a simulation predicts, not yet a measurement: parameters of real cultures spread, and what the model "
    "leaves out is not in the interval."
)
PERCENT = "fraction correct"


def figure(answer: Answer) -> Figure:
    """Title, one sentence, the table, what is predicted, what matters, and where it comes from."""
    fig = plt.figure(figsize=A4)
    fig.set_layout_engine("none")  # places are in inches
    _heading(fig, answer)
    headings = ("", f"starting {answer.learners[:-1]}", _verb(answer) + " this", "does as well")
    table = recipe_table.rows(answer.recipe, headings)
    room = A4[1] - TABLE - BOTTOM - FOOTER - PANELS
    used = min(room, recipe_table.height(table))
    recipe_table.draw(_axes(fig, LEFT, TABLE, A4[0] - 2 * LEFT, used), table)
    top = TABLE + used + 0.62
    if answer.prediction is not None:
        _predicted(_axes(fig, LEFT + 0.45, top, 2.35, PANELS - 1.0), answer.prediction)
    objective = answer.objectives[0]
    if answer.importance.get(objective.metric):
        ax = _axes(fig, LEFT + 5.0, top, A4[0] - 2 * LEFT - 5.0, PANELS - 1.0)
        fig_search_importance.draw(ax, answer, objective, IMPORTANT)
        ax.set_title("What matters", loc="left", weight="bold", x=-1.05)
        ax.set_xlabel("share of the variation, %", fontsize=7)
        ax.tick_params(labelsize=7)
    _footer(fig, answer)
    return fig


def _axes(fig: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place of the page, in inches from its upper left corner."""
    return fig.add_axes((left / A4[0], 1 - (top + height) / A4[1], width / A4[0], height / A4[1]))


def _write(fig: Figure, top: float, text: str, **style: object) -> None:
    fig.text(LEFT / A4[0], 1 - top / A4[1], text, va="top", **style)  # type: ignore[arg-type]


def _heading(fig: Figure, answer: Answer) -> None:
    _write(fig, TOP - 0.12, fill(answer.title, 58), fontsize=16, weight="bold")
    _write(
        fig,
        TOP + 0.25,
        f"A recipe from {answer.budget.trials:,} simulated trials. {answer.citation}",
        fontsize=8,
        color=GREY,
    )
    _write(fig, TOP + 0.55, fill(sentence(answer), CHARACTERS), fontsize=10.5, linespacing=1.35)


def sentence(answer: Answer) -> str:
    """What is predicted, against the start, in one plain sentence."""
    found = answer.prediction
    if found is None:
        return "The search measured no prediction on fresh data: what follows rests on its own trials alone."
    metric, (start, best) = spoken(found.metric), (_spelled(value) for value in (found.start, found.best))
    text = f"Predicted {metric}: {best} with this recipe, {start} with the starting {answer.learners[:-1]}"
    return f"{text}{_difference(found)}."


def _difference(found: Prediction) -> str:
    """What to say where the intervals do not tell the two apart."""
    one, other = found.start.ci95, found.best.ci95
    if one is None or other is None:
        return "; one seed each tells nothing of the spread"
    return "; the intervals overlap" if one[0] <= other[1] and other[0] <= one[1] else ""


def _spelled(value: Measured) -> str:
    """A mean with its 95 % interval; fractions in per cent."""
    if value.unit == PERCENT:
        low_high = value.ci95 and f" (95 % interval {100 * value.ci95[0]:.1f} to {100 * value.ci95[1]:.1f} %)"
        return f"{100 * value.mean:.1f} %{low_high or ''}"
    low_high = value.ci95 and f" (95 % interval {value.ci95[0]:,.3g} to {value.ci95[1]:,.3g})"
    return f"{value.mean:,.3g} {value.unit}".strip() + (low_high or "")


def _verb(answer: Answer) -> str:
    return "grow" if answer.learners == "cultures" else "build"


def _predicted(ax: Axes, found: Prediction) -> None:
    """A point a seed, the mean, its 95 % interval; the start beside the best."""
    factor, unit = (100, "%") if found.best.unit == PERCENT else (1, found.best.unit)
    for place, (value, color) in enumerate(((found.start, BEFORE), (found.best, AFTER))):
        seeds = factor * np.array(value.per_seed)
        ax.plot(place + np.linspace(-0.16, 0.16, len(seeds)), seeds, "o", ms=3.5, mew=0, color=color, alpha=0.55)
        low, high = value.ci95 or (value.mean, value.mean)
        reach = factor * np.array([[value.mean - low], [high - value.mean]])
        ax.errorbar(place + 0.3, factor * value.mean, np.maximum(reach, 0), fmt="D", ms=5, capsize=3, color=color)
        ax.annotate(
            f"{factor * value.mean:,.3g}", (place + 0.3, factor * value.mean), (7, 0), textcoords="offset points",
            va="center", fontsize=8, weight="bold", color=color,
        )  # fmt: skip
    ax.set_xlim(-0.4, 1.75)
    ax.set_xticks([0.1, 1.1], ["start", "recipe"])
    ax.margins(y=0.12)
    ax.yaxis.set_major_formatter(THOUSANDS)
    ax.set_ylabel(fill(labelled(spoken(found.metric), unit), 26), fontsize=7)
    ax.tick_params(labelsize=7)
    ax.set_title("What is predicted", loc="left", weight="bold", x=-0.24)


def _footer(fig: Figure, answer: Answer) -> None:
    budget, found = answer.budget, answer.prediction
    lines = [
        f"Search {answer.name}: {budget.trials:,} trials ({budget.complete:,} complete, {budget.pruned:,} given up "
        f"early, {budget.failed:,} failed) in {budget.seconds / 60:,.3g} minutes on {budget.jobs} cores; recommended is trial "
        f"{answer.best.trial}. \"Does as well\": the central 80 % of where the optimum may lie, the others free."
    ]  # fmt: skip
    if found is not None:
        lines.append(
            f"Predicted on data and seeds that the search never saw: {spoken(found.metric)}, {found.best.n} "
            f"{answer.learners} of the recipe and {found.start.n} of the start, a point each; the mean with its 95 % "
            "bootstrap interval."
        )
    lines.append(CAUTION)
    text = "\n".join(fill(line, 142) for line in lines)
    fig.text(LEFT / A4[0], BOTTOM / A4[1], text, va="bottom", fontsize=6.5, color=GREY, linespacing=1.4)
