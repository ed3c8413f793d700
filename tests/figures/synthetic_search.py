"""Answers of a search made of a known function; no simulation, no search."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from protocols.loading.loader import load
from protocols.results.statistics import over_seeds
from protocols.search.answer import surrogate
from protocols.search.answer.encoding import value_at
from protocols.search.answer.recipe import recipe

PARAMETERS: list[dict[str, Any]] = [
    {"path": "culture.excitatory.strength", "kind": "float", "unit": "mV", "low": 10, "high": 400, "scale": "log"},
    {"path": "culture.neurons.count", "kind": "int", "unit": "", "low": 120, "high": 480, "scale": "linear"},
    {"path": "association.presentation", "kind": "float", "unit": "ms", "low": 50, "high": 400, "scale": "linear"},
    {"path": "association.training.learning_rate.factor", "kind": "float", "unit": "", "low": 0.001, "high": 1,
     "scale": "log"},
    {"path": "association.training.order", "kind": "choice", "unit": "", "choices": ["interleaved", "shuffled"]},
]  # fmt: skip
STARTS = (40.0, 240, 200.0, 0.05, "interleaved")
for _parameter, _start in zip(PARAMETERS, STARTS, strict=True):
    _parameter.update({"low": _parameter.get("low"), "high": _parameter.get("high"), "scale": _parameter.get("scale")})
    _parameter.update({"choices": _parameter.get("choices"), "start": _start})
VARIANTS: dict[str, dict[str, Any]] = {"one": {}, "two": {"objectives": 2}, "single": {"trials": 1}}
ACCURACY = {"metric": "accuracy/validation", "direction": "maximise", "unit": "fraction correct"}
SPIKES = {"metric": "spikes/presentation", "direction": "minimise", "unit": "spikes"}


def _truth(values: dict[str, Any]) -> list[float]:
    away = math.log10(values["culture.excitatory.strength"] / 90)
    factor = math.log10(values.get("association.training.learning_rate.factor", 0.05) / 0.02)
    accuracy = 0.965 - 0.3 * away**2 - 0.05 * factor**2 - 0.1 * (values["culture.neurons.count"] / 480 - 0.9) ** 2
    accuracy -= 0.02 * (values["association.training.order"] == "shuffled")
    return [accuracy, values["culture.neurons.count"] * values["culture.excitatory.strength"] / 20]


def _trials(n: int, objectives: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    trials = []
    for number in range(n):
        values: dict[str, Any] = dict(zip((p["path"] for p in PARAMETERS), STARTS, strict=True))
        for p in PARAMETERS if number else ():
            value = value_at(p, rng.random()) if p["choices"] is None else str(rng.choice(p["choices"]))
            values[p["path"]] = round(value) if p["kind"] == "int" or p["unit"] == "ms" else value
        if number % 9 == 4:
            del values["association.training.learning_rate.factor"]  # inactive
        state = "failed" if number % 23 == 11 else "pruned" if number % 5 in (2, 4) and number else "complete"
        trial: dict[str, Any] = {"number": number, "state": state, "values": values, "seconds": 10.0}
        spread = (0.008, 40.0)
        means = [truth + sd * rng.standard_normal() for truth, sd in zip(_truth(values), spread, strict=True)]
        seeds = [mean + sd * rng.standard_normal(2) for mean, sd in zip(means, spread, strict=True)]
        complete = state == "complete"
        trial["means"] = means[:objectives] if complete else None
        trial["scores"] = [means[0] - 0.012, means[1] + 60.0][:objectives] if complete else None
        trial["per_seed"] = [list(found) for found in seeds][:objectives] if complete else None
        trials.append(trial)
    return trials


def _front(trials: list[dict[str, Any]]) -> list[int]:
    def beats(one: dict[str, Any], other: dict[str, Any]) -> bool:
        (a, b), (c, d) = one["scores"], other["scores"]
        return a >= c and b <= d and (a, b) != (c, d)

    complete = [trial for trial in trials if trial["state"] == "complete"]
    return [trial["number"] for trial in complete if not any(beats(other, trial) for other in complete)]


def answer(trials: int = 80, objectives: int = 1) -> dict[str, Any]:
    """Content of ``answer.json`` for a search with `trials` trials."""
    goals = [ACCURACY, SPIKES][:objectives]
    tried = _trials(trials, objectives)
    complete = [trial for trial in tried if trial["state"] == "complete"]
    best = max(complete, key=lambda trial: trial["scores"][0])
    shares, surfaces, region = {}, [], {}
    for index, goal in enumerate(goals):
        shares[goal["metric"]] = surrogate.importance(PARAMETERS, tried, index)
        fitted = surrogate.fit(PARAMETERS, tried, index, goal["direction"])
        found = surrogate.surfaces(fitted, PARAMETERS, shares[goal["metric"]], best["values"], goal["metric"])
        surfaces += found
        region = region or surrogate.region(fitted, PARAMETERS, np.random.default_rng(0))
    start = load("mnist01")
    sets = [f"{p}={v} {u}".strip() for p, v, u in ((p["path"], best["values"].get(p["path"]), p["unit"])
            for p in PARAMETERS) if v is not None]  # fmt: skip
    rng = np.random.default_rng(1)
    measured = {
        name: over_seeds(mean + sd * rng.standard_normal(8), "fraction correct")
        for name, mean, sd in (("start", 0.952, 0.012), ("best", 0.974, 0.005))
    }
    counts = {state: sum(trial["state"] == state for trial in tried) for state in ("complete", "pruned", "failed")}
    return {
        "name": "mnist01_search",
        "title": "MNIST 0/1: which culture learns best",
        "citation": "after Lagani, Falchi, Gennaro, Amato 2021, NER",
        "objectives": goals,
        "parameters": PARAMETERS,
        "trials": tried,
        "importance": shares,
        "surfaces": surfaces,
        "region": region,
        "pareto": _front(tried) if objectives == 2 else [],
        "best": {"trial": best["number"], "values": best["values"]},
        "confirmation": [{"trial": best["number"], "mean": 0.97, "score": 0.965, "per_seed": [0.97, 0.97]}],
        "prediction": {"metric": "accuracy/test", **measured},
        "recipe": recipe(start, load("mnist01", sets), region, PARAMETERS),
        "budget": {"trials": trials, **counts, "seconds": 1500.0, "jobs": 2},
    }


def write_study(folder: Path, content: dict[str, Any]) -> Path:
    """A study directory with this answer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "answer.json").write_text(json.dumps(content))
    return folder
