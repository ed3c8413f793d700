"""Pareto front of a search with two objectives."""

from matplotlib.figure import Figure

from figures.runs.study import Answer
from figures.search import marks
from figures.style import AFTER, canvas, separate_thousands

BETTER = {"maximise": "higher is better", "minimise": "lower is better"}


def figure(answer: Answer) -> Figure | None:
    """Scores of all complete trials, those of the front joined by a line; None unless there are two objectives."""
    if len(answer.objectives) != 2 or not answer.pareto:
        return None
    fig, axes = canvas(1, 1, 4.2)
    ax = axes[0, 0]
    scores = {trial.number: (trial.score(0), trial.score(1)) for trial in answer.complete}
    ax.plot(*zip(*scores.values(), strict=True), **marks.TRIAL)
    front = sorted(scores[number] for number in answer.pareto)
    ax.plot(*zip(*front, strict=True), color=AFTER, lw=1, marker="o", ms=5, label="beaten by none in both", zorder=3)
    for trial, mark in ((answer.start_trial, marks.START), (answer.best_trial, marks.BEST)):
        if trial is not None:
            ax.plot(*scores[trial.number], **mark)
    (across, up) = (f"{objective.label}, {BETTER[objective.direction]}" for objective in answer.objectives)
    ax.set(xlabel=across, ylabel=up)
    for axis in (ax.xaxis, ax.yaxis):
        separate_thousands(axis)
    ax.set_title(f"{answer.title} (scores of {len(scores):,} trials)", loc="left")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig
