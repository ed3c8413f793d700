"""Confirmation of the best trials and the start on fresh seeds: the best of many trials is partly so by chance."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console

from protocols.loading.objectives import worth
from protocols.loading.search_space import Values, at_point
from protocols.runs.processes import Failed
from protocols.search.answer import surrogate
from protocols.search.answer.records import parameter_records, trial_records
from protocols.search.loop import MOST_DEATHS, Workers
from protocols.search.study import Finished, Study
from protocols.search.trial import Outcome, Task
from protocols.spec.search import confirmation_seeds


@dataclass(frozen=True)
class Confirmed:
    """Candidate on fresh seeds: the first objective for each seed, the mean, and the bound it is ranked by."""

    trial: int | None
    values: Values
    mean: float
    score: float
    per_seed: list[float]


def pareto(finished: list[Finished], signs: list[int]) -> list[int]:
    """Pareto front: numbers of the complete trials that no other trial dominates."""
    points = {d.number: tuple(s * x for s, x in zip(signs, d.scores or [], strict=True)) for d in finished if d.scores}
    return [
        number
        for number, own in points.items()
        if not any(other != own and all(a >= b for a, b in zip(other, own, strict=True)) for other in points.values())
    ]


def candidates(study: Study) -> list[tuple[int | None, Values]]:
    """Best trials by the first objective, of the Pareto front if there are several objectives; then the start.

    Trials are ranked by the surrogate's mean at their values, as the score of a few seeds depends on chance; by their
    scores if there are too few trials for a surrogate.
    """
    finished = [done for done in study.finished() if done.scores]
    worths = _expected(study, finished)
    if len(study.sign) > 1:
        front = pareto(finished, study.sign)
        finished = [done for done in finished if done.number in front]
    ranked = sorted(finished, key=lambda done: (-study.sign[0] * worths[done.number], done.number))
    start = study.start
    chosen: list[tuple[int | None, Values]] = []
    for done in ranked:
        if done.values != start and all(done.values != values for _, values in chosen):
            chosen.append((done.number, done.values))
        if len(chosen) == study.search.confirmation.candidates:
            break
    number = next((done.number for done in study.finished() if done.values == start), None)
    return [*chosen, (number, start)]


def _expected(study: Study, finished: list[Finished]) -> dict[int, float]:
    """Expected first objective of each trial, by number."""
    way = next(iter(study.search.objectives.values()))
    fitted = surrogate.fit(parameter_records(study.space), trial_records(finished), 0, way)
    if fitted is None:
        return {done.number: done.scores[0] for done in finished if done.scores}
    expected = fitted.mean(fitted.coding.encode([done.values for done in finished]))
    return {done.number: float(value) for done, value in zip(finished, expected, strict=True)}


def confirm(study: Study, task: Callable[..., Task], workers: Workers, console: Console) -> list[Confirmed]:
    """Run the candidates on seeds that no trial had; the best first. Finished runs are used again.

    Raises
    ------
    RuntimeError
        If a candidate does not run to its end.
    """
    path = study.folder / "confirmed.json"
    known: dict[str, list[float]] = json.loads(path.read_text()) if path.exists() else {}
    chosen, search = candidates(study), study.search
    seeds = confirmation_seeds(search)
    metric = next(iter(search.objectives))
    keys = [json.dumps([values, list(seeds)], sort_keys=True) for _, values in chosen]
    missing = {
        index: task(at_point(study.protocol, values, seeds=seeds, trial=True))
        for index, (_, values) in enumerate(chosen)
        if keys[index] not in known
    }
    if missing:
        console.print(f"Confirming {len(missing)} candidates, the start among them, on {len(seeds)} fresh seeds each.")
    for index, outcome in all_of(missing, workers):
        known[keys[index]] = worth(metric, search, study.space, outcome.metrics, chosen[index][1]).per_seed
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(known))
        os.replace(unfinished, path)
        mean = sum(known[keys[index]]) / len(seeds)
        console.print(f"candidate {chosen[index][0]}: {metric} {mean:.4g} on fresh seeds", soft_wrap=True)
    found = []
    for key, (number, values) in zip(keys, chosen, strict=True):
        it = worth(metric, search, study.space, {metric: {"per_seed": known[key]}}, values)
        found.append(Confirmed(number, values, it.mean, it.score, it.per_seed))
    return sorted(found, key=lambda candidate: -study.sign[0] * candidate.score)


def all_of(tasks: Mapping[int, Task], workers: Workers) -> Iterator[tuple[int, Outcome]]:
    """Outcomes of tasks as they end; a task whose process dies is run again.

    Raises
    ------
    RuntimeError
        If a task fails.
    """
    waiting, deaths = list(tasks), dict.fromkeys(tasks, 0)

    def following() -> tuple[int, Task] | None:
        return (index := waiting.pop(0), tasks[index]) if waiting else None

    for index, outcome in workers(following):
        if isinstance(outcome, Failed) and outcome.died and deaths[index] + 1 < MOST_DEATHS:
            deaths[index] += 1
            waiting.append(index)
        elif isinstance(outcome, Failed) or outcome.fault:
            reason = outcome.reason if isinstance(outcome, Failed) else outcome.fault[0]
            raise RuntimeError(f"a candidate could not be confirmed: {reason}")
        else:
            yield index, outcome
