"""The answer of a parameter search, read from its study directory."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from textwrap import fill
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

FILE = "answer.json"
NAMES = {
    "accuracy/validation": "accuracy on validation images",
    "accuracy/test": "accuracy on test images",
}
SIDE = 32  # characters along a panel
START = 0  # the trial of the values that the search started from


class Part(BaseModel):
    """A frozen part of the answer; further keys are left to those who need them."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Objective(Part):
    """A metric of the protocol and where it is to go."""

    metric: str
    direction: Literal["maximise", "minimise"]
    unit: str = ""

    @property
    def label(self) -> str:
        """For an axis: the metric in words, with its unit."""
        return labelled(spoken(self.metric), self.unit)

    @property
    def tall(self) -> str:
        """The label in lines that fit beside a panel."""
        return fill(self.label, SIDE)


class Parameter(Part):
    """What was searched: a number between `low` and `high`, or a choice."""

    path: str
    kind: Literal["float", "int", "choice"]
    unit: str = ""
    low: float | None = None
    high: float | None = None
    scale: Literal["linear", "log"] | None = None
    choices: list[Any] | None = None
    start: Any

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.kind == "choice" and not self.choices:
            raise ValueError("a choice without choices")
        if self.kind != "choice" and (self.low is None or self.high is None):
            raise ValueError("a number without low and high")
        return self

    @property
    def name(self) -> str:
        """The path in words, without the section it is of."""
        _, _, below = self.path.partition(".")
        return (below or self.path).replace(".", " ").replace("_", " ")

    @property
    def label(self) -> str:
        """For an axis: the name with its unit."""
        return labelled(self.name, self.unit)


class Trial(Part):
    """One set of values; `means`, `scores` and `per_seed` hold an entry an objective where it is complete."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    values: dict[str, Any]
    means: list[float | None] | None = None
    scores: list[float | None] | None = None
    per_seed: list[list[float] | None] | None = None

    def score(self, index: int) -> float:
        """The pessimistic bound of an objective; of a complete trial."""
        return _number(self.scores, index)

    def mean(self, index: int) -> float:
        """The mean over seeds of an objective; of a complete trial."""
        return _number(self.means, index)


class Surface(Part):
    """A slice of an objective through the best point; `mean` and `sd` have a row a y value."""

    objective: str
    x: str
    y: str
    x_values: list[float]
    y_values: list[float]
    mean: list[list[float]]
    sd: list[list[float]]

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        for rows in (self.mean, self.sd):
            if [len(row) for row in rows] != [len(self.x_values)] * len(self.y_values):
                raise ValueError("rows of another number than its x and y values")
        return self


class Best(Part):
    """The trial that the search recommends."""

    trial: int
    values: dict[str, Any]


class Measured(Part):
    """A metric over seeds."""

    mean: float
    sd: float | None = None
    ci95: tuple[float, float] | None = None
    n: int
    unit: str = ""
    per_seed: list[float]


class Prediction(Part):
    """The metric on data and seeds that the search never saw, before and after."""

    metric: str
    start: Measured
    best: Measured


class Line(Part):
    """A line of the recipe."""

    what: str
    start: str
    best: str
    range: str | None = None
    searched: bool


class Budget(Part):
    """What the search took."""

    trials: int
    complete: int
    pruned: int
    failed: int
    seconds: float
    jobs: int = 1


class Answer(Part):
    """What a search found; the keys of ``answer.json``."""

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
        """The trials that have scores, in their order."""
        return self.of_state("complete")

    def of_state(self, state: str) -> list[Trial]:
        """The trials that ended so, in their order."""
        return sorted((trial for trial in self.trials if trial.state == state), key=lambda trial: trial.number)

    @property
    def best_trial(self) -> Trial:
        """The trial that the search recommends."""
        return next(trial for trial in self.complete if trial.number == self.best.trial)

    @property
    def start_trial(self) -> Trial | None:
        """The complete trial of the values that the search started from."""
        return next((trial for trial in self.complete if trial.number == START), None)

    @property
    def learners(self) -> str:
        """What was grown or built."""
        return "cultures" if any(line.what.startswith("Neuron density") for line in self.recipe) else "networks"


def _number(found: list[float | None] | None, index: int) -> float:
    value = found[index] if found else None
    if value is None:
        raise ValueError("an incomplete trial has no score")
    return value


def spoken(metric: str) -> str:
    """A metric in words."""
    return NAMES.get(metric, metric.replace("/", ", ").replace("_", " "))


def labelled(name: str, unit: str) -> str:
    """A name with its unit, where it has one."""
    return f"{name} ({unit})" if unit else name


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
