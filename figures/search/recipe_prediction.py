"""Prediction for a recipe compared with the start: as a sentence and as a figure."""

from textwrap import fill

import numpy as np
from matplotlib.axes import Axes

from figures.runs.study import START, Answer
from figures.runs.study_parts import Measured, Prediction, labelled, spoken
from figures.style import AFTER, BEFORE, separate_thousands
from protocols.search.answer.row import number

SHARE = "fraction correct"  # unit that is shown in per cent
ASIDE = 0.3  # horizontal distance from the points to their mean


def sentence(answer: Answer) -> str:
    """One sentence: the prediction for the recipe and for the start."""
    found = answer.prediction
    if found is None:
        return "Nothing was predicted on fresh data and seeds: the recipe rests on the search's own trials."
    start, best, learner = _spelled(found.start), _spelled(found.best), answer.learners[:-1]
    said = f"Predicted {spoken(found.metric)}: {best}"
    if answer.best.trial == START:
        return f"No trial did better than the starting {learner}. {said}."
    return f"{said} with this recipe, {start} with the starting {learner}{_reserve(found)}."


def _reserve(found: Prediction) -> str:
    """Caution to add if the two intervals do not separate start and recipe."""
    one, other = found.start.ci95, found.best.ci95
    if one is None or other is None:
        return "; from one seed each, the difference may be chance"
    return "; the intervals overlap" if one[0] <= other[1] and other[0] <= one[1] else ""


def _spelled(value: Measured) -> str:
    """A mean with its 95 % interval, as text."""
    unit = " %" if value.unit == SHARE else f" {value.unit}".rstrip()
    text = f"{_digits(value.mean, value.unit)}{unit}"
    if value.ci95 is None:
        return text
    low, high = (_digits(end, value.unit) for end in value.ci95)
    return f"{text} (95 % interval {low} to {high}{unit})"


def _digits(value: float, unit: str) -> str:
    """A number without its unit; fractions in per cent."""
    return f"{100 * value:.1f}" if unit == SHARE else number(value)


def draw(ax: Axes, found: Prediction) -> None:
    """Draw one point per seed, beside them the mean with its 95 % interval; the start first."""
    factor, unit = (100, "%") if found.best.unit == SHARE else (1, found.best.unit)
    for place, (value, color) in enumerate(((found.start, BEFORE), (found.best, AFTER))):
        seeds = factor * np.array(value.per_seed)
        ax.plot(place + np.linspace(-0.16, 0.16, len(seeds)), seeds, "o", ms=3.5, mew=0, color=color, alpha=0.55)
        mean, ends = factor * value.mean, factor * np.array(value.ci95 or (value.mean, value.mean))
        reach = np.maximum([[mean - ends[0]], [ends[1] - mean]], 0)
        ax.errorbar(place + ASIDE, mean, reach, fmt="D", ms=5, capsize=3, color=color)
        ax.annotate(
            _digits(value.mean, value.unit), (place + ASIDE, mean), (7, 0), textcoords="offset points", va="center",
            fontsize=8, weight="bold", color=color,
        )  # fmt: skip
    ax.set_xlim(-0.35, 1.75)
    ax.set_xticks([0.1, 1.1], ["start", "recipe"])
    ax.margins(y=0.12)
    separate_thousands(ax.yaxis)
    ax.tick_params(labelsize=7)
    ax.set_ylabel(fill(labelled(spoken(found.metric), unit), 32), fontsize=7)
