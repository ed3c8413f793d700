"""The ``search:`` section: which parameters may change, what is sought, how, and for how long."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from protocols.spec.quantity import Duration
from protocols.spec.section import Section

Count = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Seed = Annotated[int, Field(ge=0, le=2**62, strict=True)]
Share = Annotated[float, Field(gt=0, lt=1)]
Path = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[\w %-]+)*$")]
CONFIRMATION_OFFSET = 10**12  # above the seeds of a million trials of a million seeds
Plain = bool | int | float | str | None
Bound = Annotated[int | float | str, Field(union_mode="left_to_right")]


class Parameter(Section):
    """What every searched parameter has.

    Parameters
    ----------
    when
        Values of other searched choices under which this one exists; elsewhere the protocol's own value stands.
    """

    when: dict[Path, Plain | list[Plain]] = Field(default_factory=dict)


class Range(Parameter):
    """A number or a quantity between two bounds, in the unit of `low`.

    Parameters
    ----------
    low, high
        Bounds, both included, with the unit of the protocol's own value.
    scale
        ``log`` searches by factors.
    step
        Only whole multiples of it above `low`, in the same unit.
    """

    low: Bound
    high: Bound
    scale: Literal["linear", "log"] = "linear"
    step: Bound | None = None


class Choice(Parameter):
    """One of several values."""

    choices: Annotated[list[Any], Field(min_length=1, max_length=100)]


def _parameter_kind(value: Any) -> str:
    has_choices = "choices" in value if isinstance(value, dict) else isinstance(value, Choice)
    return "choices" if has_choices else "range"


AnyParameter = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choice, Tag("choices")], Discriminator(_parameter_kind)
]


class RandomSampler(Section):
    """Every trial drawn from the whole space."""

    sampler: Literal["random"]


class GridSampler(Section):
    """All combinations of `points` values of each range and all choices."""

    sampler: Literal["grid"]
    points: Annotated[int, Field(ge=2, le=1000, strict=True)] = 4


class TpeSampler(Section):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), multivariate, after `startup` random trials."""

    sampler: Literal["tpe"] = "tpe"
    startup: Count = 16


class CmaEsSampler(Section):
    """Covariance matrix adaptation (Hansen 2001); of ranges only."""

    sampler: Literal["cma_es"]


class CoordinateDescentSampler(Section):
    """One parameter after the other, `points` values each, the best so far kept; every round in a smaller range.

    Parameters
    ----------
    points
        Values tried along one parameter before the next one's turn.
    shrink
        Factor on the range, which is centred on the best, after each round.
    """

    sampler: Literal["coordinate_descent"]
    points: Annotated[int, Field(ge=2, le=1000, strict=True)] = 5
    shrink: Share = 0.5


Sampler = RandomSampler | GridSampler | TpeSampler | CmaEsSampler | CoordinateDescentSampler


class Budget(Section):
    """When the search ends: at so many finished trials, or after so long in one command, whichever comes first."""

    trials: Count | None = None
    time: Annotated[Duration, Field(gt=0, le=1e8)] | None = None

    @model_validator(mode="after")
    def _some_end(self) -> Self:
        if self.trials is None and self.time is None:
            raise ValueError("has no end; allowed: trials, time, or both")
        return self


class Pruning(Section):
    """Stops a trial whose learning curve is hopeless.

    At every point of the curve its best value so far is compared with the values of the finished trials at that point
    (the median stopping rule of Golovin et al. 2017, for any quantile).

    Parameters
    ----------
    warmup
        Share of a trial's curve that is always run.
    quantile
        A trial goes on while it is above this quantile of the others.
    startup
        Finished trials before the first one is stopped.
    """

    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.25
    quantile: Share = 0.5
    startup: Count = 8


class Confirmation(Section):
    """The best trials once more, on fresh seeds: the winner of many noisy trials owes something to luck.

    Parameters
    ----------
    candidates
        How many of the best trials; the protocol's own values are always among them.
    seeds
        Fresh seeds each.
    """

    candidates: Count = 4
    seeds: Count = 5


class Search(Section):
    """A search for better parameters.

    Parameters
    ----------
    space
        Searched parameters by dotted path.
    objectives
        Metrics, each ``maximise`` or ``minimise``; several give a Pareto front. Never one of test images. A numeric
        parameter's dotted path may stand beside them, for example to keep a culture small.
    score
        What is optimised: the ``mean`` over seeds, or its ``lower_bound`` (one-sided, Student's t, at `confidence`;
        of an objective to be minimised the upper one).
    seeds, first_seed
        How many seeds a trial has; the first one of the first trial.
    fresh_seeds
        Every trial has seeds of its own; else all have the same, and the search finds what suits just these.
    search_seed
        Of the sampler.
    trial
        What a trial does otherwise than the protocol, by dotted path: less data, fewer evaluations.
    cluster
        Options for dask-jobqueue, by its own names.
    """

    space: Annotated[dict[Path, AnyParameter], Field(min_length=1)]
    objectives: Annotated[dict[str, Literal["maximise", "minimise"]], Field(min_length=1)]
    budget: Budget
    sampler: Annotated[Sampler, Field(discriminator="sampler")] = TpeSampler()
    score: Literal["lower_bound", "mean"] = "lower_bound"
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.8
    seeds: Count = 2
    first_seed: Seed = 10000
    fresh_seeds: bool = True
    search_seed: Seed = 0
    trial: dict[str, Any] = Field(default_factory=dict)
    pruning: Pruning | None = None
    confirmation: Confirmation = Confirmation()
    cluster: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pruning is not None and len(self.objectives) > 1:
            raise ValueError("pruning: several objectives; allowed: with a single one")
        kinds = {type(parameter) for parameter in self.space.values()}
        if isinstance(self.sampler, CmaEsSampler) and (Choice in kinds or any(p.when for p in self.space.values())):
            raise ValueError("sampler: cma_es; allowed: with ranges only, none of them conditional")
        seen: set[str] = set()
        for path, parameter in self.space.items():
            for other in parameter.when:
                if other not in seen or not isinstance(self.space[other], Choice):
                    raise ValueError(f"space.{path}.when.{other}: allowed: a parameter with choices that stands before")
            seen.add(path)
        return self


def trial_seeds(search: Search, number: int) -> range:
    """The seeds of one trial."""
    first = search.first_seed + (number * search.seeds if search.fresh_seeds else 0)
    return range(first, first + search.seeds)


def confirmation_seeds(search: Search) -> range:
    """Seeds that no trial has."""
    first = search.first_seed + CONFIRMATION_OFFSET
    return range(first, first + search.confirmation.seeds)
