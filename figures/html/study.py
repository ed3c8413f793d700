"""Page of a parameter search: its best values, trials, importance and response surfaces."""

from pathlib import Path
from typing import Any

from figures.html import common
from figures.html.blocks import Block, Picture, Plot, Section, Series, Subject, Table
from figures.runs.study import Answer
from figures.runs.study_parts import Prediction, spoken
from figures.search import surfaces


def subject(answer: Answer, path: Path, name: str) -> Subject:
    """The study with its sections; `path`: its directory."""
    blocks: list[Block] = [_history(answer, k) for k in range(len(answer.objectives))]
    blocks += [found for found in (_pareto(answer),) if found]
    sections = [
        Section(common.ASKED, [_asked(answer), _space(answer)]),
        Section(common.RESULT, [_recipe(answer), *([_prediction(answer.prediction)] if answer.prediction else [])]),
        Section("Trials", blocks),
        *([Section("Importance", [found])] if (found := _importance(answer)) else []),
        *([Section("Response surfaces", [picture])] if (picture := _surfaces(answer)) else []),
        Section(common.PROVENANCE, [_provenance(answer, path)]),
    ]
    return Subject(name, answer.title, sections, _headline(answer))


def _asked(answer: Answer) -> Table:
    aims = [f"{objective.direction} {objective.label}" for objective in answer.objectives]
    rows = [("search", answer.name), ("title", answer.title), ("source", answer.citation), ("aim", "; ".join(aims))]
    return Table(("", ""), rows)


def _space(answer: Answer) -> Table:
    best = answer.best.values
    rows = [
        (p.name, p.unit, _range(p.choices, p.low, p.high, p.scale), _value(p.start), _value(best.get(p.path, "")))
        for p in answer.parameters
    ]
    return Table(("parameter", "unit", "allowed", "start", "best"), rows)


def _range(choices: list[Any] | None, low: float | None, high: float | None, scale: str | None) -> str:
    return ", ".join(map(str, choices)) if choices else f"{low:g} to {high:g}{', log' if scale == 'log' else ''}"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _recipe(answer: Answer) -> Table:
    rows = [(line.what, line.start, line.best, line.range or "") for line in answer.recipe]
    return Table(("recipe", "start", "best", "range that does as well"), rows)


def _prediction(found: Prediction) -> Table:
    rows = [(which, common.spelled(getattr(found, which).model_dump())) for which in ("start", "best")]
    return Table((f"{spoken(found.metric)}, on data and seeds that the search never used", found.best.unit), rows)


def _history(answer: Answer, k: int) -> Plot:
    objective, done = answer.objectives[k], answer.complete
    scores = [trial.score(k) for trial in done]
    best, so_far = scores[0], []
    for score in scores:
        best = max(best, score) if objective.direction == "maximise" else min(best, score)
        so_far.append(best)
    numbers = [trial.number for trial in done]
    series = [
        Series("trial", numbers, scores, "before", "points"),
        Series("best so far", numbers, so_far, "after"),
        Series("recommended", [answer.best_trial.number], [answer.best_trial.score(k)], "published", "points"),
    ]
    return Plot(f"Score: pessimistic bound of {spoken(objective.metric)}", "trial", objective.label, series)


def _pareto(answer: Answer) -> Plot | None:
    if len(answer.objectives) != 2:
        return None
    points = [(trial.score(0), trial.score(1), trial.number in answer.pareto) for trial in answer.complete]
    series = []
    for name, on, color in (("trial", False, "before"), ("not dominated", True, "published")):
        x, y = ([point[axis] for point in points if point[2] == on] for axis in (0, 1))
        series.append(Series(name, x, y, color, "points"))
    return Plot("Both objectives", answer.objectives[0].label, answer.objectives[1].label, series)


def _importance(answer: Answer) -> Table | None:
    rows = [
        (answer.by_path[path].name, spoken(metric), f"{100 * share:.1f} %")
        for metric, shares in answer.importance.items()
        for path, share in sorted(shares.items(), key=lambda item: -item[1])
    ]
    return Table(("parameter", "objective", "share of its variance"), rows) if rows else None


def _surfaces(answer: Answer) -> Picture | None:
    if (figure := surfaces.figure(answer)) is None:
        return None
    return common.picture(figure, "Response surfaces: each objective over pairs of parameters")


def _provenance(answer: Answer, path: Path) -> Table:
    rows = [("study", path.resolve().name), *common.flat(answer.budget.model_dump())]
    return Table(
        ("", ""), rows, note="The protocol of every trial, its seeds and code version lie in the study directory."
    )


def _headline(answer: Answer) -> dict[str, str]:
    best = answer.best_trial
    scores = {f"score, {o.label}": f"{best.score(k):.4g}" for k, o in enumerate(answer.objectives)}
    return scores | {answer.by_path[path].label: _value(value) for path, value in answer.best.values.items()}
