"""Scores of the trials of a search, in order of the trials."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures.runs.study import Answer
from figures.runs.study_parts import counted
from figures.search import marks
from figures.style import AFTER, BEFORE, canvas, separate_thousands

BOTTOM = 0.03  # height of the marks of trials without a score, as a share of the axes


def figure(answer: Answer) -> Figure:
    """One panel per objective: scores as dots, whiskers to the means, the best score so far as a step line."""
    fig, axes = canvas(len(answer.objectives), 1, 0.5 + 2.6 * len(answer.objectives), sharex=True)
    for index, ax in enumerate(axes[:, 0]):
        _draw(ax, answer, index)
    axes[0, 0].set_title(f"{answer.title} ({counted(len(answer.trials), 'trial')})", loc="left")
    axes[-1, 0].set_xlabel("trial")
    axes[-1, 0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1, 0].set_xlim(-1, max(trial.number for trial in answer.trials) + 1)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return fig


def _draw(ax: Axes, answer: Answer, index: int) -> None:
    objective = answer.objectives[index]
    numbers = [trial.number for trial in answer.complete]
    means = [trial.mean(index) for trial in answer.complete]
    scores = [trial.score(index) for trial in answer.complete]
    best_so_far = (np.maximum if objective.direction == "maximise" else np.minimum).accumulate(scores)
    last = max(trial.number for trial in answer.trials)
    ax.vlines(numbers, scores, means, color=BEFORE, lw=0.6, alpha=0.6)
    ax.plot(numbers, scores, **marks.TRIAL | {"label": "score (whisker: to the mean)"})
    ax.step([*numbers, last], [*best_so_far, best_so_far[-1]], where="post", color=AFTER, lw=1.4, label="best so far")
    for state, mark in (("pruned", marks.PRUNED), ("failed", marks.FAILED)):
        trials = [trial.number for trial in answer.of_state(state)]
        if trials:
            ax.plot(trials, [BOTTOM] * len(trials), transform=ax.get_xaxis_transform(), clip_on=False, **mark)
    for trial, mark in ((answer.start_trial, marks.START), (answer.best_trial, marks.BEST)):
        if trial is not None:
            ax.plot(trial.number, trial.score(index), **mark)
    ax.margins(y=0.12)
    separate_thousands(ax.yaxis)
    ax.set_ylabel(objective.tall)
