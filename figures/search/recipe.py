"""Recipe of a search: one page for the lab to print."""

from textwrap import fill, wrap
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.runs.study import Answer
from figures.runs.study_parts import counted, spoken
from figures.search import importance, recipe_table
from figures.search.recipe_prediction import draw, sentence
from figures.style import GREY
from protocols.search.answer.row import number

A4 = (8.27, 11.69)  # inches, portrait; all lengths below are in inches
LEFT, TOP, BOTTOM = 0.75, 0.6, 0.5  # margins
WRAPPED = ((16, 54), (8, 115), (10.5, 92))  # title, source and sentence: points, characters per line
PANEL, LOWEST = 2.7, 1.5  # largest and smallest height of the axes below the table
AROUND = 1.25  # room for their titles and labels
FOOTER = 0.95
IMPORTANT = 8  # parameters shown
ROW = 0.36  # largest height of a bar of importance
CAUTIONS = {
    "cultures": "This is what a simulation predicts, not yet a measurement: real cultures differ from each other, and "
    "what the model leaves out is not in the interval.",
    "networks": "It holds for networks trained as here; other data were not tried.",
}


def figure(answer: Answer) -> Figure:
    """Title, one sentence, the table, prediction, importance of the parameters, and how the search was done."""
    fig = plt.figure(figsize=A4)
    fig.set_layout_engine("none")  # positions are given in inches
    begin = _heading(fig, answer)
    verb = "grow" if answer.learners == "cultures" else "build"
    headings = ("", f"starting {answer.learners[:-1]}", f"{verb} this", "does as well" if answer.region else "")
    table = recipe_table.rows(answer.recipe, headings)
    room = A4[1] - begin - FOOTER - BOTTOM
    used = min(recipe_table.height(table), room - AROUND - LOWEST)
    recipe_table.draw(_axes(fig, LEFT, begin, A4[0] - 2 * LEFT, used), table)
    _panels(fig, answer, begin + used + 0.4, min(PANEL, room - used - AROUND))
    _footer(fig, answer)
    return fig


def _axes(fig: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place of the page, from its upper left corner."""
    return fig.add_axes((left / A4[0], 1 - (top + height) / A4[1], width / A4[0], height / A4[1]))


def _write(fig: Figure, top: float, text: str, left: float = LEFT, **style: Any) -> None:
    fig.text(left / A4[0], 1 - top / A4[1], text, va="top", **style)


def _heading(fig: Figure, answer: Answer) -> float:
    """Write title, source and sentence; returns where they end, in inches from the top."""
    trial = "simulated trial" if answer.learners == "cultures" else "trial"
    source = f"A recipe from {counted(answer.budget.trials, trial)}; {answer.citation}"
    styles: list[dict[str, Any]] = [{"weight": "bold"}, {"color": GREY}, {}]
    top = TOP
    for text, (size, width), style in zip((answer.title, source, sentence(answer)), WRAPPED, styles, strict=True):
        lines = wrap(text.replace(" %", "\N{NO-BREAK SPACE}%"), width)
        _write(fig, top, "\n".join(lines), fontsize=size, linespacing=1.35, **style)
        top += len(lines) * 1.6 * size / 72 + 0.1  # of a font's points, an inch has 72
    return top + 0.1


def _panels(fig: Figure, answer: Answer, top: float, height: float) -> None:
    """Draw the prediction on the left and the importance of the parameters on the right, if they are known."""
    title: dict[str, Any] = {"fontsize": 9, "weight": "bold"}
    middle, end = LEFT + 3.5, A4[0] - LEFT
    if answer.prediction is not None:
        _write(fig, top, "What is predicted", **title)
        draw(_axes(fig, LEFT + 0.55, top + 0.3, 2.45, height), answer.prediction)
    for objective in [known for known in answer.objectives if answer.importance.get(known.metric)][:1]:
        _write(fig, top, "What matters", middle, **title)
        bars = ROW * len(answer.importance[objective.metric])
        ax = _axes(fig, middle + 1.6, top + 0.3, end - middle - 1.6, min(height, bars))
        importance.draw(ax, answer, objective, IMPORTANT)
        ax.set_xlabel(fill(f"share of the variation of {spoken(objective.metric)}, %", 36), fontsize=7)
        ax.tick_params(labelsize=7)


def _footer(fig: Figure, answer: Answer) -> None:
    budget, found = answer.budget, answer.prediction
    lines = [
        f"Search {answer.name}: {counted(budget.trials, 'trial')} ({budget.complete:,} complete, {budget.pruned:,} "
        f"given up early, {budget.failed:,} failed) in {number(budget.seconds / 60)} minutes, {budget.jobs} at a time. "
        f"Recommended is trial {answer.best.trial}, as it was simulated."
    ]
    if answer.region:
        lines[0] += (
            " Does as well: the middle 80 % of what all trials together show to be as good, one by one, up to the "
            "recommended value."
        )
    if found is not None:
        lines.append(
            f"Predicted on data and seeds that the search never saw: {spoken(found.metric)}, a point each of "
            f"{found.start.n} {answer.learners} of the start and {found.best.n} of the recipe, their mean and its 95 % "
            "bootstrap interval."
        )
    text = "\n".join(fill(line, 138) for line in (*lines, CAUTIONS[answer.learners]))
    fig.text(LEFT / A4[0], BOTTOM / A4[1], text, va="bottom", fontsize=6.5, color=GREY, linespacing=1.4)
