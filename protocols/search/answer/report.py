"""Result files of a search: trials, importance, region of the optimum, recipe, prediction for new seeds."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from protocols.loading.objectives import held_out
from protocols.loading.search_space import at_point
from protocols.results.statistics import over_seeds
from protocols.runs import cli, run_directory
from protocols.search.answer import surrogate
from protocols.search.answer.confirmation import Confirmed, confirm, pareto
from protocols.search.answer.recipe import recipe
from protocols.search.answer.records import parameter_records, trial_records
from protocols.search.loop import Workers
from protocols.search.study import Finished, Study
from protocols.search.trial import Task
from protocols.spec.protocol import Protocol


def answer(
    study: Study,
    learner: cli.Learner,
    task: Callable[..., Task],
    workers: Workers,
    options: cli.Options,
    console: Console,
    jobs: int,
) -> dict[str, Any]:
    """Confirm the best trials, predict the result on data that the search never used, and write all files.

    Raises
    ------
    RuntimeError
        If no trial is complete.
    """
    finished = study.finished()
    if not any(done.state == "complete" for done in finished):
        raise RuntimeError(f"no trial of {study.folder} ran to its end")
    _write_trials(study, finished)
    confirmed = confirm(study, task, workers, console)
    best = confirmed[0]
    protocols = {
        "start": at_point(study.protocol, {}, trial=False),
        "best": at_point(study.protocol, best.values, trial=False),
    }
    _write_best(study, protocols["best"], options)
    out = study.folder.parent.parent
    metrics = {}
    for name, protocol in protocols.items():
        console.print(f"Predicting: the {name} in full, with data and seeds that the search never saw.")
        metrics[name] = cli.perform(learner, protocol, options, out, console).metrics()
    found = _content(study, finished, confirmed, protocols, metrics)
    found["budget"] |= {"seconds": round(study.seconds, 1), "jobs": jobs}
    _write_json(study.folder / "answer.json", found)
    _write_json(
        study.folder / "provenance.json", run_directory.provenance(learner.packages, learner=learner.packages[0])
    )
    return found


def _content(
    study: Study,
    finished: list[Finished],
    confirmed: list[Confirmed],
    protocols: Mapping[str, Protocol],
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    """Content of ``answer.json``; its entries are documented in `figures.runs.study`."""
    search, protocol, best = study.search, study.protocol, confirmed[0]
    parameters, trials = parameter_records(study.space), trial_records(finished)
    names, ways = list(search.objectives), list(search.objectives.values())
    of_metrics = [index for index, name in enumerate(names) if all(d.path != name for d in study.space)]
    importance = {names[i]: surrogate.importance(parameters, trials, i, ways[i]) for i in of_metrics}
    fitted = surrogate.fit(parameters, trials, 0, ways[0])
    surfaces, region = [], {}
    if fitted is not None:
        surfaces = surrogate.surfaces(fitted, parameters, importance[names[0]], best.values, names[0])
        region = surrogate.region(fitted, parameters, np.random.default_rng(search.search_seed))
    tested = held_out(names[0])
    counts = {state: sum(done.state == state for done in finished) for state in ("complete", "pruned", "failed")}
    return {
        "name": protocol.name,
        "title": protocol.title,
        "citation": protocol.citation,
        "objectives": [
            {"metric": name, "direction": way, "unit": _unit(study, name, metrics["best"])}
            for name, way in search.objectives.items()
        ],
        "parameters": parameters,
        "trials": trials,
        "importance": importance,
        "surfaces": surfaces,
        "region": region,
        "pareto": pareto(finished, study.sign) if len(names) > 1 else [],
        "best": {"trial": best.trial, "values": dict(best.values)},
        "confirmation": [
            {key: getattr(c, key) for key in ("trial", "values", "mean", "score", "per_seed")} for c in confirmed
        ],
        "prediction": {"metric": tested} | {name: _predicted(found[tested]) for name, found in metrics.items()},
        "recipe": recipe(protocols["start"], protocols["best"], region, parameters),
        "budget": {"trials": len(finished)} | counts,
    }


def _predicted(found: Mapping[str, Any]) -> dict[str, Any]:
    per_seed = found.get("per_seed", found.get("ratio_per_seed"))
    values = np.array(per_seed, float)
    return over_seeds(values, found.get("unit", ""))


def _unit(study: Study, name: str, metrics: Mapping[str, Any]) -> str:
    own = next((d.unit for d in study.space if d.path == name), None)
    return metrics.get(name, {}).get("unit", "") if own is None else own


def _write_trials(study: Study, finished: list[Finished]) -> None:
    """``search.csv``: a line for each trial."""
    import pandas as pd

    paths = {d.path: f"{d.path} [{d.unit}]" if d.unit else d.path for d in study.space}
    worth = [f"{name} {what}" for name in study.search.objectives for what in ("mean", "bound")]
    rows = []
    for done in finished:
        pairs = zip(done.means or [], done.scores or [], strict=True)
        row = {"trial": done.number, "state": done.state}
        row |= {column: done.values.get(path) for path, column in paths.items()}
        row |= dict(zip(worth, (x for pair in pairs for x in pair), strict=False))
        row |= {"seeds": len(done.per_seed[0]) if done.per_seed else None, "seconds": done.seconds}
        rows.append(row | {"worker": done.worker, "reason": done.reason})
    columns = ["trial", "state", *paths.values(), *worth, "seeds", "seconds", "worker", "reason"]
    unfinished = study.folder / "search.csv.unfinished"
    pd.DataFrame(rows, columns=columns, dtype=object).to_csv(unfinished, index=False)
    os.replace(unfinished, study.folder / "search.csv")


def _write_best(study: Study, best: Protocol, options: cli.Options) -> None:
    """``best.yaml``: a protocol file of the best parameters, with the published values it names beside it."""
    (study.folder / "best.yaml").write_text(run_directory.resolved(best))
    if options.targets is not None and best.targets is not None:
        copy = study.folder / best.targets
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(options.targets.read_bytes())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    os.replace(unfinished, path)


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print the recipe and its predicted result."""
    table = Table("", "start", "best", "does as well", box=box.SIMPLE_HEAD)
    for row in found["recipe"]:
        table.add_row(row["what"], row["start"], row["best"], row["range"] or "")
    console.print(table)
    prediction = found["prediction"]
    for name in ("start", "best"):
        it = prediction[name]
        interval = "" if it["ci95"] is None else f" [{it['ci95'][0]:.4g}, {it['ci95'][1]:.4g}]"
        console.print(f"{prediction['metric']}, {name}: {it['mean']:.4g}{interval} {it['unit']} (n = {it['n']})")
    if found["best"]["values"] == {p["path"]: p["start"] for p in found["parameters"]}:
        console.print("No trial did better than the protocol's own values on fresh seeds.")
