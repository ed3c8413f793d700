"""Result of a parameter search, read from ``answer.json`` in its study directory."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError, model_validator

from figures.runs.study_parts import Best, Budget, Line, Objective, Parameter, Part, Prediction, Surface, Trial

FILE = "answer.json"
START = 0  # number of the trial with the values that the search started from


class Answer(Part):
    """Result of a search; the fields are the keys of ``answer.json``."""

    name: str
    title: str
    citation: str
    objectives: list[Objective]
    parameters: list[Parameter]
    trials: list[Trial]
    importance: dict[str, dict[str, float]]
    surfaces: list[Surface]
    region: dict[str, Any]
    pareto: list[int]
    best: Best
    confirmation: list[dict[str, Any]]
    prediction: Prediction | None
    recipe: list[Line]
    budget: Budget

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if not self.objectives or not self.trials:
            raise ValueError("no objective or no trial")
        for trial in self.complete:
            for name, found in (("means", trial.means), ("scores", trial.scores)):
                if found is None or len(found) != len(self.objectives) or None in found:
                    raise ValueError(f"trials: {trial.number} is complete and has not {len(self.objectives)} {name}")
        missing = {self.best.trial, *self.pareto} - {trial.number for trial in self.complete}
        if missing:
            raise ValueError(f"trials: no complete trial {min(missing)}, which best or pareto names")
        named = {path for trial in self.trials for path in trial.values} | {
            p for s in self.surfaces for p in (s.x, s.y)
        }
        unknown = (named | {path for shares in self.importance.values() for path in shares}) - self.by_path.keys()
        if unknown:
            raise ValueError(f"parameters: no {min(unknown)}, which trials, importance or surfaces name")
        return self

    @cached_property
    def by_path(self) -> Mapping[str, Parameter]:
        """The parameters by their path."""
        return {parameter.path: parameter for parameter in self.parameters}

    @property
    def complete(self) -> list[Trial]:
        """Complete trials, which have scores, in order."""
        return self.of_state("complete")

    def of_state(self, state: str) -> list[Trial]:
        """Trials in a state, in order."""
        return sorted((trial for trial in self.trials if trial.state == state), key=lambda trial: trial.number)

    @property
    def best_trial(self) -> Trial:
        """The trial that the search recommends."""
        return next(trial for trial in self.complete if trial.number == self.best.trial)

    @property
    def start_trial(self) -> Trial | None:
        """The trial of the values that the search started from; None if it is not complete."""
        return next((trial for trial in self.complete if trial.number == START), None)

    @property
    def learners(self) -> str:
        """Kind of the learners: cultures or networks."""
        kinds = {line.what.partition(" ")[0] for line in self.recipe}
        searched = any(parameter.path.startswith("culture.") for parameter in self.parameters)
        return "cultures" if "Neuron" in kinds or (searched and "Layers" not in kinds) else "networks"


def read_answer(study_dir: Path) -> Answer:
    """Read ``answer.json`` of a study.

    Raises
    ------
    RuntimeError
        With one line, if it is missing or damaged.
    """
    path = study_dir / FILE
    try:
        return Answer.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        message = fault["msg"].removeprefix("Value error, ").replace("\n", " ")
        raise RuntimeError(f"{path}: damaged answer: {place + ': ' if place else ''}{message}") from None
    except FileNotFoundError:
        raise RuntimeError(f"{study_dir}: no finished search: {FILE} is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RuntimeError(f"{path}: damaged answer: {error}") from None
