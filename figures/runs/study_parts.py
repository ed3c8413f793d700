"""Parts of a search's result: objectives, parameters, trials, surfaces, prediction, recipe."""

from textwrap import fill
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

#: names of a network's metrics, by the first part of their path
OF_NETWORKS = {"validation": "accuracy on validation images", "accuracy": "accuracy on test images"}
NAMES = {
    "accuracy/validation": "accuracy on validation images",
    "accuracy/validation_lowest": "lowest accuracy on validation images",
    "accuracy/test": "accuracy on test images",
    "validation/culture": "accuracy on validation trials",  # of a culture as a reservoir
    "accuracy/culture": "accuracy on test trials",
}
SIDE = 32  # characters of an axis label that fit beside a panel


class Part(BaseModel):
    """A frozen part of the result; unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Objective(Part):
    """A metric of the protocol and its direction."""

    metric: str
    direction: Literal["maximise", "minimise"]
    unit: str = ""

    @property
    def label(self) -> str:
        """Axis label: name of the metric with its unit."""
        return labelled(spoken(self.metric), self.unit)

    @property
    def tall(self) -> str:
        """Axis label in lines that fit beside a panel."""
        lines = [fill(spoken(self.metric), SIDE), *([f"({self.unit})"] if self.unit else [])]
        return self.label if len(self.label) <= SIDE else "\n".join(lines)


class Parameter(Part):
    """A searched parameter: a number between `low` and `high`, or a choice."""

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
        """The path as words, without its first section."""
        return short(self.path)

    @property
    def label(self) -> str:
        """Axis label: the name with its unit."""
        return labelled(self.name, self.unit)


class Trial(Part):
    """A trial of one set of values; `means`, `scores` and `per_seed` have an entry per objective if it is complete."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    values: dict[str, Any]
    means: list[float | None] | None = None
    scores: list[float | None] | None = None
    per_seed: list[list[float] | None] | None = None

    def score(self, index: int) -> float:
        """Score of a complete trial: the pessimistic bound of an objective."""
        return _number(self.scores, index)

    def mean(self, index: int) -> float:
        """Mean over seeds of an objective, of a complete trial."""
        return _number(self.means, index)


class Surface(Part):
    """A slice of an objective through the best point; `mean` and `sd` have a row per y value."""

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
                raise ValueError("the shape differs from the numbers of x and y values")
        return self


class Best(Part):
    """The trial that the search recommends."""

    trial: int
    values: dict[str, Any]


class Measured(Part):
    """Summary statistics of a metric over seeds."""

    mean: float
    sd: float | None = None
    ci95: tuple[float, float] | None = None
    n: int
    unit: str = ""
    per_seed: list[float]


class Prediction(Part):
    """A metric on data and seeds that the search never used, for the start and for the best values."""

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
    """Cost of the search: trials, time, jobs."""

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
    """Readable name of a metric, or of a parameter that is an objective."""
    if metric in NAMES:
        return NAMES[metric]
    kind, slash, rest = metric.partition("/")
    return f"{OF_NETWORKS.get(kind, kind)}, {rest.replace('/', ', ')}".replace("_", " ") if slash else short(metric)


def short(path: str) -> str:
    """Words of a dotted path, without its first section."""
    _, _, below = path.partition(".")
    return (below or path).replace(".", " ").replace("_", " ")


def labelled(name: str, unit: str) -> str:
    """A name with its unit, if it has one."""
    return f"{name} ({unit})" if unit else name


def counted(n: int, word: str) -> str:
    """A number with its noun, in the plural unless it is 1."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"
