"""The parts of a search's answer: what was sought, tried, found and predicted."""

from textwrap import fill
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

#: what a metric of a network's method and labelled fraction begins with
OF_NETWORKS = {"validation": "accuracy on validation images", "accuracy": "accuracy on test images"}
NAMES = {
    "accuracy/validation": "accuracy on validation images",
    "accuracy/validation_lowest": "lowest accuracy on validation images",
    "accuracy/test": "accuracy on test images",
}
SIDE = 32  # characters along a panel


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
        lines = [fill(spoken(self.metric), SIDE), *([f"({self.unit})"] if self.unit else [])]
        return self.label if len(self.label) <= SIDE else "\n".join(lines)


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
        return short(self.path)

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


def _number(found: list[float | None] | None, index: int) -> float:
    value = found[index] if found else None
    if value is None:
        raise ValueError("an incomplete trial has no score")
    return value


def spoken(metric: str) -> str:
    """A metric, or a parameter that is sought to be small or large, in words."""
    if metric in NAMES:
        return NAMES[metric]
    kind, slash, rest = metric.partition("/")
    return f"{OF_NETWORKS.get(kind, kind)}, {rest.replace('/', ', ')}".replace("_", " ") if slash else short(metric)


def short(path: str) -> str:
    """A dotted path in words, without the section it begins with."""
    _, _, below = path.partition(".")
    return (below or path).replace(".", " ").replace("_", " ")


def labelled(name: str, unit: str) -> str:
    """A name with its unit, where it has one."""
    return f"{name} ({unit})" if unit else name


def counted(n: int, word: str) -> str:
    """A number of things, in words."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"
